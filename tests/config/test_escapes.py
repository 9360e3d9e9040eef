"""Escaped text in a flag means the original text."""

from hypothesis import given
from hypothesis import strategies as st

from charrnn.config.escapes import escaped, first_escape, unescaped


def test_newline_return_tab_and_backslash_are_escaped() -> None:
    assert escaped("a\n\r\t\\b") == "a\\n\\r\\t\\\\b"
    assert unescaped("a\\n\\r\\t\\\\b") == "a\n\r\t\\b"


def test_other_backslashes_are_kept() -> None:
    assert unescaped("\\x \\") == "\\x \\"


def test_the_first_escape_is_named() -> None:
    assert first_escape("a\\tb\\n") == ("\\t", "tab")
    assert first_escape("a\\\\n\\r") == ("\\r", "return")  # an escaped backslash and an n
    assert first_escape("a\\d") is None


@given(st.text("ab\n\r\t\\nrt"))
def test_unescaping_inverts_escaping(text: str) -> None:
    assert unescaped(escaped(text)) == text
    assert not set(escaped(text)) & set("\n\r\t")
