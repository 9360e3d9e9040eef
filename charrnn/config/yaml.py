"""A run's knobs to and from YAML. Knows nothing of which knobs there are.

``none`` and ``auto`` are spelled as in a flag.
"""

from typing import Any

from charrnn.config.run_config import RunConfig, check_names, run_knobs
from charrnn.errors import ConfigError


def read_yaml(text: str, source: str, most: int | None = None) -> dict[str, Any]:
    """The knobs that a YAML file sets.

    Every scalar is taken as the text that stands there and read as a flag would be, so that
    ``1e-3`` is a number, ``no`` is no surprise and ``12:30`` is refused.

    Raises:
        ConfigError: not a flat mapping, a name twice, an alias, an unknown name, an impossible
            value, or more than ``most`` of them.
    """
    import yaml

    class Plain(yaml.BaseLoader):
        found = 0

        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.peek_event().anchor is not None:  # type: ignore[no-untyped-call]  # an alias has one, too
                raise ConfigError(f"an alias or anchor stands in {source}; write the value out")
            self.found += 1
            if most is not None and self.found > most:
                raise ConfigError(f"{source} has more than {most:,} names and values; give fewer")
            return super().compose_node(parent, index)

    try:
        node = yaml.compose(text, Loader=Plain)
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigError(
            f"{source} is not YAML: {' '.join(str(error).split())}; mend it there"
        ) from None
    if node is None:
        return {}
    if not isinstance(node, yaml.MappingNode):
        raise ConfigError(f"{source} is not a mapping; write one `knob: value` on a line")
    values: dict[str, Any] = {}
    for key, value in node.value:
        if not isinstance(key.value, str):
            raise ConfigError(
                f"{source}, line {key.start_mark.line + 1}: a list or mapping is no knob; write one `knob: value` on a line"
            )
        check_names([key.value], source)
        if key.value in values:
            raise ConfigError(
                f"{key.value} stands twice in {source}, again on line {key.start_mark.line + 1}; leave one"
            )
        values[key.value] = _yaml_value(key.value, value, source)
    return values


def _yaml_value(name: str, node: Any, source: str) -> Any:
    if name == "corpus":
        nodes = node.value if node.id == "sequence" else [node]
        if all(isinstance(item.value, str) for item in nodes):
            return tuple(item.value for item in nodes)
    elif isinstance(node.value, str):
        return run_knobs()[name].parse(node.value, source)
    raise ConfigError(
        f"{name} in {source}, line {node.start_mark.line + 1}, is no single value; write `{name}: value`"
    )


def write_yaml(config: RunConfig) -> str:
    """A run's configuration as YAML that read_yaml reads back to the same values."""
    import yaml

    values = {name: "none" if value is None else value for name, value in config.flat().items()}
    plain = all(
        str(value).isprintable() for value in values.values()
    )  # escapes are needed for the rest
    return str(
        yaml.safe_dump(
            values, default_flow_style=None, sort_keys=False, allow_unicode=plain, width=10**6
        )
    )
