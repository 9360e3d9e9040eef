"""R7: a run always has at least ``--keep`` loadable checkpoints and the best one, whatever happens
in between."""

import math
import os
import random
import shutil
import signal
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from charrnn.errors import CheckpointError
from charrnn.storage import checkpoint as checkpoints
from charrnn.storage.run import Run
from tests.reliability.saving import ended, example, forked, is_of

LOSSES = st.one_of(st.none(), st.integers(1, 9).map(float))


def best_of(losses: dict[int, float | None]) -> float:
    return min((loss for loss in losses.values() if loss is not None), default=math.inf)


class Saving(RuleBasedStateMachine):
    """A run that saves, is killed while saving, is damaged on the disk, cleaned and resumed."""

    def __init__(self) -> None:
        super().__init__()
        self.run = Run(Path(tempfile.mkdtemp()) / "run")
        self.step = 0
        # the losses of the checkpoints that were saved, not pruned and not damaged
        self.whole: dict[int, float | None] = {}
        self.keep = 1

    @initialize(keep=st.integers(1, 4))
    def begins(self, keep: int) -> None:
        self.keep = keep

    def _committed(self, loss: float | None) -> None:
        checkpoints.write(self.run.step(self.step), example(self.step, loss))
        self.run.prune(self.keep)

    def _saved(self, loss: float | None, *, pruned: bool) -> None:
        """Compare the checkpoints with those required: the last ones, and one as good as the best."""
        before = self.whole | {self.step: loss}
        there = {int(path.name.removeprefix("step-")) for path in self.run.steps()}
        self.whole = {step: value for step, value in before.items() if step in there}
        assert set(sorted(before)[-self.keep :]) <= set(self.whole)
        assert best_of(self.whole) == best_of(before)
        if pruned:
            assert len(self.whole) <= self.keep + 1

    @rule(loss=LOSSES)
    def saves(self, loss: float | None) -> None:
        self.step += 1
        self._committed(loss)
        self._saved(loss, pruned=True)

    @rule(loss=LOSSES, at=st.integers(0, 34))
    def is_killed_while_saving(self, loss: float | None, at: int) -> None:
        self.step += 1
        before = sorted(self.whole)

        def killed() -> None:
            calls = 0
            for name in ("open", "fsync", "mkdir", "rename", "rmdir", "unlink"):
                real = getattr(os, name)

                def call(*args: Any, real: Any = real, **how: Any) -> Any:
                    nonlocal calls
                    if calls == at:
                        os.kill(os.getpid(), signal.SIGKILL)
                    calls += 1
                    return real(*args, **how)

                setattr(os, name, call)
            self._committed(loss)

        code = ended(forked(killed))
        assert code in (0, -signal.SIGKILL)
        if self.run.step(self.step).exists():
            self._saved(loss, pruned=not code)
        else:
            assert code and sorted(self.whole) == before
        if code:
            self.run.clean()  # like the next trainer

    @precondition(lambda self: self.whole)
    @rule(data=st.data())
    def is_damaged(self, data: st.DataObject) -> None:
        step = data.draw(st.sampled_from(sorted(self.whole)))
        files = sorted(self.run.step(step).iterdir())
        file = data.draw(st.sampled_from(files))
        content = bytearray(file.read_bytes())
        content[random.Random(step).randrange(len(content))] ^= 1
        file.write_bytes(content)
        del self.whole[step]

    @rule()
    def is_resumed(self) -> None:
        """Do what a resuming trainer does: clean up leftovers, set damaged checkpoints aside, take
        the newest whole one."""
        self.run.clean()
        for path in self.run.steps():
            if not checkpoints.is_whole(path):
                self.run.set_aside(path)
        steps = [int(path.name.removeprefix("step-")) for path in self.run.steps()]
        self.step = max(steps, default=0)
        if self.whole:
            assert self.step == max(self.whole)

    @invariant()
    def required_checkpoints_exist(self) -> None:
        for step in self.whole:
            assert is_of(self.run.step(step), step)

    @invariant()
    def the_best_is_found(self) -> None:
        assert self.run.best_val_loss() <= best_of(self.whole)

    def teardown(self) -> None:
        shutil.rmtree(self.run.path.parent)


@pytest.mark.counted(300)
def test_required_checkpoints_are_kept(tries: int, tally: Any) -> None:
    how = settings(
        max_examples=tries, stateful_step_count=20, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )  # fmt: skip
    run_state_machine_as_test(Saving, settings=how)  # type: ignore[no-untyped-call]
    tally(tries, "sequences of saves, kills, damage and resumes")


def test_a_damaged_checkpoint_does_not_count_as_kept(tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    for step in (1, 2, 3, 4):
        checkpoints.write(run.step(step), example(step, None))
    (run.step(4) / "model.safetensors").write_bytes(b"")
    run.prune(2)
    assert [is_of(run.step(step), step) for step in (2, 3)] == [True, True]
    assert not run.step(1).exists()
    with pytest.raises(CheckpointError):
        checkpoints.read(run.step(4))
