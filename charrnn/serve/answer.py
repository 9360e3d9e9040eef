"""The answer to a completion: the texts, drawn a few steps at a time, as events."""

import math
import time
from collections.abc import Generator, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from charrnn.corpus.records import KnownItem
from charrnn.errors import GenerationError, VocabularyError
from charrnn.generation.accepted_records import AcceptedRecords
from charrnn.generation.decode import Symbol
from charrnn.generation.generator import Draft, best_of_drafts, seeds_of_drafts
from charrnn.generation.interruption import time_to_compile
from charrnn.generation.network import AfterPrompt
from charrnn.generation.pieces import End, Piece
from charrnn.generation.record_sampler import Record
from charrnn.generation.text_kinds import primed
from charrnn.serve.completion import Completion
from charrnn.serve.conditions import constraint_of
from charrnn.serve.engine import COMPILING, TURN, elsewhere
from charrnn.serve.limits import Limits
from charrnn.serve.models import Served
from charrnn.serve.problem import Problem
from charrnn.storage.run import Run
from charrnn.surprise.explanation import Explanation, explain_in_steps
from charrnn.text_model import TextModel

LEAST_PROBABILITY = 1e-300
BURST = 16  # symbols between two looks at the clock
SHORT = 1_000  # characters, whose replacement takes no time


class Delta(NamedTuple):
    """Some more text of a choice, by its number."""

    choice: int
    text: str


class Finished(NamedTuple):
    """The end of a choice.

    Args:
        choice: its number.
        reason: ``stop`` or ``length``.
        logprobs: in the shape of OpenAI's API; None if they were not asked for.
        characters: of the new text.
    """

    choice: int
    reason: str
    logprobs: dict[str, Any] | None
    characters: int


class Notice(NamedTuple):
    """Something that whoever asked should know, such as a character that was replaced."""

    text: str


class Answer:
    """The texts that a request asks for.

    Args:
        request: what to complete, and how.
        served: the model that writes them.
        limits: on the work.
    """

    def __init__(self, request: Completion, served: Served, limits: Limits) -> None:
        self.request = request
        self.model = served.model
        self.prefixes = served.prefixes
        self.limits = limits
        self.most = request.most  # characters of a text
        if request.length is None and self.model.vocabulary.records:
            self.most = self.model.longest
        self.sampling = dict(request.sampling)
        self.is_constrained = request.is_constrained
        self.ends_itself = False  # whether the text ends where a constraint or a boundary says

    def events(self) -> Iterator[Any]:
        """Draw all texts; futures are for the engine.

        Raises:
            Problem, CharRNNError: the model cannot do it.
        """
        request = self.request
        if "max_copy" in self.sampling:
            _check_index(self.model)
        if request.conditions.given:
            constraint = yield from elsewhere(partial(constraint_of, request.conditions), COMPILING)
            self.sampling["constraint"] = constraint
            self.ends_itself = constraint is not None and constraint.ends
        prompts = []
        for prompt in request.prompts:
            known, notices = yield from known_text(self.model, prompt, request.unknown)
            prompts.append(known)
            yield from map(Notice, notices)
        if self._writes_records():
            yield from self._records(prompts)
            return
        yield from self._check(prompts[0])
        for number, prompt in enumerate(prompts):
            for choice in range(request.n):
                yield from self._choice(prompt, number * request.n + choice, choice)

    def _check(self, prompt: str) -> Generator[Any, None, None]:
        """Check all settings, with a text that is never drawn."""
        begin = partial(self._begin, prompt, np.random.default_rng(0), None, None)
        if self.is_constrained:
            yield from elsewhere(begin, COMPILING)
        else:
            begin()

    def _begin(
        self,
        prompt: str,
        rng: np.random.Generator,
        drawn: list[Symbol] | None,
        after: AfterPrompt | None,
    ) -> Iterator[Piece]:
        """The pieces of a text; the symbols are added to ``drawn``, with their probabilities."""
        end = End.of(self.model.vocabulary, self.most, self.request.stops, self.request.until)
        add = None if drawn is None else drawn.append
        with time_to_compile(self.limits.compile_seconds):
            return self.model.generator.pieces(
                prompt,
                end,
                rng,
                self.sampling,
                scored=drawn is not None,
                on_symbol=add,
                after=after,
            )

    def _pieces(
        self,
        prompt: str,
        rng: np.random.Generator,
        drawn: list[Symbol] | None = None,
    ) -> Iterator[Any]:
        """The same, with None or futures between them."""
        vocabulary = self.model.vocabulary
        ids = primed(vocabulary, self.model.prime, vocabulary.encode(prompt).tolist())
        after = yield from self.prefixes.read(self.model.network, ids)
        begin = partial(self._begin, prompt, rng, drawn, after)
        if not self.is_constrained:
            yield from begin()
            return
        # The symbols of a constrained text come in bursts, which may take long.
        pieces = yield from elsewhere(begin, COMPILING)
        burst = yield from elsewhere(partial(_burst, pieces))
        while burst:
            yield from burst
            burst = yield from elsewhere(partial(_burst, pieces))

    def _choice(self, prompt: str, index: int, choice: int) -> Iterator[Any]:
        request = self.request
        if request.echo and prompt:
            yield Delta(index, prompt)
        text = ""
        if request.best_of == request.n:
            rng = np.random.default_rng(request.seed + choice)
            for piece in self._pieces(prompt, rng):
                if isinstance(piece, Piece):
                    text += piece.text
                    yield Delta(index, piece.text) if piece.text else None
                else:
                    yield piece
        else:
            text = yield from self._best(prompt, choice)
            yield Delta(index, text)
        logprobs = None
        if request.logprobs is not None:
            logprobs = yield from self._logprobs(prompt, text)
        ends_itself = self.ends_itself or request.until is not None
        reason = "length" if len(text) == self.most and not ends_itself else "stop"
        yield Finished(index, reason, logprobs, len(text))

    def _best(self, prompt: str, choice: int) -> Generator[Any, None, str]:
        """The best of some drafts, as ``charrnn sample --best-of`` chooses it."""
        request = self.request
        seed = request.seed + choice
        drafts: list[Draft | GenerationError] = []
        for of_draft in seeds_of_drafts(seed, request.best_of // request.n):
            symbols: list[Symbol] = []
            pieces: list[Piece] = []
            try:
                for piece in self._pieces(prompt, np.random.default_rng(of_draft), symbols):
                    if isinstance(piece, Piece):
                        pieces.append(piece)
                        yield None
                    else:
                        yield piece
            except GenerationError as error:
                drafts.append(error)
                continue
            drafts.append(Draft.of(pieces, len(symbols)))
        return best_of_drafts(drafts, seed).text

    # Records

    def _writes_records(self) -> bool:
        """Whether to write whole records, as ``charrnn sample`` does.

        A single record is finished as ``TextModel.generate`` does if only that can do what was
        asked for.
        """
        request = self.request
        records = self.model.vocabulary.records
        if (request.unique or request.new) and not records:
            raise Problem(400, "`unique` and `new` are for models of records", "unique")
        is_single = (
            request.logprobs is not None
            or bool(request.stops)
            or request.until is not None
            or request.best_of > request.n
        )
        if is_single and (request.unique or request.new):
            raise Problem(
                400,
                "`unique` and `new` cannot be combined with `logprobs`, `stop`, `until` or "
                "`best_of`",
                "unique",
            )
        return records and not is_single

    def _records(self, prompts: Sequence[str]) -> Iterator[Any]:
        request = self.request
        if len(prompts) * request.n * self.most > self.limits.length:
            raise Problem(
                400,
                f"these records may have more than {self.limits.length:,} characters; "
                "give a smaller `n` or `max_tokens`",
                "n",
            )
        for number, prompt in enumerate(prompts):
            length = None
            if request.length is not None:
                length = len(prompt) + request.length
            begin = partial(self._begin_records, prompt, length)
            records = yield from elsewhere(begin, COMPILING)
            for choice in range(request.n):
                record: Record = yield from elsewhere(partial(next, records))
                index = number * request.n + choice
                text = record.text[len(prompt) :]
                tally = records.tally
                yield Delta(index, record.text if request.echo else text)
                if tally.kept == request.n < tally.drawn:
                    yield Notice(str(tally))
                yield Finished(index, "stop", None, len(text))

    def _begin_records(self, prompt: str, length: int | None) -> AcceptedRecords:
        request = self.request
        with time_to_compile(self.limits.compile_seconds):
            return self.model.records(
                request.n,
                prompt=prompt,
                seed=request.seed,
                unique=request.unique,
                new=request.new,
                max_tries=request.max_tries,
                length=length,
                **self.sampling,
            )

    # Log-probabilities

    def _logprobs(self, prompt: str, text: str) -> Generator[None, None, dict[str, Any]]:
        """The log-probabilities of the answer, in the shape of OpenAI's API."""
        request = self.request
        whole = prompt + text
        if not whole:
            return {"tokens": [], "token_logprobs": [], "top_logprobs": None, "text_offset": []}
        first = 0 if request.echo else len(prompt)
        # As when it writes, a model of continuous text reads nothing before a prompt.
        begins = bool(prompt) and not self.model.vocabulary.records
        explanation = yield from explained(
            self.model,
            [KnownItem(whole, 0, range(len(whole)), len(whole))],
            max(1, request.logprobs or 0),
            None if begins else self.model.prime,
        )
        log_probabilities: list[float | None] = []
        tops: list[dict[str, float] | None] = []
        for place in range(first, len(whole)):
            if place == 0 and prompt:
                log_probabilities.append(None)  # as in OpenAI's API: nothing precedes it
                tops.append(None)
                continue
            character = explanation[place]
            log_probabilities.append(character.log_probability)
            top = {char: _log(share) for char, share in character.alternatives}
            if character.character in top:  # the same number, so that they can be compared
                top[character.character] = character.log_probability
            tops.append(top)
            if place % BURST == 0:
                yield None
        return {
            "tokens": list(whole[first:]),
            "token_logprobs": log_probabilities,
            "top_logprobs": tops if request.logprobs else None,
            "text_offset": list(range(first, len(whole))),
        }


def explained(
    model: TextModel,
    items: Sequence[KnownItem],
    alternatives: int,
    prime: int | None,
) -> Generator[None, None, Explanation]:
    """The explanation of a text, computed in turns; ``prime`` is read before it."""
    return explain_in_steps(
        model.network,
        model.vocabulary,
        prime,
        items,
        separator=model.separator,
        alternatives=alternatives,
        most_rows=BURST,
    )


def known_text(
    model: TextModel,
    text: str,
    unknown: str,
) -> Generator[Any, None, tuple[str, list[str]]]:
    """A prompt in the characters of a model, and a notice on each change.

    Raises:
        Problem: a character is unknown, or ``unknown`` is invalid.
    """
    repair = partial(model.vocabulary.repair, text, unknown)
    try:
        if unknown == "replace" and len(text) > SHORT:
            return (yield from elsewhere(repair))
        return repair()
    except VocabularyError as error:
        raise Problem(400, str(error), "prompt") from None


def _burst(pieces: Iterator[Piece]) -> list[Piece]:
    """The pieces that are drawn in a turn; none if the text has ended."""
    end = time.monotonic() + TURN
    burst: list[Piece] = []
    for piece in pieces:
        burst.append(piece)
        if time.monotonic() > end:
            break
    return burst


def _log(probability: float) -> float:
    """A logarithm that JSON can write."""
    return math.log(max(probability, LEAST_PROBABILITY))


def has_index(model: TextModel) -> bool:
    """Whether the corpus of a model is indexed."""
    return model.path is not None and Run(model.path.parent).originality.exists()


def _check_index(model: TextModel) -> None:
    """Refuse ``max_copy`` for a run whose corpus is not indexed, since that may take minutes."""
    if not has_index(model):
        raise Problem(
            400,
            "`max_copy` needs the index of the corpus; `charrnn originality RUN` builds it",
            "max_copy",
        )
