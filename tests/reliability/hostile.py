"""Directories that a stranger might pass off as a model.

``DIRECTORIES`` maps a name to a function that makes a directory that must be refused; ``OPENED``
maps one to a well-formed checkpoint with extreme claims or content that must do no harm in use.
"""

import hashlib
import json
import os
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load, save

from charrnn.config.run_config import ModelConfig
from charrnn.context_mixing.contexts import Contexts
from charrnn.context_mixing.counting import count_followers
from charrnn.storage import checkpoint as checkpoints
from charrnn.storage import strict_json
from charrnn.storage.checkpoint import LARGEST_WEIGHT, Checkpoint
from charrnn.storage.manifest import COUNTS
from charrnn.storage.weight_shapes import shapes
from charrnn.vocab import Vocabulary
from tests.reliability.saving import example

Make = Callable[[Path], None]
DIRECTORIES: dict[str, Make] = {}
NAMES = (
    "config.json",
    "model.safetensors",
    "tokenizer.json",
    "generation_config.json",
    "trainer.json",
    "trainer.safetensors",
)


class Touch:
    """Creates a file when unpickled, so that a test can detect unpickling."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def sign(path: Path) -> None:
    """Write a manifest that matches the files."""
    entries = {}
    for name in (*NAMES, COUNTS):
        if (path / name).is_file() and not (path / name).is_symlink():
            data = (path / name).read_bytes()
            entries[name] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    manifest(path, entries)


def manifest(path: Path, entries: Any) -> None:
    digest = hashlib.sha256(json.dumps(entries, sort_keys=True).encode()).hexdigest()
    (path / "manifest.json").write_bytes(strict_json.dumps({"files": entries, "sha256": digest}))


def case(name: str, *, signed: bool = True) -> Callable[[Make], Make]:
    """Register a change to a good checkpoint; with ``signed``, the manifest is updated afterwards."""

    def register(change: Make) -> Make:
        def make(path: Path) -> None:
            checkpoints.write(path, example(7))
            change(path)
            if signed:
                sign(path)

        assert name not in DIRECTORIES
        DIRECTORIES[name] = make
        return change

    return register


def replaced(name: str, file: str, data: bytes | Callable[[Path], bytes]) -> None:
    """A file with other bytes, and a manifest that matches them."""

    @case(name)
    def _(path: Path) -> None:
        (path / file).write_bytes(data if isinstance(data, bytes) else data(path))


def edited(name: str, file: str, change: Callable[[dict[str, Any]], Any]) -> None:
    """A JSON file with a changed value."""

    def data(path: Path) -> bytes:
        value = json.loads((path / file).read_bytes())
        changed = change(value)
        return json.dumps(value if changed is None else changed).encode()

    replaced(name, file, data)


def tensors(
    name: str, change: Callable[[dict[str, Any]], Any], file: str = "model.safetensors"
) -> None:
    """Changed tensors."""

    def data(path: Path) -> bytes:
        found = dict(load((path / file).read_bytes()))
        changed = change(found)
        return save(found if changed is None else changed)

    replaced(name, file, data)


def header(text: str | bytes, length: int | None = None, body: bytes = b"\0" * 64) -> bytes:
    """A safetensors file with this header."""
    raw = text.encode() if isinstance(text, str) else text
    return (len(raw) if length is None else length).to_bytes(8, "little") + raw + body


# Names and kinds of files

for _name in NAMES:

    @case(f"{_name} is a link to the outside", signed=False)
    def _(path: Path, name: str = _name) -> None:
        outside = path.parent / "outside"
        outside.write_bytes((path / name).read_bytes())
        (path / name).unlink()
        (path / name).symlink_to(outside)

    @case(f"{_name} is a pipe", signed=False)
    def _(path: Path, name: str = _name) -> None:
        (path / name).unlink()
        os.mkfifo(path / name)

    @case(f"{_name} is a directory", signed=False)
    def _(path: Path, name: str = _name) -> None:
        (path / name).unlink()
        (path / name).mkdir()

    @case(f"{_name} is a device", signed=False)
    def _(path: Path, name: str = _name) -> None:
        (path / name).unlink()
        (path / name).symlink_to("/dev/zero")

    @case(f"{_name} is missing")
    def _(path: Path, name: str = _name) -> None:
        (path / name).unlink()


for _kind, _make in {"pipe": os.mkfifo, "directory": os.mkdir}.items():

    @case(f"the manifest is a {_kind}", signed=False)
    def _(path: Path, make: Any = _make) -> None:
        (path / "manifest.json").unlink()
        make(path / "manifest.json")


@case("the manifest is an endless device", signed=False)
def _(path: Path) -> None:
    (path / "manifest.json").unlink()
    (path / "manifest.json").symlink_to("/dev/zero")


for _text in (
    "../outside",
    "/etc/passwd",
    "..\\outside",
    "config.json\0",
    "sub/config.json",
    "CONFIG.JSON",
    "__init__.py",
    "model.pt",
):

    @case(f"the manifest lists {_text!r}", signed=False)
    def _(path: Path, text: str = _text) -> None:
        manifest(
            path,
            json.loads((path / "manifest.json").read_bytes())["files"]
            | {text: {"bytes": 1, "sha256": "0" * 64}},
        )


for _size in (
    -1,
    10**18,
    1e300,
    True,
    None,
    "10",
    [10],
    {"bytes": 1},
    "\x1b[2J\nError: all is well" + "x" * 5000,
):

    @case(f"the manifest claims a size of {repr(_size)[:40]}", signed=False)
    def _(path: Path, size: Any = _size) -> None:
        entries = json.loads((path / "manifest.json").read_bytes())["files"]
        entries["model.safetensors"]["bytes"] = size
        manifest(path, entries)


for _size in (10**9, 10**12):

    @case(f"the weights are {_size:,} zero bytes", signed=False)
    def _(path: Path, size: int = _size) -> None:
        os.truncate(path / "model.safetensors", size)

    @case(f"the weights are {_size:,} zero bytes, as the manifest claims", signed=False)
    def _(path: Path, size: int = _size) -> None:
        os.truncate(path / "model.safetensors", size)
        entries = json.loads((path / "manifest.json").read_bytes())["files"]
        entries["model.safetensors"]["bytes"] = size
        manifest(path, entries)


@case("the state is a gigabyte of zero bytes, as the manifest claims", signed=False)
def _(path: Path) -> None:
    os.truncate(path / "trainer.safetensors", 10**9)
    entries = json.loads((path / "manifest.json").read_bytes())["files"]
    entries["trainer.safetensors"]["bytes"] = 10**9
    manifest(path, entries)


@case("the manifest lists nothing", signed=False)
def _(path: Path) -> None:
    manifest(path, {})


@case("the manifest is too long", signed=False)
def _(path: Path) -> None:
    (path / "manifest.json").write_bytes(b" " * (20 << 20))


# JSON

for _file in ("config.json", "tokenizer.json", "generation_config.json", "trainer.json"):
    replaced(f"{_file} is deeply nested", _file, b'{"a":' * 50_000 + b"1" + b"}" * 50_000)
    replaced(f"{_file} has millions of values", _file, b'{"a":[' + b"[]," * 3_000_000 + b"1]}")
    replaced(f"{_file} is not UTF-8", _file, b'{"unit": "\xff"}')
    replaced(f"{_file} is empty", _file, b"")
    replaced(f"{_file} contains NaN", _file, b'{"prime": NaN}')
    replaced(f"{_file} contains 1e999", _file, b'{"prime": 1e999}')
    replaced(
        f"{_file} contains a number of 5,000 digits", _file, b'{"prime": ' + b"9" * 5000 + b"}"
    )
    replaced(f"{_file} is a pickle", _file, b"\x80\x04N.")
    edited(f"{_file} is a list", _file, lambda value: [value])
replaced("a duplicate key", "generation_config.json", b'{"prime": 0, "prime": 1}')
replaced(
    "config.json is 17 MB",
    "config.json",
    lambda path: b" " * (17 << 20) + (path / "config.json").read_bytes(),
)

# The model's sizes

for _key, _value in {
    "hidden_size": 10**9, "num_layers": 10**6, "embedding_size": -1, "copy_window": 10**12, "dropout": 2.0, "cell": "transformer",
}.items():  # fmt: skip
    edited(
        f"{_key} is {_value!r}",
        "config.json",
        lambda value, key=_key, it=_value: value["model"].update({key: it}),
    )
edited(
    "hidden_size is large and wrong",
    "config.json",
    lambda value: value["model"].update(hidden_size=65536),
)
edited("num_layers is wrong", "config.json", lambda value: value["model"].update(num_layers=64))
edited(
    "hidden_size is a string", "config.json", lambda value: value["model"].update(hidden_size="4")
)
edited("hidden_size is true", "config.json", lambda value: value["model"].update(hidden_size=True))
edited("an unknown key of the model", "config.json", lambda value: value["model"].update(heads=8))
edited(
    "another kind of model",
    "config.json",
    lambda value: value.update(model_type="gpt2\x1b[2J\nand a line"),
)
edited(
    "another format", "config.json", lambda value: value.update(format="\x1b]0;title\x07" * 1000)
)
edited("vocab_size is wrong", "config.json", lambda value: value.update(vocab_size=10**9))
edited("vocab_size is a list", "config.json", lambda value: value.update(vocab_size=[3]))

# Metadata

for _key, _value in {
    "step": "7", "val_loss": "low", "corpus": "file.txt", "data": [], "epochs": None, "yardstick": 3, "unigram_loss": "low", "parameters": 1.5, "charrnn": 1,
}.items():  # fmt: skip
    edited(
        f"about: {_key} is {_value!r}",
        "config.json",
        lambda value, key=_key, it=_value: value["about"].update({key: it}),
    )
edited(
    "about: a path that is a number", "config.json", lambda value: value["about"].update(corpus=[1])
)
edited(
    "about: an invalid encoding",
    "config.json",
    lambda value: value["about"].update(data={"codec": "utf-8"}),
)
edited(
    "about: half a yardstick",
    "config.json",
    lambda value: value["about"].update(yardstick={"nats_per_character": 1.0}),
)
edited("about is a list", "config.json", lambda value: value.update(about=[]))

# The vocabulary

for _symbols in ("aab", "", "ab", ["a", "b", "\n"], None, {"a": 1}):
    edited(
        f"the symbols are {_symbols!r}",
        "tokenizer.json",
        lambda value, it=_symbols: value.update(symbols=it),
    )
edited("the unit is a word", "tokenizer.json", lambda value: value.update(unit="word"))
for _prime in (-1, 3, 10**30, 0.0, True, "0", None, [0]):
    edited(
        f"the prime is {_prime!r}",
        "generation_config.json",
        lambda value, it=_prime: value.update(prime=it),
    )

# Tensors

replaced("the header is longer than the file", "model.safetensors", header("{}", length=10**15))
replaced("the header claims 2^64 - 1 bytes", "model.safetensors", header("{}", length=2**64 - 1))
replaced("a header of 50 MB", "model.safetensors", header(b"{" + b" " * (50 << 20) + b"}"))
replaced("the header is deeply nested", "model.safetensors", header("[" * 100_000))
replaced("a tensor overlaps another", "model.safetensors", header(
    json.dumps({name: {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]} for name in "ab"}), body=b"\0" * 16))  # fmt: skip
replaced("a tensor ends beyond the file", "model.safetensors", header(
    json.dumps({"a": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}})))  # fmt: skip
replaced("a tensor has a shape that overflows", "model.safetensors", header(
    json.dumps({"a": {"dtype": "F32", "shape": [2**62, 4], "data_offsets": [0, 0]}}), body=b""))  # fmt: skip
replaced("a tensor of an unknown type", "model.safetensors", header(
    json.dumps({"a": {"dtype": "PICKLE", "shape": [4], "data_offsets": [0, 4]}}), body=b"\0" * 4))  # fmt: skip
replaced(
    "the weights are a pickle",
    "model.safetensors",
    lambda path: pickle.dumps(Touch(path / "touched")),
)
replaced(
    "the weights are a zip file, as torch.save writes",
    "model.safetensors",
    b"PK\x03\x04" + b"\0" * 100,
)
tensors("a weight is NaN", lambda found: found["head.bias"].fill(np.nan))
tensors(
    "a weight is infinite",
    lambda found: found.update({"head.bias": np.full(3, -np.inf, np.float32)}),
)
tensors("a weight is float64", lambda found: found.update({"head.bias": np.zeros(3, np.float64)}))
tensors("a weight is an integer", lambda found: found.update({"head.bias": np.zeros(3, np.int32)}))
tensors(
    "a weight is missing",
    lambda found: {name: found[name] for name in found if name != "head.bias"},
)
tensors(
    "an unexpected weight", lambda found: found.update({"more\x1b[2J\n": np.zeros(3, np.float32)})
)
tensors(
    "a weight of another shape", lambda found: found.update({"head.bias": np.zeros(4, np.float32)})
)
tensors(
    "a weight that is a number", lambda found: found.update({"head.bias": np.zeros((), np.float32)})
)
tensors("no weights at all", lambda found: {})
tensors(
    "ten thousand small weights",
    lambda found: {f"w{number}": np.zeros(1, np.float32) for number in range(10_000)},
)
replaced(
    "the state of the trainer is a pickle",
    "trainer.safetensors",
    lambda path: pickle.dumps(Touch(path / "touched")),
)
replaced(
    "the header of the state is longer than the file",
    "trainer.safetensors",
    header("{}", length=10**15),
)
replaced("the header of the state is deeply nested", "trainer.safetensors", header("[" * 100_000))


# Counts


def counted(name: str, *, signed: bool = True) -> Callable[[Make], Make]:
    """Register a change to a good checkpoint with counts."""

    def register(change: Make) -> Make:
        def make(path: Path) -> None:
            vocabulary = Vocabulary.of("\nab")
            ids = vocabulary.encode("abba ba".replace(" ", "\n") * 20)
            table = count_followers(Contexts(vocabulary), ids).table
            checkpoints.write(path, replace(opened(vocabulary, {}, counts=1), table=table))
            change(path)
            if signed:
                sign(path)

        assert name not in DIRECTORIES
        DIRECTORIES[name] = make
        return change

    return register


@counted("the counts are a link to the outside", signed=False)
def _(path: Path) -> None:
    (path / COUNTS).rename(path.parent / "outside")
    (path / COUNTS).symlink_to(path.parent / "outside")


@counted("the counts are a pipe", signed=False)
def _(path: Path) -> None:
    (path / COUNTS).unlink()
    os.mkfifo(path / COUNTS)


@counted("the counts are a device", signed=False)
def _(path: Path) -> None:
    (path / COUNTS).unlink()
    (path / COUNTS).symlink_to("/dev/zero")


@counted("the counts are missing")
def _(path: Path) -> None:
    (path / COUNTS).unlink()


@counted("the counts are a gigabyte of zero bytes, as the manifest claims", signed=False)
def _(path: Path) -> None:
    os.truncate(path / COUNTS, 1 << 30)
    entries = json.loads((path / "manifest.json").read_bytes())["files"]
    entries[COUNTS]["bytes"] = 1 << 30
    manifest(path, entries)


@counted("the counts are a pickle")
def _(path: Path) -> None:
    (path / COUNTS).write_bytes(pickle.dumps(Touch(path / "touched")))


def changed_counts(name: str, array: str, place: int, value: int) -> None:
    @counted(name)
    def _(path: Path) -> None:
        found = dict(load((path / COUNTS).read_bytes()))
        found[array][place] = value
        (path / COUNTS).write_bytes(save(found))


changed_counts("followers that begin far beyond the end", "starts", 3, 2**32 - 1)
changed_counts("a follower outside of the vocabulary", "symbols", 3, 255)
changed_counts("a count of 0", "counts", 3, 0)
changed_counts("contexts out of order", "contexts", 3, 2**32 - 1)


# Well-formed


def opened(
    vocabulary: Vocabulary,
    about: dict[str, Any],
    change: Callable[[dict[str, Any]], Any] = lambda weights: None,
    **sizes: Any,
) -> Checkpoint:
    """A checkpoint of a random network, with its weights changed."""
    config = ModelConfig(**{"hidden_size": 4, "num_layers": 1, "embedding_size": 2, **sizes})
    rng = np.random.default_rng(0)
    weights = {
        name: rng.standard_normal(shape).astype(np.float32)
        for name, shape in shapes(config, len(vocabulary)).items()
    }
    change(weights)
    prime = vocabulary.end if vocabulary.records else 0
    return Checkpoint(vocabulary, config, weights, prime, {"step": 1, "steps": 1, **about})


def strange_counts(change: Callable[[dict[str, Any]], Any]) -> Checkpoint:
    """A checkpoint with counts whose contexts have the same follower several times, and often."""
    ids = TEXT.encode("abba\nba" * 20)
    table = count_followers(Contexts(TEXT), ids).table
    symbols = np.zeros_like(table.symbols)
    counts = np.full_like(table.counts, 2**16 - 1)
    table = replace(table, symbols=symbols, counts=counts)
    return replace(opened(TEXT, {}, change, counts=1), table=table)


TEXT, RECORDS = Vocabulary.of("\nab"), Vocabulary("char", "ab", records=True)
LONG = {"records": {"train": 1, "val": 1, "lengths": [65_536] * 5}}
MEDIUM = {"records": {"train": 1, "val": 1, "lengths": [600] * 5}}
BIG = np.float32(LARGEST_WEIGHT)
OPENED: dict[str, Checkpoint] = {
    "records that never end": opened(RECORDS, LONG, lambda weights: weights["head.bias"].__setitem__(-1, -BIG)),
    "records of bytes that never end": opened(
        Vocabulary("byte", records=True), LONG, lambda weights: weights["head.bias"].__setitem__(-1, -BIG)
    ),
    "empty records": opened(RECORDS, LONG, lambda weights: weights["head.bias"].__setitem__(-1, BIG)),
    "records without a count": opened(RECORDS, {}),
    "records with a long separator": opened(RECORDS, MEDIUM | {"data": {"separator": "ab" * 500}}),
    "records with a letter for a separator": opened(RECORDS, MEDIUM | {"data": {"separator": "a"}}),
    "large weights": opened(TEXT, {}, lambda weights: [weight.fill(BIG) for weight in weights.values()], copy_window=2**20),
    "large weights of either sign": opened(TEXT, {}, lambda weights: [weight.__imul__(BIG / 8) for weight in weights.values()]),
    "large weights of a GRU": opened(TEXT, {}, lambda weights: [weight.__imul__(BIG / 8) for weight in weights.values()], cell="gru"),
    "a large bias": opened(TEXT, {}, lambda weights: weights["head.bias"].__setitem__(slice(None), [BIG, -BIG, BIG])),
    "large claims": opened(TEXT, {
        "step": -5, "steps": 10**38, "epochs": 1e308, "train_characters": 10**38, "val_characters": -(10**38), "val_loss": 1e308,
        "parameters": -1, "yardstick": {"nats_per_character": 1e308, "train_characters": 10**38, "val_characters": 0}, "unigram_loss": 1e308,
    }),
    "claims of zero": opened(TEXT, {
        "val_loss": 0, "epochs": 0, "yardstick": {"nats_per_character": 0, "train_characters": 0, "val_characters": 0}, "unigram_loss": -1e308,
    }),
    "characters that move the cursor": opened(Vocabulary("char", "\x1b\x07\n"), {}),
    "followers that occur twice": strange_counts(lambda weights: None),
    "counts and large weights": strange_counts(lambda weights: [weight.__imul__(BIG / 8) for weight in weights.values()]),
    "impossible paths": opened(TEXT, {"corpus": ["a\0b", "x" * 5000, "\ud800", "/dev/zero"]}),
}  # fmt: skip
edited("half a surrogate pair", "tokenizer.json", lambda value: value.update(symbols="\n\ud800b"))
edited(
    "a separator of half a surrogate pair",
    "config.json",
    lambda value: value["about"].update(data={"separator": "\ud800"}),
)
edited(
    "a separator of a megabyte",
    "config.json",
    lambda value: value["about"].update(data={"separator": "a" * 10**6}),
)
edited("records of a billion characters", "config.json", lambda value: value["about"].update(
    records={"train": 1, "val": 1, "lengths": [1 << 30] * 5}))  # fmt: skip
tensors(
    "a weight so large that it would overflow",
    lambda found: found.update({"head.bias": np.full(3, -1e30, np.float32)}),
)
