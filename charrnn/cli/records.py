"""The part of charrnn sample that writes records: which are kept, and what is said of them."""

import sys
from collections.abc import Callable, Iterator
from typing import Any

import click

from charrnn.cli.console import tell
from charrnn.cli.options import Decorator
from charrnn.cli.output import json_line
from charrnn.corpus.records import quantiles
from charrnn.errors import CheckpointError, GenerationError
from charrnn.text_model import TextModel

NOT_RUN = (126, 127)  # what a shell says of a command that it cannot run
OPTIONS = (
    click.option("--unique", is_flag=True, help="of records: no two alike"),
    click.option(
        "--new",
        is_flag=True,
        help="of records: none that stands in the corpus, training or validation part",
    ),
    click.option(
        "--accept",
        metavar="COMMAND",
        help="of records: only those on which this shell command, given the record and a newline, exits with 0",
    ),
    click.option(
        "--max-tries",
        type=click.IntRange(1, 10**9),
        help="of records: draw so many at most  [default: 1,000, and 100 for each asked for]",
    ),
    click.option(
        "--report",
        is_flag=True,
        help="of records: say at the end how many are unique and new, and how long they are",
    ),
)


def records_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options that only records have."""
    decorators: tuple[Decorator, ...] = OPTIONS
    for option in reversed(decorators):
        function = option(function)
    return function


def write_records(model: TextModel, asked: Any) -> tuple[str, Iterator[str]]:
    """Whole records, each followed by the separator of the corpus, or a JSON object a line; then
    what became of the others."""
    kept = model.records(
        asked.num_samples,
        prompt=asked.prompt,
        seed=asked.seed,
        unique=asked.unique,
        new=asked.new,
        accept=accepts(asked.accept) if asked.accept else None,
        max_tries=asked.max_tries,
        length=asked.length if "length" in asked.given else None,
        **asked.settings,
    )
    return f"{model.path}, seed {asked.seed}", _written(model, kept, asked)


def _written(model: TextModel, kept: Any, asked: Any) -> Iterator[str]:
    from tqdm import tqdm

    separator, texts = model.about["data"].get("separator") or "\n", list[str]()
    shown = asked.output not in (None, "-")  # on standard output they can be seen coming
    with tqdm(
        total=asked.num_samples,
        unit=" records",
        disable=None if shown else True,
        leave=False,
        file=sys.stderr,
    ) as bar:
        for record in kept:
            texts += [record.text] if asked.report else []
            asked.texts += [record.text[len(asked.prompt) :]] if asked.originality else []
            text = record.text[len(asked.prompt) :] if asked.hide_prompt else record.text
            which = {"seed": asked.seed, "number": record.number}
            settings = {"length": asked.length} if "length" in asked.given else {}
            yield (
                json_line(text, which, settings, record.log_probability, model, asked)
                if asked.as_json
                else text + separator
            )
            bar.update()
    tell(str(kept.tally))
    if asked.report:
        for line in report(texts, model):
            tell(line)


def accepts(command: str) -> Callable[[str], bool]:
    """Whether a shell command exits with 0, given a record and a newline on standard input.

    Raises:
        GenerationError: when it is called, the shell cannot run the command.
    """

    import subprocess

    def accept(text: str) -> bool:
        data = f"{text}\n".encode("utf-8", "surrogateescape")
        code = subprocess.run(
            command, shell=True, input=data, stdout=subprocess.DEVNULL, check=False
        ).returncode
        if code in NOT_RUN:
            raise GenerationError(
                f"--accept: the shell cannot run {command!r} (exit code {code}); check its name and its permissions"
            )
        return code == 0

    return accept


def report(texts: list[str], model: TextModel) -> Iterator[str]:
    """How many of some records are unique and new, and how long they are, beside the corpus's."""
    distinct = set(texts)
    yield f"unique: {len(distinct):,} of {len(texts):,} ({len(distinct) / len(texts):.4f})"
    try:
        new = len(distinct - model.seen_records)
        yield f"new: {new:,} of these {len(distinct):,} ({new / len(distinct):.4f}); the others stand in the corpus"
    except CheckpointError as error:
        yield f"new: not known: {error}"
    lengths = quantiles(map(len, texts))
    of_corpus = (model.about.get("records") or {}).get("lengths", [])
    for whose, numbers in (("these", lengths), ("the corpus", of_corpus)):
        yield f"characters of {whose}: " + ", ".join(
            f"{name} {number}"
            for name, number in zip(
                ("shortest", "quarter", "half", "three quarters", "longest"), numbers, strict=False
            )
        )
