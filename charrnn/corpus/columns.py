"""One column of a table as records: CSV, TSV and JSON lines, row by row. TABLES lists them."""

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from charrnn.errors import CorpusError

LARGEST_FIELD = 1 << 24  # characters; more in a field means that a quote is missing
MOST_LISTED = 12  # columns in an error

# A row's place, and its column.
Rows = Iterator[tuple[int, str]]


def csv_rows(lines: Iterable[str], path: str, column: str) -> Rows:
    """A column of a CSV file, whose first line names the columns."""
    return _separated(lines, path, column, ",")


def tsv_rows(lines: Iterable[str], path: str, column: str) -> Rows:
    """A column of a file with tabs between its columns."""
    return _separated(lines, path, column, "\t")


def jsonl_rows(lines: Iterable[str], path: str, column: str) -> Rows:
    """A column of a file with a JSON object on each line."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            reason = str(error).partition(": line")[0].lower()
            raise CorpusError(
                f"{path}:{number} is not JSON: {reason}; correct the line or remove it"
            ) from None
        if not isinstance(row, dict):
            raise CorpusError(
                f"{path}:{number} is not a JSON object; correct the line or remove it"
            )
        if column not in row:
            raise _no_column(path, number, column, list(row))
        yield number, _as_text(row[column], path, number, column)


TABLES: dict[str, Callable[[Iterable[str], str, str], Rows]] = {
    ".csv": csv_rows,
    ".tsv": tsv_rows,
    ".jsonl": jsonl_rows,
    ".ndjson": jsonl_rows,
}


def table_suffix(path: str) -> str:
    """The suffix in TABLES that a file's name ends with, also before .gz, or ``""``."""
    name = path.lower().removesuffix(".gz")
    for suffix in TABLES:
        if name.endswith(suffix):
            return suffix
    return ""


def column_as_records(
    texts: Iterable[str],
    path: str,
    column: str,
    separator: str,
) -> Iterator[str]:
    """The text of a column, each row followed by a separator.

    Args:
        texts: the blocks of the table.
        path: its name, which ends with a suffix in TABLES.
        column: the name of the column.
        separator: between records.

    Raises:
        CorpusError: the column is missing, a row is malformed, or a field contains the separator.
    """
    rows = TABLES[table_suffix(path)](_lines(texts), path, column)
    for number, field in rows:
        if separator in field:
            what = "a line break" if separator == "\n" else f"the separator {separator!r}"
            raise CorpusError(
                f"{path}:{number}: the field {column!r} contains {what}; "
                "give a `separator` that no field contains, such as '\\n%%\\n'"
            )
        yield field + separator


def _lines(texts: Iterable[str]) -> Iterator[str]:
    """The lines of a text, with their line ends."""
    held_back = ""
    for text in texts:
        *lines, held_back = (held_back + text).split("\n")
        for line in lines:
            yield line + "\n"
    if held_back:
        yield held_back


def _separated(lines: Iterable[str], path: str, column: str, delimiter: str) -> Rows:
    csv.field_size_limit(LARGEST_FIELD)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    try:
        names = next(reader, None)
        if names is None:
            return
        if column not in names:
            raise _no_column(path, 1, column, names)
        place = names.index(column)
        for row in reader:
            if not row:  # an empty line
                continue
            if len(row) != len(names):
                raise CorpusError(
                    f"{path}:{reader.line_num}: the row has {len(row):,} fields, but the first "
                    f"line {len(names):,}; correct it or remove it"
                )
            yield reader.line_num, row[place]
    except csv.Error as error:
        raise CorpusError(
            f"{path}:{reader.line_num} is malformed: {error}; correct the line or remove it"
        ) from None


def _as_text(value: Any, path: str, number: int, column: str) -> str:
    """A JSON value as the text of a record; null is an empty one, which is left out."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return json.dumps(value)
    kind = {bool: "a truth value", list: "a list", dict: "an object"}[type(value)]
    raise CorpusError(f"{path}:{number}: the field {column!r} is {kind}, not a text")


def _no_column(path: str, number: int, column: str, names: Sequence[str]) -> CorpusError:
    listed = ", ".join(map(repr, names[:MOST_LISTED])) or "none"
    if len(names) > MOST_LISTED:
        listed += f" and {len(names) - MOST_LISTED} more"
    return CorpusError(
        f"{path}:{number} has no column {column!r}; its columns are {listed}; give one of them"
    )
