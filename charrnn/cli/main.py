"""The ``charrnn`` command: loads subcommands on use, and reports errors as one line on stderr."""

import importlib
import os
import sys
from contextlib import suppress
from typing import Any, NoReturn

import click

from charrnn import __version__
from charrnn.cli.console import tell
from charrnn.cli.signals import Interrupted
from charrnn.errors import CharRNNError, ConfigError

COMMANDS = {
    "train": "Train a model on text files.",
    "plan": "Show what `train` would do with a text, and why.",
    "sample": "Generate text.",
    "evaluate": "Measure how well a model predicts a file.",
    "originality": "Find what a text copies word for word from a run's corpus.",
    "info": "Describe a model and its quality, or list all runs.",
    "remove": "Delete runs.",
}
EXAMPLES = """
\b
  charrnn train my.txt
  charrnn train my.txt --resume --steps 20000
  charrnn sample --temperature 0.8 --prompt "Once "
  charrnn info
"""


class LazyGroup(click.Group):
    """A group that imports a command only when it is used: ``--help`` needs no torch or numpy."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"charrnn.cli.{cmd_name}")
        command: click.Command = getattr(module, cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        _require_working_directory()
        try:
            result = super().invoke(ctx)
            if sys.stdout is not None:
                sys.stdout.flush()  # while a failure can still be reported
            return result
        except CharRNNError as error:
            tell(f"Error: {error}")
            sys.exit(2 if isinstance(error, ConfigError) else 1)
        except Interrupted as interrupted:
            tell("stopped before the first step")
            sys.exit(128 + interrupted.signum)
        except KeyboardInterrupt:
            sys.exit(130)
        except BrokenPipeError:  # the reader of the text is gone: not an error
            _discard_stdout()
            sys.exit(141)
        except OSError as error:
            _discard_stdout()
            place = error.filename or "standard output or a file"
            reason = error.strerror or error
            tell(f"Error: {place}: {reason}; check that it can be used and the disk has space")
            sys.exit(1)


@click.group(
    cls=LazyGroup,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "auto_envvar_prefix": "CHARRNN",
        "max_content_width": 110,
    },
    epilog=EXAMPLES,
)
@click.version_option(__version__, message="charrnn %(version)s")
def cli() -> None:
    """Train a character-level language model on a text file, and generate new text in its style."""


def main() -> NoReturn:
    """The console script."""
    _open_closed_streams()
    try:
        cli()
    except OSError as error:  # from output of click itself, such as help
        _discard_stdout()
        reason = error.strerror or error
        tell(f"Error: standard output: {reason}; check that the disk has space")
        sys.exit(1)
    sys.exit(0)


def _require_working_directory() -> None:
    """Exit with an error if the working directory was deleted: PyTorch would end the process."""
    try:
        os.getcwd()
    except OSError:
        tell(
            "Error: the working directory no longer exists; change to another one, "
            "such as with `cd ~`"
        )
        sys.exit(1)


def _open_closed_streams() -> None:
    """Open the standard streams that the caller closed, and make the output ones write UTF-8.

    Otherwise the next file that is opened would take the place of a closed stream.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w", closefd=False)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")


def _discard_stdout() -> None:
    """Discard buffered output, so that Python reports no error about it on exit."""
    with suppress(OSError, ValueError, AttributeError):  # already closed, or not a file
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
