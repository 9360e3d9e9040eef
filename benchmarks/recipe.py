"""The effect of each training technique: its difference from charrnn's recipe after the same number
of steps, on several texts.

    python benchmarks/recipe.py --data DIRECTORY
    python benchmarks/recipe.py --data DIRECTORY --only "penn weight averaging"

Each variant is trained for STEPS steps at 2 x 256 on the first CHARACTERS of a text, the last tenth
of which is held out; the last 10% of the whole text, on which other benchmarks report figures, are
not used. Techniques that charrnn has are knobs; the others are implemented here as simply as
possible. Each run is appended to results/recipe.jsonl, and runs already there are skipped. Finally,
the table of docs/recipe.md is printed.
"""

import argparse
import json
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from torch import Tensor, nn

from charrnn.config.run_config import ModelConfig, RunConfig
from charrnn.corpus.corpus import Corpus
from charrnn.copy_window import ORDERS
from charrnn.training import loop as training
from charrnn.config.cores import available_threads
from charrnn.training.device import pick_precision, settled
from charrnn.training.evaluate import evaluate
from charrnn.training.loop import StepResult, TrainingLoop
from charrnn.training.model import CELLS, CharRNN, _raised
from ledger import Ledger
from machine import describe
from texts import DATA, TEXTS

LEDGER = Ledger("recipe")
STEPS = 700  # of 16 x 64 characters: 8 passes
CHARACTERS = 100_000
HELD_OUT = 0.1
COMPARED = ("shakespeare", "penn", "python")
SEEDS = {"the recipe": 3}  # shows the spread between seeds, to compare differences with


class Averaged(TrainingLoop):
    """Exponential moving average of the weights (Polyak and Juditsky 1992), over about the last
    tenth of the run."""

    def train_step(self) -> StepResult:
        result = super().train_step()
        decay = min(1 - 10 / STEPS, (1 + self.step) / (10 + self.step))
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


class Stacked(CharRNN):
    """No skip connections: a layer reads only the one below, the head only the last one."""

    def __init__(self, config: ModelConfig, vocab_size: int, seed: int = 0) -> None:
        super().__init__(config, vocab_size, seed)
        H = config.hidden_size
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            for number in range(1, config.num_layers):
                self.layers[number] = CELLS[config.cell](H, H)
            self.head = nn.Linear(H, vocab_size)
            self._init_weights()
        self.copy = nn.Linear(H, len(ORDERS))
        nn.init.zeros_(self.copy.weight)
        nn.init.zeros_(self.copy.bias)

    def forward(
        self, idx: Tensor, state: Tensor | None = None, recalled: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        x, states = self.dropout(self.embedding(idx)), []
        for number, layer in enumerate(self.layers):
            y, last = layer(x, None if state is None else state[number])
            x = self.dropout(y)
            states.append(last)
        assert recalled is not None
        logits = self.head(x).float()
        return logits + _raised(recalled, self.copy(x).float(), logits.shape[-1]), torch.stack(
            states
        )


class Reset(TrainingLoop):
    """Each lane restarts from a zero state with probability 0.01 per step (Melis et al. 2018)."""

    def train_step(self) -> StepResult:
        if self.state is not None:
            kept = np.random.default_rng([7, self.step]).random(self.knobs.batch_size) >= 0.01
            self.state = self.state * torch.from_numpy(kept.astype(np.float32))[:, None]
        return super().train_step()


Make = Callable[..., TrainingLoop]
# knobs, the loop, and replacements for names in loop.py
VARIANTS: dict[str, tuple[dict[str, Any], Make, dict[str, Any]]] = {
    "the recipe": ({}, TrainingLoop, {}),
    "no copy window": ({"copy_window": None}, TrainingLoop, {}),
    "no skip connections": ({}, TrainingLoop, {"CharRNN": Stacked}),
    "weight averaging": ({}, Averaged, {}),
    "weight-drop 0.25": ({}, WeightDropped, {}),
    "state resets": ({}, Reset, {}),
    "beta1 0": ({}, TrainingLoop, {"BETAS": (0.0, training.BETAS[1])}),
    "beta2 0.999": ({}, TrainingLoop, {"BETAS": (training.BETAS[0], 0.999)}),
    "dropout 0": ({"dropout": 0.0}, TrainingLoop, {}),
    "dropout 0.3": ({"dropout": 0.3}, TrainingLoop, {}),
    "learning rate 2e-3": ({"learning_rate": 2e-3}, TrainingLoop, {}),
    "learning rate 6e-3": ({"learning_rate": 6e-3}, TrainingLoop, {}),
    "batch 32, half the steps": ({"batch_size": 32}, TrainingLoop, {}),
    "sequence 128, half the steps": ({"sequence_length": 128}, TrainingLoop, {}),
    "no weight decay": ({"weight_decay": 0.0}, TrainingLoop, {}),
    "copy window of 1,024": ({"copy_window": 1024}, TrainingLoop, {}),
    "copy window of 65,536": ({"copy_window": 65536}, TrainingLoop, {}),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--only", default="", help="run only this text and variant")
    args = parser.parse_args()
    print(describe())
    for variant in VARIANTS:
        for text in COMPARED:
            for seed in range(SEEDS.get(variant, 1)):
                case = {"text": text, "variant": variant, "seed": seed}
                if args.only in f"{text} {variant}" and LEDGER.find(**case) is None:
                    found = case | run(args.data, **case)
                    LEDGER.append(found)
                    print(json.dumps(found), flush=True)
    table()


def run(data: Path, text: str, variant: str, seed: int) -> dict[str, Any]:
    knobs, make, patches = VARIANTS[variant]
    whole = TEXTS[text](data)
    corpus = Corpus.of(whole[: int(len(whole) * 0.9)][:CHARACTERS], HELD_OUT)
    config = RunConfig().replace(
        **{"dropout": 0.1, "hidden_size": 256, "num_layers": 2} | knobs, device="cpu", threads=available_threads(), seed=seed,
        precision=pick_precision("auto", "cpu"), steps=STEPS,
    )  # fmt: skip
    per_step = config.train.batch_size * config.train.sequence_length
    config = config.replace(steps=STEPS * 16 * 64 // per_step)
    begin = time.perf_counter()
    with (
        settled(available_threads(), "cpu"),
        mock.patch.multiple(training, **patches) if patches else nullcontext(),
    ):
        loop = make(config, corpus)
        losses = [loop.train_step().loss for _ in range(loop.num_steps)]
        seconds = time.perf_counter() - begin
        loss = evaluate(loop.model, corpus.val, corpus.prime).nats_per_character
    last = losses[-len(losses) // 10 :]
    return {
        "validation": round(loss, 4),
        "training": round(sum(last) / len(last), 4),
        "seconds": round(seconds, 1),
    }


def table() -> None:
    """Print the differences in nats from the mean of the recipe over its seeds."""
    found: dict[tuple[str, str], list[float]] = {}
    for result in LEDGER.results():
        found.setdefault((result["variant"], result["text"]), []).append(result["validation"])
    print("| technique | " + " | ".join(COMPARED) + " |\n|---|" + "---:|" * len(COMPARED))
    for variant in VARIANTS:
        cells = []
        for text in COMPARED:
            base, here = found.get(("the recipe", text)), found.get((variant, text))
            if variant == "the recipe" and base:
                cells.append(
                    f"{np.mean(base):.4f} ± {np.std(base, ddof=1):.4f}"
                    if len(base) > 1
                    else f"{base[0]:.4f}"
                )
            else:
                cells.append(f"{np.mean(here) - np.mean(base):+.4f}" if base and here else "")
        print(f"| {variant} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
