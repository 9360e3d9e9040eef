"""What is gained by lowering the learning rate when the validation loss stops improving, instead of
ending the run there.

    python benchmarks/early_stopping.py --data DIRECTORY

For each text and dropout, a run with many steps is trained until `--patience` runs out. Then it
ends at once, or after 5%, 10% or 20% more steps, in which the learning rate falls to its lowest
value. All losses are the lowest validation loss until then: on the last 5% of the first 90%.
"""

from ledger import RECIPE, Ledger
from machine import describe
from texts import TEXTS, data_parser
from charrnn.config.run_config import RunConfig
from charrnn.corpus.corpus import Corpus
from charrnn.training.device import pick_precision, settled
from charrnn.training.early_stopping import EarlyStopping
from charrnn.training.loop import TrainingLoop

LEDGER = Ledger("early_stopping")
THREADS = 1
SHARES = (0.05, 0.1, 0.2)
VALIDATIONS = 20
# Text, characters, hidden size, dropout, and passes of the whole run.
CASES = [
    ("shakespeare", 100_000, 128, 0.2, 60),
    ("shakespeare", 100_000, 256, 0.4, 60),
    ("python", 100_000, 128, 0.2, 60),
    ("python", 400_000, 128, 0.2, 50),
    ("shakespeare", 400_000, 256, 0.2, 40),
    ("penn", 400_000, 256, 0.2, 40),
]


def main() -> None:
    args = data_parser(__doc__).parse_args()
    print(describe())
    for text, characters, hidden_size, dropout, passes in CASES:
        case = {
            "text": text, "characters": characters, "hidden_size": hidden_size,
            "dropout": dropout, "passes": passes, "recipe": RECIPE,
        }  # fmt: skip
        result = LEDGER.find(**case)
        if result is None:
            result = (
                case
                | run(TEXTS[text](args.data)[:characters], hidden_size, dropout, passes)
                | {"machine": describe()}
            )
            LEDGER.append(result)
        print(line(result), flush=True)


def run(text: str, hidden_size: int, dropout: float, passes: int) -> dict[str, object]:
    corpus = Corpus.of(text[: int(len(text) * 0.9)], 0.05)
    steps = int(passes * len(corpus.train) / (16 * 64))
    config = RunConfig().replace(
        num_layers=2, hidden_size=hidden_size, dropout=dropout, counts=2, steps=steps,
        precision=pick_precision("auto", "cpu"), threads=THREADS, device="cpu",
    )  # fmt: skip
    loop = TrainingLoop(config, corpus)
    every = steps // VALIDATIONS
    stopping = EarlyStopping(config.train.patience)
    best = float("inf")
    with settled(THREADS, "cpu"):
        while loop.step < steps and not stopping.should_stop:
            loop.train_step()
            if loop.step % every == 0:
                loss = loop.validate()
                first_pass = loop.step < loop.batches.steps_per_epoch
                stopping.update(loss, best, first_pass=first_pass)
                best = min(best, loss)
        lowered = {}
        for share in SHARES:
            lowered[str(share)] = anneal(loop, config, corpus, share)
    return {"steps": steps, "turned": loop.step, "ended": best, "lowered": lowered}


def anneal(loop: TrainingLoop, config: RunConfig, corpus: Corpus, share: float) -> float:
    """The lowest loss of a copy of a run that ends after some more steps."""
    other = TrainingLoop(config, corpus)
    other.load_state_dict(loop.step, loop.weights(), loop.state_dict())
    end = loop.step + max(1, round(share * loop.step))
    other.schedule = loop.schedule.moved(loop.step, end)
    best = float("inf")
    every = max(1, (end - loop.step) // 4)
    while other.step < end:
        other.train_step()
        if (end - other.step) % every == 0:
            best = min(best, other.validate())
    return best


def line(result: dict[str, object]) -> str:
    lowered = result["lowered"]
    gains = ", ".join(
        f"{float(share):.0%}: {loss:.4f} ({loss / result['ended'] - 1:+.1%})"
        for share, loss in lowered.items()
    )
    return (
        f"{result['text']} {result['characters']:,} 2 x {result['hidden_size']} dropout {result['dropout']}: "
        f"turned at step {result['turned']:,} of {result['steps']:,}, {result['ended']:.4f}; {gains}"
    )


if __name__ == "__main__":
    main()
