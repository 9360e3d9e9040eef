"""The effect of each training technique: its difference from charrnn's recipe after the same number
of steps, on several texts.

    python benchmarks/recipe.py --data DIRECTORY
    python benchmarks/recipe.py --data DIRECTORY --passes 24 --only "penn"

Each variant is trained at 2 x 256, with counts, on the first CHARACTERS of a text, the last tenth
of which is held out; the last 10% of the whole text, on which other benchmarks report figures, are
not used. There are two groups of variants, of about 8 and about 24 passes, each compared with its own
base. The loss of the held-out part is measured after the training part was read, so that the copy
window and the state are as warm as in the middle of a text.

Techniques that charrnn has are knobs; the others are implemented here as simply as possible. Each
run is appended to results/recipe.jsonl, and runs already there are skipped. Finally, the tables of
docs/recipe.md are printed. results/recipe-without-counts.jsonl has the runs from before there were
counts.
"""

import argparse
import json
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from charrnn.config.cores import available_threads
from charrnn.config.run_config import AUTO_COUNTS, ModelConfig, RunConfig
from charrnn.context_mixing.count_table import MIXER_SIZE
from charrnn.copy_window import LONGEST_ORDER, NOTHING, ORDERS
from charrnn.corpus.corpus import Corpus
from charrnn.training.device import pick_precision, settled
from charrnn.training.evaluate import evaluate
from charrnn.training.loop import BETAS, StepResult, TrainingLoop
from charrnn.training.model import CharRNN, LSTMLayer, Prediction
from charrnn.vocab import Ids
from ledger import Ledger
from machine import describe
from texts import DATA, TEXTS

LEDGER = Ledger("recipe")
SYMBOLS_PER_STEP = 16 * 64
STEPS = 700  # of SYMBOLS_PER_STEP: 8 passes
MANY_STEPS = 2_100  # 24 passes
CHARACTERS = 100_000
HELD_OUT = 0.1
COMPARED = ("shakespeare", "penn", "python")
# The bases are run several times, to compare differences with the spread between seeds.
SEEDS = {"the recipe": 3, "the recipe, 24 passes": 2}
MAX_MATCH = 32  # symbols: the longest match that the beliefs of the copy window see
HIT_RATE_STEP = 0.02  # weight of the newest symbol in a hit rate
FIRST_HIT_RATE = 0.5  # before anything was recalled

Array = NDArray[Any]


class Averaged(TrainingLoop):
    """Exponential moving average of the weights (Polyak and Juditsky 1992), over about the last
    tenth of the run."""

    def train_step(self) -> StepResult:
        result = super().train_step()
        decay = min(1 - 10 / self.num_steps, (1 + self.step) / (10 + self.step))
        if self.step == 1:
            self.mean = [weight.detach().clone() for weight in self.model.parameters()]
        for mean, weight in zip(self.mean, self.model.parameters(), strict=True):
            mean.lerp_(weight.detach(), 1 - decay)
        if self.step == self.num_steps:
            for mean, weight in zip(self.mean, self.model.parameters(), strict=True):
                weight.data.copy_(mean)
        return result


class WeightDropped(TrainingLoop):
    """DropConnect on a quarter of the recurrent weights (Wan et al. 2013, Merity et al. 2018)."""

    def train_step(self) -> StepResult:
        generator = torch.Generator().manual_seed(self.step)
        undo = []
        for layer in self.model.layers:
            weight = layer.rnn.weight_hh_l0
            kept = (torch.rand(weight.shape, generator=generator) >= 0.25).float() / 0.75
            whole = weight.detach().clone()
            weight.data.mul_(kept)
            hook = weight.register_hook(lambda gradient, kept=kept: gradient * kept)
            undo.append((weight, whole, hook))
        step = self.optimizer.step

        def restored() -> None:
            for weight, whole, hook in undo:
                weight.data.copy_(whole)
                hook.remove()
            step()

        self.optimizer.step = restored
        try:
            return super().train_step()
        finally:
            self.optimizer.step = step


class OnlyBelow(LSTMLayer):
    """Reads only the layer below, without the embedding."""

    def forward(self, x: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        return super().forward(x[..., : self.hidden_size], state)


class OnlyLast(nn.Linear):
    """Reads only the last layer."""

    def forward(self, output: Tensor) -> Tensor:
        return super().forward(output[..., -self.in_features :])


class Stacked(CharRNN):
    """No skip connections: a layer reads only the one below; all else reads only the last one."""

    def __init__(self, config: ModelConfig, vocab_size: int, seed: int = 0) -> None:
        super().__init__(config, vocab_size, seed)
        H = config.hidden_size
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            for number in range(1, config.num_layers):
                self.layers[number] = OnlyBelow(H, H)
            self.head = OnlyLast(H, vocab_size)
            self._init_weights()
            assert self.mixer is not None
            self.mixer.output = OnlyLast(H, MIXER_SIZE)
        self.copy = OnlyLast(H, len(ORDERS))
        nn.init.zeros_(self.copy.weight)
        nn.init.zeros_(self.copy.bias)


class Reset(TrainingLoop):
    """Each lane restarts from a zero state with probability 0.01 per step (Melis et al. 2018)."""

    def train_step(self) -> StepResult:
        if self.state is not None:
            kept = np.random.default_rng([7, self.step]).random(self.knobs.batch_size) >= 0.01
            self.state = self.state * torch.from_numpy(kept.astype(np.float32))[:, None]
        return super().train_step()


class InformedCopy(nn.Linear):
    """The beliefs of the copy window, which also see the features of ``recall_with_features``."""

    features: Tensor  # (T, B, 2K) of the batch being read

    def forward(self, output: Tensor) -> Tensor:
        return super().forward(torch.cat([output, self.features], dim=-1))


class Informed(CharRNN):
    """Reads the arrays of ``recall_with_features`` in place of those of ``recall``."""

    def __init__(self, config: ModelConfig, vocab_size: int, seed: int = 0) -> None:
        super().__init__(config, vocab_size, seed)
        K = len(ORDERS)
        width = config.num_layers * config.hidden_size + 2 * K
        self.copy = InformedCopy(width, K)
        nn.init.zeros_(self.copy.weight)
        nn.init.zeros_(self.copy.bias)

    def forward(
        self,
        idx: Tensor,
        state: Tensor | None = None,
        recalled: Tensor | None = None,
        counted: Prediction | None = None,
    ) -> tuple[Tensor, Tensor]:
        assert recalled is not None
        assert self.copy is not None
        K = len(ORDERS)
        self.copy.features = recalled[..., K:]
        return super().forward(idx, state, recalled[..., :K], counted)


def recall_with_features(ids: Ids, window: int, *_: object) -> Array:
    """For each place in a text, what ``recall`` finds, how long the match is, and the hit rate.

    Takes the arguments of ``Recalled``; for continuous text only.

    Returns:
        (n, 3K) float32: the ids that are recalled; for each, log(1 + the length of its match), 0
        if nothing is recalled; and a running mean of how often the order was right before.
    """
    ids = ids.astype(np.int64)
    places = follower_places(ids, window)  # (n, K)
    recalled = np.where(places == NOTHING, NOTHING, ids[places])
    lengths = np.log1p(match_lengths(ids, places))
    rates = [hit_rates(ids, recalled[:, number]) for number in range(len(ORDERS))]
    return np.hstack([recalled, lengths, np.stack(rates, axis=1)]).astype(np.float32)


def follower_places(ids: Ids, window: int) -> Array:
    """The place (n, K) of each symbol that ``recall`` finds; NOTHING if there is none."""
    n = len(ids)
    places = np.full((n, len(ORDERS)), NOTHING)
    vocab_size = int(ids.max()) + 1
    numbers = np.zeros(n + 1, np.int64)  # of the gram of k - 1 symbols that begins at each place
    for k in range(1, LONGEST_ORDER + 1):
        grams = numbers[:-1] * vocab_size + ids[k - 1 :]
        numbers = np.unique(grams, return_inverse=True)[1]
        if k not in ORDERS:
            continue
        order = np.argsort(numbers, kind="stable")
        earlier = order[:-1]
        later = order[1:]
        is_near = (numbers[earlier] == numbers[later]) & (later - earlier < window)
        places[later[is_near] + k - 1, ORDERS.index(k)] = earlier[is_near] + k
    return places


def match_lengths(ids: Ids, places: Array) -> Array:
    """The number (n, K) of equal symbols up to each place and before those at ``places``."""
    padded = np.concatenate([np.full(MAX_MATCH, NOTHING), ids])
    newest = np.arange(len(ids))[:, None] + MAX_MATCH  # (n, 1)
    earlier = places - 1 + MAX_MATCH  # (n, K)
    is_equal = places != NOTHING
    lengths = np.zeros(places.shape, np.int64)
    for back in range(MAX_MATCH):
        is_equal &= padded[newest - back] == padded[earlier - back]
        lengths += is_equal
    return lengths


def hit_rates(ids: Ids, recalled: Array) -> Array:
    """How often what one order recalled (n,) was the next symbol: a running mean (n,).

    What is recalled at a place counts from the next place on.
    """
    is_recalled = recalled != NOTHING
    is_hit = recalled[:-1] == ids[1:]
    hits = is_hit[is_recalled[:-1]].tolist()
    means = accumulate(
        hits,
        lambda mean, hit: mean + HIT_RATE_STEP * (hit - mean),
        initial=FIRST_HIT_RATE,
    )
    num_before = np.cumsum(is_recalled) - is_recalled  # (n,) of the places before each
    rates: Array = np.array(list(means))[num_before]
    return rates


@dataclass(frozen=True)
class Variant:
    """A technique.

    Args:
        knobs: that differ from the recipe's.
        loop: the training loop.
        patches: replacements for names in the modules of charrnn.
    """

    knobs: dict[str, Any] = field(default_factory=dict)
    loop: Callable[[RunConfig, Corpus], TrainingLoop] = TrainingLoop
    patches: dict[str, Any] = field(default_factory=dict)


INFORMED = {
    "training.loop.CharRNN": Informed,
    "corpus.corpus.Recalled": recall_with_features,
    "training.evaluate.recall": recall_with_features,
}
MANY_PASSES = {"steps": MANY_STEPS, "dropout": 0.3}
# The variants by the number of passes; the first of each group is the base of the others.
GROUPS: dict[int, dict[str, Variant]] = {
    8: {
        "the recipe": Variant(),
        "no copy window": Variant({"copy_window": None}),
        "no counts": Variant({"counts": None}),
        "no skip connections": Variant(patches={"training.loop.CharRNN": Stacked}),
        "copy beliefs see length and hits": Variant(patches=INFORMED),
        "weight averaging": Variant(loop=Averaged),
        "weight-drop 0.25": Variant(loop=WeightDropped),
        "state resets": Variant(loop=Reset),
        "beta1 0": Variant(patches={"training.loop.BETAS": (0.0, BETAS[1])}),
        "beta2 0.999": Variant(patches={"training.loop.BETAS": (BETAS[0], 0.999)}),
        "dropout 0": Variant({"dropout": 0.0}),
        "dropout 0.2": Variant({"dropout": 0.2}),
        "dropout 0.3": Variant({"dropout": 0.3}),
        "learning rate 2e-3": Variant({"learning_rate": 2e-3}),
        "learning rate 6e-3": Variant({"learning_rate": 6e-3}),
        "learning rate 6e-3, dropout 0.2": Variant({"learning_rate": 6e-3, "dropout": 0.2}),
        "32 lanes of 32 characters": Variant({"batch_size": 32, "sequence_length": 32}),
        "batch 32, half the steps": Variant({"batch_size": 32}),
        "sequence 128, half the steps": Variant({"sequence_length": 128}),
        "no weight decay": Variant({"weight_decay": 0.0}),
        "weight decay 0.1": Variant({"weight_decay": 0.1}),
        "weight decay 0.3": Variant({"weight_decay": 0.3}),
        "copy window of 1,024": Variant({"copy_window": 1024}),
        "copy window of 65,536": Variant({"copy_window": 65536}),
    },
    24: {
        "the recipe, 24 passes": Variant(MANY_PASSES),
        "24 passes, dropout 0.1": Variant(MANY_PASSES | {"dropout": 0.1}),
        "24 passes, dropout 0.5": Variant(MANY_PASSES | {"dropout": 0.5}),
        "24 passes, dropout 0.1, weight decay 0.1": Variant(
            MANY_PASSES | {"dropout": 0.1, "weight_decay": 0.1}
        ),
        "24 passes, dropout 0.1, weight decay 0.3": Variant(
            MANY_PASSES | {"dropout": 0.1, "weight_decay": 0.3}
        ),
        "24 passes, dropout 0.1, weight decay 1.0": Variant(
            MANY_PASSES | {"dropout": 0.1, "weight_decay": 1.0}
        ),
        "24 passes, dropout 0.3, weight decay 0.3": Variant(MANY_PASSES | {"weight_decay": 0.3}),
    },
}
VARIANTS = {name: variant for group in GROUPS.values() for name, variant in group.items()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument(
        "--only", default="", help='run only if this is part of "TEXT VARIANT", e.g. "penn dropout"'
    )
    parser.add_argument("--passes", type=int, choices=GROUPS, help="run only this group")
    args = parser.parse_args()
    print(describe())
    variants = VARIANTS
    if args.passes is not None:
        variants = GROUPS[args.passes]
    for variant in variants:
        for text in COMPARED:
            if args.only not in f"{text} {variant}":
                continue
            for seed in range(SEEDS.get(variant, 1)):
                case = {"text": text, "variant": variant, "seed": seed}
                if LEDGER.find(**case) is None:
                    result = case | run(args.data, **case)
                    LEDGER.append(result)
                    print(json.dumps(result), flush=True)
    for group in GROUPS.values():
        table(list(group))


def run(data: Path, text: str, variant: str, seed: int) -> dict[str, Any]:
    """Train a variant, and measure it."""
    whole = TEXTS[text](data)
    corpus = Corpus.of(whole[: int(len(whole) * 0.9)][:CHARACTERS], HELD_OUT)
    chosen = VARIANTS[variant]
    config = configured(chosen.knobs, seed)
    with ExitStack() as stack:
        stack.enter_context(settled(available_threads(), "cpu"))
        for name, value in chosen.patches.items():
            stack.enter_context(mock.patch(f"charrnn.{name}", value))
        begin = time.perf_counter()
        loop = chosen.loop(config, corpus)
        losses = [loop.train_step().loss for _ in range(loop.num_steps)]
        seconds = time.perf_counter() - begin
        validation = held_out_loss(loop.model, corpus)
    last = losses[-len(losses) // 10 :]
    return {
        "validation": round(validation, 4),
        "training": round(sum(last) / len(last), 4),
        "seconds": round(seconds, 1),
    }


def configured(knobs: dict[str, Any], seed: int) -> RunConfig:
    """The recipe with other knobs; fewer steps if they are larger."""
    recipe: dict[str, Any] = {
        "steps": STEPS,
        "dropout": 0.1,
        "hidden_size": 256,
        "num_layers": 2,
        "counts": AUTO_COUNTS,
        "device": "cpu",
        "precision": pick_precision("auto", "cpu"),
        "threads": available_threads(),
        "seed": seed,
    }
    changed = recipe | knobs
    config = RunConfig().replace(**changed)
    per_step = config.train.batch_size * config.train.sequence_length
    return config.replace(steps=changed["steps"] * SYMBOLS_PER_STEP // per_step)


def held_out_loss(model: CharRNN, corpus: Corpus) -> float:
    """Nats per character of the held-out part, read after the training part.

    A prediction depends only on earlier symbols, so this is a difference of two sums.
    """
    whole = np.concatenate([corpus.train, corpus.val])
    nats = total_nats(model, whole, corpus.prime) - total_nats(model, corpus.train, corpus.prime)
    return nats / len(corpus.val)


def total_nats(model: CharRNN, ids: Ids, prime: int) -> float:
    """The loss of a text that is read in one stream, summed over its symbols."""
    evaluation = evaluate(model, ids, prime)
    return evaluation.nats_per_character * evaluation.characters


def table(variants: list[str]) -> None:
    """Print the differences in nats from the base, the mean of the first variant over its seeds."""
    base = variants[0]
    losses: dict[tuple[str, str], list[float]] = {}
    for result in LEDGER.results():
        losses.setdefault((result["variant"], result["text"]), []).append(result["validation"])
    print("\n| technique | " + " | ".join(COMPARED) + " |\n|---|" + "---:|" * len(COMPARED))
    for variant in variants:
        cells = []
        for text in COMPARED:
            of_base = losses.get((base, text), [])
            of_variant = losses.get((variant, text), [])
            if not of_base or not of_variant:
                cells.append("")
            elif variant != base:
                cells.append(f"{np.mean(of_variant) - np.mean(of_base):+.4f}")
            elif len(of_base) == 1:
                cells.append(f"{of_base[0]:.4f}")
            else:
                cells.append(f"{np.mean(of_base):.4f} ± {np.std(of_base, ddof=1):.4f}")
        print(f"| {variant} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
