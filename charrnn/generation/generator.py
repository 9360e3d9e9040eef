"""TextGenerator: what a model does with its network: texts and records, free or by rules. Knows
nothing of files, checkpoints and runs."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import count
from typing import Any

import numpy as np

from charrnn.errors import ConfigError, GenerationError
from charrnn.generation.constraints.dfa import Form
from charrnn.generation.constraints.forms import All, Constraint, Contains, Length, Without
from charrnn.generation.constraints.smc import ConstrainedDecoder, NothingLeftError
from charrnn.generation.decode import End, Piece, Sample, Symbol, decode
from charrnn.generation.form_options import FormOptions
from charrnn.generation.network import Network
from charrnn.generation.record_sampler import Record, draw_records
from charrnn.generation.sampling import Sampler, draw, probabilities
from charrnn.generation.settings import settings_of
from charrnn.originality.copy_guard import Guard
from charrnn.originality.suffix_array import Suffixes
from charrnn.vocab import MOST_BYTES, Vocabulary

FREQUENCY_STEPS = 256  # symbols drawn to see how frequent each is
TINY = 1e-30  # a share of the largest probability that is as good as none

Told = Callable[[Symbol], object]


class Stop(Without):
    """A string that ends a text, and so stands nowhere in it."""


class TextGenerator:
    """A network that writes; a constraint is compiled once.

    Args:
        network, vocabulary, prime: of the model.
        corpus: gives the index of its corpus, and of each id the bytes of its symbol there; called
            where something must not be copied.
    """

    def __init__(
        self,
        network: Network,
        vocabulary: Vocabulary,
        prime: int,
        corpus: Callable[[], tuple[Suffixes, Sequence[bytes]]],
    ) -> None:
        self.network, self.vocabulary, self.prime, self.corpus = network, vocabulary, prime, corpus
        self.taken_back = 0  # symbols, in all that was written so far
        self._compiled: tuple[Constraint | None, Any, Form] | None = None  # the last
        self._guards: dict[int, Guard] = {}

    def __getstate__(self) -> dict[str, Any]:
        """For pickle: without what is compiled or opened, which is done again where it is
        needed."""
        return self.__dict__ | {"_compiled": None, "_guards": {}}

    @cached_property
    def frequencies(self) -> Any:
        """How frequent each symbol (V,) is in what the model writes, by the probabilities that it
        gives them on the way."""
        rng, found = np.random.default_rng(0), np.zeros(len(self.vocabulary))
        logits, state = self.network.step(self.prime, self.network.zero_state())
        for _ in range(FREQUENCY_STEPS):
            shares = probabilities(logits.astype(np.float64))
            found += shares
            logits, state = self.network.step(
                draw(np.log(np.maximum(shares / shares.max(), TINY)), rng), state
            )
        return found / found.sum()

    def pieces(
        self,
        prompt: str,
        end: End,
        rng: np.random.Generator,
        sampling: Mapping[str, Any],
        *,
        scored: bool,
        each: Told = lambda _: None,
    ) -> Iterator[Piece]:
        """A text behind a prompt of known characters; all is checked before it is given.

        Args:
            prompt: what is read first.
            end: where it ends.
            rng: what draws.
            sampling: settings, as ``TextModel.generate`` takes them.
            scored: whether log-probabilities are wanted; without, they are 0.
            each: called with each symbol.

        Raises:
            ConfigError, VocabularyError, CheckpointError: a setting is not possible.
        """
        (rules, rest), ids, records = (
            FormOptions.split(sampling),
            self.vocabulary.encode(prompt).tolist(),
            self.vocabulary.records,
        )
        sampler, begun = (
            Sampler(**settings_of(self.vocabulary, rest)),
            [self.prime, *ids] if records or not ids else ids,
        )
        if not rules:
            symbols = decode(self.network, begun, sampler, rng, scored=scored)
            return end.of_text(
                self.vocabulary, (symbol for symbol in symbols if each(symbol) or True)
            )
        if rules.constraint is not None and end.until:
            raise ConfigError(
                "until and constraint: a text with a form ends where that says; leave one of them out"
            )
        known = [
            stop
            for stop in end.stops
            if self.vocabulary.unit == "byte" or set(stop) <= set(self.vocabulary.symbols)
        ]
        form = None if end.until else self._form(rules, end.length, known, sampler)
        stops = [self.vocabulary.encode(stop).tolist() for stop in (known if form else ())]
        guided = self._guided(
            rules,
            self._guard(rules),
            begun,
            sampler,
            rng,
            form,
            len(ids) if records else 0,
            stops=stops,
            scored=scored,
        )
        end = end if form is None else end._replace(stops=(), length=form.high)
        return end.of_text(self.vocabulary, self._counted(guided, each))

    def best(
        self, prompt: str, end: End, seed: int, count: int, sampling: Mapping[str, Any]
    ) -> Sample:
        """Of so many texts, the one with the highest mean log-probability of what was drawn;
        arguments and errors as for ``pieces``.

        Raises:
            GenerationError: none of them came to an end as it must.
        """
        best, best_mean, failed = None, -math.inf, GenerationError()
        for number in range(count):
            rng, drawn = np.random.default_rng([seed, number] if number else seed), list[Symbol]()
            try:
                written = list(
                    self.pieces(prompt, end, rng, sampling, scored=True, each=drawn.append)
                )
            except GenerationError as error:
                failed = error
                continue
            text, score = (
                "".join(piece.text for piece in written),
                sum((piece.log_probability for piece in written), 0.0),
            )
            if score / max(1, len(drawn)) > best_mean:
                best, best_mean = Sample(text, seed, score), score / max(1, len(drawn))
        if best is None:
            raise failed
        return best

    def records(
        self, prompt: str, sampling: Mapping[str, Any], seed: int, longest: int
    ) -> Iterator[Record]:
        """Records without end; with rules, each by particles of its own, one after another. All is
        checked before they are given.

        Args:
            prompt: of known characters, with which each begins.
            sampling: settings, as ``TextModel.generate`` takes them.
            seed: of all of them.
            longest: characters of a record, the prompt's counted.

        Raises:
            ConfigError, VocabularyError, CheckpointError: a setting is not possible.
        """
        (rules, rest), ids = FormOptions.split(sampling), self.vocabulary.encode(prompt).tolist()
        sampler, most = (
            Sampler(**settings_of(self.vocabulary, rest)),
            longest * (MOST_BYTES if self.vocabulary.unit == "byte" else 1),
        )
        if not rules:
            return _whole(
                draw_records(self.network, self.vocabulary, ids, sampler, seed, most + 1), longest
            )
        form, guard, begun = (
            self._form(rules, longest, (), sampler),
            self._guard(rules),
            [self.prime, *ids],
        )

        def guided(number: int) -> ConstrainedDecoder:
            return self._guided(
                rules,
                guard,
                begun,
                sampler,
                np.random.default_rng([seed, number]),
                form,
                len(ids),
                scored=True,
            )

        guided(0)  # refuses what is not possible
        return _whole(
            (self._record(guided(number), ids, number, most) for number in count()), longest
        )

    def _form(
        self, rules: FormOptions, length: int, stops: Sequence[str], sampler: Sampler
    ) -> Form | None:
        """The constraint, compiled, or the length alone; a text that ends before one of some
        strings holds none of them."""
        if (
            rules.constraint is None and self.vocabulary.unit == "byte"
        ):  # whose length is in characters, which have several
            return None
        banned = frozenset(idx for idx, value in sampler.bias if value == -np.inf)
        key, kept = (length, tuple(stops), banned), self._compiled
        if kept is None or kept[0] is not rules.constraint or kept[1] != key:
            constraint = rules.constraint or Length(
                0 if self.vocabulary.records else length, length
            )
            form = Form(
                All(constraint, *map(Stop, stops)),
                self.vocabulary,
                length,
                banned,
                self.frequencies,
            )
            self._compiled = kept = (rules.constraint, key, form)
        return kept[2]

    def _guided(
        self,
        rules: FormOptions,
        guard: Guard | None,
        read: Sequence[int],
        sampler: Sampler,
        rng: np.random.Generator,
        form: Form | None,
        begun: int,
        *,
        stops: Sequence[Sequence[int]] = (),
        scored: bool,
    ) -> ConstrainedDecoder:
        return ConstrainedDecoder(
            self.network, read, sampler, rng, form=form, begun=begun, guard=guard, particles=rules.streams, stops=stops,
            end=self.vocabulary.end, scored=scored,
        )  # fmt: skip

    def _guard(self, rules: FormOptions) -> Guard | None:
        """What must not be copied, where that does not exclude what must stand in the text."""
        if rules.max_copy is None:
            return None
        guard = self._guards.get(rules.max_copy) or Guard(*self.corpus(), rules.max_copy)
        self._guards[rules.max_copy] = guard
        for part in rules.constraint.parts() if rules.constraint else ():
            if isinstance(part, Contains) and guard.copied(
                self.vocabulary.encode(part.text).tolist()
            ):
                raise ConfigError(
                    f"max_copy and {part}: it holds more than {rules.max_copy} characters of the corpus; give a larger --max-copy"
                )
        return guard

    def _record(
        self, guided: ConstrainedDecoder, prompt: Sequence[int], number: int, most: int
    ) -> Record:
        ids, score, stuck = list(prompt), 0.0, False
        try:
            for symbol in self._counted(guided):
                ids.append(symbol.idx)
                score += symbol.log_probability
                if symbol.idx == self.vocabulary.end or len(ids) > most:
                    break
        except NothingLeftError:
            stuck = True
        whole = ids[-1:] == [self.vocabulary.end]
        return Record(
            self.vocabulary.decode(ids[:-1] if whole else ids), number, score, whole, stuck
        )

    def _counted(self, guided: ConstrainedDecoder, each: Told = lambda _: None) -> Iterator[Symbol]:
        try:
            for symbol in guided:
                each(symbol)
                yield symbol
        finally:
            self.taken_back += guided.taken_back


def _whole(records: Iterator[Record], longest: int) -> Iterator[Record]:
    """Records, of which those of more characters count as not ended: of bytes, as many as may be
    that long were drawn."""
    return (
        record if len(record.text) <= longest else record._replace(whole=False)
        for record in records
    )
