"""charrnn sample: write new text. Needs no PyTorch, but for --adapt-to."""

import json
import os
import re
import secrets
import sys
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import Any

import click

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy: waking a second thread for each character costs more than it gives

from charrnn.cli.options import given, knob_options, runs_dir_option
from charrnn.cli.say import tell
from charrnn.config import DataConfig, knobs
from charrnn.corpus.reading import STDIN, read, read_stdin
from charrnn.errors import CheckpointError, ConfigError, CorpusError, GenerationError
from charrnn.files import not_written, write_file
from charrnn.generation.sampling import Sampler
from charrnn.text_model import LENGTH, Sample, TextModel, load

ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\"}


class WholeString(click.types.StringParamType):
    """A text that is not split at its spaces where it comes from the environment."""

    envvar_list_splitter = "\0"


@click.command(context_settings={"max_content_width": 110})
@click.argument("run", required=False)
@click.option("-p", "--prompt", default="", help="text that the network reads first")
@click.option("--prompt-file", metavar="FILE", help="read the prompt from a file, exactly as it is; - is standard input")
@click.option("-n", "--length", type=click.IntRange(0, 10**9), default=LENGTH, show_default=True, help="new characters to write")
@knob_options(knobs(Sampler))
@click.option(
    "-s",
    "--seed",
    type=click.IntRange(0, 2**63 - 1),
    help="the same seed and settings write the same text  [default: another each time, shown]",
)
@click.option(
    "--num-samples", type=click.IntRange(1, 10**6), default=1, show_default=True, help="how many texts; the i-th has seed + i - 1"
)
@click.option(
    "--stop",
    multiple=True,
    type=WholeString(),
    metavar="STRING",
    help="end before this string; may be given several times; \\n, \\r, \\t, \\\\ are newline, return, tab, backslash",
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
@click.option("--hide-prompt", is_flag=True, help="show the new text alone")
@click.option("-o", "--output", metavar="FILE", help="write into a file, once all is written; - is standard output")
@click.option(
    "--json",
    "as_json",
    envvar="CHARRNN_SAMPLE_JSON",
    is_flag=True,
    help="one JSON object a line: text, prompt, seed, settings, adapt_to, model, log_probability",
)
@runs_dir_option
@click.pass_context
def sample(
    ctx: click.Context,
    /,
    run: str | None,
    prompt: str,
    prompt_file: str | None,
    length: int,
    seed: int | None,
    num_samples: int,
    stop: tuple[str, ...],
    unknown: str,
    adapt_to: str | None,
    hide_prompt: bool,
    output: str | None,
    as_json: bool,
    runs_dir: str,
    **_: Any,
) -> None:
    """Write new text: RUN is a run's name, its directory, or a checkpoint's; without it, the newest run.

    A run stands for its best checkpoint by validation loss.

    \b
      charrnn sample --temperature 0.7 --prompt "Once "
      charrnn sample shakespeare --length 2000 --seed 7 --output story.txt
      charrnn sample places --stop '\\n' --num-samples 20
    """
    settings = given(ctx, knobs(Sampler))
    stop = tuple(re.sub(r"\\([nrt\\])", lambda found: ESCAPES[found[1]], _typed(each)) for each in stop)
    if prompt_file == adapt_to == STDIN:
        raise ConfigError("prompt_file and adapt_to: both read standard input; give a file for one of them")
    prompt = _prompt(_typed(prompt), prompt_file)
    if output not in (None, "-") and not Path(str(output)).parent.is_dir():
        raise ConfigError(f"--output: there is no directory {Path(str(output)).parent}; make it, or give another --output")
    model = load(run, runs_dir=runs_dir)
    prompt, changes = model.vocabulary.repair(prompt, unknown)
    if adapt_to is not None:
        model, more = _adapted(model, adapt_to, unknown)
        changes += more
    sampler = model.sampler(**settings)
    seed = secrets.randbelow(2**32) if seed is None else seed
    model.stream(prompt, length=length, seed=seed, stop=stop, **settings)  # refuses what is not possible before anything is said
    _tell(model, seed, num_samples, changes)
    asked = {"length": length, "stop": list(stop)} | {name: getattr(sampler, name) for name in knobs(Sampler)}
    to_stdout, kept = output in (None, "-"), list[str]()
    for number in range(num_samples):
        how: dict[str, Any] = {"length": length, "seed": seed + number, "stop": stop} | settings
        if as_json:
            pieces: Iterable[str] = [_json_line(model.sample(prompt, **how), prompt, asked, adapt_to, model)]
        else:
            pieces = chain([] if hide_prompt else [prompt], model.stream(prompt, **how), ["\n"])
        if to_stdout:
            _show(pieces)
        else:
            kept.extend(pieces)
    if not to_stdout:
        _write(Path(str(output)), "".join(kept).encode())


def _typed(text: str) -> str:
    """A text from the command line, as UTF-8 whatever the locale took it for."""
    try:
        return os.fsencode(text).decode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text


def _adapted(model: TextModel, file: str, unknown: str) -> tuple[TextModel, list[str]]:
    """The model leaning toward a file, which is read as the run's corpus was; and what there is to say of the file."""
    from tqdm import tqdm

    reading = read([file], DataConfig(**model.about["data"]))
    said = list(reading.notices)
    with tqdm(total=len(reading.text), unit=" characters", unit_scale=True, disable=None, leave=False, file=sys.stderr) as bar:
        return model.adapted(reading.text, unknown=unknown, each=bar.update, on_notice=said.append), said


def _write(path: Path, data: bytes) -> None:
    """Into a file, whole or not at all; into whatever else stands there (a pipe, a device) as it comes."""
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(data)
        else:
            write_file(path.resolve(), data)
    except (CheckpointError, OSError) as error:
        why = error if isinstance(error, CheckpointError) else not_written(path, error)
        raise GenerationError(f"--output: {why}") from None


def _show(pieces: Iterable[str]) -> None:
    """On stdout, each piece as it comes."""
    if sys.stdout is None:
        raise GenerationError("standard output is closed; give a file with --output")
    for piece in pieces:
        sys.stdout.write(piece)
        sys.stdout.flush()


def _json_line(written: Sample, prompt: str, asked: dict[str, Any], adapt_to: str | None, model: TextModel) -> str:
    values = {
        "text": written.text,
        "prompt": prompt,
        "seed": written.seed,
        "settings": asked,
        "adapt_to": adapt_to,
        "model": model.sha256,
        "log_probability": written.log_probability,
    }
    return json.dumps(values, ensure_ascii=False) + "\n"


def _tell(model: TextModel, seed: int, num_samples: int, changes: list[str]) -> None:
    for change in changes:
        tell(change)
    seeds = f"seed {seed}" if num_samples == 1 else f"seeds {seed} to {seed + num_samples - 1}"
    tell(f"{model.path}, {seeds}")


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
        raise CorpusError(f"the prompt in {path} is not utf-8: 0x{data[error.start]:02x} at byte {error.start}; save it as UTF-8") from None
    except OSError as error:
        raise CorpusError(f"the prompt file {path} cannot be read: {error.strerror}; check the name") from None
