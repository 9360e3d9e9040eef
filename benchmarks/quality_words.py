"""What models write, by the word that `charrnn info` has for their loss.

    python benchmarks/quality_words.py --data DIRECTORY

For each word, prints the runs in results/verdicts.jsonl with the highest, the middle and the lowest
loss, and the beginnings of their samples at temperature 0.8. For prose and code, it also prints
which share of the words with four or more letters in the samples of all runs occur in the text that
was learned.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from machine import describe
from verdict_runs import LEDGER, VERDICT_TEXTS, argument_parser

from charrnn.advice.quality import LARGE_ALPHABET, SCALE, quality

SHOWN = 70  # characters of a sample
FEWEST = 10  # words from which a share is computed

Result = Mapping[str, Any]


def main() -> None:
    args = argument_parser(__doc__).parse_args()
    print(describe())
    for is_prose, kind in ((True, "prose and code"), (False, "lists, and large alphabets")):
        print(f"\n{kind}")
        by_word: dict[str, list[Result]] = {word: [] for word in SCALE}
        for run in LEDGER.results():
            word = word_of(run)
            if run["text"] in args.only and word is not None and has_words(run) == is_prose:
                by_word[word].append(run)
        for word, runs in by_word.items():
            show(word, runs, args.data if is_prose else None)


def has_words(run: Result) -> bool:
    """Whether a run is judged as one on prose or code."""
    about = run["about"]
    return about["records"] is None and about["unigram_loss"] < LARGE_ALPHABET


def word_of(run: Result) -> str | None:
    about = run["about"]
    return quality(
        about["final_val_loss"],
        about["unigram_loss"],
        about["yardstick"]["nats_per_character"],
        has_words=about["records"] is None,
    )


def show(word: str, runs: list[Result], data: Path | None) -> None:
    """Print a word, the share of known words of its runs if ``data`` is given, and samples."""
    line = f"  {word:8} {len(runs):3} runs"
    if data is not None:
        shares = [known_words(run, data) for run in runs]
        known = [share for share in shares if share is not None]
        if known:
            low, middle, high = np.quantile(known, [0.1, 0.5, 0.9])
            line += (
                f"  known words {middle:.0%}, of four fifths of the runs {low:.0%} to {high:.0%}"
            )
    print(line)
    runs = sorted(runs, key=share_of_loss, reverse=True)
    for number in sorted({0, len(runs) // 2, len(runs) - 1}) if runs else []:
        run = runs[number]
        sample = run["sample"][:SHOWN].replace("\n", " / ")
        print(f"    {share_of_loss(run):.2f}  {run['text']:20} {sample}")


def share_of_loss(run: Result) -> float:
    """The loss as a share of that of the frequencies of the characters."""
    return float(run["about"]["final_val_loss"] / run["about"]["unigram_loss"])


def known_words(run: Result, data: Path) -> float | None:
    """The share of the longer words of a sample that occur in the text; None if they are few."""
    text = VERDICT_TEXTS[run["text"]].read(data)
    words = [word for word in letters(run["sample"])[:-1] if len(word) >= 4]
    if len(words) < FEWEST:
        return None
    known = set(letters(text))
    return sum(word in known for word in words) / len(words)


def letters(text: str) -> list[str]:
    """The words of a text, without digits."""
    return re.findall(r"[^\W\d_]+", text)


if __name__ == "__main__":
    main()
