"""Every value is escaped, and the policy allows exactly the styles of the page."""

import base64
import hashlib
import html
import re

from charrnn.pages.render import allowed, render, render_markdown

EVIL = "<script>alert('&amp;')</script>\"\x00"


def page() -> str:
    return render("originality.html", title=EVIL, lines=[EVIL], parts=[(EVIL, EVIL), (EVIL, "")])


def test_values_are_escaped() -> None:
    assert "<script" not in page()
    assert page().count("&lt;script&gt;") == 6  # the title twice


def test_the_policy_has_the_hash_of_the_style_and_allows_nothing_else() -> None:
    text = render("originality.html", css="p { color: red; }", title="a", lines=[], parts=[])
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    assert style.endswith("p { color: red; }")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    (policy,) = re.findall(r'Policy" content="([^"]*)"', text)
    assert html.unescape(policy) == (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )


def test_nothing_is_loaded_from_elsewhere() -> None:
    assert not re.search(r"https?:|src=|@import|url\(", page())


def test_control_characters_are_replaced() -> None:
    assert allowed("a\x00b\tc\n\x1bd") == "a\ufffdb\tc\n\ufffdd"


def test_markdown_is_not_escaped_but_has_no_control_characters() -> None:
    values = {"title": "a < b\x1b", "name": "'a'", "licence": "mit", "table": {"size": "1 & 2"}}
    empty = dict.fromkeys(("verdict", "next_command", "copied", "reproduce"), "")
    text = render_markdown("report.md", samples=[(0.5, "```\na\n```")], **values, **empty)
    assert "# a < b\ufffd\n" in text
    assert "| size | 1 & 2 |\n" in text
    assert "Temperature 0.5:\n\n```\na\n```\n" in text
