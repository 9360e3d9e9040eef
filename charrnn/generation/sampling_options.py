"""The keyword arguments of TextModel that say how a text is drawn, with their types."""

from collections.abc import Mapping, Sequence
from typing import TypedDict

from charrnn.generation.constraints.forms import Constraint
from charrnn.generation.sampling import Processor


class SessionOptions(TypedDict, total=False):
    """How each character is drawn: the options of a session, and of every other text.

    The filters are applied in this order: bias and ban, dry, processors, temperature, top_k, top_p,
    min_p. A value of None turns a filter off.

    Args:
        temperature: how random the text is: below 1 safer, above 1 wilder; 0 always takes the
            likeliest character (default 0.8)
        top_k: draw only from the k likeliest characters (default None)
        top_p: draw only from the likeliest characters whose probabilities add up to p (default
            None)
        min_p: draw only from characters at least p times as likely as the likeliest one (default
            None)
        dry: penalty, subtracted from the logarithm of the probability, on continuing a repetition
            of `dry_length` or more characters; larger for longer ones (default None)
        dry_base: factor by which that penalty grows with each further repeated character (default
            1.2)
        dry_length: length of the shortest repetition that is penalized, in characters (default 16)
        bias: numbers of nats to add to the logit of each of some characters, such as
            ``{"eE": -2.0}``; 0.69 doubles the odds of a character (default {})
        ban: characters that are never written (default "")
        processors: functions ``(ids, logits (V,)) -> logits (V,)``, called one after another for
            each character with the ids of all symbols read so far (default ())
    """

    temperature: float
    top_k: int | None
    top_p: float | None
    min_p: float | None
    dry: float | None
    dry_base: float
    dry_length: int
    bias: Mapping[str, float]
    ban: str
    processors: Sequence[Processor]


class SamplingOptions(SessionOptions, total=False):
    """How a text is drawn, and what it must look like; those of SessionOptions included.

    Args:
        constraint: what the new text (of a record: all of it) must look like, such as
            ``Contains("moon") & Lines(4)`` (default None)
        particles: drafts written side by side to find a likely text that satisfies the constraint;
            None: 8, or 1 for max_copy alone (default None)
        max_copy: the most consecutive characters of the corpus that the new text may contain;
            None: any number (default None)
    """

    constraint: Constraint | None
    particles: int | None
    max_copy: int | None
