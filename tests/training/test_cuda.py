"""On a GPU, a run repeats and resumes bit for bit, and learns what it learns on a CPU."""

from pathlib import Path
from typing import Any

import pytest
import torch

import charrnn
from charrnn.config.run_config import RunConfig
from charrnn.config.yaml import read_yaml
from charrnn.corpus.corpus import Corpus
from charrnn.storage.checkpoint import read
from charrnn.storage.run import Run
from charrnn.training.device import settled
from charrnn.training.loop import StepResult, TrainingLoop
from charrnn.training.model import CELLS, LSTMLayer
from charrnn.training.step_report import Report

pytestmark = [
    pytest.mark.skipif(not torch.cuda.is_available(), reason="CUDA is not available"),
    pytest.mark.xdist_group("cuda"),
]
cells = pytest.mark.parametrize("cell", CELLS)

TEXT = "Now is the time, said the clock; then is the time, said the bell.\n" * 14
N = 12
KNOBS: dict[str, Any] = {
    "name": "run", "steps": N, "batch_size": 8, "sequence_length": 20, "hidden_size": 128, "num_layers": 2,
    "embedding_size": 8, "dropout": 0.3, "learning_rate": 0.01, "eval_every": 3, "counts": 2,
    "copy_window": 100, "device": "cuda",
}  # fmt: skip


def results(steps: int, **knobs: Any) -> list[StepResult]:
    """What the first steps of a run return."""
    config = RunConfig.from_flat(KNOBS | {"threads": 1} | knobs)
    loop = TrainingLoop(config, Corpus.of(TEXT, config.data.val_fraction))
    with settled(1, config.train.device):
        return [loop.train_step() for _ in range(steps)]


def outcome() -> dict[str, bytes]:
    """The bytes of the last checkpoint of the run in the current directory."""
    step = Path("checkpoints/run") / f"step-{N:08d}"
    return {path.name: path.read_bytes() for path in step.glob("*.safetensors")}


@cells
def test_a_step_on_a_gpu_is_the_same_as_on_a_cpu(cell: str) -> None:
    on_cpu = results(5, cell=cell, device="cpu", precision="fp32")
    on_gpu = results(5, cell=cell, device="cuda", precision="fp32")
    for cpu, gpu in zip(on_cpu, on_gpu, strict=True):
        assert gpu.loss == pytest.approx(cpu.loss, rel=5e-3)
        assert gpu.grad_norm == pytest.approx(cpu.grad_norm, rel=5e-2)


def test_zeros_appended_for_the_persistent_kernel_change_nothing() -> None:
    layer = LSTMLayer(72, 128).cuda()
    x = torch.randn(20, 8, 72, device="cuda")
    state = torch.randn(2, 8, 128, device="cuda")
    with torch.autocast("cuda", torch.bfloat16):
        aligned, last = layer(x, state)
        plain, (h, c) = layer.rnn(x, (state[0:1], state[1:2]))
    torch.testing.assert_close(aligned, plain, atol=5e-3, rtol=0)
    torch.testing.assert_close(last, torch.cat([h, c]).float(), atol=5e-3, rtol=0)


@cells
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_run_on_a_gpu_is_resumed_to_the_same_bytes(
    cell: str,
    precision: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    outcomes = []
    for stop_at in (None, 5, 11):
        here = tmp_path / str(stop_at)
        here.mkdir()
        monkeypatch.chdir(here)
        (here / "corpus.txt").write_text(TEXT)

        def is_wanted(report: Report, stop_at: int | None = stop_at) -> bool:
            return report.step != stop_at

        knobs = KNOBS | {"cell": cell, "precision": precision}
        charrnn.train("corpus.txt", on_report=is_wanted, **knobs)
        if stop_at is not None:
            assert not outcome()
            charrnn.train("corpus.txt", resume=True, **knobs)
        outcomes.append(outcome())
    assert set(outcomes[0]) >= {"model.safetensors", "trainer.safetensors"}
    assert outcomes[1] == outcomes[0]
    assert outcomes[2] == outcomes[0]


@cells
def test_a_model_of_a_gpu_is_evaluated_and_sampled_on_a_cpu(cell: str, here: Path) -> None:
    (here / "corpus.txt").write_text(TEXT)
    model = charrnn.train("corpus.txt", **(KNOBS | {"cell": cell, "steps": 200, "dropout": 0.0}))
    assert -model.score(TEXT).mean() < 0.5
    assert "the time" in model.generate(length=200, temperature=0.5, seed=1)


def test_records_are_trained_on_a_gpu(here: Path) -> None:
    (here / "names.txt").write_text("anna\nbob\ncarla\ndora\nemil\n" * 40)
    knobs = KNOBS | {"separator": "\n", "batch_size": 16, "steps": 60, "copy_window": None}
    model = charrnn.train("names.txt", **knobs)
    names = list(model.records(20, seed=1))
    assert len(names) == 20


def test_auto_is_the_gpu_and_bf16_if_it_is_fast(here: Path) -> None:
    (here / "corpus.txt").write_text(TEXT)
    charrnn.train("corpus.txt", **(KNOBS | {"device": "auto", "steps": 1}))
    text = (here / "checkpoints/run/config.yaml").read_text()
    knobs = read_yaml(text, "config.yaml")
    assert knobs["device"] == "cuda"
    is_fast = torch.cuda.is_bf16_supported(including_emulation=False)
    assert knobs["precision"] == ("bf16" if is_fast else "fp32")


def test_a_number_of_minutes_is_kept_on_a_gpu(here: Path) -> None:
    (here / "corpus.txt").write_text(TEXT)
    knobs = {"device": "cuda", "minutes": 0.2, "name": "run"}
    charrnn.train("corpus.txt", **knobs)
    about = read(Run(here / "checkpoints/run").best()).about
    assert about["minutes"] == 0.2
