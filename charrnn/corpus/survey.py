"""Survey: what a text consists of, for `charrnn plan`."""

from typing import Any

import numpy as np

from charrnn.corpus.corpus import Corpus, RecordCorpus
from charrnn.vocab import Ids

RARE = 10  # a symbol with fewer occurrences is rare
SURVEYED = 1 << 24  # characters whose lines are compared


def survey(corpus: Corpus) -> dict[str, Any]:
    """Characters, symbols, rare symbols, and the share of the text that repeats earlier lines.

    For records: the share that repeats earlier records, and the number of records. Their ends
    count as characters and as a symbol.
    """
    train = corpus.train[:SURVEYED]
    ids = np.concatenate([train, corpus.val[: SURVEYED - len(train)]])
    counts = corpus.counts
    summary = {
        "characters": len(corpus),
        "symbols": int((counts > 0).sum()),
        "rare": int(((counts > 0) & (counts < RARE)).sum()),
        "surveyed": len(ids),
        "repeated": _repeated(ids, corpus) / len(ids),
    }
    if isinstance(corpus, RecordCorpus):
        summary["records"] = len(corpus.lengths(corpus.train)) + len(corpus.lengths(corpus.val))
    return summary


def _repeated(ids: Ids, corpus: Corpus) -> int:
    """The number of characters in lines or records that have occurred before."""
    ends: list[int] = []
    if corpus.item_end >= 0:
        ends = np.flatnonzero(ids == corpus.item_end).tolist()
    seen: set[bytes] = set()
    repeated = 0
    start = 0
    for end in [*ends, len(ids)]:
        line = ids[start:end].tobytes()
        if end - start >= corpus.shortest_repeat:
            if line in seen:
                repeated += end - start
            seen.add(line)
        start = end + 1
    return repeated
