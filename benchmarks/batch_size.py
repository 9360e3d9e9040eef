"""What a batch of twice the size is worth, and more steps instead.

    python benchmarks/batch_size.py --data DIRECTORY

Trains 2 x 256 on four texts for 500 steps with the usual batch, for as many steps with a batch of
twice the size, and for 1.4 times as many with the usual one. If the larger batch is as good as 1.4
times the steps, it is worth its time as long as a step takes less than 1.4 times as long. Each run
is appended to results/batch_size.jsonl, and runs already there are skipped.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from ledger import Ledger
from machine import describe
from texts import TEXTS, data_parser, read

import charrnn

LEDGER = Ledger("batch_size")
STEPS = 500
MORE = 1.4
NETWORK: dict[str, Any] = {"num_layers": 2, "hidden_size": 256, "dropout": 0.0}


class Case(NamedTuple):
    """A text.

    Args:
        read: from the data directory to the text.
        is_list: of records.
        batch_size: the usual one.
    """

    read: Callable[[Path], str]
    is_list: bool
    batch_size: int


CASES = {
    "shakespeare": Case(lambda data: TEXTS["shakespeare"](data)[:550_000], False, 16),
    "penn": Case(lambda data: TEXTS["penn"](data)[:2_050_000], False, 16),
    "molecules": Case(lambda data: TEXTS["molecules"](data)[:600_000], True, 32),
    "names": Case(lambda data: read(data / "names.txt"), True, 128),
}


def main() -> None:
    args = data_parser(__doc__).parse_args()
    print(describe())
    for name, case in CASES.items():
        batch = case.batch_size
        usual = trained(name, batch, STEPS, args.data)
        larger = trained(name, 2 * batch, STEPS, args.data)
        longer = trained(name, batch, round(MORE * STEPS), args.data)
        print(
            f"{name:12} {usual['loss']:.4f}  twice the batch "
            f"{larger['loss'] - usual['loss']:+.4f}  {MORE} times the steps "
            f"{longer['loss'] - usual['loss']:+.4f}",
            flush=True,
        )


def trained(name: str, batch: int, steps: int, data: Path) -> dict[str, Any]:
    """A run, from the file of results if it is there."""
    case = {"text": name, "batch_size": batch, "steps": steps}
    found = LEDGER.find(**case)
    if found is None:
        found = case | train(name, batch, steps, data) | {"machine": describe()}
        LEDGER.append(found)
    return found


def train(name: str, batch: int, steps: int, data: Path) -> dict[str, Any]:
    """Train, and return the last validation loss."""
    losses: list[float] = []

    def note(report: Any) -> None:
        if report.val_loss is not None:
            losses.append(report.val_loss)

    begin = time.perf_counter()
    with tempfile.TemporaryDirectory() as runs:
        charrnn.train(
            text=CASES[name].read(data),
            separator="\n" if CASES[name].is_list else None,
            batch_size=batch,
            steps=steps,
            eval_every=steps // 2,
            sample_every=None,
            save_every=None,
            keep=1,
            runs_dir=runs,
            name="run",
            on_report=note,
            **NETWORK,
        )
    return {"loss": round(losses[-1], 4), "seconds": round(time.perf_counter() - begin, 1)}


if __name__ == "__main__":
    main()
