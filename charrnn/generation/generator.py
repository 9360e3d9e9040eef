"""TextGenerator: write texts and records with a model's network, free or constrained."""

import html
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from itertools import chain, islice
from typing import Any, NamedTuple

import numpy as np

from charrnn.config.arguments import short_repr
from charrnn.errors import ConfigError, GenerationError
from charrnn.generation.constraints.backtracking import NothingLeftError
from charrnn.generation.constraints.compiled_form import Form
from charrnn.generation.constraints.forms import All, Constraint, Contains, Without
from charrnn.generation.constraints.smc import ConstrainedDecoder
from charrnn.generation.decode import Symbol, decode
from charrnn.generation.form_options import FormOptions
from charrnn.generation.network import AfterPrompt, Network
from charrnn.generation.pieces import End, Piece
from charrnn.generation.record_sampler import Record, draw_records
from charrnn.generation.sampling import Sampler, draw, probabilities
from charrnn.generation.settings import settings_of
from charrnn.generation.share import WHOLE, Share
from charrnn.generation.text_kinds import (
    can_write,
    form_of_length,
    ids_in_text,
    max_ids,
    primed,
)
from charrnn.generation.text_sampler import draw_texts
from charrnn.originality.copy_guard import Guard
from charrnn.originality.suffix_array import Suffixes
from charrnn.vocab import Vocabulary

MOST_COMPILED = 8  # forms that are kept
MOST_COMPILED_BYTES = 1 << 26  # of them; the newest is kept whatever its size
FREQUENCY_STEPS = 256  # symbols drawn to measure how frequent each is
TINY = 1e-30  # smallest share of the largest probability, so that no logarithm is infinite


class Stop(Without):
    """A string that ends a text, and therefore does not occur in it."""


class Sample(NamedTuple):
    """A text, the seed that reproduces it, and its log-probability.

    Args:
        text: without the prompt.
        seed: gives the same text with the same prompt and settings.
        log_probability: in nats, of all symbols drawn (those of a stop string too), under the
            model itself, before any filter of the sampler.
    """

    text: str
    seed: int
    log_probability: float

    def __repr__(self) -> str:
        text = short_repr(self.text)
        return f"Sample({text}, seed={self.seed}, log_probability={self.log_probability:.2f})"

    def _repr_html_(self) -> str:
        """The whole text, for a notebook."""
        text = html.escape(self.text)
        return (
            f'<pre style="white-space: pre-wrap">{text}</pre>'
            f"<p>seed {self.seed}, log-probability {self.log_probability:.2f}</p>"
        )


class Draft(NamedTuple):
    """A whole text, one of those from which the best is chosen.

    Args:
        text: without the prompt.
        log_probability: as of a ``Sample``.
        num_symbols: drawn.
    """

    text: str
    log_probability: float
    num_symbols: int

    @classmethod
    def of(cls, pieces: Iterable[Piece], num_symbols: int) -> "Draft":
        """The text that some pieces make, for which ``num_symbols`` were drawn."""
        parts = list(pieces)
        text = "".join(part.text for part in parts)
        return cls(text, sum((part.log_probability for part in parts), 0.0), num_symbols)

    @property
    def mean(self) -> float:
        """The mean log-probability of its symbols."""
        return self.log_probability / max(1, self.num_symbols)


class CompiledForm(NamedTuple):
    """A form, and what it was compiled from.

    Args:
        constraint: None for the length alone; compared by identity, since it may be unhashable.
        conditions: the length, the stop strings and the banned ids.
        form: compiled from them.
    """

    constraint: Constraint | None
    conditions: tuple[int, tuple[str, ...], frozenset[int]]
    form: Form


class TextGenerator:
    """Writes texts and records, and caches compiled forms and copy guards.

    Args:
        network, vocabulary, prime: of the model.
        corpus: returns the suffixes of the model's corpus, and for each id the bytes of its symbol
            there; called only for ``max_copy``.
    """

    def __init__(
        self,
        network: Network,
        vocabulary: Vocabulary,
        prime: int,
        corpus: Callable[[], tuple[Suffixes, Sequence[bytes]]],
    ) -> None:
        self.network = network
        self.vocabulary = vocabulary
        self.prime = prime
        self.corpus = corpus
        self.taken_back = 0  # symbols, over all texts so far
        self._compiled: list[CompiledForm] = []  # the newest first
        self._guards: dict[int, Guard] = {}  # by max_copy

    def __getstate__(self) -> dict[str, Any]:
        """For pickle: without what is recreated when needed."""
        return self.__dict__ | {"_compiled": [], "_guards": {}}

    @cached_property
    def frequencies(self) -> Any:
        """The frequency (V,) of each symbol: its mean probability in a text of the model."""
        rng = np.random.default_rng(0)
        total = np.zeros(len(self.vocabulary))
        state = self.network.zero_state()
        logits, state = self.network.step(self.prime, state)
        for _ in range(FREQUENCY_STEPS):
            shares = probabilities(logits.astype(np.float64))  # (V,)
            total += shares
            of_largest = shares / shares.max()
            log_shares = np.log(np.maximum(of_largest, TINY))
            idx = draw(log_shares, rng)
            logits, state = self.network.step(idx, state)
        return total / total.sum()

    def pieces(
        self,
        prompt: str,
        end: End,
        rng: np.random.Generator,
        sampling: Mapping[str, Any],
        *,
        scored: bool,
        on_symbol: Callable[[Symbol], object] | None = None,
        after: AfterPrompt | None = None,
    ) -> Iterator[Piece]:
        """Write one text; every argument is checked before the first piece.

        Args:
            prompt: read first; all its characters must be known.
            end: where the text ends.
            rng: draws the symbols.
            sampling: settings, as ``TextModel.generate`` takes them.
            scored: whether to compute log-probabilities; without it they are 0.
            on_symbol: called with each symbol.
            after: where the network is after the prompt, if it was read already.

        Raises:
            ConfigError, VocabularyError, CheckpointError: a setting is invalid.
        """
        options, others = FormOptions.split(sampling)
        ids = self.vocabulary.encode(prompt).tolist()
        sampler = Sampler(**settings_of(self.vocabulary, others))
        read = primed(self.vocabulary, self.prime, ids)
        if not options:
            symbols = decode(self.network, read, sampler, rng, scored=scored, after=after)
            return end.of_text(self.vocabulary, symbols, on_symbol)
        if options.constraint is not None and end.until:
            raise ConfigError(
                "`until` cannot be combined with a constraint, which decides where the text ends; "
                "leave one of them out"
            )
        stops = [stop for stop in end.stops if can_write(self.vocabulary, stop)]
        form = None
        if not end.until:
            form = self._form(options, end.length, stops, sampler)
        if form is None:
            stops = []
        else:
            end = End(form.high, (), None)
        decoder = ConstrainedDecoder(
            self.network,
            read,
            sampler,
            rng,
            form=form,
            begun=ids_in_text(self.vocabulary, ids),
            guard=self._guard(options),
            particles=options.streams,
            stops=[self.vocabulary.encode(stop).tolist() for stop in stops],
            end=self.vocabulary.end,
            scored=scored,
            after=after,
        )
        return end.of_text(self.vocabulary, self._counted(decoder), on_symbol)

    def best(
        self,
        prompt: str,
        end: End,
        seed: int,
        count: int,
        sampling: Mapping[str, Any],
    ) -> Sample:
        """Write ``count`` texts and choose the one with the highest mean log-probability.

        The mean is over the symbols drawn. Other arguments and errors are those of ``pieces``.

        Raises:
            GenerationError: none of them ended as required.
        """

        def draft(random_seed: Any) -> Draft | GenerationError:
            rng = np.random.default_rng(random_seed)
            write = partial(self.pieces, prompt, end, rng, sampling, scored=True)
            return written(write)

        return best_of_drafts(map(draft, seeds_of_drafts(seed, count)), seed)

    def side_by_side(
        self,
        prompt: str,
        end: End,
        seeds: Sequence[int],
        count: int,
        sampling: Mapping[str, Any],
    ) -> Iterator[Sample]:
        """Like ``best`` for each seed, but the texts are computed in blocks; not constrained.

        Products of one row and of many are rounded differently, so that in rare cases a text is not
        the one that ``best`` writes.
        """
        options, others = FormOptions.split(sampling)
        if options:
            raise ValueError("constrained texts are drawn one after another")
        read = primed(self.vocabulary, self.prime, self.vocabulary.encode(prompt).tolist())
        sampler = Sampler(**settings_of(self.vocabulary, others))

        def write(symbols: Iterator[Symbol]) -> Draft | GenerationError:
            return written(partial(end.of_text, self.vocabulary, symbols))

        seeds_of_all = chain.from_iterable(seeds_of_drafts(seed, count) for seed in seeds)
        drafts = draw_texts(self.network, read, sampler, seeds_of_all, write)
        for seed in seeds:
            yield best_of_drafts(islice(drafts, count), seed)

    def records(
        self,
        prompt: str,
        sampling: Mapping[str, Any],
        seed: int,
        longest: int,
        share: Share = WHOLE,
    ) -> Iterator[Record]:
        """Draw records without end; every argument is checked before the first one.

        Constrained records are drawn one after another, each with its own particles.

        Args:
            prompt: the beginning of each record; all its characters must be known.
            sampling: settings, as ``TextModel.generate`` takes them.
            seed: of all records.
            longest: the most characters of a record, including the prompt.
            share: which of them are drawn, in rounds of BLOCK; of constrained records, one by one.

        Raises:
            ConfigError, VocabularyError, CheckpointError: a setting is invalid.
        """
        options, others = FormOptions.split(sampling)
        ids = self.vocabulary.encode(prompt).tolist()
        sampler = Sampler(**settings_of(self.vocabulary, others))
        if options:
            drawn = self._constrained_records(options, sampler, ids, seed, longest, share)
        else:
            drawn = draw_records(
                self.network,
                self.vocabulary,
                ids,
                sampler,
                seed,
                longest=max_ids(self.vocabulary, longest) + 1,  # and the end
                share=share,
            )
        return _no_longer_than(longest, drawn)

    def _constrained_records(
        self,
        options: FormOptions,
        sampler: Sampler,
        prompt: list[int],
        seed: int,
        longest: int,
        share: Share,
    ) -> Iterator[Record]:
        form = self._form(options, longest, (), sampler)
        guard = self._guard(options)

        def decoder(number: int) -> ConstrainedDecoder:
            return ConstrainedDecoder(
                self.network,
                primed(self.vocabulary, self.prime, prompt),
                sampler,
                np.random.default_rng([seed, number]),
                form=form,
                begun=ids_in_text(self.vocabulary, prompt),
                guard=guard,
                particles=options.streams,
                end=self.vocabulary.end,
                scored=True,
            )

        decoder(0)  # raises an error if the form is impossible
        most = max_ids(self.vocabulary, longest)
        numbers = share.numbers(1)
        return (self._record(decoder(number), prompt, number, most) for number in numbers)

    def _record(
        self,
        decoder: ConstrainedDecoder,
        prompt: Sequence[int],
        number: int,
        most: int,
    ) -> Record:
        ids = list(prompt)
        log_probability = 0.0
        stuck = False
        try:
            for symbol in self._counted(decoder):
                ids.append(symbol.idx)
                log_probability += symbol.log_probability
                if symbol.idx == self.vocabulary.end or len(ids) > most:
                    break
        except NothingLeftError:
            stuck = True
        whole = ids[-1:] == [self.vocabulary.end]
        if whole:
            ids.pop()
        return Record(self.vocabulary.decode(ids), number, log_probability, whole, stuck)

    def _form(
        self,
        options: FormOptions,
        length: int,
        stops: Sequence[str],
        sampler: Sampler,
    ) -> Form | None:
        """Compile the constraint, or the length alone; None if there is nothing to compile.

        Stop strings are part of the form, since the text contains none of them.
        """
        constraint = options.constraint
        if constraint is None:
            constraint = form_of_length(self.vocabulary, length)
        if constraint is None:
            return None
        banned = frozenset(idx for idx, value in sampler.bias if value == -math.inf)
        conditions = (length, tuple(stops), banned)
        for compiled in self._compiled:
            if compiled.constraint is options.constraint and compiled.conditions == conditions:
                others = [other for other in self._compiled if other is not compiled]
                self._compiled = [compiled, *others]
                return compiled.form
        earlier = self._compiled
        whole = All(constraint, *map(Stop, stops))
        form = Form(whole, self.vocabulary, length, banned, self.frequencies)
        self._compiled = [CompiledForm(options.constraint, conditions, form)]
        size = form.size
        for compiled in earlier[: MOST_COMPILED - 1]:
            size += compiled.form.size
            if size > MOST_COMPILED_BYTES:
                break
            self._compiled.append(compiled)
        return form

    def _guard(self, options: FormOptions) -> Guard | None:
        """The guard against copying.

        Raises:
            ConfigError: the constraint demands a text that the guard forbids.
        """
        if options.max_copy is None:
            return None
        guard = self._guards.get(options.max_copy)
        if guard is None:
            guard = Guard(*self.corpus(), options.max_copy)
            self._guards[options.max_copy] = guard
        if options.constraint is None:
            return guard
        for part in options.constraint.parts():
            if not isinstance(part, Contains):
                continue
            if guard.copied(self.vocabulary.encode(part.text).tolist()):
                raise ConfigError(
                    f"{part} copies more than {options.max_copy:,} consecutive characters "
                    "of the corpus; give a larger `max_copy`"
                )
        return guard

    def _counted(self, decoder: ConstrainedDecoder) -> Iterator[Symbol]:
        """The symbols of a decoder; at the end, those that it took back are counted."""
        try:
            yield from decoder
        finally:
            self.taken_back += decoder.taken_back


def seeds_of_drafts(seed: int, count: int) -> Iterator[int | list[int]]:
    """The seeds of the random numbers of the texts from which the one of a seed is chosen."""
    return ([seed, number] if number else seed for number in range(count))


def written(write: Callable[..., Iterator[Piece]]) -> Draft | GenerationError:
    """Write a whole text; an error that ends it is returned."""
    drawn = list[Symbol]()
    try:
        text_pieces = list(write(on_symbol=drawn.append))
    except GenerationError as error:
        return error
    return Draft.of(text_pieces, len(drawn))


def best_of_drafts(drafts: Iterable[Draft | GenerationError], seed: int) -> Sample:
    """The draft with the highest mean log-probability, as the text of a seed.

    Raises:
        GenerationError: none of them ended as required.
    """
    best: Draft | None = None
    failure = GenerationError()
    for draft in drafts:
        if isinstance(draft, GenerationError):
            failure = draft
        elif best is None or draft.mean > best.mean:
            best = draft
    if best is None:
        raise failure
    return Sample(best.text, seed, best.log_probability)


def _no_longer_than(longest: int, records: Iterator[Record]) -> Iterator[Record]:
    """Mark records of more than ``longest`` characters as unfinished.

    A model of bytes is stopped by the number of bytes, so some of its records have too many
    characters.
    """
    for record in records:
        if len(record.text) > longest:
            record = record._replace(whole=False)
        yield record
