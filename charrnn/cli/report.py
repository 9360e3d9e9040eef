"""charrnn report: a page, or a model card, about a run. Needs no PyTorch."""

import html
import platform
import re
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click

import charrnn
from charrnn.advice.describe import describe_checkpoint
from charrnn.cli.console import tell
from charrnn.cli.descriptions import (
    corpus_in_words,
    lineage_in_words,
    loss_in_words,
    model_in_words,
    size_in_words,
    steps_in_words,
)
from charrnn.cli.options import quiet_option, runs_dir_option
from charrnn.cli.originality import of_text
from charrnn.cli.output import into_file
from charrnn.cli.paths import check_outputs, refuse_stdout
from charrnn.config.arguments import ignore
from charrnn.config.run_config import DataConfig, RunConfig
from charrnn.config.shell import command, option
from charrnn.corpus.corpus import Corpus, read_corpus
from charrnn.corpus.reading import STDIN
from charrnn.corpus.records import each_record
from charrnn.errors import CharRNNError, ConfigError, CorpusError, GenerationError
from charrnn.originality.open_index import corpus_fingerprint
from charrnn.originality.report import LENGTHS, find_copies
from charrnn.pages.render import allowed, check_jinja, markup, render, render_markdown
from charrnn.plots.curves import read_curves
from charrnn.plots.figure import check_matplotlib, draw
from charrnn.storage.find_run import find_checkpoint
from charrnn.storage.run import CARD, Run, is_card, licence_of, read_yaml_beside
from charrnn.surprise.surprise_map import Colours, css, described, legend, levels, spans
from charrnn.text_model import TextModel, load

TEMPERATURES = (0.5, 0.8, 1.1)
SAMPLE_LENGTH = 400  # characters
SAMPLE_RECORDS = 10
SEED = 1
HELD_OUT = 1_000  # characters
LARGE = 100_000_000  # characters of a corpus that is not read again for a report
PAGE = "report.html"


@dataclass
class Facts:
    """What a report says about a run.

    Args:
        name: of the run.
        table: facts, each under a heading.
        verdict: on the run; empty without one.
        next_command: that the verdict proposes; empty without one.
        samples: pairs of a temperature and a text.
        copied: what the samples copy from the corpus; empty without an index.
        reproduce: the command that trains such a run.
        notices: what is missing from the report, and why.
    """

    name: str
    table: dict[str, str]
    verdict: str
    next_command: str
    samples: list[tuple[float, str]]
    copied: str
    reproduce: str
    notices: list[str] = field(default_factory=list)


@click.command(context_settings={"max_content_width": 110})
@click.argument("run", required=False)
@click.option(
    "-o",
    "--output",
    metavar="PATH",
    help=f"file to write  [default: {PAGE}, or {CARD} for a model card, in the run's directory]",
)
@click.option(
    "--markdown",
    is_flag=True,
    help="write a model card for Hugging Face instead of a page",
)
@runs_dir_option
@quiet_option
def report(run: str | None, output: str | None, markdown: bool, runs_dir: str) -> None:
    """Write a web page about RUN: what it is, its losses, samples, a surprise map of text that it
    was not trained on, and how to train it again. RUN is by default the newest run.

    The page is one file that loads nothing else, so it can be sent or put anywhere. --markdown
    writes the same facts as a model card. Needs Jinja and matplotlib: pip install
    'charrnn[report]'.

    \b
      charrnn report shakespeare
      charrnn report shakespeare --markdown
    """
    check_jinja()
    if not markdown:
        check_matplotlib()
    refuse_stdout("--output", output)
    checkpoint = find_checkpoint(run, runs_dir)
    path = _path(checkpoint, output, CARD if markdown else PAGE)
    model = load(checkpoint)
    check_outputs({"--output": output}, {}, model.about["corpus"])
    facts = gather(checkpoint, model)
    if markdown:
        text = _card(facts, licence_of(path))
    else:
        text = _page(checkpoint, model, facts)
    into_file("--output", path, text.encode("utf-8", "replace"))
    for notice in facts.notices:
        tell(notice)
    click.echo(path)


def _path(checkpoint: Path, output: str | None, name: str) -> Path:
    """Where to write; by default in the directory of the run.

    Raises:
        ConfigError: the checkpoint is in no run, or somebody else wrote the file that is there.
    """
    if output is not None:
        return Path(output)
    if not _is_in_run(checkpoint):
        raise ConfigError(f"{checkpoint} is not in the directory of a run; give --output")
    path = checkpoint.parent / name
    if name == CARD and path.exists() and not is_card(path):
        raise ConfigError(f"{path} was not written by charrnn; give --output to write another file")
    return path


def _is_in_run(checkpoint: Path) -> bool:
    return checkpoint in Run(checkpoint.parent).steps()


def gather(checkpoint: Path, model: TextModel) -> Facts:
    """The facts about a checkpoint and its run, with newly drawn samples."""
    description = describe_checkpoint(checkpoint)
    table = {
        "model": model_in_words(description),
        "corpus": corpus_in_words(description),
        "trained": f"{steps_in_words(description)}; "
        f"{description['epochs']:.2f} passes over the text",
        "loss": loss_in_words(description),
        **lineage_in_words(description),
    }
    judgement = description["verdict"]
    if judgement and judgement["quality"]:
        table["quality"] = judgement["quality"]
    baseline = description["yardstick"]
    if baseline:
        nats = baseline["nats_per_character"]
        table["baseline"] = f"a count-based model of the same text has a loss of {nats:.4f}"
    table["size"] = size_in_words(description["disk_bytes"])
    table["SHA-256 of the model"] = description["sha256"]
    fingerprint = corpus_fingerprint(checkpoint)
    if fingerprint:
        table["SHA-256 of the corpus, encoded"] = fingerprint
    table["samples"] = f"drawn with seed {SEED}"
    table["versions"] = (
        f"trained with charrnn {description['charrnn']}; this report: charrnn "
        f"{charrnn.__version__}, Python {platform.python_version()}, NumPy {version('numpy')}"
    )
    notices: list[str] = []
    samples = _samples(model, notices)
    name = checkpoint.parent.resolve().name if _is_in_run(checkpoint) else checkpoint.resolve().name
    return Facts(
        name=name,
        table=table,
        verdict=judgement["text"] if judgement else "",
        next_command=(judgement["command"] or "") if judgement else "",
        samples=samples,
        copied=_copied(checkpoint, model, samples, notices),
        reproduce=_reproduce(description),
        notices=notices,
    )


def _samples(model: TextModel, notices: list[str]) -> list[tuple[float, str]]:
    """A text, or some records, at each temperature."""
    samples = []
    for temperature in TEMPERATURES:
        try:
            samples.append((temperature, _sample(model, temperature)))
        except GenerationError as error:
            notices.append(f"no sample at temperature {temperature:g}: {error}")
    return samples


def _sample(model: TextModel, temperature: float) -> str:
    if model.vocabulary.records:
        records = model.records(SAMPLE_RECORDS, seed=SEED, temperature=temperature)
        return model.separator.join(record.text for record in records)
    return model.generate(length=SAMPLE_LENGTH, seed=SEED, temperature=temperature)


def _copied(
    checkpoint: Path,
    model: TextModel,
    samples: list[tuple[float, str]],
    notices: list[str],
) -> str:
    """What the samples copy, if the run has an index of its corpus."""
    run = Run(checkpoint.parent)
    if not _is_in_run(checkpoint) or not run.originality.exists():
        builds = command(["originality"], [run.path.resolve().name], run.runs_dir_option)
        notices.append(
            "the samples were not checked for copies: the run has no index of its corpus; "
            f"`{builds}` builds it"
        )
        return ""
    try:
        return _copies(model, samples)
    except CharRNNError as error:
        notices.append(f"the samples were not checked for copies: {error}")
        return ""


def _copies(model: TextModel, samples: list[tuple[float, str]]) -> str:
    lines = []
    for temperature, text in samples:
        whole: str | bytes = text.encode() if model.vocabulary.unit == "byte" else text
        copies = find_copies(model.index(), whole, LENGTHS[0])
        first = next(of_text(copies, whole, LENGTHS[0]))
        lines.append(f"temperature {temperature:g}: {first}")
    return "\n".join(lines)


def _reproduce(description: dict[str, Any]) -> str:
    corpus = description["corpus"]
    if not corpus or STDIN in corpus:
        return ""
    return command(["train"], [], option("--config", "config.yaml") + option("--name", "another"))


def _page(checkpoint: Path, model: TextModel, facts: Facts) -> str:
    held_out = _held_out(checkpoint, model, facts.notices)
    text = ""
    loss = ""
    if held_out:
        explanation = model.explain(held_out)[:HELD_OUT]
        labels = map(described, explanation)
        text = "".join(spans(explanation.characters, levels(explanation.bits), labels))
        loss = f"{explanation.bits_per_character:.2f} bits per character"
    return render(
        "report.html",
        css=css(dark=True),
        title=facts.name,
        facts=facts,
        samples=[(temperature, allowed(sample)) for temperature, sample in facts.samples],
        plot=markup(_plot(checkpoint, facts.notices)),
        legend=markup(legend(Colours.OF_SURPRISE)),
        text=markup(text),
        loss=loss,
    )


def _plot(checkpoint: Path, notices: list[str]) -> str:
    """The losses as an SVG element that has no styles of its own, so that the policy allows it."""
    try:
        curves = read_curves(Run(checkpoint.parent))
    except CharRNNError as error:
        notices.append(f"no plot of the losses: {error}")
        return ""
    notices += curves.notices
    svg = draw([curves], "svg").decode()
    svg = svg[svg.index("<svg") :].replace("<svg", '<svg fill="currentColor"', 1)
    svg = re.sub(r"<(style|metadata)\b.*?</\1>", "", svg, flags=re.DOTALL)
    svg = re.sub(r' style="([^"]*)"', _attributes, svg)
    return svg.replace('="#000000"', '="currentColor"').replace('="#ffffff"', '="none"')


def _attributes(match: re.Match[str]) -> str:
    """The declarations of a style as attributes."""
    attributes = []
    for declaration in match[1].split(";"):
        name, _, value = declaration.partition(":")
        if name.strip():
            attributes.append(f' {name.strip()}="{value.strip()}"')
    return "".join(attributes)


def _held_out(checkpoint: Path, model: TextModel, notices: list[str]) -> str:
    """The beginning of the text that the model was not trained on; empty if it cannot be read."""
    about = model.about
    if not about["val_characters"]:
        notices.append("no surprise map: the run has no validation part")
        return ""
    if about["train_characters"] + about["val_characters"] > LARGE:
        notices.append("no surprise map: the corpus is too large to be read again")
        return ""
    try:
        return _beginning(_corpus(checkpoint, model), model)
    except CharRNNError as error:
        notices.append(f"no surprise map: {error}")
        return ""


def _corpus(checkpoint: Path, model: TextModel) -> Corpus:
    """The corpus of a run, split as the run split it, with the ids of its model.

    Raises:
        CorpusError: it cannot be read, or is another one now.
    """
    about = model.about
    paths = about["corpus"]
    if _is_in_run(checkpoint):
        moved_to = read_yaml_beside(Run(checkpoint.parent).config).get("corpus")
        if isinstance(moved_to, list) and all(isinstance(path, str) for path in moved_to):
            paths = moved_to
    if not paths or STDIN in paths:
        raise CorpusError("the corpus was not read from a file")
    config = RunConfig(corpus=tuple(paths), data=DataConfig(**about["data"]))
    corpus = read_corpus(config, None, ignore, model.vocabulary.symbols)
    sizes = (len(corpus.train), len(corpus.val))
    fingerprint = corpus_fingerprint(checkpoint) or corpus.fingerprint
    is_same = sizes == (about["train_characters"], about["val_characters"])
    if not is_same or fingerprint != corpus.fingerprint:
        raise CorpusError("the corpus has changed since the run read it")
    return corpus


def _beginning(corpus: Corpus, model: TextModel) -> str:
    """The first HELD_OUT characters of the validation part, or a few whole records.

    Raises:
        CorpusError: its first record is too long.
    """
    ids = corpus.val[: 4 * HELD_OUT]
    vocabulary = model.vocabulary
    if not vocabulary.records:
        # of bytes, the first may be the rest of a character
        return vocabulary.decode(ids).lstrip("\ufffd")[:HELD_OUT].rstrip("\ufffd")
    records = [vocabulary.decode(record[:-1]) for record in each_record(ids, vocabulary.end)]
    if not records:
        raise CorpusError("the first record of the validation part is too long")
    return model.separator.join(records)


def _card(facts: Facts, licence: str) -> str:
    """The facts as Markdown, with the front matter of Hugging Face."""
    return render_markdown(
        "report.md",
        facts=facts,
        licence=licence,
        title=_escaped(facts.name),
        name=repr(facts.name),
        verdict=_escaped(facts.verdict),
        table={name: _escaped(value) for name, value in facts.table.items()},
        samples=[(temperature, _fenced(text)) for temperature, text in facts.samples],
        next_command=_fenced(facts.next_command, "sh") if facts.next_command else "",
        copied=_fenced(facts.copied) if facts.copied else "",
        reproduce=_fenced(facts.reproduce, "sh") if facts.reproduce else "",
    )


def _escaped(text: str) -> str:
    """A text that means nothing in Markdown, on one line."""
    plain = " ".join(html.escape(text, quote=False).split())
    return re.sub(r"([\\`*_\[\]|#])", r"\\\1", plain)


def _fenced(text: str, language: str = "text") -> str:
    """A text between fences that are longer than any in it."""
    ticks = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(3, ticks + 1)
    return f"{fence}{language}\n{text}\n{fence}"
