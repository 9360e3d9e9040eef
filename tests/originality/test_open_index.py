"""The index of a run's corpus is built once, only from that corpus, and a failure is explained."""

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import charrnn
from charrnn.errors import CharRNNError, CheckpointError, CorpusError, DamagedError
from charrnn.originality import open_index as indexed
from charrnn.originality.corpus_index import Index
from charrnn.originality.open_index import open_index
from charrnn.storage import checkpoint as checkpoints
from charrnn.storage.atomic import write_file
from charrnn.storage.find_run import find_checkpoint
from charrnn.storage.run import Run

LINES = [
    f"{number} bottles of beer on the wall, {number} bottles of beer" for number in range(20, 0, -1)
]
SMALL: dict[str, Any] = {
    "steps": 1, "hidden_size": 4, "num_layers": 1, "dropout": 0.0, "embedding_size": 2, "batch_size": 2, "sequence_length": 8,
    "device": "cpu", "precision": "fp32", "threads": 1, "sample_every": None,
}  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory with runs on every kind of corpus."""
    where = tmp_path_factory.mktemp("indexed")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(where)
        threads = torch.get_num_threads()
        Path("texts").mkdir()
        Path("texts/one.txt").write_text("\n".join(LINES[:8]))
        Path("texts/two.txt").write_bytes("\r\n".join(LINES[8:]).encode())
        Path("bom.txt").write_bytes(
            b"\xef\xbb\xbf" + "\u00e4\u00f6\n".encode() + "\n".join(LINES).encode()
        )
        for name, settings in {
            "text": {"corpus": ["texts"]},
            "lf": {"corpus": ["bom.txt", "texts/two.txt"], "newlines": "lf"},
            "records": {"corpus": ["texts"], "separator": "\n"},
            "bytes": {"corpus": ["bom.txt", "texts"], "unit": "byte"},
            "inhand": {"text": "\n".join(LINES)},
        }.items():
            charrnn.train(name=name, **SMALL, **settings)
        yield where
        torch.set_num_threads(threads)


@pytest.fixture
def home(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory: a copy of ``trained``."""
    shutil.copytree(trained, tmp_path / "home")
    monkeypatch.chdir(tmp_path / "home")
    return tmp_path / "home"


def opened(name: str, *corpus: str) -> tuple[Index, list[str]]:
    messages = list[str]()
    return open_index(find_checkpoint(name), messages.append, corpus), messages


def lines_of(index: Index) -> list[tuple[str, int, str]]:
    """Each non-empty line of the text, and the place where it begins according to the index."""
    text = index.text if isinstance(index.text, str) else index.text.decode("utf-8")
    data, found, place = index.text, [], 0
    for line in text.split("\n"):
        if line.strip():
            found.append((*index.place(place), line.rstrip("\r")))
        place += len(line if isinstance(data, str) else line.encode()) + 1
    return found


def test_the_index_is_built_once_and_reported_in_one_line(home: Path) -> None:
    made, messages = opened("text")
    assert len(messages) == 1
    assert re.fullmatch(
        r"indexed the corpus: 1,0\d\d characters, \d+\.\d s, 0\.0 MB in checkpoints/text/originality",
        messages[0],
    )
    again, nothing = opened("text")
    assert nothing == []
    assert (again.text, again.files, again.fingerprint) == (made.text, made.files, made.fingerprint)


def test_indexing_a_long_corpus_announces_the_expected_time(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexed, "LONG", 1000)
    _, messages = opened("text")
    assert re.fullmatch(
        r"indexing the 1,0\d\d characters of the corpus; this happens only once and takes about a second per 2 million",
        messages[0],
    )
    assert messages[1].startswith("indexed the corpus: ")


def test_the_index_contains_the_files_in_order_with_line_numbers(home: Path) -> None:
    assert opened("text")[0].files == (
        ("texts/one.txt", 0),
        ("texts/two.txt", len("\n".join(LINES[:8])) + 1),
    )
    one, two = Path("texts/one.txt").read_text(), Path("texts/two.txt").read_bytes().decode()
    assert opened("text")[0].text == one + "\n" + two  # with a newline inserted between the two
    expected = [("texts/one.txt", 1 + at, line) for at, line in enumerate(LINES[:8])]
    expected += [("texts/two.txt", 1 + at, line) for at, line in enumerate(LINES[8:])]
    assert lines_of(opened("text")[0]) == expected


def test_the_index_of_records_includes_the_separators(home: Path) -> None:
    index, _ = opened("records")
    assert index.text == opened("text")[0].text
    assert index.place(str(index.text).index("1 bottles of beer on the wall, 1 ")).line == 12


def test_line_ends_and_byte_order_marks_are_read_as_in_the_run(home: Path) -> None:
    index, _ = opened("lf")
    assert "\r" not in index.text
    assert str(index.text).startswith("\u00e4\u00f6\n")
    expected = [
        ("bom.txt", 1, "\u00e4\u00f6"),
        *(("bom.txt", 2 + at, line) for at, line in enumerate(LINES)),
    ]
    assert lines_of(index) == [
        *expected,
        *(("texts/two.txt", 1 + at, line) for at, line in enumerate(LINES[8:])),
    ]


def test_bytes_are_indexed_unchanged(home: Path) -> None:
    index, _ = opened("bytes")
    assert index.text == b"".join(
        Path(name).read_bytes() for name in ("bom.txt", "texts/one.txt", "texts/two.txt")
    )


def test_a_missing_corpus_is_an_error_until_its_new_path_is_given(home: Path) -> None:
    Path("texts").rename("elsewhere")
    with pytest.raises(
        CheckpointError,
        match=r"^the corpus of checkpoints/text/step-00000001 cannot be read: there is no file texts .*; if it has moved, give its new path as `corpus`$",
    ):
        opened("text")
    index, _ = opened("text", "elsewhere/one.txt", "elsewhere/two.txt")
    assert index.files[0] == ("elsewhere/one.txt", 0)
    assert opened("text")[0].files == index.files  # which no longer needs the text


def test_a_changed_corpus_is_an_error_whatever_its_source(home: Path) -> None:
    path = Path("texts/one.txt")
    path.write_text(path.read_text().replace("beer", "bear", 1))
    for corpus in ([], ["texts"]):
        with pytest.raises(
            CheckpointError,
            match=r"^the text in texts is not the one that \S+/step-00000001 was trained on, which had 1,\d+ characters, too, but not the same ones; restore that one, ",
        ):
            opened("text", *corpus)
    path.write_text(path.read_text() + "x")
    with pytest.raises(
        CheckpointError,
        match=r"which had 1,0\d\d characters; this one has 1,0\d\d; restore that one",
    ):
        opened("text")
    assert not Run(Path("checkpoints/text")).originality.exists()


def test_a_given_path_that_does_not_exist_is_an_error(home: Path) -> None:
    with pytest.raises(CorpusError, match=r"^there is no file nothing.txt "):
        opened("text", "nothing.txt")


def test_a_corpus_that_was_not_a_file_can_be_given_as_a_file(home: Path) -> None:
    with pytest.raises(
        CheckpointError,
        match=r"^the corpus of \S+ was passed as text in Python and not stored; save it to a file",
    ):
        opened("inhand")
    Path("same.txt").write_text("\n".join(LINES))
    assert opened("inhand", "same.txt")[0].text == "\n".join(LINES)
    shutil.copytree("checkpoints/text", "checkpoints/stdin")
    config = Path("checkpoints/stdin/config.yaml")
    config.write_text(re.sub(r"corpus:.*", "corpus: ['-']", config.read_text()))
    with pytest.raises(
        CheckpointError, match=r"^the corpus of \S+ was read from standard input and not stored; "
    ):
        opened("stdin")
    assert opened("stdin", "texts")[0].text == opened("text")[0].text


def test_the_index_of_a_read_only_run_is_in_memory(home: Path) -> None:
    # a file where the directory would be created
    in_the_way = Path(f"checkpoints/text/.originality.tmp-{os.getpid()}")
    in_the_way.write_text("")
    index, messages = opened("text")
    assert re.search(
        r" MB in memory, because checkpoints/text/originality could not be written: .*; check the path and its permissions, .*$",
        messages[0],
    )
    in_the_way.unlink()
    assert index.text == opened("text")[0].text


def test_the_index_of_a_checkpoint_outside_a_run_is_in_memory(home: Path) -> None:
    shutil.copytree("checkpoints/text/step-00000001", "alone")
    index, messages = opened("alone")
    assert messages[0].endswith("MB in memory, because alone is not in a run")
    assert index.text == opened("text")[0].text
    assert sorted(path.name for path in home.iterdir()) == [
        "alone",
        "bom.txt",
        "checkpoints",
        "texts",
    ]


def test_the_corpus_of_a_shared_model_is_checked_by_length(home: Path) -> None:
    shutil.copytree("checkpoints/text/step-00000001", "shared")
    for name in ("trainer.json", "trainer.safetensors"):
        Path("shared", name).unlink()
    index, messages = opened("shared")
    assert (
        messages[0]
        == "shared has no training state, so only the length of the corpus was checked, not its content"
    )
    assert index.text == opened("text")[0].text
    Path("texts/one.txt").write_text("short")
    with pytest.raises(CheckpointError, match="is not the one that shared"):
        opened("shared")


def test_an_index_of_another_corpus_is_rebuilt(home: Path) -> None:
    opened("bytes")
    shutil.copytree("checkpoints/bytes/originality", "checkpoints/text/originality")
    index, messages = opened("text")
    assert len(messages) == 1
    assert isinstance(index.text, str)
    assert opened("text")[1] == []


def test_a_damaged_index_is_an_error_with_advice(home: Path) -> None:
    opened("text")
    write_file(Path("checkpoints/text/originality/text.bin"), b"?" * 1028)
    with pytest.raises(
        DamagedError,
        match=r"^checkpoints/text/originality is damaged: .*; delete the directory to have it rebuilt$",
    ):
        opened("text")
    shutil.rmtree("checkpoints/text/originality")
    opened("text")


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{}", b'{"corpus": 5}', b'{"corpus": []}', b"null", b"\xff"]
)
def test_a_damaged_trainer_json_is_an_error(data: bytes, home: Path) -> None:
    Path("checkpoints/text/step-00000001/trainer.json").write_bytes(data)
    with pytest.raises(CharRNNError, match=r"trainer.json cannot be read"):
        open_index(Path("checkpoints/text/step-00000001"), lambda _: None)


def test_a_run_is_overwritten_and_removed_with_its_index(home: Path) -> None:
    opened("text")
    Run(Path("checkpoints/text")).check_removable()
    charrnn.train(["texts/one.txt"], name="text", overwrite=True, **SMALL)
    assert not Run(Path("checkpoints/text")).originality.exists()
    assert opened("text")[0].text == Path("texts/one.txt").read_text()


def test_a_later_checkpoint_of_the_run_uses_the_same_index(home: Path) -> None:
    opened("text")
    found = checkpoints.read(Path("checkpoints/text/step-00000001"), trainer=True)
    checkpoints.write(
        Path("checkpoints/text/step-00000002"), replace(found, about=found.about | {"step": 2})
    )
    assert (
        open_index(Path("checkpoints/text/step-00000002"), pytest.fail).fingerprint
        == open_index(find_checkpoint("text"), pytest.fail).fingerprint
    )
