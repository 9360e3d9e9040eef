"""charrnn report: a page, or a model card, about a run. Needs no PyTorch."""

import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import numpy as np

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
from charrnn.cli.paths import check_outputs
from charrnn.config.arguments import ignore
from charrnn.config.run_config import DataConfig, RunConfig
from charrnn.config.shell import command, option
from charrnn.corpus.corpus import Corpus, read_corpus
from charrnn.corpus.reading import STDIN
from charrnn.errors import CharRNNError, CorpusError
from charrnn.originality.open_index import corpus_fingerprint
from charrnn.originality.report import LENGTHS, find_copies
from charrnn.pages.render import allowed, check_jinja, render, render_markdown
from charrnn.plots.curves import read_curves
from charrnn.plots.figure import check_matplotlib, draw
from charrnn.storage.find_run import find_checkpoint
from charrnn.storage.run import Run, read_yaml_beside
from charrnn.surprise.surprise_map import Colours, css, described, legend, levels, spans
from charrnn.text_model import TextModel, load

TEMPERATURES = (0.5, 0.8, 1.1)
SAMPLE_LENGTH = 400  # characters
SAMPLE_RECORDS = 10
SEED = 1
HELD_OUT = 1_000  # characters
LARGE = 100_000_000  # characters of a corpus that is not read again for a report
PAGE = "report.html"
CARD = "README.md"


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
    checkpoint = find_checkpoint(run, runs_dir)
    name = CARD if markdown else PAGE
    path = Path(output or checkpoint.parent / name)
    model = load(checkpoint)
    check_outputs({"--output": output}, {}, model.about["corpus"])
    facts = gather(checkpoint, model)
    if markdown:
        text = _card(facts)
    else:
        text = _page(checkpoint, model, facts)
    into_file("--output", path, text.encode("utf-8", "replace"))
    for notice in facts.notices:
        tell(notice)
    click.echo(path)


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
        table["SHA-256 of the corpus"] = fingerprint
    table["versions"] = (
        f"trained with charrnn {description['charrnn']}; this report: charrnn "
        f"{charrnn.__version__}, Python {platform.python_version()}, NumPy {np.__version__}"
    )
    samples = [(temperature, _sample(model, temperature)) for temperature in TEMPERATURES]
    facts = Facts(
        name=checkpoint.parent.resolve().name,
        table=table,
        verdict=judgement["text"] if judgement else "",
        next_command=(judgement["command"] or "") if judgement else "",
        samples=samples,
        copied=_copied(checkpoint, model, samples),
        reproduce=_reproduce(description),
    )
    if not facts.copied:
        facts.notices.append(
            f"the samples were not compared with the corpus; `charrnn originality "
            f"{facts.name}` builds the index for that"
        )
    return facts


def _sample(model: TextModel, temperature: float) -> str:
    if model.vocabulary.records:
        records = model.records(SAMPLE_RECORDS, seed=SEED, temperature=temperature)
        return "\n".join(record.text for record in records)
    return model.generate(length=SAMPLE_LENGTH, seed=SEED, temperature=temperature)


def _copied(checkpoint: Path, model: TextModel, samples: list[tuple[float, str]]) -> str:
    """What the samples copy, if the run has an index of its corpus."""
    if not Run(checkpoint.parent).originality.exists():
        return ""
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
    from markupsafe import Markup

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
        plot=Markup(_plot(checkpoint, facts.notices)),
        legend=Markup(legend(Colours.OF_SURPRISE)),
        text=Markup(text),
        loss=loss,
    )


def _plot(checkpoint: Path, notices: list[str]) -> str:
    """The losses as an SVG element that has no styles of its own, so that the policy allows it."""
    try:
        curves = read_curves(Run(checkpoint.parent))
    except CharRNNError as error:
        notices.append(f"no plot of the losses: {error}")
        return ""
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
    paths = read_yaml_beside(Run(checkpoint.parent).config).get("corpus") or about["corpus"]
    try:
        corpus = _corpus(paths, DataConfig(**about["data"]), model.vocabulary.symbols)
    except CharRNNError as error:
        notices.append(f"no surprise map: {error}")
        return ""
    sizes = (len(corpus.train), len(corpus.val))
    if sizes != (about["train_characters"], about["val_characters"]):
        notices.append("no surprise map: the corpus has changed since the run read it")
        return ""
    return _beginning(corpus, model)


def _corpus(paths: Sequence[str], data: DataConfig, symbols: str) -> Corpus:
    """The corpus of a run, split as the run split it, with the ids of its model."""
    if not paths or STDIN in paths:
        raise CorpusError("the corpus was not read from a file")
    config = RunConfig(corpus=tuple(paths), data=data)
    return read_corpus(config, None, ignore, symbols)


def _beginning(corpus: Corpus, model: TextModel) -> str:
    ids = corpus.val[: 4 * HELD_OUT]
    vocabulary = model.vocabulary
    if not vocabulary.records:
        return vocabulary.decode(ids)[:HELD_OUT]
    items = np.split(ids, np.flatnonzero(ids == vocabulary.end) + 1)
    texts = [vocabulary.decode(item[:-1]) for item in items[:-1]]
    return model.separator.join(texts)


def _card(facts: Facts) -> str:
    """The facts as Markdown, with the front matter of Hugging Face."""
    fenced = []
    for temperature, text in facts.samples:
        ticks = max(map(len, re.findall("`+", text)), default=0)
        fenced.append((temperature, text, "`" * max(3, ticks + 1)))
    table = {name: value.replace("|", "\\|") for name, value in facts.table.items()}
    return render_markdown("report.md", facts=facts, table=table, samples=fenced)
