"""Shared by the tests of counts."""

import pytest

from charrnn.context_mixing import counting


@pytest.fixture
def unlimited(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables of any size, so that a context is left out only because it is rare."""
    monkeypatch.setattr(counting, "MAX_BYTES_PER_SYMBOL", 10**6)
