"""The coloured text is the text, escaped, with a label for each surprising character."""

import itertools
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from charrnn.surprise.explanation import Explanation
from charrnn.surprise.surprise_map import (
    MOST_IN_NOTEBOOK,
    Colours,
    css,
    described,
    difference_levels,
    legend,
    levels,
    notebook_map,
    quoted,
    spans,
)


class Text(HTMLParser):
    """The text of HTML, and its labels."""

    def __init__(self, page):
        super().__init__()
        self.text, self.labels = "", []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.labels += [value for name, value in attrs if name in ("aria-label", "title")]

    def handle_data(self, data):
        self.text += data


def explanation_of(text, bits):
    n = len(text)
    return Explanation(
        text,
        -np.log(2) * np.array(bits),
        np.full(n, 2),
        np.ones(n),
        np.tile([0, 1], (n, 1)),
        np.tile([0.5, 0.25], (n, 1)),
        ["<", "\n"],
        np.arange(n),
    )


def test_the_text_is_unchanged_and_each_surprising_character_is_labelled():
    text = "<i>&\"'\n\x00é"
    page = "".join(spans(text, [0, 1, 2, 3, 4, 0, 1, 1, 0], [f"<{n}>" for n in range(9)]))
    found = Text(page)
    assert found.text == text.replace("\n", "\u21b5\n").replace("\x00", "\ufffd")
    assert found.labels == ["<1>", "<2>", "<3>", "<4>", "<6>", "<7>"]
    assert page.count('tabindex="0"') == 6


@pytest.mark.parametrize(("bits", "level"), [(0, 0), (0.99, 0), (1, 1), (4.9, 2), (5, 3), (99, 4)])
def test_the_colour_depends_on_the_bits(bits, level):
    assert levels([bits]) == [level]


def test_the_colours_of_a_difference_say_which_model_is_better():
    assert difference_levels(np.array([0.0, 0.9, 1, 3, 9, -0.9, -1, -3, -9])) == [
        0,
        0,
        1,
        2,
        3,
        0,
        4,
        5,
        6,
    ]


@pytest.mark.parametrize("colours", Colours)
def test_every_colour_has_a_name_a_style_and_terminal_colours(colours):
    assert len(colours.legend) == len(colours.terminal)
    for dark in (False, True):
        for level in range(1, len(colours.legend)):
            assert f".{colours.prefix}{level} {{ background" in css(dark=dark)
    assert Text(legend(colours)).text == " ".join(colours.legend)
    assert Text(legend(colours, ["<a>"])).text == "<a>"


def luminance(colour):
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return 0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2


def test_colours_can_be_told_apart_without_hues_and_text_be_read():
    light, dark = css(dark=False), css(dark=True).split("@media")[1]
    for sheet, direction in ((light, -1), (dark, 1)):
        rules = re.findall(r"\.surprise-\d \{ background: (#\w{6}); color: (#\w{3})", sheet)
        backs = [luminance(back) for back, _ in rules]
        assert len(rules) == 4
        assert all(direction * (b - a) > 0.03 for a, b in itertools.pairwise(backs))
        for back, front in re.findall(r"background: (#\w{6}); color: (#\w{3})", sheet):
            pair = sorted([luminance(back), luminance("#" + "".join(2 * c for c in front[1:]))])
            assert (pair[1] + 0.05) / (pair[0] + 0.05) > 4.5  # WCAG AA


def test_what_was_expected_is_described():
    character = explanation_of("a", [4.0])[0]
    assert described(character) == "'a': 4.0 bits, rank 2; expected '<' 50%, '\u21b5' 25%"
    assert [quoted(char) for char in (" ", "\t", "\x1b", "\u044f\n")] == [
        "'\u2423'", "'\\t'", "'\\x1b'", "'\u044f\u21b5'"
    ]  # fmt: skip


def test_a_notebook_shows_the_beginning():
    page = notebook_map(explanation_of("ab" * MOST_IN_NOTEBOOK, [2.0, 0.0] * MOST_IN_NOTEBOOK))
    assert f"and {MOST_IN_NOTEBOOK:,} more characters" in page
    assert "1.000 bits per character" in page
    assert len(Text(page).labels) == MOST_IN_NOTEBOOK // 2
