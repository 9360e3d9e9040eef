"""The cost of constraints, the likelihood of constrained text, and the distance between its
distribution and the exact one.

    python benchmarks/constraints.py --data DIRECTORY
    python benchmarks/constraints.py --run checkpoints/shakespeare

Uses a model of tiny Shakespeare, trained for three minutes, or the given one. For ten realistic
constraints:

- the time to compile each, and microseconds per character of one stream, with the 65 symbols of that
  model and with 5,000 (a network of the same size with random weights), next to unconstrained text
  from the same network;
- nats per character under the model itself, at temperature 1, of texts written with 1, 8 and 32
  particles, and by rejection: the model writes freely, and texts that do not satisfy the constraint
  are dropped, up to TRIES times. Rejection gives the exact distribution, so the closer to its figure
  the better; lower is not better.

For three tiny models and constraints, the total variation between the written texts and the exact
distribution, by enumeration.
"""

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # like `charrnn sample`

import argparse
import itertools
import math
import re
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import charrnn
from machine import describe
from models import shakespeare
from texts import DATA
from charrnn.config.run_config import ModelConfig
from charrnn.generation.constraints.compiled_form import Form
from charrnn.generation.constraints.forms import (
    Acrostic,
    Constraint,
    Contains,
    Length,
    Lines,
    Match,
    Without,
)
from charrnn.generation.decode import decode
from charrnn.generation.constraints.smc import ConstrainedDecoder
from charrnn.generation.network import Network
from charrnn.generation.sampling import Sampler, log_probabilities
from charrnn.storage.weight_shapes import shapes
from charrnn.vocab import Vocabulary

ROUNDS, TEXTS, TRIES, SECONDS = 5, 60, 20_000, 60.0
PARTICLES = (1, 8, 32)
CONSTRAINTS: list[tuple[str, Constraint, int]] = [
    ("lipogram without e, 200 characters", Without("e") & Without("E"), 200),
    ("one given word, 100 characters", Contains("moon"), 100),
    ("two given words, 200 characters", Contains("moon") & Contains("king"), 200),
    ("fourteen lines of 30 to 50", Lines(14, 30, 50), 720),
    ("acrostic of ROMEO, lines of 20 to 50", Acrostic("ROMEO") & Lines(5, 20, 50), 260),
    ("haiku by the length of its lines", Match(r"[^\n]{14,20}\n[^\n]{20,28}\n[^\n]{14,20}"), 80),
    ("a sentence of six words or more", Match(r"[A-Z][a-z']*( [a-z']+,?){5,12}[.!?]"), 120),
    (
        "one of six speakers",
        Match(r"(ROMEO|GLOUCESTER|MENENIUS|LEONTES|First Citizen|KING RICHARD III):"),
        40,
    ),
    ("a speech of one to three lines", Match(r"[A-Z]{3,12}:\n([A-Z][^\n:]{20,50}\n){1,3}"), 200),
    ("a line of exactly 40 without a comma", Length(40) & Lines(1) & Without(","), 40),
]
TINY: list[tuple[str, Constraint, int, int, Callable[[str], bool]]] = [
    ("contains cab, 6 characters", Contains("cab"), 6, 6, lambda text: "cab" in text),
    (
        "match (ab|c)*a?b",
        Match("(ab|c)*a?b"),
        0,
        6,
        lambda text: re.fullmatch("(ab|c)*a?b", text) is not None,
    ),
    (
        "two lines",
        Lines(2, 1, 3),
        0,
        7,
        lambda text: [1 <= len(line) <= 3 for line in text.split("\n")] == [True, True],
    ),
]
DRAWS = 2000


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--run", help="a model that is already trained")
    args = parser.parse_args()
    print(describe(), flush=True)
    exact()
    with tempfile.TemporaryDirectory() as directory:
        model = charrnn.load(args.run) if args.run else shakespeare(directory, args.data)
        print(
            f"{model.about['corpus']}, {model.about['val_loss']:.4f} nats per character on held-out text",
            flush=True,
        )
        costs(model)
        likelihoods(model)


def costs(model: charrnn.TextModel) -> None:
    network, sampler = model.network, Sampler(temperature=1)
    large = Vocabulary(
        "char",
        "".join(
            sorted(
                model.vocabulary.symbols
                + "".join(map(chr, range(0x4E00, 0x4E00 + 5000 - len(model.vocabulary))))
            )
        ),
    )
    config = ModelConfig(hidden_size=network.hidden_size, num_layers=network.num_layers)
    rng = np.random.default_rng(0)
    weights = {
        name: rng.normal(0, 0.05, shape).astype(np.float32)
        for name, shape in shapes(config, len(large)).items()
    }
    for vocabulary, each in (
        (model.vocabulary, network),
        (large, Network(config, len(large), weights)),
    ):
        free = statistics.median(
            microseconds(decode(each, [0], sampler, np.random.default_rng(seed)), 300)
            for seed in range(ROUNDS)
        )
        print(
            f"\n{len(vocabulary):,} symbols, {network.num_layers} x {network.hidden_size}: free text {free:.0f} microseconds per character"
        )
        print(
            f"{'constraint':40}{'compiled in':>12}{'states':>9}{'one stream':>12}{'8 particles':>13}"
        )
        for name, constraint, length in CONSTRAINTS:
            shares = model.generator.frequencies if vocabulary is model.vocabulary else None
            times = []
            for _ in range(3):
                begin = time.perf_counter()
                form = Form(constraint, vocabulary, length, frequencies=shares)
                times.append(time.perf_counter() - begin)
            found = [
                statistics.median(
                    microseconds(
                        ConstrainedDecoder(
                            each,
                            [0],
                            sampler,
                            np.random.default_rng(seed),
                            form=form,
                            particles=particles,
                        ),
                        math.inf,
                    )
                    for seed in range(ROUNDS)
                )
                for particles in (1, 8)
            ]
            print(
                f"{name:40}{1000 * statistics.median(times):9.0f} ms{len(form._table.next) - 1:9,}{found[0]:9.0f} us{found[1]:10.0f} us",
                flush=True,
            )


def microseconds(symbols: Any, most: float) -> float:
    begin = time.perf_counter()
    count = sum(1 for _ in itertools.islice(symbols, None if most == math.inf else int(most)))
    return (time.perf_counter() - begin) / max(1, count) * 1e6


def likelihoods(model: charrnn.TextModel) -> None:
    print(
        f"\nnats per character under the model, temperature 1, mean of {TEXTS} texts (standard error)"
    )
    print(
        f"{'constraint':40}"
        + "".join(f"{f'K = {particles}':>18}" for particles in PARTICLES)
        + f"{'rejection':>28}"
    )
    for name, constraint, length in CONSTRAINTS:
        form = Form(constraint, model.vocabulary, length, frequencies=model.generator.frequencies)
        cells = [
            in_words([nats(model, form, particles, seed) for seed in range(TEXTS)])
            for particles in PARTICLES
        ]
        accepted, attempts = rejected(model, form)
        cells.append(
            f"{in_words(accepted)}, {len(accepted)} of {attempts:,}"
            if accepted
            else f"none of {attempts:,}"
        )
        print(
            f"{name:40}" + "".join(f"{cell:>18}" for cell in cells[:-1]) + f"{cells[-1]:>28}",
            flush=True,
        )


def in_words(found: list[float]) -> str:
    error = statistics.stdev(found) / math.sqrt(len(found)) if len(found) > 1 else math.nan
    return f"{statistics.mean(found):.3f} ({error:.3f})"


def nats(model: charrnn.TextModel, form: Form, particles: int, seed: int) -> float:
    rng = np.random.default_rng([seed, particles])
    drawn = [
        s.log_probability
        for s in ConstrainedDecoder(
            model.network,
            [model.prime],
            Sampler(temperature=1),
            rng,
            form=form,
            particles=particles,
            scored=True,
        )
    ]
    return -sum(drawn) / max(1, len(drawn))


def rejected(model: charrnn.TextModel, form: Form) -> tuple[list[float], int]:
    """Up to TEXTS unconstrained texts that happen to satisfy the constraint, and the number of
    texts that it took."""
    found, begin, attempts, rng = list[float](), time.perf_counter(), 0, np.random.default_rng(0)
    begun, start = model.network.step(model.prime, model.network.zero_state())
    while len(found) < TEXTS and attempts < TRIES and time.perf_counter() - begin < SECONDS:
        attempts += 1
        logits, state, at, score, written = begun, start, 0, 0.0, 0
        while True:
            scores = log_probabilities(logits.astype(np.float64))
            idx = min(int(np.cumsum(np.exp(scores)).searchsorted(rng.random())), len(scores) - 1)
            following = form.next_symbols(at, written)
            if following.must_end or (following.allowed is not None and not following.allowed[idx]):
                if written and (
                    following.must_end
                    or (following.gains is not None and following.gains[idx] > -np.inf)
                ):
                    found.append(-score / written)
                break
            score, written, at = score + float(scores[idx]), written + 1, form.after(at, idx)
            logits, state = model.network.step(idx, state)
    return found, attempts


def exact() -> None:
    vocabulary = Vocabulary("char", "\nabc")
    print(
        f"\ntotal variation from the exact distribution, {DRAWS} draws; masks alone, and with lookahead; the last column: exact draws"
    )
    for name, constraint, low, high, fits in TINY:
        network = tiny(len(vocabulary))
        expected, row = enumerated(network, vocabulary, fits, low, high), []
        for lookahead in (False, True):
            form = Form(constraint, vocabulary, high)
            if not lookahead:
                by_symbol = form.lookahead_by_symbol
                form.lookahead = lambda state, written: 0.0  # type: ignore[method-assign]
                form.lookahead_offset = lambda written: 0.0  # type: ignore[method-assign]
                form.lookahead_by_symbol = lambda state, written, by_symbol=by_symbol: np.where(  # type: ignore[method-assign, misc]
                    by_symbol(state, written) > -np.inf, 0.0, -np.inf
                )
            for particles in PARTICLES:
                drawn = Counter(
                    vocabulary.decode(
                        [
                            s.idx
                            for s in ConstrainedDecoder(
                                network,
                                [0],
                                Sampler(temperature=1),
                                np.random.default_rng(seed),
                                form=form,
                                particles=particles,
                            )
                        ]
                    )
                    for seed in range(DRAWS)
                )
                row.append(
                    f"{'lookahead' if lookahead else 'masks'} {particles}: {distance(drawn, expected):.3f}"
                )
        shares = np.array(list(expected.values()))
        by_chance = (
            np.abs(
                np.random.default_rng(0).multinomial(DRAWS, shares / shares.sum()) / DRAWS - shares
            ).sum()
            / 2
        )
        print(f"{name}: " + ", ".join(row) + f"; exact {by_chance:.3f}", flush=True)


def tiny(vocab_size: int) -> Network:
    config, rng = (
        ModelConfig(hidden_size=6, num_layers=1, embedding_size=3, copy_window=None),
        np.random.default_rng(1),
    )
    return Network(
        config,
        vocab_size,
        {
            name: rng.normal(0, 1.3, shape).astype(np.float32)
            for name, shape in shapes(config, vocab_size).items()
        },
    )


def enumerated(
    network: Network, vocabulary: Vocabulary, fits: Callable[[str], bool], low: int, high: int
) -> dict[str, float]:
    every = [
        "".join(chars)
        for size in range(high + 2)
        for chars in itertools.product(vocabulary.symbols, repeat=size)
    ]
    fitting = {text for text in every if low <= len(text) <= high and fits(text)}
    beginnings = {text[:size] for text in fitting for size in range(len(text) + 1)}
    # if there were room for it
    possible = {text[:size] for text in every if fits(text) for size in range(len(text) + 1)}
    found: dict[str, float] = {}

    def extend(text: str, logits: Any, state: Any, score: float) -> None:
        scores = log_probabilities(logits.astype(np.float64))
        follow = [idx for idx, char in enumerate(vocabulary.symbols) if text + char in beginnings]
        if text in fitting:
            other = [
                scores[idx]
                for idx, char in enumerate(vocabulary.symbols)
                if text + char not in possible
            ]
            found[text] = score + float(
                np.logaddexp.reduce([-np.inf, *(other if follow else [0.0])])
            )
        for idx in follow:
            extend(text + vocabulary.symbols[idx], *network.step(idx, state), score + scores[idx])

    extend("", *network.step(0, network.zero_state()), 0.0)
    total = np.logaddexp.reduce(list(found.values()))
    return {text: math.exp(score - total) for text, score in found.items()}


def distance(found: Counter[str], expected: dict[str, float]) -> float:
    return (
        sum(
            abs(found[text] / found.total() - expected.get(text, 0.0))
            for text in {*found, *expected}
        )
        / 2
    )


if __name__ == "__main__":
    main()
