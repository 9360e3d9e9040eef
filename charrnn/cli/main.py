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
    "train": "Learn to write from text files.",
    "plan": "What `train` would do with a text on this machine, and why.",
    "sample": "Write new text.",
    "evaluate": "The loss of a model on a file.",
    "originality": "What of a text stands word for word in a run's corpus.",
    "info": "What a model is and how well it does; without a name, the runs.",
}
EXAMPLES = """
\b
  charrnn train my.txt
  charrnn train my.txt --resume --steps 20000
  charrnn sample --temperature 0.8 --prompt "Once "
  charrnn info
"""


class LazyGroup(click.Group):
    """A group that imports a command when it is used, so ``--help`` needs no torch or numpy."""

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
                sys.stdout.flush()  # here, where a failure can still be reported
            return result
        except CharRNNError as error:
            tell(f"Error: {error}")
            sys.exit(2 if isinstance(error, ConfigError) else 1)
        except Interrupted as interrupted:
            tell("stopped before the first step")
            sys.exit(128 + interrupted.signum)
        except KeyboardInterrupt:
            sys.exit(130)
        except BrokenPipeError:  # the reader of the text has gone; that is no error
            _discard_stdout()
            sys.exit(141)
        except OSError as error:
            _discard_stdout()
            place = error.filename or "standard output or a file"
            reason = error.strerror or error
            tell(f"Error: {place}: {reason}; see what is there, and whether there is room")
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
    """Learn to write from a text file, one character at a time, and write new text in the same
    manner."""


def main() -> NoReturn:
    """The console script."""
    _open_closed_streams()
    try:
        cli()
    except OSError as error:  # from what click itself prints, such as help
        _discard_stdout()
        reason = error.strerror or error
        tell(f"Error: standard output: {reason}; see whether there is room")
        sys.exit(1)
    sys.exit(0)


def _require_working_directory() -> None:
    """Exit with an error if the working directory was deleted: PyTorch would end the process."""
    try:
        os.getcwd()
    except OSError:
        tell(
            "Error: the working directory no longer exists; change to one that does, "
            "such as with `cd ~`"
        )
        sys.exit(1)


def _open_closed_streams() -> None:
    """Open what the caller closed of the standard streams, and let the output ones write UTF-8.

    The next file that is opened would otherwise take the place of the closed stream.
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
    """Send what is still buffered to nowhere, so Python reports no error about it on exit."""
    with suppress(OSError, ValueError, AttributeError):  # it is closed already, or no file
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
