"""A text whose characters are coloured, by surprise or by which model predicts them better.

The colours get darker, or on a dark page lighter, with surprise, so that they can be told apart
without seeing hues (YlOrBr of ColorBrewer, Brewer 2003); of two models, one is blue and the other
orange.
"""

import enum
import html
from collections.abc import Iterable, Iterator, Sequence
from importlib import resources
from typing import Any

import numpy as np

from charrnn.pages.render import allowed
from charrnn.surprise.explanation import Character, Explanation

LEVELS = (1.0, 3.0, 5.0, 8.0)  # bits at which each colour begins
DIFFERENCES = (1.0, 2.0, 4.0)  # bits
SHOWN_NEWLINE = "\u21b5"
SHOWN_SPACE = "\u2423"
MOST_DESCRIBED = 5  # alternatives
MOST_IN_NOTEBOOK = 5_000  # characters


class Colours(enum.Enum):
    """What the colours of a text mean.

    Attributes:
        prefix: of the classes in CSS; 0 has none.
        legend: what each colour means.
        terminal: the colours of text and background in a terminal (256 colours), or None.
    """

    OF_SURPRISE = (
        "surprise-",
        ("under 1 bit", "1 to 3", "3 to 5", "5 to 8", "8 or more"),
        (None, (16, 230), (16, 222), (16, 208), (231, 88)),
    )
    OF_DIFFERENCE = (
        "difference-",
        (
            "less than 1 bit",
            "{0} better by 1 to 2",
            "2 to 4",
            "4 or more",
            "{1} better by 1 to 2",
            "2 to 4",
            "4 or more",
        ),
        (None, (16, 153), (16, 74), (231, 25), (16, 223), (16, 215), (231, 130)),
    )

    def __init__(self, prefix: str, legend: tuple[str, ...], terminal: tuple[Any, ...]) -> None:
        self.prefix = prefix
        self.legend = legend
        self.terminal = terminal


def css(*, dark: bool) -> str:
    """The style sheet of the colours; for a page, also for a dark one."""
    folder = resources.files("charrnn.surprise")
    sheet = folder.joinpath("surprise.css").read_text("utf-8")
    if not dark:
        return sheet
    of_dark = folder.joinpath("surprise-dark.css").read_text("utf-8")
    return f"{sheet}@media (prefers-color-scheme: dark) {{\n{of_dark}}}\n"


def levels(bits: Any) -> list[int]:
    """The colour of each character, from 0 to 4, by its surprise (n,) in bits."""
    colours: list[int] = np.searchsorted(LEVELS, bits, side="right").tolist()
    return colours


def difference_levels(bits: Any) -> list[int]:
    """The colour of each character, from 0 to 6, by how much likelier (n,) the first model is."""
    strength = np.searchsorted(DIFFERENCES, np.abs(bits), side="right")
    is_second = (np.asarray(bits) < 0) & (strength > 0)
    colours: list[int] = np.where(is_second, strength + len(DIFFERENCES), strength).tolist()
    return colours


def spans(
    characters: Sequence[str],
    colours: Sequence[int],
    labels: Iterable[str],
    prefix: str = "surprise-",
    attribute: str = "aria-label",
) -> Iterator[str]:
    """The text as HTML: a span for each coloured character, which the Tab key reaches.

    Args:
        characters: n of them.
        colours: (n,) their levels.
        labels: (n,) what is said about them.
        prefix: of the classes.
        attribute: that holds the label.
    """
    for char, level, label in zip(characters, colours, labels, strict=True):
        if level == 0:
            yield html.escape(allowed(char))
            continue
        text = html.escape(allowed(char)).replace("\n", f"{SHOWN_NEWLINE}\n")
        yield (
            f'<span class="{prefix}{level}" tabindex="0" role="note" '
            f'{attribute}="{html.escape(label)}">{text}</span>'
        )


def legend(colours: Colours, names: Sequence[str] | None = None) -> str:
    """The colours and what they mean, as HTML; ``names`` instead of those of the colours."""
    parts = []
    for level, text in enumerate(names or colours.legend):
        parts.append(f'<span class="{colours.prefix}{level}">{html.escape(text)}</span>')
    return f'<p class="surprise-legend">{" ".join(parts)}</p>'


def notebook_map(explanation: Explanation) -> str:
    """The beginning of the text as HTML that a notebook shows."""
    part = explanation[:MOST_IN_NOTEBOOK]
    labels = map(described, part)
    body = "".join(spans(part.characters, levels(part.bits), labels, attribute="title"))
    rest = len(explanation) - len(part)
    more = f"<p>and {rest:,} more characters</p>" if rest else ""
    return (
        f"<div><style>{css(dark=False)}</style>{legend(Colours.OF_SURPRISE)}"
        f'<pre class="surprise">{body}</pre>{more}'
        f"<p>{explanation.bits_per_character:.3f} bits per character</p></div>"
    )


def described(character: Character) -> str:
    """A character and what was expected instead, in a line."""
    likeliest = character.alternatives[:MOST_DESCRIBED]
    expected = ", ".join(f"{quoted(text)} {probability:.0%}" for text, probability in likeliest)
    return (
        f"{quoted(character.character)}: {character.bits:.1f} bits, rank {character.rank:,}; "
        f"expected {expected}"
    )


def quoted(text: str) -> str:
    """A symbol in quotes, in which a space and a newline can be seen."""
    if text == " ":
        return f"'{SHOWN_SPACE}'"
    parts = []
    for char in text.replace("\n", SHOWN_NEWLINE):
        parts.append(char if char.isprintable() else ascii(char)[1:-1])
    return f"'{''.join(parts)}'"
