"""The part of ``charrnn sample`` that writes records, and reports on them."""

from collections.abc import Callable, Iterable, Iterator, Sequence

import click

from charrnn.cli.console import print_on_stderr, tell
from charrnn.cli.json_line import json_line
from charrnn.cli.options import WholeNumber, option_group
from charrnn.cli.output import Writing, bar_of_texts
from charrnn.cli.sample_request import SampleRequest
from charrnn.corpus.records import quantiles
from charrnn.errors import CheckpointError, GenerationError
from charrnn.generation.accepted_records import AcceptedRecords
from charrnn.generation.record_sampler import Record
from charrnn.text_model import TextModel

# Exit codes of a shell that cannot run a command.
NOT_RUN = (126, 127)
MIN_OF_PERCENTAGE = 100  # records
QUANTILES = ("shortest", "lower quartile", "median", "upper quartile", "longest")

records_options = option_group(
    click.option("--unique", is_flag=True, help="records: drop duplicates"),
    click.option(
        "--new",
        is_flag=True,
        help="records: drop those that occur in the corpus",
    ),
    click.option(
        "--accept",
        metavar="COMMAND",
        help="records: keep those for which this shell command exits with 0; "
        "it reads the record and a newline from standard input",
    ),
    click.option(
        "--max-tries",
        type=WholeNumber(1, 10**9),
        help="records: the most to draw  [default: 1,000 plus 100 for each one requested]",
    ),
    click.option(
        "--report",
        is_flag=True,
        help="records: report at the end how many are unique and new, and how long they are",
    ),
)


def write_records(model: TextModel, request: SampleRequest) -> Writing:
    """Write whole records, each followed by the separator of the corpus or as a line of JSON.

    If records were dropped, their number is reported on stderr after the last one.

    Raises:
        CharRNNError: the model cannot write what was asked for.
    """
    records = model.records(
        request.num_samples,
        prompt=request.prompt,
        seed=request.seed,
        unique=request.unique,
        new=request.new,
        accept=_shell_filter(request.accept) if request.accept else None,
        max_tries=request.max_tries,
        length=request.length,
        jobs=request.jobs,
        **request.settings,
    )
    new_texts: list[str] = []
    pieces = _pieces(model, request, records, new_texts)
    return Writing(f"{model.path}, seed {request.seed}", pieces, new_texts)


def _pieces(
    model: TextModel,
    request: SampleRequest,
    records: AcceptedRecords,
    new_texts: list[str],
) -> Iterator[str]:
    texts: list[str] = []
    with bar_of_texts(request.output, request.num_samples, " records") as bar:
        for record in records:
            if request.report:
                texts.append(record.text)
            if request.originality:
                new_texts.append(record.text[len(request.prompt) :])
            yield _written(model, request, record)
            bar.update()
    if records.tally.kept < records.tally.drawn:
        tell(str(records.tally))
    if request.report:
        for line in _report(texts, model):
            print_on_stderr(line)


def _written(model: TextModel, request: SampleRequest, record: Record) -> str:
    """A record as it goes to the output."""
    text = record.text
    if request.hide_prompt:
        text = text[len(request.prompt) :]
    if not request.as_json:
        separator: str = model.about["data"].get("separator") or "\n"
        return text + separator
    return json_line(
        model,
        request,
        text,
        record.log_probability,
        which={"seed": request.seed, "number": record.number},
        ends={} if request.length is None else {"length": request.length},
    )


def _shell_filter(command: str) -> Callable[[str], bool]:
    """A function that returns whether a shell command accepts a record.

    The command gets the record and a newline on standard input, and accepts by exiting with 0.

    Raises:
        GenerationError: by the function, if the shell cannot run the command.
    """
    import subprocess

    def accept(text: str) -> bool:
        data = f"{text}\n".encode("utf-8", "surrogateescape")
        process = subprocess.run(
            command,
            shell=True,
            input=data,
            stdout=subprocess.DEVNULL,
            check=False,
        )
        if process.returncode in NOT_RUN:
            raise GenerationError(
                f"--accept: the shell cannot run {command!r} (exit code {process.returncode}); "
                "check its name and its permissions"
            )
        return process.returncode == 0

    return accept


def _report(texts: Sequence[str], model: TextModel) -> Iterator[str]:
    """How many records are unique and new, and their lengths next to those of the corpus."""
    distinct = set(texts)
    yield f"unique: {_ratio(len(distinct), len(texts))}"
    yield _new(distinct, model)
    of_corpus = (model.about.get("records") or {}).get("lengths", [])
    yield _lengths("record lengths", quantiles(map(len, texts)))
    yield _lengths("record lengths in the corpus", of_corpus)


def _new(distinct: set[str], model: TextModel) -> str:
    try:
        new = len(distinct - model.seen_records)
    except CheckpointError as error:
        return f"new: unknown: {error}"
    line = f"new: {_ratio(new, len(distinct))}"
    others = len(distinct) - new
    if others:
        are = "is" if others == 1 else "are"
        line += f"; {others:,} {are} in the corpus"
    return line


def _ratio(part: int, whole: int) -> str:
    """Two counts, such as "3 of 4"; with a percentage if the whole is large enough for one."""
    ratio = f"{part:,} of {whole:,}"
    if part < whole and whole >= MIN_OF_PERCENTAGE:
        ratio += f" ({part / whole:.1%})"
    return ratio


def _lengths(title: str, lengths: Iterable[int]) -> str:
    # A damaged checkpoint may have fewer lengths than there are names.
    named = zip(QUANTILES, lengths, strict=False)
    return f"{title}: " + ", ".join(f"{name} {length}" for name, length in named)
