"""R12: divergence is detected before the update; no checkpoint ever contains NaN or infinity."""

import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from charrnn.errors import DivergedError
from charrnn.storage import checkpoint as checkpoints
from charrnn.training import loop
from charrnn.training.start import launch
from charrnn.training.trainer import Trainer

KNOBS = {
    "name": "run", "steps": 12, "batch_size": 4, "sequence_length": 16, "hidden_size": 6, "num_layers": 1, "embedding_size": 4,
    "dropout": 0.1, "save_every": 2, "eval_every": 4, "sample_every": None, "keep": 9, "threads": 1, "device": "cpu", "precision": "fp32",
}  # fmt: skip
TEXT = "Now is the time, said the clock; then is the time, said the bell.\n" * 10
VALUES = (math.nan, math.inf, -math.inf)

pytestmark = pytest.mark.usefixtures("here", "one_thread")


def bytes_of(trainer: Trainer) -> dict[str, bytes]:
    return {name: value.tobytes() for name, value in trainer.loop.weights().items()}


def plant(trainer: Trainer, where: str, value: float, rng: random.Random) -> None:
    """Make the next step encounter NaN or infinity."""
    weights = dict(trainer.loop.model.named_parameters())
    weight = weights[rng.choice(list(weights))]
    place = rng.randrange(weight.numel())
    if where == "weight":
        weight.data.view(-1)[place] = value
    elif where == "gradient":

        def spoil(gradient: torch.Tensor) -> torch.Tensor:
            gradient = gradient.clone()
            gradient.view(-1)[place] = value
            return gradient

        weight.register_hook(spoil)
    else:
        compute = loop.batch_loss

        def spoiled(*args: Any) -> Any:
            loop.batch_loss = compute
            loss, state = compute(*args)
            return loss + value, state

        loop.batch_loss = spoiled


@pytest.mark.parametrize("where", ["loss", "gradient", "weight"])
@pytest.mark.counted(30)
def test_a_non_finite_number_is_detected_before_the_update(
    where: str, tries: int, tally: Any
) -> None:
    rng = random.Random(12)
    for number in range(tries):
        trainer = launch(KNOBS, text=TEXT, overwrite=True)
        run, at = trainer.directory, rng.randrange(1, 12)
        before: dict[str, bytes] = {}
        with pytest.raises(DivergedError) as error:
            for report in trainer.run():
                if report.step == at:
                    plant(trainer, where, VALUES[number % 3], rng)
                before = bytes_of(trainer)
        assert "\n" not in str(error.value)
        found = bytes_of(trainer)
        # that step did not read it; saving the run detected it
        if where == "weight" and trainer.step > at:
            assert f"step {trainer.step} was not saved" in str(error.value)
        else:
            assert (trainer.step, found) == (at, before)  # nothing was updated
        for path in run.steps():
            found = checkpoints.read(path, trainer=True)
            assert all(
                np.isfinite(value).all()
                for value in (found.weights | found.trainer_tensors).values()
            )
        if run.steps():  # and the run is resumed from the last good checkpoint
            assert [
                report.step for report in launch({"name": "run"}, text=TEXT, resume=True).run()
            ][-2] == 12
    tally(tries, f"non-finite numbers planted in a {where}")


@pytest.mark.parametrize("value", VALUES)
def test_a_bad_weight_that_no_step_uses_is_detected_on_saving(value: float, tally: Any) -> None:
    """The embedding of a symbol that occurs only at the end of the text is not read by any batch, so
    the loss stays finite."""
    trainer = launch(
        KNOBS | {"val_fraction": 0.1, "eval_every": None}, text=TEXT + "z", overwrite=True
    )
    unread = trainer.corpus.vocabulary.encode("z")[0]
    trainer.loop.model.embedding.weight.data[unread] = value
    assert math.isfinite(trainer.loop.train_step().loss)
    trainer.loop.step = 0
    with pytest.raises(
        DivergedError, match=r"was not saved: embedding\.weight has a value that is not finite"
    ):
        list(trainer.run())
    assert not Path("checkpoints/run").exists()
    tally(1, "weights that no step uses")
