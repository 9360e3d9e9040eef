"""Whether surprise finds typing errors: errors planted in text that a model was not trained on.

    python benchmarks/typos.py RUN...

In the validation part of each run's corpus (at most 50,000 characters), 200 letters are replaced by
others. It prints the share of them among the 400 most surprising characters, and among the 400
words with the most surprising characters. The runs must be of continuous text in one file.
"""

import re
import sys

import numpy as np
from machine import describe

import charrnn

NUM_ERRORS = 200
NUM_LOOKED_AT = 400
MOST = 50_000  # characters
SEEDS = (1, 2, 3)


def main() -> None:
    print(describe())
    for name in sys.argv[1:]:
        model = charrnn.load(name)
        (path,) = model.about["corpus"]
        with open(path, encoding="utf-8", newline="") as file:
            text = file.read()[-model.about["val_characters"] :][:MOST]
        shares = [found(model, text, seed) for seed in SEEDS]
        characters, words = np.median(shares, axis=0)
        print(
            f"{name}: {NUM_ERRORS} errors in {len(text):,} characters: {characters:.0%} are among "
            f"the {NUM_LOOKED_AT} most surprising characters, {words:.0%} in the {NUM_LOOKED_AT} "
            "most surprising words",
            flush=True,
        )


def found(model: charrnn.TextModel, text: str, seed: int) -> tuple[float, float]:
    """The shares of planted errors that are found by looking at characters, and at words."""
    rng = np.random.default_rng(seed)
    letters = [place for place, char in enumerate(text) if char.isalpha()]
    errors = rng.choice(letters, NUM_ERRORS, replace=False)
    alphabet = sorted({char for char in text if char.islower()})
    changed = list(text)
    for place in errors:
        others = [char for char in alphabet if char != text[place]]
        changed[place] = others[rng.integers(len(others))]
    explanation = model.explain("".join(changed))
    surprising = set(explanation.most_surprising(NUM_LOOKED_AT))
    of_characters = np.mean([place in surprising for place in errors])
    words = list(re.finditer(r"\w+", explanation.text))
    peaks = [explanation.bits[word.start() : word.end()].max() for word in words]
    looked_at = set()
    for number in np.argsort(peaks)[-NUM_LOOKED_AT:]:
        looked_at.update(range(*words[number].span()))
    of_words = np.mean([place in looked_at for place in errors])
    return float(of_characters), float(of_words)


if __name__ == "__main__":
    main()
