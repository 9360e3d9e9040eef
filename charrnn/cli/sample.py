"""charrnn sample: write new text. Needs no PyTorch, but for --adapt-to."""

import os
import shlex
import sys
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
from click.core import ParameterSource

os.environ.setdefault(
    "OPENBLAS_NUM_THREADS", "1"
)  # before numpy: waking a second thread for each character costs more than it gives

from charrnn.cli.console import tell
from charrnn.cli.forms import FORMS, forms_options, rules_of
from charrnn.cli.options import WholeString, given, knob_options, runs_dir_option, typed
from charrnn.cli.output import json_line, show
from charrnn.cli.paths import check_outputs
from charrnn.cli.records import records_options, write_records
from charrnn.config.escapes import unescaped
from charrnn.config.knobs import knobs
from charrnn.config.run_config import DataConfig
from charrnn.config.shell import option
from charrnn.corpus.reading import STDIN, read, read_stdin
from charrnn.errors import ConfigError, CorpusError
from charrnn.generation.sampling import Sampler
from charrnn.generation.session import LENGTH
from charrnn.generation.settings import not_banned, seed_of
from charrnn.text_model import TextModel, load


@click.command(context_settings={"max_content_width": 110})
@click.argument("run", required=False)
@click.option("-p", "--prompt", default="", help="text that the network reads first")
@click.option(
    "--prompt-file",
    metavar="FILE",
    help="read the prompt from a file, exactly as it is; - is standard input",
)
@click.option(
    "-n",
    "--length",
    type=click.IntRange(0, 10**9),
    default=LENGTH,
    show_default=True,
    help="new characters to write; of a record, the most that it may have, its prompt counted  [of a record: by the corpus; more for many "
    "--lines]",
)
@knob_options(knobs(Sampler))
@click.option(
    "-s",
    "--seed",
    type=click.IntRange(0, 2**63 - 1),
    help="the same seed and settings write the same text  [default: another each time, shown]",
)
@click.option(
    "--num-samples",
    type=click.IntRange(1, 10**6),
    default=1,
    show_default=True,
    help="how many texts, the i-th with seed + i - 1; or how many records, one after another",
)
@click.option(
    "--bias",
    multiple=True,
    type=WholeString(),
    metavar="CHARS=X",
    help="add X nats to each of these characters; several times",
)
@click.option("--ban", default="", metavar="CHARS", help="never write these characters")
@click.option(
    "--stop",
    multiple=True,
    type=WholeString(),
    metavar="STRING",
    help="end before this string; may be given several times; \\n, \\r, \\t, \\\\ are newline, return, tab, backslash",
)
@click.option(
    "--until",
    metavar="sentence|line|paragraph|STRING",
    help="go on past --length to the end of a sentence, line or paragraph, or this string",
)
@click.option(
    "--best-of",
    type=click.IntRange(1, 10**4),
    default=1,
    show_default=True,
    help="write so many, and show the one with the highest log-probability per character",
)
@click.option(
    "--unknown",
    type=click.Choice(["error", "skip", "replace"]),
    default="error",
    show_default=True,
    help="a character of the prompt that the model has not seen",
)
@click.option(
    "--adapt-to",
    metavar="FILE",
    help="lean the model toward this text first: it learns from it, once; the run is not changed; needs PyTorch",
)
@click.option(
    "--save-state", metavar="FILE", help="keep in a file where the story stands, once it is written"
)
@click.option(
    "--load-state",
    metavar="FILE",
    help="go on with a story that was kept so, as if it had not stopped; settings go with it",
)
@forms_options
@records_options
@click.option("--hide-prompt", is_flag=True, help="show the new text alone")
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    help="write into a file, once all is written; - is standard output",
)
@click.option(
    "--json",
    "as_json",
    envvar="CHARRNN_SAMPLE_JSON",
    is_flag=True,
    help="one JSON object a line: text, prompt, seed, settings, adapt_to, model, log_probability; of a record its number too",
)
@runs_dir_option
@click.pass_context
def sample(ctx: click.Context, /, run: str | None, runs_dir: str, **options: Any) -> None:
    """Write new text: RUN is a run's name, its directory, or a checkpoint's; without it, the newest
    run.

    A run stands for its best checkpoint by validation loss. A model that was trained on records
    writes whole records, one a line.

    \b
      charrnn sample --temperature 0.7 --prompt "Once "
      charrnn sample shakespeare --length 2000 --until sentence --seed 7 --output story.txt
      charrnn sample names --num-samples 50 --unique --new
      charrnn sample shakespeare --acrostic ROMEO --line-length 30 50 --max-copy 30
      charrnn sample story --save-state today.state; charrnn sample story --load-state today.state
    """
    settings = _settings(ctx, options) | rules_of(options)
    asked = SimpleNamespace(
        **options, settings=settings, given=_given_names(ctx), texts=list[str](), session=None
    )
    if "length" not in asked.given and "constraint" in settings:
        asked.length = max(LENGTH, settings["constraint"].room)
    asked.stop = tuple(unescaped(typed(each)) for each in asked.stop)
    asked.until = asked.until and unescaped(typed(asked.until))
    if asked.prompt_file == asked.adapt_to == STDIN:
        raise ConfigError(
            "prompt_file and adapt_to: both read standard input; give a file for one of them"
        )
    asked.prompt = _prompt(typed(asked.prompt), asked.prompt_file)
    for flag, path in (
        ("--output", asked.output if asked.output != "-" else None),
        ("--save-state", asked.save_state),
    ):
        if path is not None and not Path(path).parent.is_dir():
            raise ConfigError(
                f"{flag}: there is no directory {Path(path).parent}; make it, or give another {flag}"
            )
        if path is not None and Path(path).is_dir():
            raise ConfigError(f"{flag}: {path} is a directory; give the name of a file")
    model = load(run, runs_dir=runs_dir)
    _check_together(asked.given, model)
    _check_paths(asked, model)
    asked.prompt, changes = model.vocabulary.repair(asked.prompt, asked.unknown)
    if asked.adapt_to is not None:
        model, more = _adapted(model, asked.adapt_to, asked.unknown)
        changes += more
    asked.seed = seed_of(asked.seed)
    if asked.originality or asked.max_copy is not None:
        model.index(corpus=asked.corpus, on_notice=tell)
    write = (
        write_records
        if model.vocabulary.records
        else _go_on
        if {"save_state", "load_state"} & asked.given
        else _write_texts
    )
    who, pieces = write(model, asked)  # refuses what is not possible before anything is said
    for line in (*changes, *not_banned(model.vocabulary, settings.get("ban", "")), who):
        tell(line)
    show(pieces, asked.output)
    for line in _afterwards(model, asked):
        tell(line)


def _check_paths(asked: Any, model: TextModel) -> None:
    """Refuse to overwrite what is read; a state may take the place of the one it continues."""
    outputs = {"--output": asked.output, "--save-state": asked.save_state}
    inputs = {
        "the file of --prompt-file": asked.prompt_file,
        "the file of --adapt-to": asked.adapt_to,
    }
    if asked.load_state != asked.save_state:
        inputs["the file of --load-state"] = asked.load_state
    check_outputs(outputs, inputs, (*model.about["corpus"], *asked.corpus))


def _afterwards(model: TextModel, asked: Any) -> Iterator[str]:
    """What there is to say of what was written, once it stands where it was wanted."""
    if asked.session is not None and asked.save_state is not None:
        asked.session.save(asked.save_state)
        if Path(asked.save_state).is_file():
            flag = shlex.join(option("--load-state", asked.save_state))
            yield f"saved the state in {asked.save_state}; `{flag}` continues from there"
        else:
            yield f"wrote the state to {asked.save_state}, which is not a file and keeps nothing to continue from"
    if model.generator.taken_back:
        yield f"took back {model.generator.taken_back:,} characters behind which all would have been copied"
    if asked.originality:
        from charrnn.cli.originality import of_text
        from charrnn.originality.report import LENGTHS, find_copies

        index = model.index()
        apart = next(
            char for char in map(chr, range(0xFDD0, 0xFDF0)) if char not in index.vocabulary.symbols
        )  # no stretch goes over it
        text: str | bytes = apart.join(asked.texts)
        text = (
            str(text).encode("utf-8", "surrogatepass") if index.vocabulary.unit == "byte" else text
        )
        yield from of_text(find_copies(index, text, LENGTHS[0]), text, LENGTHS[0])


def _given_names(ctx: click.Context) -> set[str]:
    """The options that somebody set."""
    return {
        name
        for name in ctx.params
        if ctx.get_parameter_source(name)
        in (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT)
    }


def _settings(ctx: click.Context, options: dict[str, Any]) -> dict[str, Any]:
    """What is set of the sampler."""
    values, ban = dict[str, float](), options["ban"]
    for each in options["bias"]:
        chars, sign, number = unescaped(typed(each)).rpartition("=")
        try:
            values[chars] = values.get(chars, 0.0) + float(number)
        except ValueError:
            chars = ""
        if not chars or not sign:
            raise ConfigError(
                f"bias: {each!r} is not possible; give characters and a number of nats, such as --bias 'eE=-2'"
            )
    settings = given(ctx, knobs(Sampler))
    if (
        (alone := settings.keys() & {"dry_base", "dry_length"})
        and settings.get("dry") is None
        and not options["load_state"]
    ):
        raise ConfigError(
            f"{min(alone)}: it does nothing without --dry; give that too, such as --dry 1"
        )
    return (
        settings
        | ({"bias": values} if values else {})
        | ({"ban": unescaped(typed(ban))} if ban else {})
    )


def _check_together(names: set[str], model: TextModel) -> None:
    """Refuse options that do nothing with this kind of model, or with one another."""
    for fixed in names & {"exact_length", "length_between"} if "length" in names else ():
        raise ConfigError(
            f"length and {fixed}: both are given, and both say how long the text is; leave one of them out"
        )
    if model.vocabulary.records and (
        wrong := names & {"stop", "until", "best_of", "save_state", "load_state"}
    ):
        raise ConfigError(
            f"{min(wrong)}: {model.path} writes records, each to its own end; leave it out"
        )
    if not model.vocabulary.records and (
        wrong := names & {"unique", "new", "accept", "max_tries", "report"}
    ):
        raise ConfigError(
            f"{min(wrong)}: {model.path} writes running text; leave it out, or train a model with --records"
        )
    for state in names & {"save_state", "load_state"}:
        if wrong := names & {
            "stop",
            "best_of",
            "num_samples",
            "as_json",
            "adapt_to",
            "max_copy",
            "particles",
            *FORMS,
        }:
            raise ConfigError(
                f"{state} and {min(wrong)}: a story that goes on is one, and ends at its --length; leave one of them out"
            )


def _write_texts(model: TextModel, asked: Any) -> tuple[str, Iterator[str]]:
    """Texts, the i-th with seed + i - 1, piece by piece; and what there is to say of them first."""
    how: dict[str, Any] = {
        "length": asked.length,
        "stop": asked.stop,
        "until": asked.until,
    } | asked.settings
    model.stream(asked.prompt, seed=asked.seed, **how)  # refuses what is not possible
    seeds = range(asked.seed, asked.seed + asked.num_samples)
    which = f"seed {asked.seed}" if len(seeds) == 1 else f"seeds {seeds[0]} to {seeds[-1]}"
    return f"{model.path}, {which}", chain.from_iterable(
        _text(model, asked, how | {"seed": seed}) for seed in seeds
    )


def _text(model: TextModel, asked: Any, how: dict[str, Any]) -> Iterator[str]:
    if asked.as_json:
        written = model.sample(asked.prompt, best_of=asked.best_of, **how)
        asked.texts.append(written.text)
        settings = {name: getattr(asked, name) for name in ("length", "stop", "until", "best_of")}
        yield json_line(
            written.text, {"seed": written.seed}, settings, written.log_probability, model, asked
        )
        return
    yield "" if asked.hide_prompt else asked.prompt
    pieces = (
        [model.generate(asked.prompt, best_of=asked.best_of, **how)]
        if asked.best_of > 1
        else model.stream(asked.prompt, **how)
    )
    yield from _kept(pieces, asked)
    yield "\n"


def _kept(pieces: Iterable[str], asked: Any) -> Iterator[str]:
    """Pieces of a text as they come, which is kept where something will be said of it."""
    kept = list[str]()
    for piece in pieces:
        kept += [piece] if asked.originality else []
        yield piece
    asked.texts.append("".join(kept))


def _go_on(model: TextModel, asked: Any) -> tuple[str, Iterator[str]]:
    """A story that was kept, or shall be."""
    if asked.load_state is None:
        asked.session = model.session(asked.prompt, seed=asked.seed, **asked.settings)
        return f"{model.path}, seed {asked.seed}", _story(asked)
    session = model.load_session(asked.load_state, **asked.settings)
    asked.session = (session.fork(asked.seed) if "seed" in asked.given else session).feed(
        asked.prompt
    )
    return f"{model.path}, going on from {asked.load_state}", _story(asked)


def _story(asked: Any) -> Iterator[str]:
    yield "" if asked.hide_prompt else asked.session.text
    yield from _kept(asked.session.stream(asked.length, until=asked.until), asked)
    yield "\n"


def _adapted(model: TextModel, file: str, unknown: str) -> tuple[TextModel, list[str]]:
    """The model leaning toward a file, which is read as the run's corpus was; and what there is to
    say of the file."""
    from tqdm import tqdm

    reading = read([file], DataConfig(**model.about["data"]))
    said = list(reading.notices)
    with tqdm(
        total=len(reading.text),
        unit=" characters",
        unit_scale=True,
        disable=None,
        leave=False,
        file=sys.stderr,
    ) as bar:
        return model.adapted(
            reading.text, unknown=unknown, each=bar.update, on_notice=said.append
        ), said


def _prompt(prompt: str, path: str | None) -> str:
    """The prompt that was typed, or the one in a file."""
    if path is None:
        return prompt
    if prompt:
        raise ConfigError("prompt and prompt_file: both are given; leave one of them out")
    try:
        data = read_stdin() if path == STDIN else Path(path).read_bytes()
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise CorpusError(
            f"the prompt in {path} is not utf-8: 0x{data[error.start]:02x} at byte {error.start}; save it as UTF-8"
        ) from None
    except OSError as error:
        raise CorpusError(
            f"the prompt file {path} cannot be read: {error.strerror}; check the name"
        ) from None
