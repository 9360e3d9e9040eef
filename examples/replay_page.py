"""Writes again what the model wrote on an exported page, and compares.

    charrnn serve fables
    python examples/replay_page.py charrnn-2026-11-30-10-00.json http://localhost:8000

Each step of the model on the page has the request that wrote it, with its settings and seed, and
the offset of what was taken of the answer. The prompt was the text before it; in a long text, the
part from the place that ``from`` gives.
"""

import json
import sys
from pathlib import Path
from urllib.request import Request, urlopen


class Text:
    """A text in UTF-16, in which a browser counts."""

    def __init__(self, text: str = "") -> None:
        self.units = text.encode("utf-16-le", "surrogatepass")

    def __len__(self) -> int:
        return len(self.units) // 2

    def __str__(self) -> str:
        return self.units.decode("utf-16-le", "surrogatepass")

    def before(self, place: int) -> str:
        """What stands before a place."""
        return str(self._of(self.units[: 2 * place]))

    def spliced(self, place: int, removed: int, inserted: str) -> "Text":
        """The text with some of it replaced."""
        end = 2 * (place + removed)
        return self._of(self.units[: 2 * place] + Text(inserted).units + self.units[end:])

    def _of(self, units: bytes) -> "Text":
        text = Text()
        text.units = units
        return text


def replay(page: dict, server: str) -> tuple[int, int]:
    """Write all steps of the model again, on all branches.

    Returns:
        the number of steps, and of those that gave the same text.
    """
    texts = {"": Text()}  # by step; the first one has no parent
    count = 0
    same = 0
    for step in page["history"]["steps"]:
        before = texts[step["parent"]]
        inserted = _joined(step["inserted"])
        if "request" in step:
            offset = step["offset"]
            prompt = str(Text(before.before(step["at"] - offset)).spliced(0, step["from"], ""))
            written = Text(_completed(server, step["model"], prompt, step["request"]))
            again = str(written.spliced(0, offset, ""))
            count += 1
            same += again.startswith(inserted)
        removed = len(Text(_joined(step["removed"])))
        texts[step["id"]] = before.spliced(step["at"], removed, inserted)
    return count, same


def _joined(pieces: list[dict]) -> str:
    return "".join(piece["text"] for piece in pieces)


def _completed(server: str, model: str, prompt: str, request: dict) -> str:
    body = {"model": model, "prompt": prompt, "unknown": "skip", **request}
    head = {"Content-Type": "application/json"}
    asked = Request(f"{server}/v1/completions", json.dumps(body).encode(), head)
    with urlopen(asked, timeout=300) as answer:
        text: str = json.load(answer)["choices"][0]["text"]
    return text


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit("usage: python examples/replay_page.py PAGE.json ADDRESS")
    path, server = sys.argv[1:]
    try:
        page = json.loads(Path(path).read_text(encoding="utf-8"))
        count, same = replay(page, server.rstrip("/"))
    except (OSError, ValueError, KeyError) as error:
        sys.exit(f"{path}, {server}: {error!r}")
    print(f"{same} of {count} texts of the model are the same")


if __name__ == "__main__":
    main()
