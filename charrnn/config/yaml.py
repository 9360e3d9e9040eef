"""A run's knobs to and from YAML; values are written as in a flag."""

from typing import Any

from charrnn.config.run_config import RunConfig, check_names, run_knobs
from charrnn.errors import ConfigError


def read_yaml(text: str, source: str, max_items: int | None = None) -> dict[str, Any]:
    """The knobs that a YAML file sets.

    Every scalar is parsed from its text, as a flag would be: ``1e-3`` is a number,
    ``no`` is a word, and ``12:30`` is refused.

    Args:
        text: the content of the file.
        source: its name, for errors.
        max_items: the maximum number of names and values.

    Raises:
        ConfigError: not a flat mapping, a repeated name, an alias, an unknown name, an invalid
            value, or too many of them.
    """
    node = _compose(text, source, max_items)
    if node is None:
        return {}
    if node.id != "mapping":
        raise ConfigError(f"{source} must have one option per line, such as `hidden_size: 256`")
    values: dict[str, Any] = {}
    for key, value in node.value:
        name = key.value
        line = key.start_mark.line + 1
        if not isinstance(name, str):
            raise ConfigError(
                f"{source}, line {line}: the name of an option cannot be a list or mapping; "
                "write one option per line, such as `hidden_size: 256`"
            )
        check_names([name], source)
        if name in values:
            raise ConfigError(
                f"{name} is set twice in {source}, the second time on line {line}; remove one"
            )
        values[name] = _parse_node(name, value, source)
    return values


def _compose(text: str, source: str, max_items: int | None) -> Any:
    """The tree of YAML nodes, without aliases; None for an empty file."""
    import yaml

    class Loader(yaml.BaseLoader):
        items = 0

        def compose_node(self, parent: Any, index: Any) -> Any:
            # An alias is an event with an anchor, too.
            if self.peek_event().anchor is not None:  # type: ignore[no-untyped-call]
                raise ConfigError(
                    f"{source} contains an anchor or alias, which is not supported; "
                    "write the value out"
                )
            self.items += 1
            if max_items is not None and self.items > max_items:
                raise ConfigError(
                    f"{source} has more than {max_items:,} names and values; remove some"
                )
            return super().compose_node(parent, index)

    try:
        return yaml.compose(text, Loader=Loader)
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigError(f"{source} is not valid YAML: {_reason(error)}; fix it there") from None


def _reason(error: Exception) -> str:
    """What is wrong with a YAML file, and where."""
    problem = getattr(error, "problem", None)
    mark = getattr(error, "problem_mark", None)
    if problem is None or mark is None:
        return " ".join(str(error).split())
    return f"{problem} (line {mark.line + 1}, column {mark.column + 1})"


def _parse_node(name: str, node: Any, source: str) -> Any:
    """The value of a knob from its YAML node."""
    nodes = [node]
    if name == "corpus" and node.id == "sequence":
        nodes = node.value
    texts = tuple(item.value for item in nodes)
    if not all(isinstance(text, str) for text in texts):
        line = node.start_mark.line + 1
        raise ConfigError(
            f"{name} in {source}, line {line}, must be a single value; write `{name}: value`"
        )
    if name == "corpus":
        return texts
    return run_knobs()[name].parse(texts[0], source)


def write_yaml(config: RunConfig) -> str:
    """A run's configuration as YAML that read_yaml reads back to the same values."""
    import yaml

    values = config.flat()
    for name, value in values.items():
        if value is None:
            values[name] = "none"
    # Other characters have to be escaped, such as a lone surrogate in a file name.
    printable = all(str(value).isprintable() for value in values.values())
    text = yaml.safe_dump(
        values,
        default_flow_style=None,
        sort_keys=False,
        allow_unicode=printable,
        width=10**6,
    )
    return str(text)
