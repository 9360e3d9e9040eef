"""R29: output never repeats more of the corpus than allowed, even from a model that has memorized
the corpus.

The oracle is Python's own substring search.
"""

from pathlib import Path
from typing import Any

import pytest

import charrnn
from charrnn.text_model import TextModel

pytestmark = pytest.mark.xdist_group("parrot")  # which takes a long time to train

CORPUS = (Path(__file__).parents[2] / "corpora" / "plays.txt").read_text(encoding="utf-8")[:3000]
LONGEST = 12


def copied(text: str, length: int) -> int:
    return sum(text[at : at + length] in CORPUS for at in range(len(text) - length + 1))


@pytest.fixture(scope="module")
def parrot(tmp_path_factory: pytest.TempPathFactory) -> TextModel:
    """A model trained on a few speeches until it repeats only those."""
    where = tmp_path_factory.mktemp("parrot")
    (where / "parrot.txt").write_text(CORPUS)
    return charrnn.train(
        str(where / "parrot.txt"), steps=700, hidden_size=128, num_layers=1, dropout=0.0, val_fraction=0, batch_size=8, sequence_length=60,
        threads=1, device="cpu", precision="fp32", copy_window=None, counts=None, patience=None, runs_dir=str(where / "runs"),
    )  # fmt: skip


def test_the_parrot_copies_if_allowed(parrot: TextModel) -> None:
    text = parrot.generate(length=2000, temperature=0.1, seed=0)
    assert copied(text, 41) > 0.8 * len(text)


@pytest.mark.counted(100_000)
def test_a_parrot_with_a_copy_limit_obeys_it_and_still_writes_text(
    parrot: TextModel, tries: int, tally: Any
) -> None:
    text = parrot.generate(length=tries, temperature=0.1, seed=0, max_copy=LONGEST)
    assert len(text) == tries
    assert copied(text, LONGEST + 1) == 0
    assert copied(text, LONGEST) > 0.01 * tries  # as far as allowed
    known = set(CORPUS.split())
    words = text.split()
    assert sum(word in known for word in words) > 0.5 * len(words)
    assert 3 < len(text) / len(words) < 8
    # it does not go in circles
    assert len({text[at : at + 20] for at in range(tries - 20)}) > 0.5 * min(tries, 10_000)
    assert parrot.score(text[:2000]).mean() > -1.0
    tally(tries, "characters of a parrot that may not copy more than 12")


@pytest.mark.counted(200)
def test_the_copy_limit_holds_under_constraints(parrot: TextModel, tries: int, tally: Any) -> None:
    from charrnn.errors import GenerationError
    from charrnn.generation.constraints.forms import Contains, Lines, Without

    forms = [None, Contains("the bell"), Without("e"), Lines(3, 5, 40), Contains("rope") & Lines(2)]
    refused = 0
    for seed in range(tries):
        longest, particles = 1 + seed % 15, 1 + seed % 3
        settings: dict[str, Any] = {
            "temperature": [0, 0.1, 0.8, 2][seed % 4],
            "seed": seed,
            "length": 120,
        }
        form = forms[seed % len(forms)]
        if form is not None:
            settings |= {"constraint": form, "particles": particles}
        try:
            text = parrot.generate("the bell", max_copy=longest, **settings)
        except GenerationError as error:
            assert str(error).startswith("every continuation of the first ")
            refused += 1
        except charrnn.ConfigError as error:
            assert str(error).startswith("`contains` ")
            assert str(error).endswith("give a larger `max_copy`")
            refused += 1
        else:
            assert copied(text, longest + 1) == 0
    assert refused < 0.4 * tries
    tally(tries - refused, "constrained texts of a parrot that copy no more than allowed")
    tally(refused, "constrained texts of a parrot that were impossible, refused")
