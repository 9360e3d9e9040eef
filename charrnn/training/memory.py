"""The memory that a run will take, estimated before it begins, from its sizes and its corpus.

``python benchmarks/plan_memory.py`` compares the estimate with what runs take.
"""

import math

import numpy as np

from charrnn.config.run_config import ModelConfig, RunConfig
from charrnn.copy_window import BLOCK, ORDERS, WHOLE
from charrnn.corpus.corpus import Corpus
from charrnn.corpus.kneser_ney import ORDER, SAMPLE
from charrnn.corpus.text_to_ids import IN_MEMORY
from charrnn.storage.weight_shapes import GATES, shapes
from charrnn.training.evaluate import CHUNK, MAX_RECORDS_TOGETHER, MOST_LOGITS
from charrnn.training.trainer import EVAL_CHARACTERS, EVAL_LANES, layout
from charrnn.vocab import Ids

FLOAT = 4  # bytes of a float32: of all weights, and of what is computed with them
# Python and PyTorch after a first step of a tiny model: 230e6 of their own, 100e6 mapped from their
# files
STARTING_BYTES = 330e6
LARGE_BYTES = (
    32 << 20
    # a block that malloc gives back to the system when it is freed; smaller ones leave holes
    # (M_MMAP_THRESHOLD)
)
RECALLING_BYTES = 64  # for each symbol of a block, while it is recalled: eight arrays of int64
GRAM_SAMPLE = (
    1 << 17
)  # symbols whose distinct grams are counted, to tell how many there are in the whole text
SYMBOL_BYTES = (
    8 * (ORDER + 2)
    # of the yardstick for each symbol: int64 numbers of the grams that begin there, and of the
    # empty one
)
GRAM_BYTES = 8 * 5  # and for each distinct gram: key, count, first place, share, backoff
LAST_GRAM_BYTES = (
    8 * 11
)  # and for each of the longest, the arrays that its share and backoff are computed from
# of a chunk's logits at once: forward before, by how much and as raised; backward log-probabilities
# and two gradients
LOGITS_COPIES = 3
# of H numbers that a layer has for each symbol on the way back, and 2 of each gate: inputs, states,
# outputs, gradients
LAYER_COPIES = 6
# Copies of the weights while a checkpoint is written: the trainer's own, their gradients and two
# moments (4), the snapshot's of weights and moments (3), model.safetensors (1), and the moments
# made contiguous, laid out by safetensors, and as the bytes that it returns (6). The network of a
# sample takes less: with its tables, as much as 13 copies at most.
WRITING_COPIES = 14


def estimate_memory(config: RunConfig, corpus: Corpus) -> float:
    """The most resident memory of a run on a CPU, in bytes: what is there all the time, and the
    most that one stage takes."""
    model = config.model
    H, L, E, G, V = (
        model.hidden_size,
        model.num_layers,
        model.embedding_size,
        GATES[model.cell],
        len(corpus.vocabulary),
    )
    weights = FLOAT * sum(math.prod(shape) for shape in shapes(model, V).values())
    text = min(len(corpus) * corpus.train.itemsize, IN_MEMORY)
    kept = recalling = 0
    if model.copy_window is not None:
        id_bytes = 2 if V < 2**15 else 4
        kept = min(len(corpus.train), WHOLE) * len(ORDERS) * id_bytes
        recalling = RECALLING_BYTES * min(len(corpus.train), BLOCK)
    symbols = layout(config, corpus).most_symbols
    logits = FLOAT * symbols * V  # of a step
    layers = FLOAT * symbols * (L * (LAYER_COPIES + 2 * G) * H + 4 * E)
    holes = (
        LOGITS_COPIES * logits if logits < LARGE_BYTES else 0
    )  # where they were: what comes after has other sizes
    stages = [
        weights + _counting_bytes(corpus),
        weights + recalling,
        3 * weights
        + layers
        + max(
            weights, LOGITS_COPIES * logits
        ),  # gradients of weights come when those of logits are gone
        holes + 4 * weights + _validation_bytes(model, corpus),
        holes + WRITING_COPIES * weights,
    ]
    return STARTING_BYTES + text + kept + max(stages)


def _counting_bytes(corpus: Corpus) -> float:
    """What the yardstick takes: for each symbol and for each distinct gram, while its tables are
    made, the longest grams' last."""
    if not len(corpus.val):
        return 0.0
    symbols = min(len(corpus.train), SAMPLE)
    separators = (
        ORDER * len(corpus.lengths(corpus.train)) if corpus.vocabulary.records else 0
    )  # between records; they are numbered too
    grams = _distinct_grams(corpus.train[-GRAM_SAMPLE:], len(corpus.vocabulary), symbols)
    return (
        (symbols + separators) * SYMBOL_BYTES
        + sum(grams) * GRAM_BYTES
        + grams[-1] * LAST_GRAM_BYTES
    )


def _distinct_grams(sample: Ids, vocab_size: int, symbols: int) -> list[float]:
    """How many distinct grams a text has, by length up to ORDER + 1.

    They grow as a power of the text's length (Heaps 1978), which is taken from the sample and its
    second half.
    """
    whole, half = (_count_grams(ids, vocab_size) for ids in (sample, sample[len(sample) // 2 :]))
    growth = symbols / len(sample)
    return [
        min(symbols, count * growth ** math.log2(count / fewer))
        for count, fewer in zip(whole, half, strict=True)
    ]


def _count_grams(ids: Ids, vocab_size: int) -> list[int]:
    """How many distinct runs of 1, 2, ... ORDER + 1 symbols there are; at least one of each, to be
    divided by."""
    counts: list[int] = []
    number = np.zeros(len(ids) + 1, np.int64)  # of the gram that begins at each symbol
    for length in range(ORDER + 1):
        last = ids[length:].astype(np.int64)
        unique, number = np.unique(number[: len(last)] * vocab_size + last, return_inverse=True)
        counts.append(max(1, len(unique)))
    return counts


def _validation_bytes(model: ModelConfig, corpus: Corpus) -> int:
    """Of a validation's largest chunk, either in its last layer or at its logits."""
    if not len(corpus.val):
        return 0
    H, L, E, V = model.hidden_size, model.num_layers, model.embedding_size, len(corpus.vocabulary)
    symbols = min(len(corpus.val), EVAL_CHARACTERS, EVAL_LANES * CHUNK, MOST_LOGITS // V)
    if corpus.vocabulary.records:
        symbols = min(symbols, MAX_RECORDS_TOGETHER * (int(corpus.lengths(corpus.val).max()) + 1))
    in_layer = (
        E + (E + H) + L * H + GATES[model.cell] * H
    )  # embedded; with the layer below; put out by all layers; gates
    at_logits = (
        E + 2 * L * H + (LOGITS_COPIES + 1) * V
    )  # embedded; put out, and joined; the chunk before still has its logits
    return FLOAT * symbols * max(in_layer, at_logits)
