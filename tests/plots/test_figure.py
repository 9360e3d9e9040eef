"""The same curves give the same bytes, and other curves other bytes."""

import re
import subprocess
import sys

import pytest

from charrnn.errors import MissingPackageError
from charrnn.plots import figure
from charrnn.plots.curves import Curves
from charrnn.plots.figure import FORMATS, MOST_POINTS, draw

HEADS = {"svg": b"<?xml", "png": b"\x89PNG", "pdf": b"%PDF"}


def curves(name: str = "run", loss: float = 2.0, **fields: object) -> Curves:
    train = [(step, loss + 9 / step) for step in range(1, 50)]
    val = [(10, loss + 0.5), (40, loss)]
    rates = [(step, 0.004) for step, _ in train]
    return Curves(name, 1024, train, val, rates, (40, loss), 2.2, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("file_format", FORMATS)
def test_the_bytes_are_the_same_each_time(file_format: str) -> None:
    first = draw([curves()], file_format)
    assert first.startswith(HEADS[file_format])
    assert draw([curves()], file_format) == first
    assert draw([curves(loss=1.9)], file_format) != first


def test_the_bytes_do_not_depend_on_the_process_or_on_settings(tmp_path) -> None:
    (tmp_path / "matplotlibrc").write_text("lines.linewidth: 9\nsvg.fonttype: none\n")
    script = (
        "import sys; from tests.plots.test_figure import curves; "
        "from charrnn.plots.figure import draw; sys.stdout.buffer.write(draw([curves()], 'svg'))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        check=True,
        env={"PYTHONPATH": ":".join(sys.path), "MATPLOTLIBRC": str(tmp_path), "PATH": ""},
    )
    assert ran.stdout == draw([curves()], "svg")


def comments(svg: bytes) -> list[str]:
    """The texts of a figure, which are paths with a comment."""
    return re.findall(r"<!-- (.*?) -->", svg.decode())


def test_the_figure_names_what_it_shows() -> None:
    texts = comments(draw([curves()], "svg"))
    for text in (
        "loss, nats per character", "bits per character", "learning rate", "characters read",
        "training", "validation", "best: 2.000", "baseline of counts: 2.200",
    ):  # fmt: skip
        assert text in texts


def test_several_runs_are_named_in_the_legend() -> None:
    texts = comments(draw([curves("first"), curves("second", 1.5)], "svg"))
    assert {"validation (first)", "validation (second)", "best: 1.500 (second)"} <= set(texts)


@pytest.mark.parametrize("name", ["$a$b$", "_hidden", "a & <b>"])
def test_a_name_is_shown_as_it_is(name: str) -> None:
    texts = comments(draw([curves(name), curves("other")], "svg"))
    assert f"validation ({name})" in [
        text.replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">") for text in texts
    ]


def test_what_a_run_lacks_is_left_out() -> None:
    lacking = curves()
    lacking.val = []
    lacking.best = lacking.yardstick = None
    texts = comments(draw([lacking], "svg"))
    assert "training" in texts
    assert not any("best" in text or "baseline" in text for text in texts)


def test_many_steps_are_averaged() -> None:
    points = [(step, 1.0 * step) for step in range(1, 10 * MOST_POINTS + 4)]
    steps, values = figure._averaged(points)
    assert len(steps) <= MOST_POINTS
    assert steps == pytest.approx(values)


def test_a_missing_matplotlib_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figure.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingPackageError, match=r"pip install 'charrnn\[plots\]'"):
        draw([curves()], "svg")
