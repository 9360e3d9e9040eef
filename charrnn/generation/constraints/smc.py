"""The decoding loop of a text that must have a form, or must not copy: K streams side by side, of
which one is given.

Where only some symbols may follow, a stream draws among these, by what the model gives them and by
how much hope there is behind each (Form.hopes). That alone bends the text; so each stream carries a
weight that says by how much, and now and then streams with little weight give way to copies of
those with much (twisted sequential Monte Carlo: Whiteley and Lee 2014; systematic resampling:
Kitagawa 1996). With many streams the text is one that the model would have written, given that it
has the form.

What ends a text is a symbol that the form lets end it (Table.leaves), drawn where it may end; for
records, their end. Where a guard leaves no symbol to any stream, all go back a step and do not take
the same one again. Knows nothing of text and of files.

    K  particles     V  symbols     t  symbols written
"""

import math
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from charrnn.errors import GenerationError
from charrnn.generation.constraints.dfa import Ahead, Form
from charrnn.generation.constraints.particles import Particles
from charrnn.generation.decode import REACH, Symbol
from charrnn.generation.network import Network
from charrnn.generation.sampling import (
    LOWEST_SAFE_TEMPERATURE,
    Sampler,
    apply_top_k,
    draw,
    log_probabilities,
)
from charrnn.originality.copy_guard import Guard
from charrnn.vocab import Ids

MAX_BACKTRACK = (
    64  # symbols that may be taken back, by one stream; of several by each its part, and
)
MIN_BACKTRACK = 8
MAX_STEPS_BACK = 2_000  # of them without getting further
NEAR_ZERO = 1e-20  # a temperature below is as good as 0
MAX_DIVERGENCE = (
    512  # symbols in which streams may have nothing in common; then all go on from one of them
)
RESAMPLE_BELOW = 0.5  # of the streams: where their weights are worth fewer, they are drawn anew
LOWEST_LOGIT = -1e30  # what a tiny temperature makes of a logit at the least

Array = NDArray[Any]
ANYTHING, NONE = Ahead(None, None, over=False), np.empty(0)


class NothingLeftError(GenerationError):
    """Every symbol would copy too much, or not fit."""


class Past(NamedTuple):
    """A step that may be taken back: what stood before it, what each stream must not draw there,
    and what it drew."""

    cloud: Particles
    tried: list[set[int]]
    idx: list[int]


class ConstrainedDecoder:
    """Writes one text; iterated, it gives each symbol once none of the streams can do without it.

    Args:
        network: what predicts.
        prompt: ids that are read first, at least one.
        sampler: how a symbol is drawn.
        rng: what draws.
        form: what the text must look like; None for none, and a text without end.
        begun: how many ids at the end of the prompt are the beginning of what has the form.
        guard: what must not be copied; None for nothing.
        particles: K.
        stops: ids of strings before which the text may end, where it has its form by then.
        end: id of the end of a record; -1 where there is none.
        scored: whether log-probabilities are wanted; without, they are 0.

    Raises:
        ConfigError: no text of that form begins so.
    """

    def __init__(
        self,
        network: Network,
        prompt: Ids | Sequence[int],
        sampler: Sampler,
        rng: np.random.Generator,
        *,
        form: Form | None = None,
        begun: int = 0,
        guard: Guard | None = None,
        particles: int = 1,
        stops: Sequence[Sequence[int]] = (),
        end: int = -1,
        scored: bool = False,
    ) -> None:
        self.network, self.prompt, self.sampler, self.rng = (
            network,
            [int(idx) for idx in prompt],
            sampler,
            rng,
        )
        self.form, self.begun, self.guard = form, begun, guard
        self.temperature = sampler.temperature if sampler.temperature >= NEAR_ZERO else 0.0
        self.particles = particles if self.temperature else 1  # cold ones would all be the same
        self.end, self.scored, self.stops = (
            end,
            scored,
            [tuple(int(idx) for idx in stop) for stop in stops],
        )
        self._at = form.begin(self.prompt[len(self.prompt) - begun :]) if form else 0
        self.taken_back = 0  # symbols
        self._looks_back = sampler.dry is not None or bool(sampler.processors)

    def __iter__(self) -> Iterator[Symbol]:
        """The symbols.

        Raises:
            GenerationError: nothing is left that may be drawn.
        """
        cloud, tried, given = self._begin(), self._nothing_tried, 0
        self._given = list(self.prompt)  # and what was given, where the sampler looks back at it
        past = deque[Past](maxlen=max(MIN_BACKTRACK, MAX_BACKTRACK // self.particles))
        hold = max(
            (len(stop) - 1 for stop in self.stops), default=0
        )  # may be the beginning of a stop string
        gathered = furthest = spent = 0
        while True:
            before, ahead = self._look(cloud)
            idx, cloud = self._draw(before, self._gains(before, ahead, tried))
            if not cloud.going:
                if max(cloud.lengths) >= 0:
                    break
                cloud, tried = self._back(past, cloud.written, spent)
                spent += 1
                continue
            if self.guard is not None:
                past.append(Past(before._replace(logits=NONE), tried, idx))
            cloud, tried = self._after(cloud, ahead, idx, given), self._nothing_tried
            if cloud.written > furthest:
                furthest, spent = cloud.written, 0
            if (
                cloud.written - max(given, gathered) >= MAX_DIVERGENCE
                and self.particles > 1
                and max(cloud.lengths) < 0
            ):
                gathered = cloud.written
                cloud = cloud.rows(self._systematic(cloud.shares, 1) * self.particles, given)
            safe = past[0].cloud if past else cloud
            row, upto = safe.shared(given)
            yield from self._give(safe, row, given, upto - hold)
            given = max(given, upto - hold)
        row = (
            self._systematic(cloud.shares * (np.array(cloud.lengths) >= 0), 1)[0]
            if self.particles > 1
            else 0
        )
        yield from self._give(cloud, row, given, cloud.lengths[row])

    @property
    def _nothing_tried(self) -> list[set[int]]:
        return [set() for _ in range(self.particles)]

    def _begin(self) -> Particles:
        """All streams behind the prompt."""
        state = self.network.zero_state()
        for idx in self.prompt:
            logits, state = self.network.step(idx, state)
        return Particles.begin(
            state, logits, self._at, self.guard.start if self.guard else None, self.particles
        )

    def _look(self, cloud: Particles) -> tuple[Particles, dict[int, Ahead]]:
        """What may come next in each of the streams that go on, and the streams with those marked
        that have to end here."""
        ahead, lengths = dict[int, Ahead](), list(cloud.lengths)
        for row in cloud.going:
            ahead[row] = ANYTHING
            if self.form is not None:
                ahead[row] = self.form.ahead(
                    int(cloud.forms[row, cloud.here]), self.begun + cloud.written
                )
            if ahead[row].over:
                lengths[row] = cloud.written
        return cloud._replace(lengths=lengths), ahead

    def _gains(
        self, cloud: Particles, ahead: dict[int, Ahead], tried: list[set[int]]
    ) -> dict[int, Array]:
        """What is added to the logits of a stream, (V,), where that is anything."""
        found = dict[int, Array]()
        for row in cloud.going:
            gains, follow, _ = ahead[row]
            ends = [
                stop[-1] for stop in self.stops if self._ends_before(stop, cloud, row) is not None
            ]
            forbidden = [
                *tried[row],
                *(self.guard.forbidden(cloud.guards[row]) if self.guard else ()),
            ]
            if ends or forbidden:
                gains = np.zeros(self.network.vocab_size) if gains is None else gains.copy()
                gains[ends] = -self.form.scale(self.begun + cloud.written + 1) if self.form else 0.0
                gains[[idx for idx in forbidden if follow is None or follow[idx]]] = -np.inf
            if gains is not None:
                found[row] = gains
        return found

    def _ends_before(self, stop: tuple[int, ...], cloud: Particles, row: int) -> int | None:
        """The symbols before a stop string whose last symbol may come next; None where that is not
        so."""
        first = cloud.here - len(stop) + 1
        if (
            self.form is None
            or first < 0
            or tuple(cloud.ids[row, first : cloud.here].tolist()) != stop[:-1]
        ):
            return None
        before = cloud.base + first
        return (
            before
            if self.form.may_stop(int(cloud.forms[row, first]), self.begun + before)
            else None
        )

    def _draw(self, cloud: Particles, gains: dict[int, Array]) -> tuple[list[int], Particles]:
        """A symbol for each stream, of which those of streams that do not go on mean nothing; and
        the streams with their weights."""
        if not cloud.going:
            return [], cloud
        logits = _tempered(self.sampler.adjusted(cloud.logits, self._read(cloud)), self.temperature)
        weights, drawn_from = list(cloud.weights), logits.copy() if gains else logits
        for row, each in gains.items():
            gained = drawn_from[row]
            gained += each
            top = float(gained.max())
            if top == -math.inf:
                gained[:], weights[row] = 0.0, -math.inf  # what is drawn there counts nowhere
                continue
            gained -= top
            if self.particles > 1:
                weights[row] += top + _log_sum(gained) - _log_sum(logits[row])
        if self.particles > 1 and self.form is not None:
            written = self.begun + cloud.written
            for row in cloud.going:
                weights[row] += self.form.scale(written + 1) - self.form.hope(
                    int(cloud.forms[row, cloud.here]), written
                )
        drawn_from = self.sampler.cut(
            drawn_from if self.temperature else apply_top_k(drawn_from, 1)
        )
        idx = (
            [draw(drawn_from[0], self.rng)]
            if self.particles == 1
            else draw(drawn_from, self.rng).tolist()
        )
        return idx, cloud._replace(weights=weights)

    def _read(self, cloud: Particles) -> list[Array]:
        """What each stream has read, where the sampler looks back at it."""
        if not self._looks_back:
            return []
        before = np.array(self._given[: len(self.prompt) + cloud.base][-REACH:], np.int32)
        return [np.concatenate([before, row[: cloud.here]])[-REACH:] for row in cloud.ids]

    def _give(self, cloud: Particles, row: int, start: int, end: int) -> Iterator[Symbol]:
        """What was written from one place to another."""
        for place in range(start - cloud.base, end - cloud.base):
            symbol = Symbol(int(cloud.ids[row, place]), float(cloud.scores[row, place]))
            if self._looks_back:
                self._given.append(symbol.idx)
            yield symbol

    def _after(
        self, cloud: Particles, ahead: dict[int, Ahead], idx: list[int], given: int
    ) -> Particles:
        """The streams with what was drawn, and those with little weight replaced."""
        here, lengths, guards, cloud = (
            cloud.here,
            list(cloud.lengths),
            list(cloud.guards),
            cloud.with_room(),
        )
        cloud.ids[:, here] = idx
        if self.scored:
            cloud.scores[:, here] = log_probabilities(cloud.logits)[range(self.particles), idx]
        for row in cloud.going:
            follow, symbol = ahead[row].follow, idx[row]
            if symbol == self.end or (follow is not None and not follow[symbol]):
                lengths[row] = self._end(cloud, row, symbol)
                continue
            if self.form is not None:
                cloud.forms[row, here + 1] = self.form.after(int(cloud.forms[row, here]), symbol)
            if self.guard is not None:
                guards[row] = self.guard.after(guards[row], symbol)
        logits, state = self.network.step(
            idx[0] if self.particles == 1 else np.array(idx), cloud.state
        )
        logits = logits.reshape(self.particles, -1).astype(np.float64)
        cloud = cloud._replace(
            state=state, logits=logits, written=cloud.written + 1, lengths=lengths, guards=guards
        )
        if (
            self.particles == 1
            or (shares := cloud.shares).sum() ** 2
            >= RESAMPLE_BELOW * self.particles * (shares**2).sum()
        ):
            return cloud
        return cloud.rows(self._systematic(shares, self.particles), given)

    def _end(self, cloud: Particles, row: int, symbol: int) -> int:
        """How long a text is that a symbol ends: the end of a record is a part of it, a stop string
        is none."""
        if symbol == self.end:
            return cloud.written + 1
        ends = [self._ends_before(stop, cloud, row) for stop in self.stops if stop[-1] == symbol]
        return min((end for end in ends if end is not None), default=cloud.written)

    def _systematic(self, shares: Array, count: int) -> list[int]:
        """Rows in proportion to their shares, by one random number."""
        ends = np.cumsum(shares)
        marks = (self.rng.random() + np.arange(count)) / count * ends[-1]
        rows: list[int] = np.minimum(
            np.searchsorted(ends, marks, side="right"), len(shares) - 1
        ).tolist()
        return rows

    def _back(
        self, past: deque[Past], written: int, spent: int
    ) -> tuple[Particles, list[set[int]]]:
        """A step back; what was drawn there is not drawn again."""
        formed = self.form is not None and self.form.constrained
        removed = "the sampler's processors removed all that fit; let them leave some"
        if self.guard is None:
            raise GenerationError(
                f"no symbol is left behind the first {written:,} characters: {removed}"
            )
        if not past or spent == MAX_STEPS_BACK:
            others = (
                ", or does not fit the constraint" * formed
                + ", or is removed by a processor" * bool(self.sampler.processors)
            )
            tried = (
                f"{spent:,} were taken back without getting further"
                if spent
                else "no other way is left"
            )
            raise NothingLeftError(
                f"max_copy: whatever follows the first {written:,} characters copies more than {self.guard.longest} of the corpus{others}; "
                f"{tried}; give a larger --max-copy, or another --seed"
            )
        cloud, tried_before, idx = past.pop()
        self.taken_back += 1
        logits = self.network.logits(cloud.state).reshape(self.particles, -1).astype(np.float64)
        return cloud._replace(logits=logits), [
            each | {symbol} for each, symbol in zip(tried_before, idx, strict=True)
        ]


def _tempered(logits: Array, temperature: float) -> Array:
    """(K, V) divided by the temperature, the largest being 0; what may be drawn stays so, however
    unlikely, and 0 waits for the gains."""
    found: Array = logits - logits.max(axis=1, keepdims=True)
    if temperature > LOWEST_SAFE_TEMPERATURE:
        found /= temperature
        return found
    with np.errstate(over="ignore", invalid="ignore"):
        found /= temperature or 1.0
    return np.where(logits > -np.inf, np.maximum(found, LOWEST_LOGIT), logits)


def _log_sum(logits: Array) -> float:
    """The logarithm of what (V,) weights sum to, the largest of which are near 0."""
    return math.log(float(np.exp(logits).sum()))
