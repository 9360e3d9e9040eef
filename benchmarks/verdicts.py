"""Whether verdicts are right: what a run gains from what its verdict proposes.

    python benchmarks/verdicts.py --data DIRECTORY
    python benchmarks/verdicts.py --data DIRECTORY --only russian
    python benchmarks/verdicts.py --no-training

Each text of verdict_runs.py is trained for one minute, some also for three, and then up to three
times as the verdict proposes. A run whose verdict is "at its best" is also trained for twice the
time, and with 0.2 more and 0.2 less dropout: none of them should be much better. Runs in
results/verdicts.jsonl are not trained again, so after a change of the verdict only those are
trained that it newly proposes; with `--no-training`, those are left out.

The gain is that of the lowest validation loss during training, which is measured on the same
characters in every run on a text.

How much each clue weighs in the expected gain of a longer run is fitted to the runs on texts from
other files, and the verdicts on a text rest on these weights. Those fitted to all texts are printed
at the end. Those in charrnn/advice/gains.py were fitted before the runs of three minutes were there;
with them, 15 of 16 proposals gain 1% or more, and with those fitted now 14 of 15.
"""

import shlex
import statistics
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from machine import describe
from numpy.typing import NDArray
from verdict_runs import (
    DROPOUT,
    LEDGER,
    VERDICT_TEXTS,
    argument_parser,
    length,
    network,
    source,
    trained,
)

from charrnn.advice import gains
from charrnn.advice.evidence import Evidence, gathered
from charrnn.advice.gains import TIMES_LONGER, Clues, clues_of_longer, excess
from charrnn.advice.other_runs import OtherRun
from charrnn.advice.verdict import Verdict, judge
from charrnn.config.run_config import RunConfig
from charrnn.storage.run import Run

MAX_PROPOSALS = 3
FINISHED = "at its best"
FIT_STEPS = 50
MIN_GAIN = 0.01  # share of the loss by which a run is better or worse
LONGER_FIRST_RUNS = ("shakespeare", "fables", "russian", "names")  # three minutes, too
FOLLOWED = ("--minutes", "--num-layers", "--hidden-size", "--dropout")

Result = Mapping[str, Any]


class Step(NamedTuple):
    """A run, and the verdict on it.

    Args:
        run: as in the file of results.
        verdict: on it, given the runs before it.
    """

    run: Result
    verdict: Verdict


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("--no-training", action="store_true")
    args = parser.parse_args()
    data = None if args.no_training else args.data
    print(describe())
    proposals: list[tuple[float, float]] = []  # predicted and measured gains
    variations: list[float] = []
    for name in args.only:
        gains.WEIGHTS = fit([other for other in VERDICT_TEXTS if source(other) != source(name)])
        for minutes in (1, 3) if name in LONGER_FIRST_RUNS else (1,):
            steps = follow(name, minutes, data)
            show(name, steps, proposals)
            if steps and steps[-1].verdict.kind == FINISHED:
                variations += vary(name, steps[-1].run, data)
    summary(proposals, variations)
    print(f"weights of the clues, fitted to all texts: {fit(VERDICT_TEXTS)}")


def fit(names: Collection[str]) -> Clues:
    """The weights of the clues, from the runs on some texts."""
    runs = {(run["text"], tuple(run["flags"])): run for run in LEDGER.results()}
    clues = []
    measured = []
    for (name, flags), run in runs.items():
        if name not in names or flags[0] != "--minutes" or len(flags) > 2:
            continue
        longer = runs.get((name, tuple(length(TIMES_LONGER * float(flags[1])))))
        found = clues_of_longer(evidence(run))
        if longer is not None and found is not None:
            clues.append(found)
            measured.append(gain(run, longer) - excess(evidence(run)))
    return Clues(*fit_weights(np.array(clues), np.array(measured)))


def fit_weights(clues: NDArray[np.float64], measured: NDArray[np.float64]) -> list[float]:
    """The weights with the least absolute errors, so that an odd text counts little.

    Small gains decide, so an error counts relative to the gain.

    Args:
        clues: (n, c)
        measured: (n,) gains.
    """
    importance = 1 / (2 * MIN_GAIN + np.abs(measured))
    weights: NDArray[np.float64] = np.zeros(clues.shape[1])
    for _ in range(FIT_STEPS):
        errors = np.abs(clues @ weights - measured)
        scale = np.sqrt(importance / np.maximum(errors, MIN_GAIN / 10))
        solution, *_ = np.linalg.lstsq(clues * scale[:, None], measured * scale, rcond=None)
        weights = np.maximum(solution, 0.0)
    return [round(float(weight), 2) for weight in weights]


def run_of(name: str, flags: list[str], data: Path | None) -> Result | None:
    """The run of a text with these flags, from the file of results or, given data, a new one."""
    if data is None:
        return LEDGER.find(text=name, flags=flags)
    return trained(name, flags, data)


def follow(name: str, minutes: float, data: Path | None) -> list[Step]:
    """Train on a text, and follow the verdicts."""
    flags = length(minutes)
    steps: list[Step] = []
    while len(steps) <= MAX_PROPOSALS:
        run = run_of(name, flags, data)
        if run is None:
            break
        verdict = judged(run, [step.run for step in steps])
        steps.append(Step(run, verdict))
        if verdict.expected_gain is None or verdict.command is None:
            break
        flags = followed_flags(verdict.command)
    return steps


def judged(run: Result, earlier: list[Result]) -> Verdict:
    """The verdict on a run, given those before it."""
    others = []
    for number, other in enumerate(earlier):
        about = other["about"]
        others.append(
            OtherRun(
                name=f"run-{number}",
                about=about,
                model=about,
                passes=about["epochs"] * about["trained_steps"] / about["step"],
                has_ended=True,
            )
        )
    return judge(Run(Path("checkpoints/run")), evidence(run), others)


def evidence(run: Result) -> Evidence:
    """What is known of a run."""
    about = run["about"]
    knobs = {name: None if value == "none" else value for name, value in run["knobs"].items()}
    found = gathered(
        about,
        RunConfig.from_flat(knobs).flat(),
        run["validations"],
        run["final"],
        about["steps"],
        about["minutes"],
    )
    assert found is not None
    return found


def followed_flags(command: str) -> list[str]:
    """The options of a proposed command that matter here."""
    words = [part for word in shlex.split(command) for part in word.split("=", 1)]
    flags = []
    for flag in FOLLOWED:
        if flag in words:
            flags += [flag, words[words.index(flag) + 1]]
    return flags


def vary(name: str, run: Result, data: Path | None) -> Iterator[float]:
    """The gains of a run of twice the time, and of others with more and less dropout."""
    minutes = run["about"]["minutes"]
    dropout = run["about"]["dropout"]
    changes = [length(2 * minutes)]
    for change in (DROPOUT, -DROPOUT):
        if 0 <= dropout + change < 0.9:
            changes.append([*length(minutes), *network(run, dropout + change)])
    for flags in changes:
        varied = run_of(name, flags, data)
        if varied is None:
            continue
        value = gain(run, varied)
        print(f"    {' '.join(flags):60} {value:+7.1%}")
        yield value


def gain(before: Result, after: Result) -> float:
    """By which share of its loss a run is better than another."""
    return float(1 - after["about"]["val_loss"] / before["about"]["val_loss"])


def show(name: str, steps: list[Step], proposals: list[tuple[float, float]]) -> None:
    """Print a chain of runs, and collect the gains."""
    if steps:
        print(f"\n{name}")
    expected: float | None = None
    for number, step in enumerate(steps):
        change = ""
        if expected is not None:
            measured = gain(steps[number - 1].run, step.run)
            proposals.append((expected, measured))
            change = f"{measured:+.1%} (expected {expected:+.1%})"
        about = step.run["about"]
        print(
            f"  {' '.join(step.run['flags']):62} {about['val_loss']:.4f} {change:24} "
            f"{step.verdict.kind:14} {about['epochs']:6.1f} passes  dropout {about['dropout']:g}"
        )
        expected = step.verdict.expected_gain


def summary(proposals: list[tuple[float, float]], variations: list[float]) -> None:
    """Print how many proposals were right."""
    better = sum(measured >= MIN_GAIN for _, measured in proposals)
    worse = sum(measured < -MIN_GAIN for _, measured in proposals)
    print(
        f"\nof {len(proposals)} proposals, {better} gained 1% or more, "
        f"{worse} made the run worse by more than 1%"
    )
    if proposals:
        expected = statistics.median(expected for expected, _ in proposals)
        measured = statistics.median(measured for _, measured in proposals)
        print(f"median gain: expected {expected:.1%}, measured {measured:.1%}")
    right = sum(value < MIN_GAIN for value in variations)
    print(f"of {len(variations)} variations of runs called {FINISHED}, {right} gained less than 1%")


if __name__ == "__main__":
    main()
