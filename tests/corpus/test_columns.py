"""The fields of a column are the records, and a malformed table is an error with its line."""

import gzip
from pathlib import Path
from typing import Any

import pytest

from charrnn.config.run_config import DataConfig, RunConfig
from charrnn.corpus.columns import table_suffix
from charrnn.corpus.corpus import Corpus, RecordCorpus, read_corpus
from charrnn.corpus.reading import check_corpus, read
from charrnn.errors import ConfigError, CorpusError

CSV = 'id,text,"a, b"\n1,one,x\n2,"two, ""2""",y\n\n3,,z\n4,four,"u"\n'
TSV = 'id\ttext\n1\tone\n2\ttwo, "2"\n'
JSONL = (
    '{"id": 1, "text": "one"}\n\n{"text": "two\\u2028", "x": []}\n{"text": null}\n{"text": 3.5}\n'
)


def text_of(data: str | bytes, name: str, **how: Any) -> str:
    """The text that is read from a file."""
    Path(name).write_bytes(data if isinstance(data, bytes) else data.encode())
    config = RunConfig.from_flat({"column": "text"} | how).data
    text = read([name], config).text
    assert isinstance(text, str)
    return text


@pytest.mark.parametrize(
    ("data", "name", "expected"),
    [
        (CSV, "a.csv", 'one\ntwo, "2"\n\nfour\n'),
        (CSV.replace("\n", "\r\n"), "a.csv", 'one\ntwo, "2"\n\nfour\n'),
        (CSV.encode("utf-16"), "A.CSV", 'one\ntwo, "2"\n\nfour\n'),
        (CSV.replace(",", ";").replace("a; b", "a, b"), "a.csv", 'one\ntwo; "2"\n\nfour\n'),
        ("text|n\na,b|1\n", "a.csv", "a,b\n"),
        (TSV, "a.tsv", 'one\ntwo, "2"\n'),
        (JSONL, "a.jsonl", "one\ntwo\u2028\n\n3.5\n"),
        (gzip.compress(JSONL.encode(), mtime=0), "a.ndjson.gz", "one\ntwo\u2028\n\n3.5\n"),
        # no table, so its lines are the records
        ("one\ntwo\n", "a.txt", "one\ntwo\n"),
    ],
)  # fmt: skip
def test_each_field_is_a_record(data: str | bytes, name: str, expected: str, here: Path) -> None:
    encoding = "utf-16" if isinstance(data, bytes) and data[:1] == b"\xff" else "utf-8"
    assert text_of(data, name, encoding=encoding) == expected


def test_another_column_and_another_separator(here: Path) -> None:
    assert text_of(CSV, "a.csv", column="a, b", separator="|") == "x|y|z|u|"
    assert text_of('text,n\n"a\nb",1\nc,2\n', "a.csv", separator="%%") == "a\nb%%c%%"


def test_blocks_may_end_anywhere(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = text_of(CSV, "a.csv")
    for size in (1, 2, 3, 7):
        monkeypatch.setattr("charrnn.corpus.reading.BLOCK", size)
        assert text_of(CSV, "a.csv") == whole


def test_tables_and_lists_are_joined(here: Path) -> None:
    Path("a.csv").write_text("text\none\ntwo")
    Path("b.txt").write_text("three\nfour")
    Path("c.jsonl").write_text('{"text": "five"}')
    config = RunConfig.from_flat({"column": "text"}).data
    assert read(["a.csv", "b.txt", "c.jsonl"], config).text == "one\ntwo\nthree\nfour\nfive\n"


def test_the_corpus_has_the_fields_as_records(here: Path) -> None:
    Path("a.csv").write_text("n,text\n" + "".join(f"{n},name {n}\n" for n in range(20)))
    config = RunConfig.from_flat({"column": "text", "corpus": ["a.csv"]})
    corpus: Corpus = read_corpus(config, None, lambda notice: None)
    assert isinstance(corpus, RecordCorpus)
    assert sorted(corpus.records()) == sorted(f"name {n}" for n in range(20))
    assert config.data.separator == "\n"


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.csv", "id,body\n1,x\n", "a.csv:1 has no column 'text'; its columns are 'id', 'body'; give one of them"),
        ("a.csv", "id,text\n1,x\n2,y,z\n", "a.csv:3: the row has 3 fields, but the first line has 2; correct it or remove it"),
        ("a.csv", "id,text\n1\n", "a.csv:2: the row has 1 field, but the first line has 2; correct it or remove it"),
        ("a.csv", 'id,text\n1,"x"y\n', "a.csv:2 is malformed: ',' expected after '\"'; correct the line or remove it"),
        ("a.csv", 'id,text\n1,"x\n', "a.csv:2 is malformed: unexpected end of data; correct the line or remove it"),
        ("a.csv", 'id,text\n1,"x\ny"\n', "a.csv:3: the field 'text' contains a line break; give a `separator` that no field contains, such as '\\n%%\\n'"),
        ("a.jsonl", '{"text": "x"}\n{"text"\n', "a.jsonl:2 is not JSON: expecting ':' delimiter; correct the line or remove it"),
        ("a.jsonl", '{"text": "x"}\n["y"]\n', "a.jsonl:2 is not a JSON object; correct the line or remove it"),
        ("a.jsonl", '{"body": "x", "n": 1}\n', "a.jsonl:1 has no column 'text'; its columns are 'body', 'n'; give one of them"),
        ("a.jsonl", '{"text": ["x"]}\n', "a.jsonl:1: the field 'text' is a list, not a text"),
        ("a.jsonl", '{"text": true}\n', "a.jsonl:1: the field 'text' is a boolean, not a text"),
        ("a.csv", "", "there is no text in a.csv; give another file"),
    ],
)  # fmt: skip
def test_a_malformed_table_is_an_error_with_its_line(
    name: str, data: str, message: str, here: Path
) -> None:
    with pytest.raises(CorpusError) as caught:
        text_of(data, name)
    assert str(caught.value) == message


def test_a_column_needs_a_table_and_records(here: Path) -> None:
    Path("a.txt").write_text("a text")
    with pytest.raises(ConfigError, match=r"`column='text'` needs a table: .*, got a.txt"):
        check_corpus(RunConfig.from_flat({"column": "text", "corpus": ["a.txt"]}))
    with pytest.raises(ConfigError, match=r"`column='text'` needs a table: .*, got none"):
        read_corpus(RunConfig.from_flat({"column": "text"}), "a text", lambda notice: None)
    with pytest.raises(ConfigError, match="reads records, which need a `separator`"):
        DataConfig(column="text")
    with pytest.raises(ConfigError, match='cannot be used with `unit="byte"`'):
        read(["a.txt"], DataConfig(unit="byte", column="text", separator="\n"))


@pytest.mark.parametrize(
    ("path", "suffix"),
    [("a.csv", ".csv"), ("A.TSV.gz", ".tsv"), ("x/a.jsonl", ".jsonl"), ("a.txt", ""), ("csv", "")],
)
def test_tables_are_known_by_their_names(path: str, suffix: str) -> None:
    assert table_suffix(path) == suffix
