"""Tells what may be wrong with a text before a model is trained on it."""

from typing import Any

from charrnn.cli.console import is_quiet, tell
from charrnn.cli.short_paths import is_long
from charrnn.config.run_config import RunConfig
from charrnn.config.shell import command
from charrnn.doctor.inspection import first_look

MOST_TOLD = 2


def tell_first_look(values: dict[str, Any]) -> None:
    """Tell the most serious findings at the beginning of the corpus that these knobs read."""
    if is_quiet():
        return
    config = RunConfig.from_flat(values)
    findings = first_look(config.corpus, config.data)
    for finding in findings[:MOST_TOLD]:
        tell(finding.message)
    if findings:
        paths = ["FILE..."] if is_long(config.corpus) else config.corpus
        tell(f"more about this, and how to repair it: {command(['inspect'], paths)}")
