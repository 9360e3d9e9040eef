"""SampleRequest: the options of ``charrnn sample``, parsed before a model is opened."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from charrnn.cli.forms import FORMS, constraint_settings
from charrnn.cli.options import given, given_names, typed
from charrnn.cli.paths import check_outputs
from charrnn.config.escapes import first_escape, unescaped
from charrnn.config.knobs import knobs
from charrnn.config.shell import command, option
from charrnn.corpus.reading import STDIN, read_stdin
from charrnn.errors import CheckpointError, ConfigError, CorpusError
from charrnn.generation.constraints.forms import Constraint
from charrnn.generation.sampling import Sampler
from charrnn.generation.session import LENGTH
from charrnn.generation.settings import seed_of
from charrnn.storage.run import RUNS_DIR
from charrnn.text_model import TextModel

TEXT_ONLY = {"stop", "until", "best_of", "save_state", "load_state"}
RECORDS_ONLY = {"unique", "new", "accept", "max_tries", "report"}
# Options that cannot be combined with a saved or loaded story.
NOT_OF_A_STORY = {
    "stop",
    "best_of",
    "num_samples",
    "jobs",
    "as_json",
    "adapt_to",
    "max_copy",
    "particles",
    *FORMS,
}


@dataclass(frozen=True)
class SampleRequest:
    """What to write, and where to.

    Args:
        given: names of the options that the user set.
        run: of the model, as typed; None for the newest one.
        runs_dir: the directory that contains the runs.
        settings: of the sampler and the constraints, as ``TextModel.generate`` takes them.
        forms: the constraints as typed, by the name of their option.
        prompt: read before the text.
        escapes: whether escape sequences of ``--prompt`` were replaced.
        length: new characters; None if it was not given.
        stop, until: where a text ends, as ``TextModel.generate`` takes them.
        best_of: texts drawn to choose each one from.
        num_samples: texts, or records.
        jobs: processes that draw them, or ``"auto"``.
        seed: of the first text, or of all records.
        unique, new, max_tries: which records are kept, as ``TextModel.records`` takes them.
        accept: a shell command that accepts a record.
        report: whether to compare the records with those of the corpus.
        unknown: what to do with a character that the model has not seen.
        prompt_file, adapt_to, load_state: files to read.
        corpus: paths of the corpus, if it has moved.
        save_state, output: files to write.
        hide_prompt, as_json, originality: how the texts are shown.

    Raises:
        ConfigError: a file to write cannot exist.
    """

    given: frozenset[str]
    run: str | None
    runs_dir: str
    settings: Mapping[str, Any]
    forms: Mapping[str, Any]
    prompt: str
    escapes: bool
    length: int | None
    stop: tuple[str, ...]
    until: str | None
    best_of: int
    num_samples: int
    jobs: int | str
    seed: int
    unique: bool
    new: bool
    max_tries: int | None
    accept: str | None
    report: bool
    unknown: str
    prompt_file: str | None
    adapt_to: str | None
    load_state: str | None
    corpus: tuple[str, ...]
    save_state: str | None
    output: str | None
    hide_prompt: bool
    as_json: bool
    originality: bool

    def __post_init__(self) -> None:
        if self.output != "-":
            _check_place("--output", self.output)
        _check_place("--save-state", self.save_state)

    @classmethod
    def from_options(cls, ctx: click.Context, options: Mapping[str, Any]) -> "SampleRequest":
        """Parse the options of a command line, and read the prompt from its file.

        Raises:
            ConfigError: an option is invalid, or has no effect.
            CorpusError: the prompt's file cannot be read.
        """
        names = given_names(ctx)
        settings = _sampler_settings(ctx, options) | constraint_settings(dict(options))
        until = options["until"]
        if options["prompt_file"] == options["adapt_to"] == STDIN:
            raise ConfigError(
                "--prompt-file and --adapt-to cannot both read standard input; "
                "give a file for one of them"
            )
        unchanged = {
            field.name: options[field.name] for field in fields(cls) if field.name in options
        }
        parsed = {
            "given": names,
            "settings": settings,
            "forms": {name: options[name] for name in sorted(FORMS & names)},
            "prompt": _prompt(ctx, options),
            "length": options["length"] if "length" in names else None,
            "stop": tuple(unescaped(typed(text)) for text in options["stop"]),
            "until": None if until is None else unescaped(typed(until)),
            "seed": seed_of(options["seed"]),
        }
        return cls(**(unchanged | parsed))

    @property
    def text_length(self) -> int:
        """New characters of a continuous text: the length given, or the default."""
        if self.length is not None:
            return self.length
        constraint: Constraint | None = self.settings.get("constraint")
        if constraint is not None:
            return max(LENGTH, constraint.room)
        return LENGTH

    @property
    def text_arguments(self) -> dict[str, Any]:
        """Arguments of ``TextModel.generate``, without the prompt, the seed and ``best_of``."""
        ends = {"length": self.text_length, "stop": self.stop, "until": self.until}
        return {**ends, **self.settings}

    @property
    def is_story(self) -> bool:
        """Whether the text continues a saved one, or will be saved to be continued."""
        return self.save_state is not None or self.load_state is not None

    @property
    def escapes_hint(self) -> str:
        """What to do if the prompt has escape sequences that were not replaced; else empty."""
        if self.escapes or self.prompt_file is not None:
            return ""
        match = first_escape(self.prompt)
        if match is None:
            return ""
        sequence, name = match
        return f"add --escapes to read {sequence} in --prompt as a {name}"

    def command_with(self, model: TextModel, flag: str, value: str) -> str:
        """A command line that opens the same model, with one option."""
        run = self.run
        if run is None and model.path is not None:
            run = model.path.absolute().parent.name
        flags = option(flag, value)
        if self.runs_dir != RUNS_DIR:
            flags += option("--runs-dir", self.runs_dir)
        return command(["sample"], [run or ""], flags)

    def check_with(self, model: TextModel) -> None:
        """Check that the model can do this, and that no output overwrites an input.

        Raises:
            ConfigError: an option does not suit the model or another option.
            CheckpointError: there is no file of ``--load-state``.
        """
        _check_lengths(self.given)
        _check_kind(self.given, model)
        _check_story(self.given)
        self._check_state_exists(model)
        outputs = {"--output": self.output, "--save-state": self.save_state}
        inputs = {
            "the file of --prompt-file": self.prompt_file,
            "the file of --adapt-to": self.adapt_to,
        }
        # A state may replace the one that it continues.
        if self.load_state != self.save_state:
            inputs["the file of --load-state"] = self.load_state
        check_outputs(outputs, inputs, (*model.about["corpus"], *self.corpus))

    def _check_state_exists(self, model: TextModel) -> None:
        path = self.load_state
        if path is None or os.path.lexists(path):
            return
        writes = self.command_with(model, "--save-state", path)
        raise CheckpointError(f"{path} does not exist; `{writes}` creates it")


def _sampler_settings(ctx: click.Context, options: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of the sampler that were given."""
    bias = _parse_bias(options["bias"])
    settings = given(ctx, knobs(Sampler))
    needs_dry = settings.keys() & {"dry_base", "dry_length"}
    # A saved story may have its own dry.
    if needs_dry and settings.get("dry") is None and not options["load_state"]:
        raise ConfigError(
            f"{_flag(min(needs_dry))} has no effect without --dry; give that too, such as `--dry 1`"
        )
    if bias:
        settings["bias"] = bias
    if options["ban"]:
        settings["ban"] = unescaped(typed(options["ban"]))
    return settings


def _parse_bias(texts: Iterable[str]) -> dict[str, float]:
    """Nats by characters; the same characters given twice get the sum."""
    bias: dict[str, float] = {}
    for text in texts:
        chars, _, number = unescaped(typed(text)).rpartition("=")
        nats = _parse_float(number)
        if not chars or nats is None:
            raise ConfigError(
                f"--bias must be characters and a number, such as --bias 'eE=-2', got {text!r}"
            )
        bias[chars] = bias.get(chars, 0.0) + nats
    return bias


def _parse_float(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _prompt(ctx: click.Context, options: Mapping[str, Any]) -> str:
    """The prompt that was typed, or the one in a file."""
    prompt = typed(options["prompt"])
    path = options["prompt_file"]
    # The environment may set it once and for all.
    is_typed = ctx.get_parameter_source("escapes") == ParameterSource.COMMANDLINE
    if is_typed and path is not None:
        raise ConfigError(
            "--escapes has no effect on --prompt-file, which is read byte for byte; leave it out"
        )
    if is_typed and not prompt:
        raise ConfigError("--escapes has no effect without --prompt; give one, or leave it out")
    if path is None:
        return unescaped(prompt) if options["escapes"] else prompt
    if prompt:
        raise ConfigError("--prompt and --prompt-file cannot be combined; leave one of them out")
    return _read_prompt(path)


def _read_prompt(path: str) -> str:
    """The prompt in a file."""
    try:
        data = read_stdin() if path == STDIN else Path(path).read_bytes()
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise CorpusError(
            f"the prompt in {path} is not UTF-8: 0x{data[error.start]:02x} "
            f"at byte {error.start}; save it as UTF-8"
        ) from None
    except OSError as error:
        raise CorpusError(
            f"cannot read the prompt file {path}: {error.strerror}; check the name"
        ) from None


def _check_place(flag: str, path: str | None) -> None:
    if path is None:
        return
    parent = Path(path).parent
    if not parent.is_dir():
        raise ConfigError(
            f"{flag}: the directory {parent} does not exist; create it, or give another path"
        )
    if Path(path).is_dir():
        raise ConfigError(f"{flag}: {path} is a directory; give the name of a file")


def _check_lengths(names: frozenset[str]) -> None:
    if "length" not in names:
        return
    for name in sorted(names & {"exact_length", "length_between"}):
        raise ConfigError(
            f"--length and {_flag(name)} both set the length of the text; leave one of them out"
        )


def _check_kind(names: frozenset[str], model: TextModel) -> None:
    if model.vocabulary.records:
        useless = names & TEXT_ONLY
        reason = f"is not for records, which {model.path} writes; leave it out"
    else:
        useless = names & RECORDS_ONLY
        reason = (
            f"is for records, but {model.path} writes continuous text; "
            "leave it out, or train a model with --records"
        )
    if useless:
        raise ConfigError(f"{_flag(min(useless))} {reason}")


def _check_story(names: frozenset[str]) -> None:
    state = sorted(names & {"save_state", "load_state"})
    useless = names & NOT_OF_A_STORY
    if state and useless:
        raise ConfigError(
            f"{_flag(state[0])} and {_flag(min(useless))} cannot be combined; leave one of them out"
        )


def _flag(name: str) -> str:
    """The flag of an option, by its parameter."""
    if name == "as_json":
        return "--json"
    return "--" + name.replace("_", "-")
