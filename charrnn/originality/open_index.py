"""The index of a run's corpus, kept beside its checkpoints: opened, or made where it is first
needed. Knows not what it is for.

It is no part of a checkpoint: a model that is shared does not take its corpus along.
"""

import time
from collections.abc import Callable, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

from charrnn.config.run_config import DataConfig
from charrnn.corpus.corpus import Corpus
from charrnn.corpus.reading import STDIN, stream
from charrnn.errors import CheckpointError, CorpusError, DamagedError
from charrnn.originality.corpus_index import Index
from charrnn.storage import strict_json
from charrnn.storage.atomic import read_regular
from charrnn.storage.checkpoint import read_about
from charrnn.storage.run import Run, read_yaml_beside

LONG = 5_000_000  # characters, that take some seconds

Tell = Callable[[str], object]


def open_index(checkpoint: Path, tell: Tell, corpus: Sequence[str] = ()) -> Index:
    """The index of the corpus that a checkpoint was trained on; where there is none yet, made of
    that corpus and kept with the run.

    Args:
        checkpoint: a checkpoint's directory, as ``find_checkpoint`` gives it.
        tell: called with a sentence on what it took to make it.
        corpus: where the corpus stands now, if not where the run found it.

    Raises:
        CheckpointError: the corpus is not there, or is another one; or the index cannot be read.
        DamagedError: the index, or the checkpoint, is damaged.
        CorpusError: it is too long; or a file of ``corpus`` cannot be read.
    """
    run, about = Run(checkpoint.parent), read_about(checkpoint)["about"]
    fingerprint = _fingerprint(checkpoint)
    in_a_run = run.config.exists()
    if in_a_run and run.originality.exists():
        index = Index.read(run.originality)
        if fingerprint in (None, index.fingerprint):
            return index
    begin = time.perf_counter()
    paths = (
        corpus
        or (read_yaml_beside(run.config).get("corpus") if in_a_run else None)
        or about["corpus"]
    )
    if (characters := about["train_characters"] + about["val_characters"]) >= LONG:
        tell(
            f"making an index of the {characters:,} characters of the corpus, once; about a second for each 2 million"
        )
    index = _made(checkpoint, about, fingerprint, paths, given=bool(corpus))
    if fingerprint is None:
        tell(
            f"{checkpoint} is a model to share: that this is its corpus was checked by its length alone"
        )
    where = (
        f"in {run.originality}" if in_a_run else f"in memory, since {checkpoint} stands in no run"
    )
    try:
        if in_a_run:
            index.write(run.originality)
    except CheckpointError as error:
        where = f"in memory, since {error}"
    size, seconds = len(index) * (index.suffixes.width + 4), time.perf_counter() - begin
    tell(
        f"made an index of the corpus: {len(index):,} characters, {seconds:.1f} s, {size / 1e6:.1f} MB {where}"
    )
    return index


def _made(
    checkpoint: Path,
    about: dict[str, Any],
    fingerprint: str | None,
    paths: Sequence[str],
    *,
    given: bool,
) -> Index:
    """Of the files, which must be those that the checkpoint was trained on."""
    if not paths or (STDIN in paths and not given):
        source = "standard input" if paths else "a text given in Python"
        raise CheckpointError(
            f"the corpus of {checkpoint} was {source}, and is not kept; put it into a file, and name that with --corpus"
        )
    data = DataConfig(**about["data"])
    begun, blocks = (
        list[tuple[str, int]](),
        list[str | bytes](),
    )  # each file, and how many blocks come before it
    try:
        for block in stream(paths, data, [], lambda file: begun.append((file, len(blocks)))):
            blocks.append(block)
        text = Corpus.of(blocks, data.val_fraction, data.separator)
    except CorpusError as error:
        if given:
            raise
        raise CheckpointError(
            f"the corpus of {checkpoint} cannot be read: {error}; or name its new place with --corpus"
        ) from None
    then, now = about["train_characters"] + about["val_characters"], len(text)
    if (fingerprint or then) != (text.fingerprint if fingerprint else now):
        raise CheckpointError(
            f"the text in {', '.join(paths)[:200]} is not the corpus of {checkpoint}: {then:,} characters then, "
            f"{now:,} now{', but other ones' if then == now else ''}; bring the old text back, or name it with --corpus"
        )
    starts = list(accumulate(map(len, blocks), initial=0))
    return Index.of(blocks, [(file, starts[number]) for file, number in begun], text.fingerprint)


def _fingerprint(checkpoint: Path) -> str | None:
    """Of the corpus that a checkpoint was trained on; None where that was left out of a model to
    share.

    Raises:
        DamagedError: it cannot be read.
    """
    path = checkpoint / "trainer.json"
    try:
        return str(
            strict_json.loads(read_regular(path, strict_json.LONGEST))["corpus"]["fingerprint"]
        )
    except FileNotFoundError:
        return None
    except (OSError, KeyError, TypeError, ValueError, RecursionError) as error:
        reason = (
            getattr(error, "strerror", None) or f"{type(error).__name__}: {ascii(str(error))[:100]}"
        )
        raise DamagedError(
            f"{path} cannot be read: {reason}; copy it again, or use another checkpoint"
        ) from None
