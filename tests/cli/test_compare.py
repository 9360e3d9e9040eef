"""The sentence that ends a comparison of runs."""

from typing import Any

import pytest

from charrnn.cli.compare import comparison

RUN = {
    "cell": "lstm", "num_layers": 2, "hidden_size": 8, "embedding_size": 4, "dropout": 0.1, "copy_window": None, "counts": None, "unit": "char",
    "vocab_size": 3, "symbols": "abc", "final_val_loss": 2.0, "val_loss": 2.1, "records": None, "train_characters": 90,
    "val_characters": 10, "yardstick": {"nats_per_character": 1.5, "train_characters": 90, "val_characters": 10}, "corpus": ["a.txt"], "parameters": 10, "trained_steps": 4,
    "steps": 4, "step": 4, "epochs": 1.0, "saved": None, "disk_bytes": 10, "charrnn": "0.1.0", "data": {}, "verdict": None,
}  # fmt: skip
OTHER = RUN | {"final_val_loss": 1.5, "val_loss": 1.9}
# As a run of fewer minutes, whose final loss is of a shorter part.
SHORTER = {"yardstick": {"nats_per_character": 1.4, "train_characters": 90, "val_characters": 5}}
RECORDS: dict[str, Any] = {"records": {"train": 3, "val": 1}}


def judgement(*runs: dict[str, Any]) -> str:
    names = ["first", "second", "third"][: len(runs)]
    return comparison(names, runs, [{}] * len(runs), None)[-1]


@pytest.mark.parametrize(
    ("runs", "sentence"),
    [
        (
            [RUN, OTHER],
            "second is better: its validation loss is 0.5000 (0.721 bits per character, 25.0%) lower than that of first.",
        ),
        (
            [RUN, OTHER, RUN | {"final_val_loss": 1.6}],
            "second is the best: its validation loss is 0.1000 (0.144 bits per character, 6.3%) lower than that of third.",
        ),
        # one has no final loss: those measured during training are compared
        (
            [RUN, OTHER | {"final_val_loss": None}],
            "second is better: its validation loss is 0.2000 (0.289 bits per character, 9.5%) lower than that of first.",
        ),
        (
            [RUN, RUN],
            "first and second are equally good: their validation losses differ by less than 0.0005.",
        ),
        (
            [RUN, OTHER | {"final_val_loss": None, "val_loss": None}],
            "second has no validation loss, so the quality is unknown.",
        ),
        (
            [RUN, OTHER | {"symbols": "abd"}],
            "These runs were trained on different texts, so their losses cannot be compared.",
        ),
        (
            [RUN, OTHER | {"train_characters": 80, "val_characters": 20}],
            "These runs were validated on different parts of the text, so their losses cannot be compared.",
        ),
        (
            [RUN, OTHER | {"unit": "byte", "symbols": ""}],
            "These runs predict different units, bytes or characters, so their losses cannot be compared.",
        ),
        (
            [RUN, OTHER | RECORDS],
            "Some of these runs learned records and some continuous text, so their losses cannot be compared.",
        ),
        # the final losses are of different lengths: those measured during training are compared
        (
            [RUN, OTHER | SHORTER],
            "second is better: its validation loss during training, measured on the same characters, is 0.2000 "
            "(0.289 bits per character, 9.5%) lower than that of first.",
        ),
        (
            [RUN, RUN | SHORTER],
            "first and second are equally good: their validation losses during training, measured on the same "
            "characters, differ by less than 0.0005.",
        ),
        (
            [RUN, OTHER | SHORTER | {"val_loss": None}],
            "These runs were validated on different parts of the text, so their losses cannot be compared.",
        ),
        (
            [RUN, OTHER | SHORTER | {"corpus": ["b.txt"]}],
            "These runs were trained on different texts, so their losses cannot be compared.",
        ),
    ],
    ids=[
        "two",
        "three",
        "training",
        "equal",
        "none",
        "texts",
        "parts",
        "units",
        "records",
        "lengths",
        "equal lengths",
        "no loss during training",
        "lengths of two corpora",
    ],
)
def test_the_sentence_says_which_is_better_or_why_not(
    runs: list[dict[str, Any]], sentence: str
) -> None:
    assert judgement(*runs) == sentence


def test_knobs_that_only_one_run_stores_are_left_out() -> None:
    lines = comparison(["a", "b"], [RUN, OTHER | {"dropout": 0.2}], [{"seed": 1}, {}], None)
    assert lines[:-2] == [
        "                    a       b",
        "validation loss     2.0000  1.5000",
        "bits per character  2.885   2.164",
        "dropout             0.1     0.2",
    ]
