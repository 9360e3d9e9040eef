"""The decoding loop of a constrained or guarded text: sequential Monte Carlo with K particles.

Each particle draws from the model's logits of the symbols that may follow, plus their lookahead
(Form). That alone would distort the distribution. So each particle has a weight that corrects for
it, and when the weights become too uneven, particles of small weight are replaced by copies of
those of large weight (twisted sequential Monte Carlo: Whiteley and Lee 2014; systematic resampling:
Kitagawa 1996). With many particles, the text is distributed as the model's texts that satisfy the
constraint.

A text ends at a symbol that may end it (Table.ending), drawn where the text may end; a record ends
with its end symbol. If a copy guard leaves no symbol to any particle, all of them go back a step
(backtracking.py).

    K  particles     V  symbols     t  symbols written
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charrnn.errors import GenerationError
from charrnn.generation.constraints.backtracking import Excluded, History, NothingLeftError
from charrnn.generation.constraints.compiled_form import Form, NextSymbols
from charrnn.generation.constraints.particles import UNFINISHED, Particles, systematic_rows
from charrnn.generation.constraints.stop_strings import StopStrings
from charrnn.generation.decode import REACH, Symbol
from charrnn.generation.interruption import pause_point
from charrnn.generation.network import AfterPrompt, Network
from charrnn.generation.sampling import (
    LOWEST_SAFE_TEMPERATURE,
    Sampler,
    apply_top_k,
    draw,
    log_probabilities,
)
from charrnn.originality.copy_guard import Guard
from charrnn.vocab import Ids

MIN_TEMPERATURE = 1e-20  # lower ones count as 0
MAX_DIVERGENCE = 512  # symbols in which particles may differ before all become copies of one
RESAMPLE_BELOW = 0.5  # effective sample size, as a share of the particles
MIN_LOGIT = -1e30  # lowest logit after dividing by a tiny temperature

ANYTHING = NextSymbols(gains=None, allowed=None, must_end=False)

Array = NDArray[Any]
Following = dict[int, NextSymbols]  # by row, of the active particles
Gains = dict[int, Array]  # by row, (V,)


class ConstrainedDecoder:
    """Writes one text; iterating yields each symbol once all particles share it.

    Args:
        network: the model.
        prompt: ids that are read first, at least one.
        sampler: how a symbol is drawn.
        rng: the source of randomness.
        form: what the text must look like; None for an endless text without a constraint.
        begun: the number of ids at the end of the prompt that are part of the constrained text.
        guard: limits copying from the corpus; None for no limit.
        particles: K.
        stops: ids of strings before which the text may end, if it satisfies the form by then.
        end: id of the end of a record; -1 for continuous text.
        scored: whether to compute log-probabilities; otherwise they are 0.
        after: where the network is after the prompt, if it was read already.

    Attributes:
        taken_back: symbols that were taken back so far because of the guard.

    Raises:
        ConfigError: no text that begins with the prompt satisfies the form.
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
        after: AfterPrompt | None = None,
    ) -> None:
        self.network = network
        self.prompt = [int(idx) for idx in prompt]
        self.sampler = sampler
        self.rng = rng
        self.form = form
        self.begun = begun
        self.guard = guard
        self.end = end
        self.scored = scored
        self._after_prompt = after
        self._stops = StopStrings(stops, form, begun)
        self.temperature = sampler.temperature
        self.particles = particles
        if self.temperature < MIN_TEMPERATURE:
            self.temperature = 0.0
            self.particles = 1  # they would all be the same
        self._nothing_excluded = [frozenset[int]()] * self.particles
        self._first_state = 0
        if form is not None:
            first = len(self.prompt) - begun
            self._first_state = form.begin(self.prompt[first:])
        self._looks_back = sampler.looks_back
        self._history = list[int]()  # the prompt and what was emitted, if the sampler looks back
        self.taken_back = 0

    def __iter__(self) -> Iterator[Symbol]:
        """The symbols.

        Raises:
            GenerationError: no symbol is left to draw.
        """
        self._history = list(self.prompt)
        steps = History(self.particles)
        particles = self._begin()
        excluded: Excluded = self._nothing_excluded
        emitted = 0
        gathered = 0  # t when all particles last became copies of one
        while True:
            pause_point()
            before, following = self._look(particles)
            gains = self._gains(before, following, excluded)
            idx, particles = self._draw(before, following, gains)
            if not particles.active:
                if max(particles.lengths) >= 0:
                    break
                particles, excluded = self._go_back(steps, particles.written)
                continue
            if self.guard is not None:
                steps.record(before, excluded, idx)
            particles = self._advance(particles, following, idx, emitted)
            excluded = self._nothing_excluded
            apart = particles.written - max(emitted, gathered)
            if (
                apart >= MAX_DIVERGENCE
                and self.particles > 1
                and max(particles.lengths) == UNFINISHED
            ):
                gathered = particles.written
                survivor = systematic_rows(particles.weights, 1, self.rng.random())
                copies = survivor * self.particles
                particles = particles.select(copies, emitted)
            settled = particles
            if self.guard is not None:
                settled = steps.oldest
            row, shared = settled.common_prefix(emitted)
            end = shared - self._stops.held_back
            yield from self._emit(settled, row, emitted, end)
            emitted = max(emitted, end)
        row = self._choose(particles)
        end = particles.lengths[row]
        yield from self._emit(particles, row, emitted, end)

    def _choose(self, particles: Particles) -> int:
        """One of the particles that have ended, in proportion to their weights."""
        if self.particles == 1:
            return 0
        lengths = np.array(particles.lengths)
        has_ended = lengths != UNFINISHED
        weights = particles.weights * has_ended
        rows = systematic_rows(weights, 1, self.rng.random())
        return rows[0]

    def _begin(self) -> Particles:
        """All particles after the prompt."""
        if self._after_prompt is None:
            logits, state = self.network.read(self.prompt)
        else:
            logits, state = self._after_prompt
        guard_state = None
        if self.guard is not None:
            guard_state = self.guard.start
        return Particles.begin(state, logits, self._first_state, guard_state, self.particles)

    def _look(self, particles: Particles) -> tuple[Particles, Following]:
        """Find what may come next.

        Returns:
            The particles, of which those that must end here have ended; and by row, what may come
            next in each particle that is still active.
        """
        active = particles.active
        if self.form is None:
            return particles, dict.fromkeys(active, ANYTHING)
        form_states = particles.current_form_states
        written = self.begun + particles.written
        lengths = list(particles.lengths)
        following: Following = {}
        for row in active:
            next_symbols = self.form.next_symbols(form_states[row], written)
            if next_symbols.must_end:
                lengths[row] = particles.written
            else:
                following[row] = next_symbols
        return particles._replace(lengths=lengths), following

    # Drawing

    def _gains(self, particles: Particles, following: Following, excluded: Excluded) -> Gains:
        """By row, what to add to its logits (V,); rows without an addition are left out."""
        gains_by_row: Gains = {}
        for row, (gains, allowed, _) in following.items():
            stop_ends = list[int]()
            if self._stops.strings:
                stop_ends = self._stops.ends(particles, row)
            forbidden = list(excluded[row])
            if self.guard is not None:
                forbidden += self.guard.forbidden(particles.guard_states[row])
            if forbidden and allowed is not None:
                # A symbol that is not allowed ends the text, and so copies nothing.
                forbidden = [idx for idx in forbidden if allowed[idx]]
            if stop_ends or forbidden:
                gains = self._changed(gains, stop_ends, forbidden, particles.written)
            if gains is not None:
                gains_by_row[row] = gains
        return gains_by_row

    def _changed(
        self,
        gains: Array | None,
        stop_ends: list[int],
        forbidden: list[int],
        written: int,
    ) -> Array:
        """Gains (V,) with which some symbols complete a stop string and others are forbidden."""
        changed = np.zeros(self.network.vocab_size)
        if gains is not None:
            changed += gains
        if self.form is not None:
            # A text that ended is finished: its lookahead is 0, less the offset omitted from gains.
            length = self.begun + written + 1
            changed[stop_ends] = -self.form.lookahead_offset(length)
        changed[forbidden] = -np.inf
        return changed

    def _draw(
        self,
        particles: Particles,
        following: Following,
        gains: Gains,
    ) -> tuple[list[int], Particles]:
        """Draw a symbol for each particle.

        Returns:
            (K) the symbols, which are meaningless for inactive particles; and the particles with
            their new weights.
        """
        if not following:
            return [], particles
        log_weights = list(particles.log_weights)
        proposal = self._propose(particles, gains, log_weights)  # (K, V)
        if self.particles > 1 and self.form is not None:
            # The gains are the lookahead after the symbol, less an offset; the lookahead before it
            # is subtracted from the weights.
            written = self.begun + particles.written
            form_states = particles.current_form_states
            offset = self.form.lookahead_offset(written + 1)
            for row in following:
                before = self.form.lookahead(form_states[row], written)
                log_weights[row] += offset - before
        if not self.temperature:
            proposal = apply_top_k(proposal, 1)
        proposal = self.sampler.cut(proposal)
        if self.particles == 1:
            idx = [draw(proposal[0], self.rng)]
        else:
            idx = draw(proposal, self.rng).tolist()
        return idx, particles._replace(log_weights=log_weights)

    def _propose(self, particles: Particles, gains: Gains, log_weights: list[float]) -> Array:
        """(K, V) logits to draw from, the largest of each row being 0.

        The log of the factor by which the gains change each row's total probability is added to
        ``log_weights``, in place.
        """
        histories = self._histories(particles)
        logits = self.sampler.adjusted(particles.logits, histories)
        logits = _tempered(logits, self.temperature)
        if not gains:
            return logits
        proposal = logits.copy()
        for row, row_gains in gains.items():
            row_logits = proposal[row]  # a view
            row_logits += row_gains
            largest = float(row_logits.max())
            if largest == -math.inf:
                # No symbol is left: the particle is abandoned, and what it draws does not count.
                row_logits[:] = 0.0
                log_weights[row] = -math.inf
                continue
            row_logits -= largest
            if self.particles > 1:
                total = largest + _log_sum(row_logits)
                total_before = _log_sum(logits[row])
                log_weights[row] += total - total_before
        return proposal

    def _histories(self, particles: Particles) -> list[Array]:
        """(K) the ids that each particle has read, if the sampler looks back."""
        if not self._looks_back:
            return []
        column = particles.column
        end = len(self.prompt) + particles.dropped
        shared = self._history[:end]
        shared_ids = np.array(shared[-REACH:], np.int32)
        histories = list[Array]()
        for ids in particles.ids:
            history = np.concatenate([shared_ids, ids[:column]])
            histories.append(history[-REACH:])
        return histories

    # After the draw

    def _advance(
        self,
        particles: Particles,
        following: Following,
        idx: list[int],
        emitted: int,
    ) -> Particles:
        """The particles with the symbols that they drew, resampled if necessary."""
        column = particles.column
        form_states = particles.current_form_states
        lengths = list(particles.lengths)
        guard_states = list(particles.guard_states)
        particles = particles.with_room()
        particles.ids[:, column] = idx
        if self.scored:
            all_rows = range(self.particles)
            scores = log_probabilities(particles.logits)
            particles.scores[:, column] = scores[all_rows, idx]
        for row in particles.active:
            symbol = idx[row]
            if symbol == self.end:
                lengths[row] = particles.written + 1  # the end of a record is part of it
                continue
            allowed = following[row].allowed
            if allowed is not None and not allowed[symbol]:
                lengths[row] = self._stops.length_before(particles, row, symbol)
                continue
            if self.form is not None:
                form_state = self.form.after(form_states[row], symbol)
                particles.form_states[row, column + 1] = form_state
            if self.guard is not None:
                guard_state = guard_states[row]
                guard_states[row] = self.guard.after(guard_state, symbol)
        particles = particles._replace(guard_states=guard_states, lengths=lengths)
        particles = self._read(particles, idx)
        if self.particles == 1:
            return particles
        weights = particles.weights
        # The effective sample size (Kong, Liu and Wong 1994) is sum(w)² / sum(w²).
        squared_sum = weights.sum() ** 2
        sum_of_squares = (weights**2).sum()
        if squared_sum >= RESAMPLE_BELOW * self.particles * sum_of_squares:
            return particles
        rows = systematic_rows(weights, self.particles, self.rng.random())
        return particles.select(rows, emitted)

    def _read(self, particles: Particles, idx: list[int]) -> Particles:
        """The particles after the network has read a symbol of each."""
        symbols: Any = np.array(idx)
        if self.particles == 1:
            symbols = idx[0]  # the network has no axis for a single particle
        logits, state = self.network.step(symbols, particles.state)
        logits = logits.reshape(self.particles, -1)
        return particles._replace(
            state=state,
            logits=logits.astype(np.float64),
            written=particles.written + 1,
        )

    def _emit(self, particles: Particles, row: int, start: int, end: int) -> Iterator[Symbol]:
        """The symbols of one particle from ``start`` to ``end``."""
        first = start - particles.dropped
        stop = end - particles.dropped
        for column in range(first, stop):
            idx = int(particles.ids[row, column])
            log_probability = float(particles.scores[row, column])
            if self._looks_back:
                self._history.append(idx)
            yield Symbol(idx, log_probability)

    # Going back

    def _go_back(self, steps: History, written: int) -> tuple[Particles, Excluded]:
        """The particles a step earlier, and what they must not draw there again.

        Raises:
            GenerationError: nothing can be taken back.
        """
        if self.guard is None:
            raise GenerationError(
                f"no symbol is left after the first {written:,} characters: "
                "the processors removed all that satisfy the constraint; let them leave some"
            )
        if steps.is_exhausted:
            raise self._nothing_left(self.guard, steps, written)
        particles, excluded = steps.undo()
        self.taken_back += 1
        logits = self.network.logits(particles.state)
        logits = logits.reshape(self.particles, -1)
        particles = particles._replace(logits=logits.astype(np.float64))
        return particles, excluded

    def _nothing_left(self, guard: Guard, steps: History, written: int) -> NothingLeftError:
        others = ""
        if self.form is not None and self.form.constrained:
            others += ", or break the constraint"
        if self.sampler.processors:
            others += ", or be removed by a processor"
        attempts = ""
        if steps.steps_back:
            attempts = f" (gave up after rewriting {steps.steps_back:,} characters)"
        return NothingLeftError(
            f"every continuation of the first {written:,} characters would copy more than "
            f"{guard.longest:,} characters of the corpus{others}{attempts}; "
            "give a larger `max_copy`, or another `seed`"
        )


def _tempered(logits: Array, temperature: float) -> Array:
    """(K, V) logits divided by the temperature, the largest of each row being 0.

    Symbols that may be drawn stay possible, even if they become very unlikely. Temperature 0
    divides by 1: the likeliest symbol is taken later, once the gains are added.
    """
    largest = logits.max(axis=1, keepdims=True)
    tempered: Array = logits - largest
    if temperature > LOWEST_SAFE_TEMPERATURE:
        tempered /= temperature
        return tempered
    with np.errstate(over="ignore", invalid="ignore"):
        tempered /= temperature or 1.0
    tempered = np.maximum(tempered, MIN_LOGIT)
    return np.where(logits > -np.inf, tempered, logits)


def _log_sum(logits: Array) -> float:
    """The log of the sum of exp(logits) (V,), the largest of which is near 0."""
    total = float(np.exp(logits).sum())
    return math.log(total)
