"""The paths that a shell expanded a wildcard to become that wildcard again."""

import locale
import shlex
import subprocess
from pathlib import Path

import pytest

from charrnn.cli.short_paths import is_long, wildcard


@pytest.fixture(autouse=True)
def _here(here: Path) -> None:
    for directory in ("poems", "my poems"):
        Path(directory).mkdir()
        for name in ("a.txt", "b.txt", "c d.txt", ".hidden.txt", "a.md"):
            (Path(directory) / name).touch()
    Path("two.txt").touch()
    Path("one.txt").touch()


def expanded(pattern: str) -> list[str]:
    """What a shell makes of a pattern."""
    done = subprocess.run(
        ["bash", "-c", f"printf '%s\\0' {pattern}"], capture_output=True, text=True, check=True
    )
    return done.stdout.split("\0")[:-1]


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("poems/*.txt", "poems/*.txt"),
        ("poems/*", "poems/*"),
        ("poems/*.md", "poems/*.md"),
        ("'my poems'/*.txt", "'my poems/'*.txt"),
        ("$PWD/poems/*.txt", "{here}/poems/*.txt"),
        ("./*.txt", "./*.txt"),
        ("*.txt", "*.txt"),
        ("poems/[ab].txt", None),
        ("poems/*.txt one.txt", None),
        ("two.txt one.txt", None),  # in another order
    ],
)
def test_a_wildcard_is_shown_if_it_gives_the_same_paths(
    typed: str, shown: str | None, here: Path
) -> None:
    paths = expanded(typed)
    pattern = wildcard(paths)
    assert pattern == (shown.format(here=shlex.quote(str(here))) if shown else None)
    if pattern:
        assert expanded(pattern) == paths


def test_a_wildcard_is_not_taken_for_an_option() -> None:
    Path("-one.txt").touch()
    pattern = wildcard(["-one.txt", "one.txt", "two.txt"])
    assert pattern == "./*.txt"
    assert expanded(pattern) == ["./-one.txt", "./one.txt", "./two.txt"]


def test_the_locale_of_the_process_is_unchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    locale.setlocale(locale.LC_COLLATE, "C")
    assert wildcard(["two.txt", "one.txt"]) is None
    assert locale.setlocale(locale.LC_COLLATE) == "C"


@pytest.mark.parametrize(
    ("paths", "long"),
    [([], False), (["a" * 300], False), (["a.txt"] * 33, False), (["a.txt"] * 34, True)],
)
def test_paths_of_more_than_200_characters_are_long_unless_it_is_one(
    paths: list[str], long: bool
) -> None:
    assert is_long(paths) == long  # "a.txt " is six characters
