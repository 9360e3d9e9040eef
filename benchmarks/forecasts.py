"""Whether `charrnn plan` predicts losses well: what runs reached, and what it expected.

    python benchmarks/forecasts.py --data DIRECTORY

Each text of verdict_runs.py gets the trial that `charrnn plan` makes, on one thread, which is kept
in results/forecasts.jsonl. The runs are those in results/verdicts.jsonl that were given nothing but
minutes. How much each clue weighs is fitted to the runs on texts from other files, and the loss is
predicted with these weights. Those fitted to all texts are printed at the end;
charrnn/training/forecast.py has them.
"""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from ledger import Ledger
from machine import describe
from verdict_runs import LEDGER as RUNS
from verdict_runs import VERDICT_TEXTS, argument_parser, source

from charrnn.advice.similar_runs import relative_cost
from charrnn.config.run_config import ModelConfig, RunConfig
from charrnn.corpus.corpus import read_corpus
from charrnn.training import forecast
from charrnn.training.forecast import (
    INTERVAL,
    TRIAL,
    Trial,
    TrialClues,
    clues_of,
    expected_loss,
    try_out,
)
from charrnn.training.resolve import fit_to_corpus, fit_to_machine, with_intervals

TRIALS = Ledger("forecasts")


class Case(NamedTuple):
    """A run, and what was known of its text before.

    Args:
        text: its name.
        minutes: of the run.
        trial: on the text.
        passes: of the run, at 2 x 256.
        loss: that it reached.
    """

    text: str
    minutes: str
    trial: Trial
    passes: float
    loss: float


def main() -> None:
    args = argument_parser(__doc__).parse_args()
    print(describe())
    cases = list(read_cases(args.data))
    inside: list[bool] = []
    shares: list[float] = []
    for text in args.only:
        others = [case for case in cases if source(case.text) != source(text)]
        forecast.WEIGHTS = fit(others)
        right = [show(case) for case in cases if case.text == text]
        if right:
            inside += right
            shares.append(sum(right) / len(right))
    print(
        f"{sum(inside)} of {len(inside)} runs ended between {INTERVAL[0]} and {INTERVAL[1]} "
        f"times the expected loss; mean share over the texts {np.mean(shares):.0%}"
    )
    print(f"weights of the clues, fitted to all texts: {fit(cases)}")


def read_cases(data: Path) -> Iterator[Case]:
    """The runs on all texts; trials that are missing are made."""
    for text in VERDICT_TEXTS:
        trial = trial_on(text, data)
        for run in RUNS.results():
            flags = run["flags"]
            if run["text"] == text and flags[0] == "--minutes" and len(flags) == 2:
                yield Case(text, flags[1], trial, passes_of(run), run["about"]["final_val_loss"])


def passes_of(run: Mapping[str, Any]) -> float:
    """The passes that were planned for a run, at 2 x 256."""
    about = run["about"]
    sizes = {name: about[name] for name in ("num_layers", "hidden_size", "embedding_size")}
    passes = about["epochs"] * about["steps"] / about["step"]
    return float(passes * relative_cost(ModelConfig(**sizes)))


def trial_on(text: str, data: Path) -> Trial:
    """The trial on a text, from the file of results if it is there."""
    found = TRIALS.find(text=text)
    if found is None:
        found = {"text": text, "trial": make_trial(text, data)._asdict(), "machine": describe()}
        TRIALS.append(found)
    return Trial(**found["trial"])


def make_trial(text: str, data: Path) -> Trial:
    case = VERDICT_TEXTS[text]
    kind = {"separator": "\n"} if case.records else {}
    config = RunConfig.from_flat({"threads": 1, "steps": 1} | kind)
    corpus = read_corpus(config, case.read(data), print)
    config = fit_to_corpus(fit_to_machine(config), set(), corpus, print)
    return try_out(with_intervals(config.replace(**TRIAL), corpus), corpus)


def fit(cases: list[Case]) -> TrialClues:
    """The weights of the clues, by least squares; each text counts as much as any other."""
    clues = []
    gains = []
    importance = []
    for case in cases:
        clues.append(clues_of(case.trial, case.passes))
        gains.append(math.log(case.trial.late / case.loss))
        importance.append(sum(other.text == case.text for other in cases) ** -0.5)
    scale = np.array(importance)
    weights, *_ = np.linalg.lstsq(np.array(clues) * scale[:, None], gains * scale, rcond=None)
    return TrialClues(*np.maximum(weights, 0.0).round(2).tolist())


def show(case: Case) -> bool:
    """Print a run; whether its loss is in the interval."""
    expected = expected_loss(case.trial, case.passes)
    factor = case.loss / expected
    low, high = INTERVAL
    print(
        f"{case.text:20} {case.minutes:>3} minutes  {case.passes:6.1f} passes  trial "
        f"{case.trial.late:.3f}  expected {expected:.3f}  loss {case.loss:.3f}  {factor - 1:+6.1%}"
    )
    return low <= factor <= high


if __name__ == "__main__":
    main()
