"""The command ``charrnn``: its subcommands, loaded when they are used; and errors as one line on
stderr."""

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
    "train": "Learn to write from text files.",
    "plan": "What `train` would do with a text on this machine, and why.",
    "sample": "Write new text.",
    "evaluate": "The loss of a model on a file.",
    "originality": "What of a text stands word for word in a run's corpus.",
    "info": "What a model is and how well it does; without a name, the runs.",
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are used, so that --help needs neither torch
    nor numpy."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(
            importlib.import_module(f"charrnn.cli.{cmd_name}"), cmd_name
        )
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        try:
            os.getcwd()
        except OSError:  # PyTorch would end the process
            tell(
                "Error: the working directory no longer exists; change to one that does, such as with `cd ~`"
            )
            sys.exit(1)
        try:
            found = super().invoke(ctx)
            if sys.stdout is not None:
                sys.stdout.flush()  # here, where an error can still be told
            return found
        except CharRNNError as error:
            tell(f"Error: {error}")
            sys.exit(2 if isinstance(error, ConfigError) else 1)
        except Interrupted as interrupted:
            tell("stopped before the first step")
            sys.exit(128 + interrupted.signum)
        except KeyboardInterrupt:
            sys.exit(130)
        except BrokenPipeError:  # the reader of the text has gone; that is no error
            _drop_stdout()
            sys.exit(141)
        except OSError as error:
            _drop_stdout()
            what = error.filename or "standard output or a file"
            tell(
                f"Error: {what}: {error.strerror or error}; see what is there, and whether there is room"
            )
            sys.exit(1)


def _drop_stdout() -> None:
    """What waits to be written goes nowhere, so that nothing is said about it at the very end."""
    with suppress(OSError, ValueError, AttributeError):  # it is closed already, or no file
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


EXAMPLES = """
\b
  charrnn train my.txt
  charrnn train my.txt --resume --steps 20000
  charrnn sample --temperature 0.8 --prompt "Once "
  charrnn info
"""


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
    """Learn to write from a text file, one character at a time, and write new text in the same
    manner."""


def main() -> NoReturn:
    """The console script."""
    for handle in range(
        3
    ):  # of a stream that was closed; the next file that is opened would stand in its place
        try:
            os.fstat(handle)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w", closefd=False)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")
    try:
        cli()
    except OSError as error:  # of what click says itself, such as help
        _drop_stdout()
        tell(f"Error: standard output: {error.strerror or error}; see whether there is room")
        sys.exit(1)
    sys.exit(0)
