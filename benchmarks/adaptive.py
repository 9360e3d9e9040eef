"""What adaptive evaluation gains from learning weights, and what from updating counts.

    python benchmarks/adaptive.py RUN FILE [--piece N]

Prints the loss of a trained run on a text that it has not seen, for several weights of an
occurrence in this text (0: the counts are not updated): without learning, with each learning rate
alone, and with the mixture that `charrnn evaluate --adaptive` uses. With `--piece N`, the text is
cut into pieces of N characters, each evaluated separately, and what is left over is not read: this
shows what a short text is worth.
"""

import argparse

import numpy as np
from machine import describe

import charrnn
from charrnn.config.run_config import DataConfig
from charrnn.context_mixing import updated_counts
from charrnn.corpus.reading import read
from charrnn.corpus.records import encode_known
from charrnn.storage import checkpoint as checkpoints
from charrnn.training.dynamic_evaluation import RATES, adapt
from charrnn.training.evaluate import load_model
from charrnn.vocab import Ids

WEIGHTS = (0, 1, 2, 4)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run")
    parser.add_argument("file")
    parser.add_argument(
        "--piece", type=int, metavar="N", help="evaluate pieces of N characters separately"
    )
    args = parser.parse_args()
    print(describe())
    path = charrnn.load(args.run).path
    assert path is not None
    checkpoint = checkpoints.read(path)
    data = checkpoint.about["data"]
    text = read([args.file], DataConfig(**data)).text
    ids, _ = encode_known(checkpoint.vocabulary, text, data.get("separator"), "skip")
    size = min(args.piece or len(ids), len(ids))
    pieces = [ids[start : start + size] for start in range(0, len(ids) - size + 1, size)]
    print(f"{len(pieces)} x {size:,} symbols")
    choices = [*((rate,) for rate in RATES), RATES]
    names = [", ".join(f"{rate:g}" for rate in choice) for choice in choices]
    print("weight  " + "".join(f"{name:>18}" for name in names))
    for weight in WEIGHTS if checkpoint.table is not None else WEIGHTS[:1]:
        updated_counts.WEIGHT = weight
        with np.errstate(divide="ignore"):  # new contexts then have counts of 0, and are scaled
            losses = [mean_loss(checkpoint, pieces, rates) for rates in choices]
        print(f"{weight:6}  " + "".join(f"{loss:18.4f}" for loss in losses), flush=True)


def mean_loss(
    checkpoint: checkpoints.Checkpoint, pieces: list[Ids], rates: tuple[float, ...]
) -> float:
    """The mean adaptive loss of some texts, each read from the beginning."""
    losses = []
    for piece in pieces:
        model = load_model(checkpoint, "cpu")
        evaluation = adapt(
            model, piece, checkpoint.prime, records=checkpoint.vocabulary.records, rates=rates
        )
        losses.append(evaluation.nats_per_character)
    return float(np.mean(losses))


if __name__ == "__main__":
    main()
