"""What is said is shown, whatever stands in it."""

import io
import sys

import pytest

from charrnn.cli.console import has_colour, shown, tell


@pytest.mark.parametrize(
    ("text", "as_shown"),
    [
        ("plain, é漢😀", "plain, é漢😀"),
        ("", ""),
        ("a\nb\rc", r"a\nb\rc"),
        ("a\tb\u00a0c\u3000d", "a\tb\u00a0c\u3000d"),  # spaces of any script
        # what joins letters and emoji, or keeps them apart
        ("می\u200cخواهم 👩\u200d👧", "می\u200cخواهم 👩\u200d👧"),
        ("\x1b[2J\x1b]0;title\x07", r"\x1b[2J\x1b]0;title\x07"),
        ("\x9b2J", r"\x9b2J"),  # what begins a command in eight bits
        ("\u202eabc\u2066", r"\u202eabc\u2066"),  # what turns the direction of writing
        ("\udcff.txt", r"\udcff.txt"),
        ("\U000e0001", r"\U000e0001"),
    ],
)
def test_nothing_moves_the_cursor(
    text: str, as_shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shown(text) == as_shown
    assert not set(as_shown) & {"\x1b", "\n", "\r", "\x9b", "\u202e"}
    tell(text)
    assert capsys.readouterr() == ("", as_shown + "\n")


def test_a_reader_who_has_gone_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone:
        def write(self, text: str) -> int:
            raise BrokenPipeError

        def flush(self) -> None:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stderr", Gone())
    tell("hello")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("no_color", "term", "stream", "expected"),
    [
        ("", "xterm", Terminal(), True),
        ("", "", Terminal(), True),
        ("1", "xterm", Terminal(), False),
        ("", "dumb", Terminal(), False),
        ("", "xterm", io.StringIO(), False),
    ],
    ids=["terminal", "no TERM", "NO_COLOR", "dumb", "file"],
)
def test_colour_needs_a_terminal_that_has_it_and_no_no_color(
    no_color: str, term: str, stream: io.StringIO, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", no_color)
    monkeypatch.setenv("TERM", term)
    assert has_colour(stream) is expected
