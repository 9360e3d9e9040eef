"""What was written goes to standard output as it comes, or into a file at once; nothing that stands
there is lost to half a text."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from charrnn.cli.output import show
from charrnn.errors import GenerationError


def broken() -> Iterator[str]:
    yield "half "
    yield "a text"
    raise GenerationError("no more")


@pytest.mark.parametrize(
    ("texts", "shown"), [(["a\n", "b", ""], "a\nb\n"), (["a\n"], "a\n"), ([], "")]
)
def test_an_error_begins_a_new_line(
    texts: list[str], shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def pieces() -> Iterator[str]:
        yield from texts
        raise GenerationError("stuck")

    with pytest.raises(GenerationError, match=r"^stuck$"):
        show(pieces(), None)
    assert capsys.readouterr().out == shown


def test_pieces_go_to_standard_output_as_they_come(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(GenerationError):
        show(broken(), None)
    show(iter(["a", "b"]), "-")
    assert capsys.readouterr().out == "half a text\nab"


def test_a_file_is_written_once_all_is_there(tmp_path: Path) -> None:
    def watched() -> Iterator[str]:
        yield "a"
        assert not (tmp_path / "out").exists()
        yield "é"

    show(watched(), str(tmp_path / "out"))
    assert (tmp_path / "out").read_bytes() == "aé".encode()


def test_what_came_before_an_error_is_kept_where_no_file_was(tmp_path: Path) -> None:
    with pytest.raises(GenerationError):
        show(broken(), str(tmp_path / "out"))
    assert (tmp_path / "out").read_text() == "half a text"
    (tmp_path / "old").write_text("old")
    with pytest.raises(GenerationError):
        show(broken(), str(tmp_path / "old"))
    assert (tmp_path / "old").read_text() == "old"
