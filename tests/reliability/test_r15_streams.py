"""R15: streamed text is complete: the joined pieces are the text, and each is valid text by
itself."""

import random
from itertools import islice
from typing import Any

import numpy as np
import pytest

from charrnn.config.run_config import ModelConfig
from charrnn.generation.decode import decode
from charrnn.generation.network import Network
from charrnn.storage.weight_shapes import shapes
from charrnn.text_model import TextModel
from charrnn.vocab import Vocabulary

VOCABULARIES = {"char": Vocabulary.of("\nab é漢😀\u0301\u200d👩"), "byte": Vocabulary("byte")}


def model(rng: np.random.Generator, vocabulary: Vocabulary) -> TextModel:
    config = ModelConfig(
        cell=str(rng.choice(["lstm", "gru", "rnn"])),
        hidden_size=4,
        num_layers=1,
        embedding_size=2,
        copy_window=8,
    )
    weights = {
        name: rng.normal(0, 1.5, shape).astype(np.float32)
        for name, shape in shapes(config, len(vocabulary)).items()
    }
    if vocabulary.unit == "byte":  # make it write mostly the bytes of longer characters
        weights["head.bias"][0x80:0xF5] += 2
    return TextModel(
        Network(config, len(vocabulary), weights),
        vocabulary,
        10 if vocabulary.unit == "byte" else 0,
    )


def by_hand(written: TextModel, prompt: str, how: dict[str, Any]) -> str:
    """The text of the drawn ids, decoded all at once and cut with plain string code."""
    vocabulary, sampler = (
        written.vocabulary,
        written.sampler(**{name: how[name] for name in ("temperature", "top_k", "top_p")}),
    )
    ids = [symbol.idx for symbol in islice(decode(
        written.network, vocabulary.encode(prompt) if prompt else [written.prime], sampler, np.random.default_rng(how["seed"])
    ), 4 * how["length"] + 4)]  # fmt: skip
    whole = (
        bytes(ids).decode("utf-8", "replace")
        if vocabulary.unit == "byte"
        else "".join(vocabulary.symbols[idx] for idx in ids)
    )
    whole = whole[: how["length"]]
    ends = [
        whole.find(stop)
        for stop in ([how["stop"]] if isinstance(how["stop"], str) else how["stop"])
    ]
    return whole[: min((end for end in ends if end >= 0), default=len(whole))]


@pytest.mark.parametrize("unit", VOCABULARIES)
@pytest.mark.counted(2_500)
def test_joined_pieces_are_the_text_and_each_is_valid(unit: str, tries: int, tally: Any) -> None:
    rng, draws = np.random.default_rng(15), random.Random(15)
    written = model(rng, VOCABULARIES[unit])
    for seed in range(tries):
        if seed % 50 == 0:
            written = model(rng, VOCABULARIES[unit])
        how: dict[str, Any] = {
            "length": draws.randrange(30),
            "seed": seed,
            "stop": draws.choice([(), "\n", ("é漢", "ab"), "😀"]),
            "temperature": draws.choice([0.0, 0.5, 1.0, 5.0]),
            "top_k": draws.choice([None, 1, 3]),
            "top_p": draws.choice([None, 0.5]),
        }
        prompt = draws.choice(["", "a", "é漢", "😀\n"])
        pieces, text = list(written.stream(prompt, **how)), written.generate(prompt, **how)
        assert "".join(pieces) == text
        assert all(piece and piece.encode("utf-8").decode("utf-8") == piece for piece in pieces)
        assert text == by_hand(written, prompt, how)
        assert len(text) <= how["length"]
        stops = [how["stop"]] if isinstance(how["stop"], str) else how["stop"]
        assert not any(stop in text for stop in stops)
    tally(tries, f"streams of a model of {unit}s")
