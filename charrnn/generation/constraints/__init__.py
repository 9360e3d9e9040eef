"""What a text must look like: constraints, put together with ``&``, and how text is written so that
they hold."""

from charrnn.generation.constraints.forms import (
    Acrostic,
    All,
    Constraint,
    Contains,
    Length,
    Lines,
    Match,
    Without,
)

__all__ = ["Acrostic", "All", "Constraint", "Contains", "Length", "Lines", "Match", "Without"]
