"""Writes docs/reference.md: every command's flags, from the commands themselves.

python docs/make_reference.py
"""

from pathlib import Path

import click

from charrnn.cli.main import COMMANDS, cli

HEAD = """# Every flag

Made by `python docs/make_reference.py`; a test compares it with the commands.

A knob of `train` is also a key of the YAML file that `--config` takes (with `_` for `-`), and an
argument of `charrnn.train`. Every flag can be set by the environment variable in its row. A flag
takes precedence over the environment, the environment over YAML, and YAML over the default. `none`
means "off" and `auto` "decide for me", everywhere; in Python they are `None` and `"auto"`.
"""


def reference() -> str:
    """The whole file."""
    return HEAD + "".join(section(name) for name in COMMANDS)


def section(name: str) -> str:
    """One command's table."""
    context = click.Context(cli)
    command = cli.get_command(context, name)
    assert command
    pieces = command.collect_usage_pieces(click.Context(command, info_name=name))
    title = " ".join(["charrnn", name, *pieces])
    rows = [row(name, option) for option in command.params if isinstance(option, click.Option)]
    table = [
        "| flag | values | what it does | environment |",
        "|---|---|---|---|",
        *rows,
    ]
    return f"\n## {title}\n\n{COMMANDS[name]}\n\n" + "\n".join(table) + "\n"


def row(name: str, option: click.Option) -> str:
    """One flag's row."""
    flags = ", ".join(f"`{flag}`" for flag in option.opts)
    values = ""
    if not option.is_flag:
        metavar = option.metavar or option.make_metavar(click.Context(cli))
        values = f"`{metavar}`".replace("|", "\\|")
    what = option.help
    if option.show_default:
        what = f"{what}  [default: {option.default}]"
    variable = option.envvar or f"CHARRNN_{name}_{option.name}".upper()
    return f"| {flags} | {values} | {what} | `{variable}` |"


if __name__ == "__main__":
    Path(__file__).with_name("reference.md").write_text(reference(), encoding="utf-8")
