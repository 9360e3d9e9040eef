"""Estimates the memory a run will take, from its sizes and its corpus.

``python benchmarks/plan_memory.py`` compares the estimate with what runs really take.
"""

import math

import numpy as np

from charrnn.config.cells import GATES
from charrnn.config.run_config import ModelConfig, RunConfig
from charrnn.context_mixing.contexts import KINDS
from charrnn.context_mixing.counted_text import MAX_COUNTED
from charrnn.copy_window import BLOCK, ORDERS
from charrnn.corpus.corpus import Corpus, RecordCorpus
from charrnn.corpus.kneser_ney import ORDER, SAMPLE
from charrnn.corpus.text_to_ids import IN_MEMORY
from charrnn.piecewise import WHOLE
from charrnn.storage.weight_shapes import shapes
from charrnn.training.evaluate import CHUNK, MAX_LOGITS, MAX_RECORDS_TOGETHER
from charrnn.training.loop import EVAL_CHARACTERS, EVAL_LANES, layout
from charrnn.vocab import Ids

FLOAT = 4  # bytes of a float32: weights, activations and gradients
# Python and PyTorch after a first step of a tiny model: 230e6 allocated, 100e6 mapped files.
STARTING_BYTES = 330e6
# malloc returns a freed block to the system from this size on (M_MMAP_THRESHOLD); smaller ones
# leave holes.
LARGE_BYTES = 32 << 20
RECALLING_BYTES = 64  # per symbol of a block while the copy window looks it up: eight int64 arrays
# Per counted symbol: about 0.7 pairs of a context and a follower, each with a place in the table,
# its counts in each fold, and their sum; and the largest stage while one kind of context is
# counted, with the pairs of all kinds.
COUNTS_BYTES = 22
COUNTING_BYTES = 95
ROW_BYTES = 4 * len(KINDS)  # per place whose contexts are known
GRAM_SAMPLE = 1 << 17  # symbols whose distinct grams are counted, to estimate those of the text
# Of the yardstick, per symbol: int64 numbers of the grams that begin there, and of the empty gram.
SYMBOL_BYTES = 8 * (ORDER + 2)
GRAM_BYTES = 8 * 5  # per distinct gram: key, count, first place, share, backoff
LAST_GRAM_BYTES = 8 * 11  # per longest gram: the arrays for its share and backoff
# Copies of a chunk's logits that exist at once. Forward: the logits before the copy window, what it
# adds, and the sum. Backward: the log-probabilities and two gradients.
LOGITS_COPIES = 3
# Arrays of H numbers that a layer keeps per symbol for the backward pass, besides two per gate:
# inputs, states, outputs, gradients.
LAYER_COPIES = 6
# Copies of the weights while a checkpoint is written: the trainer's weights, gradients and two
# moments (4), the snapshot's weights and moments (3), model.safetensors (1), and the two moments
# three times: made contiguous, laid out by safetensors, and in the bytes that it returns (6). The
# network of a sample takes less: at most 13 copies, with its tables.
WRITING_COPIES = 14


def estimate_memory(config: RunConfig, corpus: Corpus) -> float:
    """The peak resident memory of a run on a CPU, in bytes.

    It is what stays in memory throughout, plus what the largest stage takes.
    """
    model = config.model
    V = len(corpus.vocabulary)
    weights = 0
    for shape in shapes(model, V).values():
        weights += FLOAT * math.prod(shape)
    text = min(len(corpus) * corpus.train.itemsize, IN_MEMORY)
    kept, recalling = _copy_window_bytes(model, corpus)
    counts, counting_contexts = _counts_bytes(model, corpus)
    kept += counts
    symbols = layout(config, corpus).max_symbols
    logits = FLOAT * symbols * V  # of a step
    layers = FLOAT * symbols * _numbers_per_symbol(model)
    # Freed logits leave holes that later stages, whose arrays have other sizes, do not fill.
    holes = 0
    if logits < LARGE_BYTES:
        holes = LOGITS_COPIES * logits
    # The gradients of the logits are freed before those of the weights are computed.
    backward = max(weights, LOGITS_COPIES * logits)
    counting = weights + _counting_bytes(corpus)
    recalling += weights
    step = 3 * weights + layers + backward
    validation = holes + 4 * weights + _validation_bytes(model, corpus)
    saving = holes + WRITING_COPIES * weights
    most = max(counting, recalling, counting_contexts, step, validation, saving)
    return STARTING_BYTES + text + kept + most


def _copy_window_bytes(model: ModelConfig, corpus: Corpus) -> tuple[int, int]:
    """What the copy window keeps throughout, and what it takes while it looks up a block."""
    if model.copy_window is None:
        return 0, 0
    id_bytes = 2 if len(corpus.vocabulary) < 2**15 else 4
    symbols = len(corpus.train)
    kept = min(symbols, WHOLE) * len(ORDERS) * id_bytes
    recalling = RECALLING_BYTES * min(symbols, BLOCK)
    return kept, recalling


def _counts_bytes(model: ModelConfig, corpus: Corpus) -> tuple[int, int]:
    """What the counts of contexts keep throughout, and what they take while they are counted."""
    if model.counts is None:
        return 0, 0
    counted = min(len(corpus.train), MAX_COUNTED)
    rows = ROW_BYTES * min(len(corpus.train), WHOLE)
    return COUNTS_BYTES * counted + rows, COUNTING_BYTES * counted


def _numbers_per_symbol(model: ModelConfig) -> int:
    """Numbers kept for the backward pass of a step, per symbol of the batch."""
    per_layer = (LAYER_COPIES + 2 * len(GATES[model.cell])) * model.hidden_size
    return model.num_layers * per_layer + 4 * model.embedding_size


def _counting_bytes(corpus: Corpus) -> float:
    """What the yardstick takes while its tables are built, per symbol and per distinct gram."""
    if not len(corpus.val):
        return 0.0
    symbols = min(len(corpus.train), SAMPLE)
    separators = 0
    if isinstance(corpus, RecordCorpus):  # separators between records are numbered too
        separators = ORDER * len(corpus.lengths(corpus.train))
    sample = corpus.train[-GRAM_SAMPLE:]
    grams = _distinct_grams(sample, len(corpus.vocabulary), symbols)
    per_gram = sum(grams) * GRAM_BYTES + grams[-1] * LAST_GRAM_BYTES
    return (symbols + separators) * SYMBOL_BYTES + per_gram


def _distinct_grams(sample: Ids, vocab_size: int, symbols: int) -> list[float]:
    """The number of distinct grams of a text, by length up to ORDER + 1.

    It grows as a power of the text's length (Heaps 1978), estimated from the sample and its
    second half.
    """
    middle = len(sample) // 2
    whole = _count_grams(sample, vocab_size)
    half = _count_grams(sample[middle:], vocab_size)
    growth = symbols / len(sample)
    grams = []
    for count, fewer in zip(whole, half, strict=True):
        exponent = math.log2(count / fewer)
        expected = count * growth**exponent
        grams.append(min(symbols, expected))
    return grams


def _count_grams(ids: Ids, vocab_size: int) -> list[int]:
    """The number of distinct runs of 1, 2, ... ORDER + 1 symbols; at least 1, for divisions."""
    counts: list[int] = []
    number = np.zeros(len(ids) + 1, np.int64)  # of the gram that begins at each symbol
    for length in range(ORDER + 1):
        last = ids[length:].astype(np.int64)
        keys = number[: len(last)] * vocab_size + last
        unique, number = np.unique(keys, return_inverse=True)
        counts.append(max(1, len(unique)))
    return counts


def _validation_bytes(model: ModelConfig, corpus: Corpus) -> int:
    """The largest chunk of a validation, either in its last layer or at its logits."""
    if not len(corpus.val):
        return 0
    H = model.hidden_size
    L = model.num_layers
    E = model.embedding_size
    V = len(corpus.vocabulary)
    symbols = min(len(corpus.val), EVAL_CHARACTERS, EVAL_LANES * CHUNK, MAX_LOGITS // V)
    if isinstance(corpus, RecordCorpus):
        longest = int(corpus.lengths(corpus.val).max()) + 1
        symbols = min(symbols, MAX_RECORDS_TOGETHER * longest)
    # embedded; with the layer below; the outputs of all layers; gates
    gates = len(GATES[model.cell]) * H
    in_layer = E + (E + H) + L * H + gates
    # embedded; outputs, and the same joined; logits, while those of the previous chunk still exist
    at_logits = E + 2 * L * H + (LOGITS_COPIES + 1) * V
    return FLOAT * symbols * max(in_layer, at_logits)
