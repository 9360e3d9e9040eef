"""Completions: the request of OpenAI's legacy endpoint, with charrnn's own settings."""

import math
import re
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from charrnn.config.arguments import short_repr
from charrnn.corpus.records import KnownItem
from charrnn.errors import CharRNNError, GenerationError
from charrnn.generation.constraints import Contains, Match, Without
from charrnn.generation.constraints.forms import All, Constraint
from charrnn.generation.decode import Symbol
from charrnn.generation.generator import Draft, best_of_drafts, seeds_of_drafts
from charrnn.generation.pieces import End, Piece
from charrnn.generation.settings import seed_of
from charrnn.generation.text_kinds import primed
from charrnn.serve.fields import Fields
from charrnn.serve.limits import Limits
from charrnn.serve.problem import Problem
from charrnn.serve.prompts import read_in_steps
from charrnn.storage.run import Run
from charrnn.surprise.explanation import Explanation, explain_in_steps
from charrnn.text_model import TextModel

DEFAULT_LENGTH = 200  # characters
MOST_STOPS = 16
MOST_STRINGS = 8  # required, and forbidden
MOST_COPIED = 1_000  # characters
MOST_LOGPROBS = 20
MOST_SEED = 2**63
LEAST_PROBABILITY = 1e-300
BURST = 16  # symbols between two looks at the clock
NO_PENALTY = "give `dry` to avoid repetitions"


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


@dataclass(frozen=True)
class Completion:
    """What to complete, and how.

    Args:
        model: its name; None for the first.
        prompts: each is completed ``n`` times.
        length: the most characters of a text.
        n, best_of: texts for each prompt, and drafts from which these are chosen.
        seed: of the first text; text i has ``seed + i``.
        stops, until: where a text ends, as for ``TextModel.generate``.
        echo: whether the prompt is part of the text.
        logprobs: the number of alternatives to list; None for no log-probabilities.
        stream: whether to answer piece by piece.
        include_usage: whether the last part of a stream counts the characters.
        sampling: settings of ``TextModel.generate``.
    """

    model: str | None
    prompts: list[str]
    length: int
    n: int
    best_of: int
    seed: int
    stops: list[str]
    until: str | None
    echo: bool
    logprobs: int | None
    stream: bool
    include_usage: bool
    sampling: dict[str, Any]

    @classmethod
    def parse(cls, body: Any, limits: Limits) -> "Completion":
        """Check a request.

        Raises:
            Problem: something is wrong with it.
        """
        fields = Fields(body)
        fields.neutral("suffix", "", why="charrnn continues a text, but cannot fill a gap in it")
        fields.neutral("presence_penalty", 0, why=NO_PENALTY)
        fields.neutral("frequency_penalty", 0, why=NO_PENALTY)
        fields.take("user")
        options = Fields(fields.take("stream_options", {}))
        include_usage = options.boolean("include_usage")
        n = fields.integer("n", 1, 1, limits.texts)
        best_of = fields.integer("best_of", n, 1, limits.texts)
        if best_of % n:
            raise Problem(
                400, f"`best_of` must be a multiple of `n`, {n}, got {best_of}", "best_of"
            )
        prompts = _prompts(fields, limits)
        length = fields.integer("max_tokens", DEFAULT_LENGTH, 0, limits.length)
        if len(prompts) * best_of > limits.texts:
            raise Problem(400, f"a request may draw at most {limits.texts:,} texts", "prompt")
        if len(prompts) * best_of * length > limits.length:
            raise Problem(
                400, f"a request may draw at most {limits.length:,} characters", "max_tokens"
            )
        request = cls(
            model=fields.string("model", None, 1000),
            prompts=prompts,
            length=length,
            n=n,
            best_of=best_of,
            seed=seed_of(fields.integer("seed", None, 0, MOST_SEED)),
            stops=fields.strings("stop", MOST_STOPS, limits.constraint),
            until=fields.string("until", None, limits.constraint),
            echo=fields.boolean("echo"),
            logprobs=fields.integer("logprobs", None, 0, MOST_LOGPROBS),
            stream=fields.boolean("stream"),
            include_usage=include_usage,
            sampling=_sampling(fields, limits),
        )
        if request.stream and request.logprobs is not None:
            raise Problem(400, "`logprobs` cannot be combined with `stream`", "logprobs")
        if request.best_of > request.n and request.stream:
            raise Problem(400, "`best_of` cannot be combined with `stream`", "best_of")
        fields.finish()
        request._check_scored(limits)
        is_constrained = "constraint" in request.sampling or "max_copy" in request.sampling
        if is_constrained and max(map(len, prompts)) > limits.constrained_prompt:
            raise Problem(
                400,
                f"a constrained text continues at most {limits.constrained_prompt:,} characters",
                "prompt",
            )
        return request

    def _check_scored(self, limits: Limits) -> None:
        """Refuse log-probabilities of too many characters."""
        characters = self.n * sum(len(prompt) + self.length for prompt in self.prompts)
        if self.logprobs is not None and characters > limits.scored:
            raise Problem(
                400,
                f"a request may ask for the log-probabilities of at most {limits.scored:,} "
                f"characters, but these texts may have {characters:,}",
                "logprobs",
            )

    def work(self, model: TextModel) -> Iterator[Delta | Finished | None]:
        """Draw all texts; None is yielded where nothing is ready yet.

        Raises:
            Problem: the model cannot do it.
        """
        try:
            if "max_copy" in self.sampling:
                _check_index(model)
            known = [model.vocabulary.repair(prompt)[0] for prompt in self.prompts]
            self._pieces(model, known[0], np.random.default_rng(0))  # checks the settings
            for number, prompt in enumerate(known):
                ids = model.vocabulary.encode(prompt).tolist()
                yield from read_in_steps(model, primed(model.vocabulary, model.prime, ids))
                for choice in range(self.n):
                    yield from self._choice(model, prompt, number * self.n + choice, choice)
        except CharRNNError as error:
            raise problem_of(error) from None

    def _choice(
        self,
        model: TextModel,
        prompt: str,
        index: int,
        choice: int,
    ) -> Iterator[Delta | Finished | None]:
        if self.echo and prompt:
            yield Delta(index, prompt)
        text = ""
        if self.best_of == self.n:
            rng = np.random.default_rng(self.seed + choice)
            for piece in self._pieces(model, prompt, rng):
                text += piece.text
                yield Delta(index, piece.text) if piece.text else None
        else:
            text = yield from self._best(model, prompt, choice)
            yield Delta(index, text)
        logprobs = None
        if self.logprobs is not None:
            logprobs = yield from self._logprobs(model, prompt, text)
        reason = "length" if len(text) == self.length else "stop"
        yield Finished(index, reason, logprobs, len(text))

    def _end(self, model: TextModel) -> End:
        return End.of(model.vocabulary, self.length, self.stops, self.until)

    def _pieces(
        self,
        model: TextModel,
        prompt: str,
        rng: np.random.Generator,
        drawn: list[Symbol] | None = None,
    ) -> Iterator[Piece]:
        """The pieces of a text; the symbols are added to ``drawn``, with their probabilities."""
        add = None if drawn is None else drawn.append
        return model.generator.pieces(
            prompt, self._end(model), rng, self.sampling, scored=drawn is not None, on_symbol=add
        )

    def _best(
        self,
        model: TextModel,
        prompt: str,
        choice: int,
    ) -> Generator[None, None, str]:
        """The best of some drafts, as ``charrnn sample --best-of`` chooses it."""
        seed = self.seed + choice
        drafts: list[Draft | GenerationError] = []
        for of_draft in seeds_of_drafts(seed, self.best_of // self.n):
            symbols: list[Symbol] = []
            pieces: list[Piece] = []
            try:
                for piece in self._pieces(model, prompt, np.random.default_rng(of_draft), symbols):
                    pieces.append(piece)
                    yield None
            except GenerationError as error:
                drafts.append(error)
                continue
            drafts.append(Draft.of(pieces, len(symbols)))
        return best_of_drafts(drafts, seed).text

    def _logprobs(
        self,
        model: TextModel,
        prompt: str,
        text: str,
    ) -> Generator[None, None, dict[str, Any]]:
        """The log-probabilities of the answer, in the shape of OpenAI's API."""
        whole = prompt + text
        if not whole:
            return {"tokens": [], "token_logprobs": [], "top_logprobs": None, "text_offset": []}
        first = 0 if self.echo else len(prompt)
        # As when it writes, a model of characters reads nothing before a prompt.
        begins_with_prompt = bool(prompt) and model.vocabulary.unit == "char"
        skipped = 1 if begins_with_prompt and not model.vocabulary.records else 0
        prime = int(model.vocabulary.encode(whole[0])[0]) if skipped else model.prime
        explanation = None
        if len(whole) > skipped:
            count = max(1, self.logprobs or 0)
            scored = whole[skipped:]
            item = KnownItem(scored, 0, range(len(scored)), len(scored))
            explanation = yield from explained(model, [item], count, prime)
        log_probabilities: list[float | None] = []
        tops: list[dict[str, float] | None] = []
        for place in range(first, len(whole)):
            if (place == 0 and prompt) or explanation is None:
                log_probabilities.append(None)  # as in OpenAI's API: nothing precedes it
                tops.append(None)
                continue
            character = explanation[place - skipped]
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
            "top_logprobs": tops if self.logprobs else None,
            "text_offset": list(range(first, len(whole))),
        }


def _log(probability: float) -> float:
    """A logarithm that JSON can write."""
    return math.log(max(probability, LEAST_PROBABILITY))


def explained(
    model: TextModel,
    items: Sequence[KnownItem],
    alternatives: int,
    prime: int | None = None,
) -> Generator[None, None, Explanation]:
    """The explanation of a text, computed in turns; ``prime`` is read before it."""
    return explain_in_steps(
        model.network,
        model.vocabulary,
        model.prime if prime is None else prime,
        items,
        separator=model.separator,
        alternatives=alternatives,
        most_rows=BURST,
    )


def problem_of(error: CharRNNError) -> Problem:
    """What an error of the library says, with the field that it names."""
    message = str(error)
    match = re.search(r"`(\w+)`", message)
    names = {"length": "max_tokens", "bias": "logit_bias", "constraint": "match"}
    param = names.get(match[1], match[1]) if match else None
    return Problem(400, message, param)


def _check_index(model: TextModel) -> None:
    """Refuse ``max_copy`` for a run whose corpus is not indexed, since that may take minutes."""
    if model.path is None or not Run(model.path.parent).originality.exists():
        raise Problem(
            400,
            "`max_copy` needs the index of the corpus; `charrnn originality RUN` builds it",
            "max_copy",
        )


def _prompts(fields: Fields, limits: Limits) -> list[str]:
    value = fields.take("prompt", "")
    prompts = [value] if isinstance(value, str) else value
    if not isinstance(prompts, list) or not prompts:
        raise Problem(400, "`prompt` must be a string or a list of strings", "prompt")
    if not all(isinstance(prompt, str) for prompt in prompts):
        raise Problem(
            400, "`prompt` must be text: this model has no tokens but characters", "prompt"
        )
    if len(prompts) > limits.texts:
        raise Problem(400, f"`prompt` has more than {limits.texts:,} strings", "prompt")
    if sum(map(len, prompts)) > limits.prompt:
        raise Problem(400, f"`prompt` has more than {limits.prompt:,} characters", "prompt")
    return prompts


def _sampling(fields: Fields, limits: Limits) -> dict[str, Any]:
    """The settings that were given, as ``TextModel.generate`` takes them."""
    sampling: dict[str, Any] = {}
    for name in ("temperature", "top_p", "min_p", "dry"):
        value = fields.number(name)
        if value is not None:
            sampling[name] = value
    for name, most in (("top_k", 1 << 20), ("max_copy", MOST_COPIED)):
        value = fields.integer(name, None, 1, most)
        if value is not None:
            sampling[name] = value
    bias = fields.take("logit_bias", {})
    if not isinstance(bias, dict):
        raise Problem(400, "`logit_bias` must be an object of characters and numbers", "logit_bias")
    for char, value in bias.items():
        if len(char) != 1 or type(value) not in (int, float) or not abs(value) <= 1000:
            raise Problem(
                400,
                "`logit_bias` must have single characters as keys, and numbers from -1000 to 1000, "
                f"got {short_repr(char)}",
                "logit_bias",
            )
    if bias:
        sampling["bias"] = {char: float(value) for char, value in bias.items()}
    constraint = _constraint(fields, limits)
    if constraint is not None:
        sampling["constraint"] = constraint
    return sampling


def _constraint(fields: Fields, limits: Limits) -> Constraint | None:
    parts: list[Constraint] = []
    pattern = fields.string("match", None, limits.constraint)
    try:
        if pattern is not None:
            parts.append(Match(pattern))
        contained = fields.strings("contains", MOST_STRINGS, limits.constraint)
        left_out = fields.strings("without", MOST_STRINGS, limits.constraint)
        if sum(map(len, [pattern or "", *contained, *left_out])) > limits.constraint:
            raise Problem(
                400,
                f"the constraints have more than {limits.constraint:,} characters in all",
                "match" if pattern else "contains",
            )
        parts += map(Contains, contained)
        parts += map(Without, left_out)
    except CharRNNError as error:
        raise problem_of(error) from None
    return All(*parts) if parts else None
