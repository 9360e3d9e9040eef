"""No command writes over what it reads, nor two outputs into one file, whatever the paths are
called."""

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from charrnn.cli.main import cli
from charrnn.config.run_config import ModelConfig
from charrnn.storage import checkpoint as checkpoints
from charrnn.storage.checkpoint import Checkpoint
from charrnn.storage.weight_shapes import shapes
from charrnn.vocab import Vocabulary

CORPUS = "abc abc\n" * 20


def run(words: str) -> Result:
    return CliRunner().invoke(cli, words.split())


@pytest.fixture
def home(here: Path) -> Path:
    """A run ``abc`` of ``corpus.txt`` and of the directory ``texts``, and files to read."""
    vocabulary, config = (
        Vocabulary.of(CORPUS),
        ModelConfig(hidden_size=2, num_layers=1, embedding_size=2),
    )
    weights = {
        name: np.zeros(shape, np.float32) for name, shape in shapes(config, len(vocabulary)).items()
    }
    about = {"corpus": ["corpus.txt", "texts"], "train_characters": 320, "step": 1}
    checkpoints.write(
        here / "checkpoints/abc/step-00000001", Checkpoint(vocabulary, config, weights, 0, about)
    )
    (here / "checkpoints/abc/config.yaml").write_text("corpus: [corpus.txt, texts]\n")
    (here / "texts").mkdir()
    for name in ("corpus.txt", "texts/more.txt", "prompt.txt", "other.txt"):
        (here / name).write_text(CORPUS)
    (here / "link").symlink_to("corpus.txt")
    (here / "to-prompt").symlink_to("prompt.txt")
    (here / "hard").hardlink_to(here / "corpus.txt")
    return here


def contents(home: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(home)): path.read_bytes() for path in home.rglob("*") if path.is_file()
    }


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            "sample abc --output f --save-state f",
            "--save-state would overwrite f, which is also the file of --output",
        ),
        (
            "sample abc --output f --save-state ./f",
            "--save-state would overwrite ./f, which is also the file of --output",
        ),
        (
            "sample abc --output corpus.txt",
            "--output would overwrite corpus.txt, which is also the corpus of the run",
        ),
        (
            "sample abc --output link",
            "--output would overwrite link, which is also the corpus of the run",
        ),
        (
            "sample abc --output hard",
            "--output would overwrite hard, which is also the corpus of the run",
        ),
        (
            "sample abc --output texts/more.txt",
            "--output would overwrite texts/more.txt, which is also the corpus of the run",
        ),
        (
            "sample abc --save-state corpus.txt",
            "--save-state would overwrite corpus.txt, which is also the corpus of the run",
        ),
        (
            "sample abc --originality --corpus other.txt --output other.txt",
            "--output would overwrite other.txt, which is also the corpus of the run",
        ),
        (
            "sample abc --prompt-file prompt.txt --output prompt.txt",
            "--output would overwrite prompt.txt, which is also the file of --prompt-file",
        ),
        (
            "sample abc --prompt-file prompt.txt --output to-prompt",
            "--output would overwrite to-prompt, which is also the file of --prompt-file",
        ),
        (
            "sample abc --prompt-file prompt.txt --save-state to-prompt",
            "--save-state would overwrite to-prompt, which is also the file of --prompt-file",
        ),
        (
            "sample abc --adapt-to prompt.txt --output prompt.txt",
            "--output would overwrite prompt.txt, which is also the file of --adapt-to",
        ),
        (
            "sample abc --load-state prompt.txt --output prompt.txt",
            "--output would overwrite prompt.txt, which is also the file of --load-state",
        ),
        (
            "sample abc --output checkpoints/abc/config.yaml",
            "--output would overwrite checkpoints/abc/config.yaml, which belongs to a run",
        ),
        (
            "sample abc --output checkpoints/abc/step-00000001/tokenizer.json",
            "--output would overwrite checkpoints/abc/step-00000001/tokenizer.json, which belongs to a run",
        ),
        (
            "originality abc prompt.txt --html prompt.txt",
            "--html would overwrite prompt.txt, which is also FILE",
        ),
        (
            "originality abc prompt.txt --html link",
            "--html would overwrite link, which is also the corpus of the run",
        ),
    ],
)
def test_an_output_that_would_overwrite_something_is_refused(
    words: str, message: str, home: Path
) -> None:
    before = contents(home)
    result = run(words)
    assert (result.exit_code, result.stdout, result.stderr) == (
        2,
        "",
        f"Error: {message}; give another file\n",
    )
    assert contents(home) == before


def test_outputs_of_their_own_are_written(home: Path) -> None:
    """The corpus's own name too, where there is no such file, as with a model from somebody
    else."""
    (home / "corpus.txt").unlink()
    assert run("sample abc -n 5 --output corpus.txt --save-state state").exit_code == 0
    assert (
        run(
            "sample abc -n 5 --output texts/new.txt --load-state state --save-state state"
        ).exit_code
        == 0
    )
    assert [len((home / name).read_text()) for name in ("corpus.txt", "texts/new.txt")] == [6, 6]


def test_a_device_may_be_two_outputs(home: Path) -> None:
    result = run("sample abc -n 5 --output /dev/null --save-state /dev/null")
    assert result.exit_code == 0
    assert result.stderr.endswith(
        "wrote the state to /dev/null, which does not keep it; give a file to continue from\n"
    )
