"""Writes docs/reference.md: every command's flags, from the commands themselves.

python docs/make_reference.py
"""

from pathlib import Path

import click

from charrnn.cli.main import COMMANDS, cli

HEAD = """# Every flag

Made by `python docs/make_reference.py`; a test holds it against the commands.

A knob of `train` is also a key of the YAML file that `--config` takes (with `_` for `-`), and an argument of
`charrnn.train`. Every flag can be set by the environment variable in its row. A flag goes before the environment, that
before YAML, that before the default. `none` means "off" and `auto` "decide for me", everywhere; in Python they are `None`
and `"auto"`.
"""


def reference() -> str:
    """The whole file."""
    return HEAD + "".join(section(name) for name in COMMANDS)


def section(name: str) -> str:
    """One command's table."""
    context = click.Context(cli)
    command = cli.get_command(context, name)
    assert command
    usage = " ".join(command.collect_usage_pieces(click.Context(command, info_name=name)))
    rows = [row(name, option) for option in command.params if isinstance(option, click.Option)]
    return (
        f"\n## charrnn {name} {usage}\n\n{COMMANDS[name]}\n\n| flag | values | what it does | environment |\n|---|---|---|---|\n"
        + "".join(rows)
    )


def row(name: str, option: click.Option) -> str:
    """One flag's row."""
    flags = ", ".join(f"`{flag}`" for flag in option.opts)
    values = (
        ""
        if option.is_flag
        else "`"
        + (option.metavar or option.make_metavar(click.Context(cli))).replace("|", "\\|")
        + "`"
    )
    default = f"  [default: {option.default}]" if option.show_default else ""
    return f"| {flags} | {values} | {option.help}{default} | `{option.envvar or f'CHARRNN_{name.upper()}_{str(option.name).upper()}'}` |\n"


if __name__ == "__main__":
    Path(__file__).with_name("reference.md").write_text(reference(), encoding="utf-8")
