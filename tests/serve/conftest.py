"""Small random models, and clients of a server in the process."""

import numpy as np
import pytest
from starlette.testclient import TestClient

from charrnn.config.run_config import ModelConfig
from charrnn.generation.network import Network
from charrnn.serve import app
from charrnn.storage.weight_shapes import shapes
from charrnn.text_model import TextModel
from charrnn.vocab import Vocabulary


def make_model(symbols="abc .\n", seed=0, **vocabulary):
    vocabulary = Vocabulary(vocabulary.pop("unit", "char"), symbols, **vocabulary)
    config = ModelConfig(hidden_size=16, num_layers=2, embedding_size=4, copy_window=20)
    V, rng = len(vocabulary), np.random.default_rng(seed)
    weights = {
        name: rng.normal(0, 0.4, shape).astype(np.float32)
        for name, shape in shapes(config, V).items()
    }
    prime = V - 1 if vocabulary.records else 0
    return TextModel(
        Network(config, V, weights), vocabulary, prime, about={"data": {}, "corpus": []}
    )


@pytest.fixture(scope="session")
def models():
    return {
        "plain": make_model(),
        "names": make_model("abc", records=True),
        "bytes": make_model("", unit="byte"),
    }


@pytest.fixture
def client(models):
    with TestClient(
        app(models), base_url="http://localhost", raise_server_exceptions=False
    ) as client:
        yield client
