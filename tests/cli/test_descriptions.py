"""Numbers and sizes in a few characters."""

import pytest

from charrnn.cli.descriptions import corpus_name, short_number, size_in_words, steps_in_words


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (999, "999"), (1000, "1.0k"), (99_949, "99.9k"), (99_950, "100k"), (999_500, "1.0M"), (2 * 10**12, "2000G")],
)  # fmt: skip
def test_a_number_is_shortened(number: int, text: str) -> None:
    assert short_number(number) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 KiB"), (1 << 20, "1.0 MiB"), (247 << 10, "247 KiB")],
)
def test_a_size_is_in_the_unit_that_suits_it(size: int, text: str) -> None:
    assert size_in_words(size) == text


@pytest.mark.parametrize(
    ("paths", "name"),
    [([], "-"), (["-"], "stdin"), (["a/b.txt"], "b.txt"), (["b.txt", "c.txt"], "b.txt + 1")],
)
def test_a_corpus_is_named_after_its_first_file(paths: list[str], name: str) -> None:
    assert corpus_name({"corpus": paths}) == name


@pytest.mark.parametrize(
    ("trained", "final_val_loss", "text"),
    [
        (282, 1.5, "step 282 of 282, best at step 15"),
        (75, 1.5, "stopped early at step 75 of 282, best at step 15"),
        (75, None, "step 75 of 282, best at step 15"),
    ],
    ids=["finished", "early", "interrupted"],
)
def test_a_run_that_stopped_early_is_told_from_an_interrupted_one(
    trained: int, final_val_loss: float | None, text: str
) -> None:
    run = {"trained_steps": trained, "steps": 282, "step": 15, "final_val_loss": final_val_loss}
    assert steps_in_words(run) == text
