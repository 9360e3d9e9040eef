"""What ``charrnn score`` shows of a text: colours, a list of places, a page and JSON."""

import json
from bisect import bisect_right
from collections.abc import Iterator, Sequence

import click

from charrnn.cli.console import format_loss, shown
from charrnn.corpus.reading import STDIN
from charrnn.pages.render import markup, render
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


class Places:
    """Names the places of a text: file, line and column, from 1.

    Args:
        file: its name.
        text: as it was read.
        is_one_file: whether its lines are those of the file; else characters are counted.
    """

    def __init__(self, file: str, text: str, *, is_one_file: bool = True) -> None:
        self.file = "stdin" if file == STDIN else file
        self.is_one_file = is_one_file
        self.newlines = [place for place, char in enumerate(text) if char == "\n"]

    def of(self, offset: int) -> str:
        """The place of a character of the text."""
        if not self.is_one_file:
            return f"{self.file}, character {offset + 1:,}"
        line = bisect_right(self.newlines, offset - 1)
        before = self.newlines[line - 1] if line else -1
        return f"{self.file}:{line + 1}:{offset - before}"


class Scored:
    """A text as one model sees it.

    Args:
        places: of its characters.
        explanation: of it.
        separator: between its records; None for continuous text.
    """

    title = "How surprising each character is"
    heading = "The most surprising places"
    colours = Colours.OF_SURPRISE

    def __init__(self, places: Places, explanation: Explanation, separator: str | None) -> None:
        self.places = places
        self.explanation = explanation
        self.separator = separator
        self.legend = list(self.colours.legend)

    def json_lines(self) -> Iterator[str]:
        """One JSON object for each character."""
        for character in self.explanation:
            yield json.dumps(character._asdict())

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
        """The name of a place."""
        return self.places.of(int(self.explanation.offsets[place]))

    def coloured(self) -> str:
        """The text for a terminal, after a legend."""
        names = zip(self.colours.terminal, self.legend, strict=True)
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
            title=f"{self.title}: {self.places.file}",
            summary=list(self.summary()),
            note=note,
            legend=markup(legend(self.colours, self.legend)),
            text=markup("".join(text)),
            heading=self.heading,
            places=[self.described(place) for place in self.ranked(count)],
        )

    def label(self, place: int) -> str:
        """What the page says about a character."""
        return described(self.explanation[place])

    def _after(self, place: int) -> str:
        """The characters before a place, in its record."""
        before = self.explanation.characters[max(0, place - BEFORE) : place]
        if self.separator in before:
            last = max(number for number, char in enumerate(before) if char == self.separator)
            before = before[last + 1 :]
        return f", after {quoted(''.join(before))}" if before else ""


class Compared(Scored):
    """A text as two models see it.

    Args:
        places, explanation, separator: as for ``Scored``, by the first model.
        names: of the two models.
        comparison: of them.
    """

    title = "Which model predicts each character better"
    heading = "The places where the models differ most"
    colours = Colours.OF_DIFFERENCE

    def __init__(
        self,
        places: Places,
        explanation: Explanation,
        separator: str | None,
        names: tuple[str, str],
        comparison: Comparison,
    ) -> None:
        super().__init__(places, explanation, separator)
        self.names = names
        self.comparison = comparison
        self.legend = [name.format(*names) for name in self.colours.legend]

    def json_lines(self) -> Iterator[str]:
        """One JSON object for the whole comparison."""
        yield json.dumps(
            {
                "characters": len(self.explanation),
                "nats_per_character": [
                    self.explanation.nats_per_character,
                    self.comparison.second.nats_per_character,
                ],
                "difference": self.comparison.mean,
                "low": self.comparison.low,
                "high": self.comparison.high,
            }
        )

    def summary(self) -> Iterator[str]:
        first = format_loss(self.explanation.nats_per_character)
        second = format_loss(self.comparison.second.nats_per_character)
        yield f"{self.names[0]}: loss {first} on {len(self.explanation):,} characters"
        yield f"{self.names[1]}: loss {second}"
        mean = self.comparison.mean
        low = self.comparison.low
        high = self.comparison.high
        better = self.names[0]
        if mean < 0:
            better = self.names[1]
            low = -self.comparison.high
            high = -self.comparison.low
        gain = f"{abs(mean):.4f} nats per character"
        interval = f"95% interval {low:.4f} to {high:.4f}"
        if self.comparison.is_short:
            yield f"{better} predicts it better, by {gain}, but the text is too short to be sure"
        elif self.comparison.is_clear:
            yield f"{better} predicts it better, by {gain} ({interval})"
        else:
            yield f"{better} predicts it better by {gain}, which could be chance ({interval})"

    def ranked(self, count: int) -> list[int]:
        return self.comparison.most_different(count)

    def described(self, place: int) -> str:
        return f"{self.where(place)}  {self.label(place)}{self._after(place)}"

    def label(self, place: int) -> str:
        character = self.explanation[place]
        bits = self.comparison.second.bits[place]
        return (
            f"{quoted(character.character)}: {character.bits:.1f} bits for {self.names[0]}, "
            f"{bits:.1f} for {self.names[1]}"
        )

    def levels(self, start: int, end: int) -> list[int]:
        return difference_levels(self.comparison.bits[start:end])


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
