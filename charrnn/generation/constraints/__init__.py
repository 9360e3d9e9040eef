"""Constraints on a text, combined with ``&``, and the decoder that satisfies them."""

from charrnn.generation.constraints.forms import *  # noqa: F403
from charrnn.generation.constraints.forms import __all__ as __all__
