"""The ``charrnn`` command: loads subcommands on use, and reports errors as one line on stderr."""

import difflib
import importlib
import os
import sys
import time
from contextlib import suppress
from typing import Any, NoReturn

import click
from click.shell_completion import CompletionItem

from charrnn import __version__
from charrnn.cli.console import print_on_stderr
from charrnn.config.shell import command as command_line
from charrnn.errors import CharRNNError, ConfigError

STARTED = time.monotonic()  # seconds; passed to the commands as ``ctx.obj``
COMMANDS = {
    "train": "Train a model on text files.",
    "plan": "Show what `train` would do with a text, and why.",
    "sample": "Generate text.",
    "evaluate": "Measure how well a model predicts a file.",
    "score": "Show how likely each character of a file is.",
    "serve": "Answer requests for text over HTTP.",
    "inspect": "Find what may be wrong with a text, and repair it in a copy.",
    "originality": "Find what a text copies word for word from a run's corpus.",
    "plot": "Draw the losses of runs.",
    "report": "Write a page, or a model card, about a run.",
    "info": "Describe a model and its quality, or list all runs.",
    "remove": "Delete runs.",
    "completion": "Print a script that completes commands with the Tab key.",
}
HELP = ["-h"]
RESUME = ["train", "--resume"]
# What people call a command: the arguments of charrnn that do it.
SYNONYMS = {
    "generate": ["sample"],
    "write": ["sample"],
    "continue": RESUME,
    "resume": RESUME,
    "eval": ["evaluate"],
    "test": ["evaluate"],
    "list": ["info"],
    "ls": ["info"],
    "show": ["info"],
    "delete": ["remove"],
    "rm": ["remove"],
    "help": HELP,
    "version": ["--version"],
}
TEXT_SUFFIXES = (".txt", ".gz")  # of files to train on, even if they do not exist
COMPLETE_VARIABLE = "_CHARRNN_COMPLETE"  # in the environment: a shell asks for completions
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
        if ctx.resilient_parsing:  # a shell asks for completions
            from charrnn.cli.completion import with_completed_values

            return with_completed_values(command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        word = args[0]
        is_option = word.startswith("-")  # click has a message for it
        if word in COMMANDS or is_option or ctx.resilient_parsing:
            return super().resolve_command(ctx, args)
        raise ConfigError(_no_such_command(word, args[1:]))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        items = [
            CompletionItem(name, help=help)
            for name, help in COMMANDS.items()
            if name.startswith(incomplete)
        ]
        # Without the method of click.Group, which would import every command for its help.
        return items + super(click.Group, self).shell_complete(ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        try:
            return super().make_context(info_name, args, parent, **extra)
        except (click.NoSuchOption, click.BadOptionUsage) as error:
            print_on_stderr(f"Error: {_usage_error(error)}")
            sys.exit(2)

    def invoke(self, ctx: click.Context) -> Any:
        _require_working_directory()
        try:
            result = super().invoke(ctx)
            if sys.stdout is not None:
                sys.stdout.flush()  # while a failure can still be reported
            return result
        except click.UsageError as error:
            print_on_stderr(f"Error: {_usage_error(error, ctx)}")
            sys.exit(2)
        except CharRNNError as error:
            print_on_stderr(f"Error: {error}")
            sys.exit(2 if isinstance(error, ConfigError) else 1)
        except KeyboardInterrupt:
            sys.exit(130)
        except BrokenPipeError:  # the reader of the text is gone: not an error
            _discard_stdout()
            sys.exit(141)
        except OSError as error:
            _discard_stdout()
            place = error.filename or "standard output or a file"
            reason = error.strerror or error
            print_on_stderr(
                f"Error: {place}: {reason}; check that it can be used and the disk has space"
            )
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
    if COMPLETE_VARIABLE in os.environ:
        from charrnn.cli.completion import answer

        sys.exit(answer(cli, COMPLETE_VARIABLE))
    try:
        cli(obj=STARTED)
    except OSError as error:  # from output of click itself, such as help
        _discard_stdout()
        reason = error.strerror or error
        print_on_stderr(f"Error: standard output: {reason}; check that the disk has space")
        sys.exit(1)
    sys.exit(0)


def _usage_error(error: click.UsageError, group: click.Context | None = None) -> str:
    """An error of click in one line, worded like the other errors.

    Args:
        error: of the group or of a command.
        group: the context of the group, if the error is of a command.
    """
    words = ["charrnn"]
    if group is not None and group.invoked_subcommand is not None:
        words.append(group.invoked_subcommand)
    name = " ".join(words)
    advice = f"`{name} -h` describes the options"
    if isinstance(error, click.BadParameter):
        assert error.param is not None and error.ctx is not None
        if isinstance(error, click.MissingParameter):
            usage = " ".join([name, *error.ctx.command.collect_usage_pieces(error.ctx)])
            return f"{_name(error.param, error.ctx)} is missing; the command is `{usage}`"
        return _bad_value(_as_part(error.message), error.param, error.ctx)
    if isinstance(error, click.NoSuchOption):
        if error.possibilities:
            advice = f"did you mean {error.possibilities[0]}?"
        return f"there is no option {error.option_name}; {advice}"
    message = _as_part(error.message)
    if isinstance(error, click.BadOptionUsage):
        message = message.replace(f"option {error.option_name!r}", error.option_name)
    return f"{message}; {advice}"


def _bad_value(message: str, param: click.Parameter, context: click.Context) -> str:
    """The error for a value that an option or an argument does not take."""
    name = _name(param, context)
    value, is_not, _ = message.rpartition(" is not ")
    if is_not and isinstance(param.type, click.Choice):
        message = f"must be one of {', '.join(param.type.choices)}, got {value}"
    elif is_not and isinstance(param.type, click.types.BoolParamType):
        message = f"must be true or false, got {value}"
    elif not message.startswith("must "):
        return f"{name}: {message}"
    variable = param.resolve_envvar_value(context)
    if variable is not None and message.endswith((f"got {variable.strip()}", f"got {variable!r}")):
        variable_name = param.envvar or f"{context.auto_envvar_prefix}_{param.name}".upper()
        message += f" in {variable_name}"
    return f"{name} {message}"


def _name(param: click.Parameter, context: click.Context) -> str:
    """A parameter as it is typed: the longest flag of an option, the name of an argument."""
    if isinstance(param, click.Option):
        return max(param.opts, key=len)
    if isinstance(param.type, click.Choice):
        return str(param.human_readable_name).upper()
    return param.make_metavar(context).strip("[].")


def _as_part(message: str) -> str:
    """A sentence of click as a part of a longer one."""
    return message[:1].lower() + message[1:].removesuffix(".")


def _no_such_command(word: str, rest: list[str]) -> str:
    """The error for a word that is no command, with the command line that was probably meant."""
    error = f"there is no command {word!r}"
    meant = _meant(word)
    if meant is None:
        return f"{error}; the commands are {', '.join(COMMANDS)}; `charrnn -h` describes them"
    if meant == HELP:
        topic = [name for name in rest[:1] if name in COMMANDS]
        return f"{error}; did you mean `{command_line([*topic, *HELP])}`?"
    if meant == RESUME and rest:
        rest = [*_as_name(rest[0]), *rest[1:]]
    return f"{error}; did you mean `{command_line([*meant, *rest])}`?"


def _as_name(word: str) -> list[str]:
    """The options of `train` that mean a run; any other word is a path, and stays one."""
    from charrnn.storage.find_run import find_run

    try:
        run = find_run(word)
    except CharRNNError:
        return [word]
    name = run.path.resolve().name
    return ["--name", name, *run.runs_dir_option]


def _meant(word: str) -> list[str] | None:
    """The arguments of charrnn that a word probably means; None if it is near nothing."""
    names = {name: [name] for name in COMMANDS}
    for synonym, words in SYNONYMS.items():
        if words[0].startswith("-") or words[0] in COMMANDS:
            names[synonym] = words
    if word.lower() in names:
        return names[word.lower()]
    if word and _is_run(word):
        return ["sample", word]
    if os.path.exists(word) or word.endswith(TEXT_SUFFIXES):
        return ["train", word]
    nearest = difflib.get_close_matches(word.lower(), names, n=1)
    return names[nearest[0]] if nearest else None


def _is_run(word: str) -> bool:
    """Whether a word is the name or the path of a run or of a checkpoint."""
    from charrnn.storage.find_run import find_checkpoint

    try:
        find_checkpoint(word)
    except CharRNNError:
        return False
    return True


def _require_working_directory() -> None:
    """Exit with an error if the working directory was deleted: PyTorch would end the process."""
    try:
        os.getcwd()
    except OSError:
        print_on_stderr(
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
