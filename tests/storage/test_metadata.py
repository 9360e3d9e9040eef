"""The metadata of a model: every entry has the right type or is refused."""

from typing import Any

import pytest

from charrnn.storage.metadata import ABOUT, checked_metadata


def test_missing_metadata_gets_its_default() -> None:
    assert checked_metadata({}) == {name: default for name, (default, _) in ABOUT.items()}
    assert checked_metadata({"val_loss": 1.5, "corpus": ["a.txt"]}) == checked_metadata({}) | {
        "val_loss": 1.5,
        "corpus": ["a.txt"],
    }


def test_unknown_metadata_is_dropped() -> None:
    assert checked_metadata({"heads": 8}) == checked_metadata({})


@pytest.mark.parametrize(
    "said",
    [
        None, [], {"step": "7"}, {"step": 7.0}, {"step": True}, {"corpus": "a.txt"}, {"corpus": [1]}, {"data": {"codec": "utf-8"}},
        {"data": {"unit": "word"}}, {"yardstick": {}}, {"yardstick": {"nats_per_character": 1.0}}, {"val_loss": "low"},
        {"from": "base"}, {"from": {"name": "base"}}, {"from": {"name": "base", "step": 1, "sha256": 7, "val_loss": None}},
    ],
    ids=str,
)  # fmt: skip
def test_metadata_of_the_wrong_type_is_refused(said: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        checked_metadata(said)
