"""What kind of text a file looks like: a list, a table, or markup."""

import csv
import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from charrnn.corpus.columns import delimiter_of, table_suffix
from charrnn.corpus.records import looks_like_list
from charrnn.doctor.finding import Finding
from charrnn.vocab import Vocabulary

EXAMINED = 1 << 20  # characters at the beginning of a file
FEWEST_ROWS = 5
MOST_ROWS = 200
SAME_WIDTH = 0.95  # the share of rows with as many fields as the first
MUCH_MARKUP = 0.03  # of the characters, in tags
TAG = re.compile(r"</?[a-zA-Z][^<>\n]{0,300}>|<!--[^\n]{0,2000}?-->|<[!?][^<>]{0,300}>")
_OPENING = re.compile(r"\s*<(?:!doctype|html|\?xml)", re.IGNORECASE)


def shape_findings(path: str, head: str) -> Iterator[Finding]:
    """What the beginning of a file looks like, if it is not plain text."""
    finding = _markup(path, head) or _jsonl(path, head) or _table(path, head) or _list(path, head)
    if finding is not None:
        yield finding


def _markup(path: str, head: str) -> Finding | None:
    tags = TAG.findall(head)
    size = sum(map(len, tags))
    is_marked_up = size >= MUCH_MARKUP * len(head) and any(tag.startswith("</") for tag in tags)
    if not is_marked_up and not _OPENING.match(head):
        return None
    kind = "XML" if head.lstrip().startswith("<?xml") else "HTML or XML"
    return Finding(
        "markup",
        f"{path} looks like {kind}: {size / max(1, len(head)):.0%} of it are tags",
        count=len(tags),
        fix="--fix markup",
    )


def _jsonl(path: str, head: str) -> Finding | None:
    lines = _whole_lines(head)
    if len(lines) < FEWEST_ROWS or table_suffix(path) not in (".jsonl", ".ndjson"):
        return None
    rows = []
    for line in lines:
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            return None
        if not isinstance(row, dict):
            return None
        rows.append(row)
    return _columns(path, table_suffix(path), rows)


def _table(path: str, head: str) -> Finding | None:
    """The finding for a CSV or TSV file, which is one if its name says so."""
    lines = _whole_lines(head)
    suffix = table_suffix(path)
    if len(lines) < FEWEST_ROWS or suffix not in (".csv", ".tsv"):
        return None
    delimiter = delimiter_of(lines[0]) if suffix == ".csv" else "\t"
    try:
        names, *rows = csv.reader(lines, delimiter=delimiter)
    except csv.Error:
        return None
    is_named = len(names) > 1 and all(names) and len(set(names)) == len(names)
    same_width = [row for row in rows if len(row) == len(names)]
    if not is_named or len(same_width) < SAME_WIDTH * len(rows):
        return None
    return _columns(path, suffix, [dict(zip(names, row, strict=True)) for row in same_width])


def _columns(path: str, suffix: str, rows: list[dict[str, Any]]) -> Finding | None:
    """The finding for a table: its columns, and the one that has most of the text."""
    sizes = Counter[str]()
    for row in rows:
        for name, value in row.items():
            if isinstance(value, str):
                sizes[name] += len(value)
    if not sizes:
        return None
    names = ", ".join(map(repr, list(sizes)[:8]))
    longest = max(sizes, key=sizes.__getitem__)
    return Finding(
        "columns",
        f"{path} is a {suffix} file with the columns {names}; {longest!r} has most of the text",
        count=len(sizes),
        fix=f"--column {longest}",
    )


def _list(path: str, head: str) -> Finding | None:
    vocabulary = Vocabulary.of(head) if head else None
    if vocabulary is None or not looks_like_list(vocabulary, vocabulary.encode(head)):
        return None
    return Finding(
        "list",
        f"{path} looks like a list with one item per line",
        count=head.count("\n"),
        fix="--records",
    )


def _whole_lines(head: str) -> list[str]:
    """Some lines at the beginning that are not empty and not cut."""
    lines = head.split("\n")
    if len(lines) > 1:
        lines.pop()  # may be cut
    return [line for line in lines[:MOST_ROWS] if line.strip()]
