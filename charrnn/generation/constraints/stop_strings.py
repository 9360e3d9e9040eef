"""StopStrings: strings before which a text may end, once it satisfies its constraint."""

from collections.abc import Sequence

from charrnn.generation.constraints.compiled_form import Form
from charrnn.generation.constraints.particles import Particles


class StopStrings:
    """Recognizes stop strings in the particles as they are written.

    Args:
        strings: the ids of each.
        form: what the text must look like; None for a text that never ends.
        begun: symbols that the form read before the first one of a particle.

    Attributes:
        strings: as above.
        held_back: the most symbols at the end of a text that may begin a stop string.
    """

    def __init__(self, strings: Sequence[Sequence[int]], form: Form | None, begun: int) -> None:
        self.strings = list[list[int]]()
        self.held_back = 0
        for string in strings:
            ids = [int(idx) for idx in string]
            self.strings.append(ids)
            num_before_last = len(ids) - 1
            self.held_back = max(self.held_back, num_before_last)
        self._form = form
        self._begun = begun

    def ends(self, particles: Particles, row: int) -> list[int]:
        """The next symbols that would complete a stop string before which the text may end."""
        ends = list[int]()
        for string in self.strings:
            begin = self._begin(string, particles, row)
            if begin is not None:
                ends.append(string[-1])
        return ends

    def length_before(self, particles: Particles, row: int, symbol: int) -> int:
        """The length of a text ended by a symbol, without the stop string that it completes."""
        length = particles.written
        for string in self.strings:
            if string[-1] != symbol:
                continue
            begin = self._begin(string, particles, row)
            if begin is not None:
                length = min(length, begin)
        return length

    def _begin(self, string: list[int], particles: Particles, row: int) -> int | None:
        """Where a stop string begins of which only the last symbol is missing.

        Returns:
            The number of symbols before it; None if it does not occur, or if the text may not end
            before it.
        """
        if self._form is None:
            return None
        column = particles.column
        first = column - len(string) + 1
        if first < 0:
            return None
        last_symbols = particles.ids[row, first:column].tolist()
        if last_symbols != string[:-1]:
            return None
        written = particles.dropped + first
        form_state = int(particles.form_states[row, first])
        if not self._form.may_stop(form_state, self._begun + written):
            return None
        return written
