"""The index of a run's corpus: opened, or built when it is first needed.

It is stored in the run, next to the checkpoints, but is not part of a checkpoint, so that sharing a
model does not share its corpus.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from charrnn.config.arguments import ignore
from charrnn.config.run_config import DataConfig
from charrnn.corpus.corpus import Corpus
from charrnn.corpus.reading import STDIN, stream
from charrnn.errors import CheckpointError, CorpusError, DamagedError
from charrnn.originality.corpus_index import PLACE_BYTES, Index
from charrnn.originality.suffix_array import OnProgress
from charrnn.storage import strict_json
from charrnn.storage.atomic import read_regular
from charrnn.storage.checkpoint import read_about
from charrnn.storage.run import Run, read_yaml_beside
from charrnn.vocab import Vocabulary

LONG = 5_000_000  # characters; indexing this many takes some seconds
MOST_NAMES = 200  # characters of the corpus's file names in an error
MOST_REASON = 100  # characters of a reason in an error

Tell = Callable[[str], object]


class _Text(NamedTuple):
    """A text that was read as a corpus.

    Args:
        paths: where it was read.
        blocks: all of it.
        files: the name of each file, and the position of its first symbol.
        corpus: the text as ids, split.
    """

    paths: Sequence[str]
    blocks: list[str | bytes]
    files: list[tuple[str, int]]
    corpus: Corpus


def open_index(
    checkpoint: Path,
    tell: Tell,
    corpus: Sequence[str] = (),
    on_progress: OnProgress = ignore,
) -> Index:
    """The index of the corpus that a checkpoint was trained on.

    If the run has none yet, it is built from that corpus and stored in the run.

    Args:
        checkpoint: a checkpoint's directory, as ``find_checkpoint`` returns it.
        tell: called with sentences about building it.
        corpus: where the corpus is now, if not where the run read it.
        on_progress: called with the number of symbols that each step has put in their place.

    Raises:
        CheckpointError: the corpus is missing or has changed, or the index cannot be read.
        DamagedError: the index, or the checkpoint, is damaged.
        CorpusError: the corpus is too long, or a file of ``corpus`` cannot be read.
    """
    run = Run(checkpoint.parent)
    metadata = read_about(checkpoint)["about"]
    fingerprint = corpus_fingerprint(checkpoint)
    kept = _kept_index(run, fingerprint)
    if kept is not None:
        if corpus:
            tell(f"`corpus` was not read, since the run has an index in {run.originality}")
        return kept
    begin = time.perf_counter()
    num_symbols = _num_symbols(metadata)
    if num_symbols >= LONG:
        tell(
            f"indexing the {num_symbols:,} characters of the corpus; this happens only once and "
            "takes about a second per 2 million"
        )
    text = _read(checkpoint, run, metadata, corpus)
    _check_same(text, checkpoint, metadata, fingerprint)
    index = Index.of(text.blocks, text.files, text.corpus.fingerprint, on_progress)
    if fingerprint is None:
        tell(
            f"{checkpoint} has no training state, so only the length of the corpus was checked, "
            "not its content"
        )
    where = _keep(index, run, checkpoint)
    size = len(index) * (index.suffixes.width + PLACE_BYTES)
    seconds = time.perf_counter() - begin
    tell(
        f"indexed the corpus: {len(index):,} characters, {seconds:.1f} s, {size / 1e6:.1f} MB "
        f"{where}"
    )
    return index


def _kept_index(run: Run, fingerprint: str | None) -> Index | None:
    """The index stored in a run, unless it is of another corpus."""
    if not run.config.exists() or not run.originality.exists():
        return None
    index = Index.read(run.originality)
    if fingerprint is not None and fingerprint != index.fingerprint:
        return None
    return index


def _keep(index: Index, run: Run, checkpoint: Path) -> str:
    """Write an index into its run, if there is one; returns in words where it is."""
    if not run.config.exists():
        return f"in memory, because {checkpoint} is not in a run"
    try:
        index.write(run.originality)
    except CheckpointError as error:
        return f"in memory, because {error}"
    return f"in {run.originality}"


def _num_symbols(metadata: dict[str, Any]) -> int:
    """The length of the corpus that a checkpoint was trained on."""
    return int(metadata["train_characters"] + metadata["val_characters"])


def _read(
    checkpoint: Path,
    run: Run,
    metadata: dict[str, Any],
    corpus: Sequence[str],
) -> _Text:
    """Read the corpus from the given paths, or else from where the run read it."""
    if corpus:
        return _read_corpus(corpus, metadata)
    paths = metadata["corpus"]
    if run.config.exists():
        paths = read_yaml_beside(run.config).get("corpus") or paths
    if not paths or STDIN in paths:
        source = "read from standard input" if paths else "passed as text in Python"
        raise CheckpointError(
            f"the corpus of {checkpoint} was {source} and not stored; "
            "save it to a file, and give its path as `corpus`"
        )
    try:
        return _read_corpus(paths, metadata)
    except CorpusError as error:
        raise CheckpointError(
            f"the corpus of {checkpoint} cannot be read: {error}; "
            "if it has moved, give its new path as `corpus`"
        ) from None


def _read_corpus(paths: Sequence[str], metadata: dict[str, Any]) -> _Text:
    """Read files as the run of a checkpoint read its corpus."""
    data = DataConfig(**metadata["data"])
    blocks: list[str | bytes] = []
    files: list[tuple[str, int]] = []
    position = 0

    def on_file(file: str) -> None:
        files.append((file, position))

    for block in stream(paths, data, [], on_file):
        blocks.append(block)
        position += len(block)
    corpus = Corpus.of(blocks, data.val_fraction, data.separator, min_count=data.min_count)
    if corpus.vocabulary.replaced:
        blocks, files = _without_rare(corpus.vocabulary, blocks, files)
    return _Text(paths, blocks, files, corpus)


def _without_rare(
    vocabulary: Vocabulary,
    blocks: Sequence[str | bytes],
    files: Sequence[tuple[str, int]],
) -> tuple[list[str | bytes], list[tuple[str, int]]]:
    """The blocks as they were learned, and the place where each file begins in them."""
    before = 0
    learned: list[str | bytes] = []
    places = {0: 0}  # in the text, and in what was learned of it
    after = 0
    for block in blocks:
        learned.append(vocabulary.without_rare(block))
        before += len(block)
        after += len(learned[-1])
        places[before] = after
    return learned, [(file, places[start]) for file, start in files]


def _check_same(
    text: _Text,
    checkpoint: Path,
    metadata: dict[str, Any],
    fingerprint: str | None,
) -> None:
    """Refuse a text that is not the one that a checkpoint was trained on.

    Without a fingerprint only the lengths are compared.
    """
    then = _num_symbols(metadata)
    now = len(text.corpus)
    is_same = then == now
    if fingerprint is not None:
        is_same = fingerprint == text.corpus.fingerprint
    if is_same:
        return
    names = ", ".join(text.paths)[:MOST_NAMES]
    difference = f"which had {then:,} characters; this one has {now:,}"
    if then == now:
        difference = f"which had {then:,} characters, too, but not the same ones"
    raise CheckpointError(
        f"the text in {names} is not the one that {checkpoint} was trained on, {difference}; "
        "restore that one, or give its path as `corpus`"
    )


def corpus_fingerprint(checkpoint: Path) -> str | None:
    """The fingerprint of the corpus that a checkpoint was trained on.

    None if its training state was left out, as in a model that was shared.

    Raises:
        DamagedError: it cannot be read.
    """
    path = checkpoint / "trainer.json"
    try:
        trainer = strict_json.loads(read_regular(path, strict_json.LONGEST))
        return str(trainer["corpus"]["fingerprint"])
    except FileNotFoundError:
        return None
    except (OSError, KeyError, TypeError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None)
        if not reason:
            reason = f"{type(error).__name__}: {ascii(str(error))[:MOST_REASON]}"
        raise DamagedError(
            f"{path} cannot be read: {reason}; copy it again, or use another checkpoint"
        ) from None
