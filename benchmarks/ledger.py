"""A file of results, one JSON object per line, from which a long benchmark resumes."""

import json
from pathlib import Path
from typing import Any

# Stored with a run; incremented when training changes so much that older runs cannot be compared.
RECIPE = 2


class Ledger:
    """``results/NAME.jsonl``, which need not exist yet."""

    def __init__(self, name: str) -> None:
        self.path = Path(__file__).parent / "results" / f"{name}.jsonl"

    def results(self) -> list[dict[str, Any]]:
        return (
            [json.loads(line) for line in self.path.read_text().splitlines()]
            if self.path.exists()
            else []
        )

    def find(self, **wanted: Any) -> dict[str, Any] | None:
        """The first result with all these values."""
        return next((result for result in self.results() if wanted.items() <= result.items()), None)

    def append(self, result: dict[str, Any]) -> None:
        self.path.parent.mkdir(exist_ok=True)
        with self.path.open("a") as file:
            file.write(json.dumps(result) + "\n")
