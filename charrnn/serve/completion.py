"""Completion: the request of OpenAI's legacy endpoint, with charrnn's own settings."""

import sys
from dataclasses import dataclass
from typing import Any

from charrnn.config.arguments import short_repr
from charrnn.generation.settings import seed_of
from charrnn.serve.conditions import Conditions
from charrnn.serve.fields import Fields
from charrnn.serve.limits import Limits
from charrnn.serve.problem import Problem

DEFAULT_LENGTH = 200  # characters
MOST_STOPS = 16
MOST_COPIED = 1_000  # characters
MOST_LOGPROBS = 20
MOST_PARTICLES = 64
MOST_SEED = 2**63
MOST_TRIES = 1_000_000  # records
NO_PENALTY = "give `dry` to avoid repetitions"


@dataclass(frozen=True)
class Completion:
    """What to complete, and how.

    Args:
        model: its name; None for the first.
        prompts: each is completed ``n`` times.
        length: the most characters of a text; None if it was not given.
        n, best_of: texts for each prompt, and drafts from which these are chosen.
        seed: of the first text; text i has ``seed + i``.
        stops, until: where a text ends, as for ``TextModel.generate``.
        unknown: what to do with a character of a prompt that the model has not seen.
        echo: whether the prompt is part of the text.
        logprobs: the number of alternatives to list; None for no log-probabilities.
        stream: whether to answer piece by piece.
        include_usage: whether the last part of a stream counts the characters.
        unique, new: whether to leave out records that are repeated, or in the corpus.
        max_tries: the most records to draw; None for the default.
        sampling: settings of ``TextModel.generate``, but for its constraint.
        conditions: what a text must look like.
    """

    model: str | None
    prompts: list[str]
    length: int | None
    n: int
    best_of: int
    seed: int
    stops: list[str]
    until: str | None
    unknown: str
    echo: bool
    logprobs: int | None
    stream: bool
    include_usage: bool
    unique: bool
    new: bool
    max_tries: int | None
    sampling: dict[str, Any]
    conditions: Conditions

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
        length = fields.integer("max_tokens", None, 0, limits.length)
        if len(prompts) * best_of > limits.texts:
            raise Problem(400, f"a request may draw at most {limits.texts:,} texts", "prompt")
        request = cls(
            model=fields.string("model", None, 1000),
            prompts=prompts,
            length=length,
            n=n,
            best_of=best_of,
            seed=seed_of(fields.integer("seed", None, 0, MOST_SEED)),
            stops=fields.strings("stop", MOST_STOPS, limits.constraint),
            until=fields.string("until", None, limits.constraint),
            unknown=fields.string("unknown", "error", 10),
            echo=fields.boolean("echo"),
            logprobs=fields.integer("logprobs", None, 0, MOST_LOGPROBS),
            stream=fields.boolean("stream"),
            include_usage=include_usage,
            unique=fields.boolean("unique"),
            new=fields.boolean("new"),
            max_tries=fields.integer("max_tries", None, 1, MOST_TRIES),
            sampling=_sampling(fields),
            conditions=Conditions.parse(fields, limits),
        )
        if request.stream and request.logprobs is not None:
            raise Problem(400, "`logprobs` cannot be combined with `stream`", "logprobs")
        if request.best_of > request.n and request.stream:
            raise Problem(400, "`best_of` cannot be combined with `stream`", "best_of")
        fields.finish()
        request._check_size(limits)
        return request

    @property
    def most(self) -> int:
        """The most characters of a text, if a record does not end before."""
        if self.length is not None:
            return self.length
        return max(DEFAULT_LENGTH, self.conditions.room)

    @property
    def is_constrained(self) -> bool:
        """Whether the text must look like something, or must not copy."""
        return bool(self.conditions.given) or "max_copy" in self.sampling

    def _check_size(self, limits: Limits) -> None:
        """Refuse what would take too long.

        Raises:
            Problem: the texts are too long.
        """
        most = max(self.most, self.conditions.room)
        if len(self.prompts) * self.best_of * most > limits.length:
            raise Problem(
                400, f"a request may draw at most {limits.length:,} characters", "max_tokens"
            )
        if self.logprobs is None:
            return
        characters = self.n * sum(len(prompt) + most for prompt in self.prompts)
        if characters > limits.scored or characters * self.logprobs > limits.alternatives:
            raise Problem(
                400,
                f"a request may ask for the log-probabilities of at most {limits.scored:,} "
                f"characters and {limits.alternatives:,} alternatives in all, "
                f"but these texts may have {characters:,} characters",
                "logprobs",
            )


def text_of(tokens: Any, name: str) -> str:
    """The text of some code points, which are the tokens of this API.

    Raises:
        Problem: it is something else.
    """
    if not isinstance(tokens, list) or not all(type(token) is int for token in tokens):
        raise Problem(400, f"`{name}` must be a list of code points", name)
    if not all(0 <= token <= sys.maxunicode for token in tokens):
        raise Problem(400, f"`{name}` must have code points from 0 to {sys.maxunicode:,}", name)
    return "".join(map(chr, tokens))


def _prompts(fields: Fields, limits: Limits) -> list[str]:
    """The prompts: a text, or a list of code points; or a list of either."""
    value = fields.take("prompt", "")
    is_one = isinstance(value, str) or (isinstance(value, list) and _is_of(int, value))
    given = [value] if is_one else value
    if not isinstance(given, list) or not given:
        raise Problem(400, "`prompt` must be a string or a list of strings", "prompt")
    if len(given) > limits.texts:
        raise Problem(400, f"`prompt` has more than {limits.texts:,} strings", "prompt")
    prompts = [part if isinstance(part, str) else text_of(part, "prompt") for part in given]
    if sum(map(len, prompts)) > limits.prompt:
        raise Problem(400, f"`prompt` has more than {limits.prompt:,} characters", "prompt")
    return prompts


def _is_of(kind: type, values: list[Any]) -> bool:
    """Whether a list has values, and all of them are of a type."""
    return bool(values) and all(type(value) is kind for value in values)


def _sampling(fields: Fields) -> dict[str, Any]:
    """The settings that were given, as ``TextModel.generate`` takes them; without a constraint."""
    sampling: dict[str, Any] = {}
    for name in ("temperature", "top_p", "min_p", "dry"):
        value = fields.number(name)
        if value is not None:
            sampling[name] = value
    for name, most in (
        ("top_k", 1 << 20),
        ("max_copy", MOST_COPIED),
        ("particles", MOST_PARTICLES),
    ):
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
    return sampling
