"""One column of a table as records: CSV, TSV and JSON lines, row by row. TABLES lists them."""

import csv
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from charrnn.corpus.separators import contains_separator
from charrnn.errors import CorpusError

DELIMITERS = ",;\t|"  # of CSV files, the most usual first
LARGEST_FIELD = 1 << 24  # characters; more in a field means that a quote is missing
MOST_LISTED = 12  # columns in an error

# A row's place, and its column.
Rows = Iterator[tuple[int, str]]


def csv_rows(lines: Iterable[str], path: str, column: str) -> Rows:
    """A column of a CSV file, whose first line names the columns.

    Between the fields is a comma, or the other delimiter that is more frequent in that line.
    """
    lines = iter(lines)
    first = next(lines, "")
    if not first:
        return iter(())
    return _separated(itertools.chain([first], lines), path, column, delimiter_of(first))


def delimiter_of(first_line: str) -> str:
    """The delimiter of a CSV file."""
    return max(DELIMITERS, key=first_line.count)


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
        if contains_separator(field, separator):
            what = "a line break" if separator == "\n" else f"the separator {separator!r}"
            raise CorpusError(
                f"{path}:{number}: the field {column!r} contains {what}; "
                "give a `separator` that no field contains, such as '\\n%%\\n'"
            )
        yield field + separator


def _lines(texts: Iterable[str]) -> Iterator[str]:
    """The lines of a text, with their line ends."""
    begun: list[str] = []  # the pieces of a line that goes on in the next block
    for text in texts:
        *lines, last = text.split("\n")
        for line in lines:
            yield "".join(begun) + line + "\n"
            begun = []
        begun.append(last)
    line = "".join(begun)
    if line:
        yield line


def _separated(lines: Iterable[str], path: str, column: str, delimiter: str) -> Rows:
    csv.field_size_limit(max(LARGEST_FIELD, csv.field_size_limit()))
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
                fields = "1 field" if len(row) == 1 else f"{len(row):,} fields"
                raise CorpusError(
                    f"{path}:{reader.line_num}: the row has {fields}, but the first line has "
                    f"{len(names):,}; correct it or remove it"
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
    kind = {bool: "a boolean", list: "a list", dict: "an object"}[type(value)]
    raise CorpusError(f"{path}:{number}: the field {column!r} is {kind}, not a text")


def _no_column(path: str, number: int, column: str, names: Sequence[str]) -> CorpusError:
    listed = ", ".join(map(repr, names[:MOST_LISTED])) or "none"
    if len(names) > MOST_LISTED:
        listed += f" and {len(names) - MOST_LISTED} more"
    return CorpusError(
        f"{path}:{number} has no column {column!r}; its columns are {listed}; give one of them"
    )
