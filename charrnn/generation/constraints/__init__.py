"""What a text must look like: constraints, combined with ``&``, and the decoder that keeps them."""

from charrnn.generation.constraints.forms import *  # noqa: F403
from charrnn.generation.constraints.forms import __all__ as __all__
