"""Draws the curves of runs with matplotlib; the same curves give the same bytes."""

import importlib.util
import io
import math
from collections.abc import Sequence
from typing import Any

from charrnn.errors import MissingPackageError
from charrnn.plots.curves import Curves

FORMATS = ("svg", "png", "pdf")
# Colours that are told apart by people who do not see red and green (Okabe and Ito 2008).
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
# Without these, a file would hold the time or the version of the program.
METADATA: dict[str, dict[str, Any]] = {
    "svg": {"Date": None, "Creator": None},
    "png": {"Software": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
STYLE = {
    "svg.hashsalt": "charrnn",
    "text.parse_math": False,
    "axes.spines.top": False,
    "legend.frameon": False,
}
MOST_POINTS = 1_000  # of a curve; more are averaged
HEADROOM = 1.6  # the loss axis ends at this factor times the lowest loss, if the first is higher


def check_matplotlib() -> None:
    """Check that a figure can be drawn.

    Raises:
        MissingPackageError: matplotlib is not installed.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise MissingPackageError(
            "plots need matplotlib; install it with: pip install 'charrnn[plots]'"
        )


def draw(runs: Sequence[Curves], file_format: str) -> bytes:
    """The training and validation loss of runs, and their learning rates below.

    Args:
        runs: drawn over each other.
        file_format: one of FORMATS.

    Raises:
        MissingPackageError: matplotlib is not installed.
    """
    check_matplotlib()
    from matplotlib import style
    from matplotlib.figure import Figure

    with style.context(["default", STYLE]):
        figure = Figure(figsize=(8, 5.5), layout="constrained")
        losses, rates = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
        for number, curves in enumerate(runs):
            colour = COLOURS[number % len(COLOURS)]
            _draw_run(losses, rates, curves, colour, is_alone=len(runs) == 1)
        losses.set_ylabel("loss, nats per character")
        losses.set_ylim(*_limits(runs))
        in_bits = losses.secondary_yaxis("right", functions=(_to_bits, _to_nats))
        in_bits.set_ylabel("bits per character")
        losses.legend()
        rates.set_ylabel("learning rate")
        rates.set_ylim(bottom=0)
        rates.set_xlabel("characters read")
        rates.xaxis.set_major_formatter(_shortened())
        file = io.BytesIO()
        figure.savefig(file, format=file_format, dpi=150, metadata=METADATA[file_format])
    return file.getvalue()


def _draw_run(losses: Any, rates: Any, curves: Curves, colour: str, *, is_alone: bool) -> None:
    """Add a run to the axes of the losses and of the learning rates."""
    name = "" if is_alone else f" ({curves.name})"
    steps, values = _averaged(curves.train)
    read = [step * curves.characters for step in steps]
    losses.plot(read, values, color=colour, linewidth=0.8, alpha=0.5, label=f"training{name}")
    if curves.val:
        read = [step * curves.characters for step, _ in curves.val]
        values = [value for _, value in curves.val]
        losses.plot(read, values, color=colour, marker=".", label=f"validation{name}")
    if curves.best is not None:
        step, loss = curves.best
        place = step * curves.characters
        losses.axvline(place, color=colour, linewidth=0.8, linestyle=":")
        losses.plot([place], [loss], color=colour, marker="o", label=f"best: {loss:.3f}{name}")
    if curves.yardstick is not None:
        losses.axhline(
            curves.yardstick,
            color="#777777" if is_alone else colour,
            linewidth=0.8,
            linestyle="--",
            label=f"baseline of counts: {curves.yardstick:.3f}{name}",
        )
    steps, values = _averaged(curves.rates)
    rates.plot([step * curves.characters for step in steps], values, color=colour)


def _averaged(points: Sequence[tuple[int, float]]) -> tuple[list[float], list[float]]:
    """The steps and values of at most MOST_POINTS points, each the mean of as many neighbours."""
    size = max(1, -(-len(points) // MOST_POINTS))
    steps = []
    values = []
    for start in range(0, len(points), size):
        part = points[start : start + size]
        steps.append(sum(step for step, _ in part) / len(part))
        values.append(sum(value for _, value in part) / len(part))
    return steps, values


def _limits(runs: Sequence[Curves]) -> tuple[float, float]:
    """The ends of the loss axis: without the first steps of training, which are far higher."""
    values = []
    for curves in runs:
        values += _averaged(curves.train)[1]
        values += [value for _, value in curves.val]
        if curves.yardstick is not None:
            values.append(curves.yardstick)
    lowest = min(values)
    highest = min(max(values), HEADROOM * max(lowest, 0.1) + 0.5)
    margin = 0.04 * (highest - lowest) or 0.1
    return max(0.0, lowest - margin), highest + margin


def _to_bits(nats: Any) -> Any:
    return nats / math.log(2)


def _to_nats(bits: Any) -> Any:
    return bits * math.log(2)


def _shortened() -> Any:
    from matplotlib.ticker import EngFormatter

    return EngFormatter(sep="")
