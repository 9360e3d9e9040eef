"""charrnn completion: a script for the Tab key, and the answers to the shell that runs it.

Click does the work. This module adds what completes the values of options and arguments, by the
name that the help gives them. Needs no PyTorch.
"""

import os
import re
from collections.abc import Callable
from copy import copy
from pathlib import Path

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    ShellComplete,
    ZshComplete,
    add_completion_class,
    shell_complete,
)

from charrnn.errors import CheckpointError

SHELLS = ("bash", "zsh", "fish")
PROGRAM = "charrnn"
# In place of click's script, which click 8.4.0 writes with a line break inside a command.
FISH_SCRIPT = r"""function %(complete_func)s
    set -l response (env %(complete_var)s=fish_complete COMP_WORDS=(commandline -cp) \
        COMP_CWORD=(commandline -t) %(prog_name)s)
    for line in $response
        set -l parts (string split --max 2 \t -- $line)
        switch $parts[1]
            case dir
                __fish_complete_directories $parts[2]
            case file
                set -l option (string match --regex '^--[^=]*=' -- $parts[2])
                for path in (__fish_complete_path (string replace -- "$option" '' $parts[2]))
                    printf '%%s%%s\n' "$option" $path
                end
            case plain
                printf '%%s\t%%s\n' $parts[2] $parts[3]
        end
    end
end
complete --no-files --command %(prog_name)s --arguments "(%(complete_func)s)"
"""
Complete = Callable[[click.Context, str], list[CompletionItem]]


@click.command(context_settings={"max_content_width": 110})
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, /, shell: str) -> None:
    """Print a script that makes the Tab key of a shell complete commands, options, their values,
    runs and files.

    Add the line for your shell to the file that it reads when it starts:

    \b
      eval "$(charrnn completion bash)"    in ~/.bashrc
      eval "$(charrnn completion zsh)"     in ~/.zshrc, after compinit
      charrnn completion fish | source     in ~/.config/fish/config.fish
    """
    from charrnn.cli.main import COMPLETE_VARIABLE

    group = ctx.find_root().command
    shell_complete(group, {}, PROGRAM, COMPLETE_VARIABLE, f"{shell}_source")


def answer(group: click.Group, variable: str) -> int:
    """Answer a shell that asks for completions; returns the exit code.

    Whatever goes wrong, nothing is printed: the user is in the middle of a line.

    Args:
        group: the command ``charrnn``.
        variable: the environment variable with the request.
    """
    try:
        return shell_complete(group, {}, PROGRAM, variable, os.environ[variable])
    except (Exception, KeyboardInterrupt):
        return 1


class WholeWord(ShellComplete):
    """A shell that replaces the whole word: ``--cell=g`` is completed to ``--cell=gru``."""

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem]:
        items = super().get_completions(args, incomplete)
        name, equals, _ = incomplete.partition("=")
        if not equals or not name.startswith("--"):
            return items
        return [CompletionItem(f"{name}={item.value}", item.type, item.help) for item in items]


@add_completion_class
class Zsh(WholeWord, ZshComplete):
    """Zsh."""


@add_completion_class
class Fish(WholeWord, FishComplete):
    """Fish."""

    source_template = FISH_SCRIPT

    def format_completion(self, item: CompletionItem) -> str:
        return f"{item.type}\t{item.value}\t{item.help or ''}"


@add_completion_class
class Bash(BashComplete):
    """Bash, which gives ``--cell=gru`` as three words and inserts completions unquoted."""

    def get_completion_args(self) -> tuple[list[str], str]:
        args, incomplete = super().get_completion_args()
        return [word for word in args if word != "="], incomplete

    def format_completion(self, item: CompletionItem) -> str:
        # One backslash is for the `read` of the script, one for the line that the user edits.
        value = re.sub(r"[^\w@%+=:,./-]", r"\\\\\g<0>", item.value)
        return f"{item.type},{value}"


class CompletedText(click.types.StringParamType):
    """A text whose beginning the shell completes."""

    def __init__(self, complete: Complete) -> None:
        self.complete = complete

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        return self.complete(ctx, incomplete)


def with_completed_values(command: click.Command) -> click.Command:
    """A copy of a command whose values a shell can complete."""
    completed = copy(command)
    completed.params = [_with_completed_value(param) for param in command.params]
    return completed


def _with_completed_value(param: click.Parameter) -> click.Parameter:
    """A copy of a parameter with what completes its value, if it is a text."""
    if not isinstance(param.type, click.types.StringParamType):
        return param
    assert param.name is not None
    metavar = param.metavar or param.name.upper()
    complete = COMPLETERS.get(param.name) or COMPLETERS.get(metavar.strip("[]."))
    if complete is None:
        complete = _words(metavar)
    completed = copy(param)
    completed.type = CompletedText(complete)
    return completed


def _words(metavar: str) -> Complete:
    """Completes the words in lower case of a metavar such as ``lstm|gru|rnn`` or ``N|auto``."""
    words = [word for word in metavar.split("|") if word.islower()]
    return lambda ctx, incomplete: _items(words, incomplete)


def _files(ctx: click.Context, incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(incomplete, type="file")]


def _directories(ctx: click.Context, incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(incomplete, type="dir")]


def _runs(ctx: click.Context, incomplete: str) -> list[CompletionItem]:
    """Runs, the newest first; after a slash their checkpoints, or else directories."""
    from charrnn.storage.find_run import all_runs
    from charrnn.storage.run import RUNS_DIR

    runs_dir = Path(ctx.params.get("runs_dir") or RUNS_DIR).expanduser()
    try:
        runs = all_runs(runs_dir)
    except CheckpointError:  # a file
        runs = []
    if "/" in incomplete:
        names = [f"{run.path.name}/{step.name}" for run in runs for step in run.steps()]
    else:
        names = [run.path.name for run in runs]
    return _items(names, incomplete) or _directories(ctx, incomplete)


def _items(words: list[str], incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(word) for word in words if word.startswith(incomplete)]


# What completes a value, by the name of its parameter or by its metavar.
COMPLETERS: dict[str, Complete] = {
    "name": _runs,
    "runs_dir": _directories,
    "RUN": _runs,
    "FILE": _files,
    "PATH": _files,
}
