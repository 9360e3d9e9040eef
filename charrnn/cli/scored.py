"""What ``charrnn score`` shows of a text: colours, a list of places, a page and JSON."""

import json
import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import cached_property

import click
import numpy as np

from charrnn.cli.console import format_loss, shown
from charrnn.pages.render import render
from charrnn.surprise.comparison import Comparison
from charrnn.surprise.explanation import Explanation
from charrnn.surprise.surprise_map import (
    Colours,
    css,
    described,
    difference_levels,
    legend,
    levels,
    quoted,
    spans,
)

BEFORE = 24  # characters shown before a place
MOST_ON_PAGE = 50_000  # characters


class Scored:
    """A text as one model sees it.

    Args:
        file: its name.
        text: as it was read.
        explanation: of it.
    """

    title = "How surprising each character is"
    heading = "The most surprising places"
    colours = Colours.OF_SURPRISE

    def __init__(self, file: str, text: str, explanation: Explanation) -> None:
        self.file = file
        self.text = text
        self.explanation = explanation

    def json_lines(self) -> Iterator[str]:
        """One JSON object for each character."""
        for character in self.explanation:
            fields = character._asdict()
            yield json.dumps(fields)

    def report(self, count: int) -> Iterator[str]:
        """The loss, and the most surprising places."""
        yield from self.summary()
        places = self.ranked(count)
        if places:
            yield ""
            yield f"{self.heading}:"
        for place in places:
            yield f"  {self.described(place)}"

    def summary(self) -> Iterator[str]:
        """The loss."""
        loss = format_loss(self.explanation.nats_per_character)
        yield f"loss {loss} on {len(self.explanation):,} characters"

    def ranked(self, count: int) -> list[int]:
        """The places to list."""
        return self.explanation.most_surprising(count)

    def described(self, place: int) -> str:
        """A place, what is there, and what was expected."""
        return f"{self.where(place)}  {described(self.explanation[place])}{self._after(place)}"

    def levels(self, start: int, end: int) -> list[int]:
        """The colours of some characters."""
        return levels(self.explanation.bits[start:end])

    def where(self, place: int) -> str:
        """A place as file, line and column, from 1."""
        offset = int(self.explanation.offsets[place])
        line = bisect_right(self._newlines, offset - 1)
        before = self._newlines[line - 1] if line else -1
        return f"{self.file}:{line + 1}:{offset - before}"

    def coloured(self) -> str:
        """The text for a terminal, after a legend."""
        names = zip(self.colours.terminal, self.colours.legend, strict=True)
        parts = [" ".join(_in_colour(f" {name} ", colour) for colour, name in names), "\n\n"]
        characters = self.explanation.characters
        of_each = self.levels(0, len(characters))
        for level, (start, end) in runs(of_each):
            for number, piece in enumerate("".join(characters[start:end]).split("\n")):
                newline = "\n" if number else ""
                parts.append(newline + _in_colour(shown(piece), self.colours.terminal[level]))
        return "".join(parts).rstrip("\n") + "\n"

    def page(self, count: int) -> str:
        """The text as a web page.

        Raises:
            MissingPackageError: Jinja is not installed.
        """
        from markupsafe import Markup

        end = min(len(self.explanation), MOST_ON_PAGE)
        note = ""
        if end < len(self.explanation):
            note = f"The page shows the first {end:,} of {len(self.explanation):,} characters."
        labels = (self.label(place) for place in range(end))
        text = spans(
            self.explanation.characters[:end],
            self.levels(0, end),
            labels,
            self.colours.prefix,
        )
        return render(
            "score.html",
            css=css(dark=True),
            title=f"{self.title}: {self.file}",
            summary=" ".join(self.summary()),
            note=note,
            legend=Markup(legend(self.colours)),
            text=Markup("".join(text)),
            heading=self.heading,
            places=[self.described(place) for place in self.ranked(count)],
        )

    def label(self, place: int) -> str:
        """What the page tells about a character."""
        return described(self.explanation[place])

    @cached_property
    def _newlines(self) -> list[int]:
        return [place for place, char in enumerate(self.text) if char == "\n"]

    def _after(self, place: int) -> str:
        before = "".join(self.explanation.characters[max(0, place - BEFORE) : place])
        return f", after {quoted(before)}" if before else ""


class Compared(Scored):
    """A text as two models see it.

    Args:
        file, text, explanation: as for ``Scored``, by the first model.
        other: the explanation by the second.
        comparison: of the two.
    """

    title = "Which model predicts each character better"
    heading = "The places where the models differ most"
    colours = Colours.OF_DIFFERENCE

    def __init__(
        self,
        file: str,
        text: str,
        explanation: Explanation,
        other: Explanation,
        comparison: Comparison,
    ) -> None:
        super().__init__(file, text, explanation)
        self.other = other
        self.comparison = comparison

    def json_lines(self) -> Iterator[str]:
        """One JSON object for the whole comparison."""
        yield json.dumps(
            {
                "characters": len(self.explanation),
                "nats_per_character": [
                    self.explanation.nats_per_character,
                    self.other.nats_per_character,
                ],
                "difference": self.comparison.mean,
                "low": self.comparison.low,
                "high": self.comparison.high,
            }
        )

    def summary(self) -> Iterator[str]:
        first = format_loss(self.explanation.nats_per_character)
        second = format_loss(self.other.nats_per_character)
        yield f"first model: loss {first} on {len(self.explanation):,} characters"
        yield f"second model: loss {second}"
        mean, low, high = self.comparison[1:]
        better = "first" if mean >= 0 else "second"
        if mean < 0:
            low, high = -high, -low
        interval = f"95% interval {low:.4f} to {high:.4f}"
        if self.comparison.is_clear:
            yield (
                f"the {better} predicts it better, by {abs(mean):.4f} nats per character "
                f"({interval})"
            )
        else:
            yield (
                f"the difference, {abs(mean):.4f} nats per character in favour of the {better}, is "
                f"not clear ({interval}); compare on more text"
            )

    def ranked(self, count: int) -> list[int]:
        order = np.argsort(-np.abs(self.comparison.differences), kind="stable")
        places: list[int] = order[:count].tolist()
        return places

    def described(self, place: int) -> str:
        return f"{self.where(place)}  {self.label(place)}{self._after(place)}"

    def label(self, place: int) -> str:
        character = self.explanation[place]
        bits = self.other.bits[place]
        return (
            f"{quoted(character.character)}: {character.bits:.1f} bits for the first model, "
            f"{bits:.1f} for the second"
        )

    def levels(self, start: int, end: int) -> list[int]:
        return difference_levels(self.comparison.differences[start:end] / math.log(2))


def runs(numbers: Sequence[int]) -> Iterator[tuple[int, tuple[int, int]]]:
    """Equal numbers that follow each other: the number, and where they begin and end."""
    start = 0
    for place in range(1, len(numbers) + 1):
        if place == len(numbers) or numbers[place] != numbers[start]:
            yield numbers[start], (start, place)
            start = place


def _in_colour(text: str, colour: tuple[int, int] | None) -> str:
    if colour is None or not text:
        return text
    foreground, background = colour
    return click.style(text, fg=foreground, bg=background)
