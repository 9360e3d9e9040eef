"""The notebook runs from top to bottom, and shows a coloured map."""

import shutil
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parent.parent.parent


def test_the_tour_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    (tmp_path / "examples").mkdir()
    shutil.copytree(ROOT / "corpora", tmp_path / "corpora")
    notebook = nbformat.read(ROOT / "examples/tour.ipynb", as_version=4)
    nbformat.validate(notebook)
    (training,) = [cell for cell in notebook.cells if "charrnn.train(" in cell.source]
    assert "steps=200" in training.source
    training.source = training.source.replace("steps=200", "steps=10, threads=1")
    client = NotebookClient(
        notebook,
        timeout=300,
        kernel_name="python3",
        resources={"metadata": {"path": tmp_path / "examples"}},
    )
    client.execute()
    shown = [
        output["data"].get("text/html", "")
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if "data" in output
    ]
    assert len(shown) == 3
    model, sample, colours = shown
    assert "validation loss" in model
    assert "seed 1, log-probability" in sample
    assert '<span class="surprise-4"' in colours
    assert (tmp_path / "examples/checkpoints/tour").is_dir()
