"""CountMixer: mixes what the counts of contexts predict into the network's logits, in NumPy.

The PyTorch twin is Mixer in training/model.py.

    B  streams     G  predictions from counts     F  their features     V  vocab_size
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charrnn.context_mixing.contexts import Reading, Readings
from charrnn.context_mixing.count_table import CountTable

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
            self._mix_one(logits, hidden, reading)
        else:
            self._mix_each(logits, hidden, reading)

    def _mix_one(self, logits: Array, hidden: Array, reading: Reading) -> None:
        contexts = self.reader.of_reading(reading)
        predicted = self.table.predict_one(self._rows(contexts).tolist())
        features = np.concatenate([of_group.features for of_group in predicted])  # (F,)
        trust = self._trust(features, hidden)
        logits *= trust[0]
        for of_group, belief in zip(predicted, trust[1:], strict=True):
            logits[of_group.symbols] += of_group.raised * belief

    def _mix_each(self, logits: Array, hidden: Array, readings: Readings) -> None:
        contexts = self.reader.of_readings(readings)  # (B, K)
        predicted = self.table.predict(self._rows(contexts))
        trust = self._trust(predicted.features, hidden)  # (B, 1 + G)
        logits *= trust[:, :1]
        raised = predicted.raised * trust[predicted.places, 1 + predicted.groups]
        B, V = logits.shape
        cells = predicted.places * V + predicted.symbols  # several groups may list a symbol
        logits += np.bincount(cells, raised, B * V).reshape(B, V)

    def _rows(self, contexts: Any) -> NDArray[np.int32]:
        """The rows of contexts (..., K) in the table."""
        return self.table.rows(np.asarray(contexts, np.uint32))

    def _trust(self, features: Array, hidden: Array) -> Array:
        """How much the network and each group count: (1 + G,) or (B, 1 + G)."""
        hidden += np.dot(features, self._features)
        np.tanh(hidden, out=hidden)
        trust: Array = np.dot(hidden, self._weights)
        trust += self._bias
        return trust
