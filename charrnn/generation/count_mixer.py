"""CountMixer: mixes what the counts of contexts predict into the network's logits, in NumPy.

The PyTorch twin is Mixer in training/model.py.

    B  streams     G  predictions from counts     F  their features     V  vocab_size
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charrnn.context_mixing.contexts import Reading, Readings
from charrnn.context_mixing.count_table import CountTable, Predicted

Array = NDArray[np.float32]


class CountMixer:
    """The counts and the weights that mix them in.

    Args:
        table: the counts.
        weights: of the model, by name.

    Attributes:
        head: (MIXER_SIZE, L·H) what the layers' outputs add to the hidden units.
        head_bias: (MIXER_SIZE,) what is always added.
    """

    def __init__(self, table: CountTable, weights: Mapping[str, NDArray[Any]]) -> None:
        self.table = table
        self.reader = table.reader
        self.head = weights["mixer.output.weight"]
        self.head_bias = weights["mixer.output.bias"]
        self._features = weights["mixer.features.weight"].T.copy()  # (F, MIXER_SIZE)
        self._weights = weights["mixer.weights.weight"].T.copy()  # (MIXER_SIZE, 1 + G)
        self._bias = weights["mixer.weights.bias"]  # (1 + G,)

    def mix(self, logits: Array, hidden: Array, reading: Reading | Readings) -> None:
        """Mix the counts into logits, in place.

        Args:
            logits: (V,) or (B, V) of the network.
            hidden: (MIXER_SIZE,) or (B, MIXER_SIZE) from the layers' outputs; overwritten.
            reading: of the same one stream or B.
        """
        if isinstance(reading, Reading):
            contexts = self.reader.of_reading(reading)
            log_p, features = self.table.predict_one(contexts)
        else:
            log_p, features = self._predict(reading)
        hidden += np.dot(features, self._features)
        np.tanh(hidden, out=hidden)
        trust = np.dot(hidden, self._weights)  # (..., 1 + G)
        trust += self._bias
        logits *= trust[..., :1]
        if logits.ndim == 1:
            logits += np.dot(trust[1:], log_p)
        else:
            logits += np.matmul(trust[:, None, 1:], log_p)[:, 0]

    def _predict(self, readings: Readings) -> Predicted:
        rows = self.table.rows(self.reader.of_readings(readings))  # (B, K)
        return self.table.predict(rows)
