"""The loss on a file is that of its text as it is read, with what was changed said."""

from pathlib import Path

import pytest

import charrnn
from charrnn.config.run_config import DataConfig
from charrnn.errors import CheckpointError, CorpusError, VocabularyError
from charrnn.originality.open_index import open_index
from charrnn.storage.run import Run
from charrnn.training.evaluate import Evaluation
from charrnn.training.evaluate_file import Skipped, evaluate_file
from charrnn.vocab import Vocabulary
from tests.training.test_evaluate import cells, nats, network, saved

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return saved(tmp_path / "model", network())


def write(tmp_path: Path, content: bytes) -> str:
    file = tmp_path / "file.txt"
    file.write_bytes(content)
    return str(file)


def expected(model: Path, written: str) -> Evaluation:
    scores = charrnn.load(model).score(written)
    return Evaluation(len(scores), pytest.approx(-scores.mean(), abs=1e-5))


@cells
def test_the_loss_of_a_file_is_the_mean_score_of_its_text(cell: str, tmp_path: Path) -> None:
    model = saved(tmp_path / "model", network(cell), cell=cell)
    seen: list[int] = []
    found, _, notices = evaluate_file(
        model,
        write(tmp_path, b"abc d\xc3\xa9\nabba\n"),
        DataConfig(),
        "error",
        on_progress=seen.append,
    )
    assert found == expected(model, "abc dé\nabba\n")
    assert (notices, seen) == ((), [12])


def test_an_unknown_character_of_a_file_is_an_error(model: Path, tmp_path: Path) -> None:
    with pytest.raises(VocabularyError) as error:
        evaluate_file(model, write(tmp_path, b"abX"), DataConfig(), "error")
    assert str(error.value) == (
        "the model has not seen the character 'X' (U+0058, LATIN CAPITAL LETTER X), at position 3 of the text; "
        'leave it out with `unknown="skip"`'
    )


def test_an_unknown_character_is_left_out_and_said(model: Path, tmp_path: Path) -> None:
    found, skipped, notices = evaluate_file(
        model, write(tmp_path, b"aXbXY\n"), DataConfig(), "skip"
    )
    assert found == expected(model, "ab\n")
    assert skipped == Skipped(3, 0.5, 0, (("X", 2), ("Y", 1)))
    assert notices == ()


def test_an_unknown_character_is_replaced_and_said(model: Path, tmp_path: Path) -> None:
    found, _, notices = evaluate_file(model, write(tmp_path, b"aB\n"), DataConfig(), "replace")
    assert found == expected(model, "ab\n")
    assert notices == (
        "wrote 'b' instead of 'B': the model does not know 'B' (U+0042, LATIN CAPITAL LETTER B)",
    )


def test_a_file_of_which_nothing_is_left_is_an_error(model: Path, tmp_path: Path) -> None:
    file = write(tmp_path, b"XYZ")
    with pytest.raises(CorpusError) as error:
        evaluate_file(model, file, DataConfig(), "skip")
    assert (
        str(error.value)
        == f"nothing is left of {file}: it is empty, or the model knows none of its characters; give another text"
    )


def test_what_there_is_to_say_of_the_reading_comes_first(model: Path, tmp_path: Path) -> None:
    file = write(tmp_path, b"\xef\xbb\xbfaB\n")
    found, _, notices = evaluate_file(model, file, DataConfig(), "replace")
    assert found == expected(model, "ab\n")
    assert notices == (
        f"{file} begins with a byte order mark, which was left out",
        "wrote 'b' instead of 'B': the model does not know 'B' (U+0042, LATIN CAPITAL LETTER B)",
    )


def test_a_file_is_read_as_the_data_knobs_say(model: Path, tmp_path: Path) -> None:
    found, *_ = evaluate_file(
        model, write(tmp_path, b"\xe9ab\r\n"), DataConfig(encoding="cp1252", newlines="lf"), "error"
    )
    assert found == expected(model, "éab\n")


def test_a_model_of_bytes_counts_bytes_whatever_they_are(tmp_path: Path) -> None:
    model = saved(tmp_path / "model", network(vocab_size=256), Vocabulary("byte"), prime=10)
    found, _, notices = evaluate_file(
        model, write(tmp_path, b"ab\xff\x00\xc3\xa9"), DataConfig(unit="byte"), "error"
    )
    assert found.characters == 6
    assert found.nats_per_character == pytest.approx(
        nats(network(vocab_size=256), [10, 97, 98, 255, 0, 195], list(b"ab\xff\x00\xc3\xa9")) / 6
    )
    assert notices == ()


def test_a_model_of_bytes_reads_a_text_as_its_utf_8(tmp_path: Path) -> None:
    model = saved(tmp_path / "model", network(vocab_size=256), Vocabulary("byte"), prime=10)
    file = write(tmp_path, "abé€".encode())
    assert evaluate_file(model, file, DataConfig(), "error") == evaluate_file(
        model, file, DataConfig(unit="byte"), "error"
    )


def test_raw_bytes_are_refused_by_a_model_of_characters(model: Path, tmp_path: Path) -> None:
    with pytest.raises(VocabularyError) as error:
        evaluate_file(model, write(tmp_path, b"abc"), DataConfig(unit="byte"), "error")
    assert (
        str(error.value)
        == "`text` must be a string for a vocabulary of characters, got 3 bytes; decode them first"
    )


def test_a_file_that_is_not_there_and_a_model_that_is_not_there_are_errors(
    model: Path, tmp_path: Path
) -> None:
    with pytest.raises(CorpusError):
        evaluate_file(model, str(tmp_path / "none.txt"), DataConfig(), "error")
    with pytest.raises(CheckpointError):
        evaluate_file(tmp_path / "none", write(tmp_path, b"abc"), DataConfig(), "error")


def test_characters_too_rare_to_be_learned_are_treated_as_in_training(here: Path) -> None:
    """In evaluation, in a prompt, in the index of the corpus, and after resuming."""
    text = "the cat sat on the mat\n" * 30 + "the c\u00e4t \u2603 Sat\n"
    Path("a.txt").write_text(text)
    knobs = {"hidden_size": 8, "num_layers": 1, "dropout": 0.0, "steps": 2, "threads": 1}
    model = charrnn.train("a.txt", min_count=3, sample_every=None, **knobs)
    assert model.vocabulary.symbols == "\n acehmnost"
    assert dict(model.vocabulary.replaced) == {"\u00e4": "a", "\u2603": "", "S": "s"}
    Path("b.txt").write_text("the c\u00e4t \u2603 Sat\n")
    Path("c.txt").write_text("the cat  sat\n")
    run = Path("checkpoints/a")
    found, skipped, _ = evaluate_file(Run(run).best(), "b.txt", DataConfig(), "skip")
    assert found == evaluate_file(Run(run).best(), "c.txt", DataConfig(), "skip").evaluation
    assert skipped.characters == 0
    prompted = model.generate("the c\u00e4t\u2603", length=20, seed=1)
    assert prompted == model.generate("the cat", length=20, seed=1)
    index = open_index(Run(run).best(), lambda notice: None)
    assert index.text == text.replace("\u00e4", "a").replace("\u2603", "").replace("S", "s")
    charrnn.train("a.txt", resume=True, steps=4)
    assert charrnn.load("a").vocabulary == model.vocabulary
