"""What it is worth to mix several learning rates in adaptive evaluation.

    python benchmarks/adaptive.py RUN FILE

Prints the loss of a trained run on a text that it has not seen: without learning, with each learning
rate alone, and with the mixture that `charrnn evaluate --adaptive` uses.
"""

import argparse

import numpy as np

import charrnn
from charrnn.corpus.reading import read
from charrnn.config.run_config import DataConfig
from charrnn.storage import checkpoint as checkpoints
from charrnn.training.dynamic_evaluation import RATES, adapt
from charrnn.training.evaluate import load_model
from machine import describe

OTHER_RATES = (1e-4,)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run")
    parser.add_argument("file")
    args = parser.parse_args()
    print(describe())
    path = charrnn.load(args.run).path
    assert path is not None
    checkpoint = checkpoints.read(path)
    text = read([args.file], DataConfig(**checkpoint.about["data"])).text
    ids = checkpoint.vocabulary.encode(text)
    rates = sorted({*RATES, *OTHER_RATES})
    for choice in [*((rate,) for rate in rates), RATES]:
        model = load_model(checkpoint, "cpu")
        loss = adapt(model, np.asarray(ids), checkpoint.prime, rates=choice).nats_per_character
        print(f"{', '.join(f'{rate:g}' for rate in choice):20} {loss:.4f}", flush=True)


if __name__ == "__main__":
    main()
