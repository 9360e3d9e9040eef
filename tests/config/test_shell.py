"""Printed commands can be pasted into a shell."""

import pytest

from charrnn.config.shell import command, option


@pytest.mark.parametrize(
    ("words", "arguments", "flags", "expected"),
    [
        (["sample"], ["poems"], [], "charrnn sample poems"),
        (
            ["sample"],
            ["two words"],
            ["--runs-dir", "it's"],
            "charrnn sample 'two words' --runs-dir 'it'\"'\"'s'",
        ),
        (["sample"], ["-dash"], ["--runs-dir", "runs"], "charrnn sample --runs-dir runs -- -dash"),
        (["train"], ["-"], ["--resume"], "charrnn train - --resume"),
        (["train"], ["a.txt", "-b.txt"], [], "charrnn train -- a.txt -b.txt"),
        (
            ["train", "--resume"],
            [],
            option("--name", "-dash"),
            "charrnn train --resume --name=-dash",
        ),
        (
            ["train", "--resume"],
            [],
            option("--name", "poems"),
            "charrnn train --resume --name poems",
        ),
    ],
)
def test_a_shell_parses_a_command_as_intended(
    words: list[str], arguments: list[str], flags: list[str], expected: str
) -> None:
    assert command(words, arguments, flags) == expected
