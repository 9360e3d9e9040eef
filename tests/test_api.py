"""charrnn.train: from a text to a model in one call, in silence."""

import gc
import os
import signal
import subprocess
import sys
import weakref
from pathlib import Path
from typing import Any

import pytest
import torch

import charrnn
from charrnn import api
from charrnn.config.run_config import run_knobs
from charrnn.errors import CharRNNError, ConfigError, CorpusError
from charrnn.generation.network import Network
from charrnn.storage.run import Run
from charrnn.training.model import CELLS
from charrnn.training.trainer import Report

pytestmark = pytest.mark.usefixtures("one_thread")

TEXT = "Now is the time, said the clock; then is the time, said the bell.\n" * 14
# All that the plan would choose is given, so that no speed is measured for a second.
KNOBS: dict[str, Any] = {
    "steps": 4, "batch_size": 4, "sequence_length": 20, "hidden_size": 8, "num_layers": 1, "embedding_size": 4, "dropout": 0.1,
    "threads": 1, "device": "cpu", "precision": "fp32",
}  # fmt: skip


def weights(model: charrnn.TextModel) -> bytes:
    assert model.path is not None
    return (model.path / "model.safetensors").read_bytes()


@pytest.mark.parametrize("cell", CELLS)
def test_a_path_becomes_a_model_that_writes(cell: str, corpus: Path) -> None:
    model = charrnn.train("corpus.txt", cell=cell, **KNOBS)
    assert isinstance(model, charrnn.TextModel)
    assert model.vocabulary == charrnn.Vocabulary.of(TEXT)
    assert model.path == Path("checkpoints/corpus/step-00000004")
    assert len(model.generate("Now", length=30, seed=1)) == 30


def test_a_path_a_path_object_and_a_list_of_one_are_the_same(corpus: Path) -> None:
    models = [
        charrnn.train(path, name=str(number), **KNOBS)
        for number, path in enumerate(("corpus.txt", corpus, [corpus], ("corpus.txt",)))
    ]
    assert len({weights(model) for model in models}) == 1


def test_a_list_of_paths_is_one_text_in_their_order(here: Path) -> None:
    (here / "one.txt").write_text("abc\n" * 100)
    (here / "two.txt").write_text("cde\n" * 50)
    model = charrnn.train([here / "two.txt", "one.txt"], **KNOBS)
    assert model.path is not None
    assert model.path.parent == Path("checkpoints/two")
    assert weights(model) == weights(charrnn.train(text="cde\n" * 50 + "abc\n" * 100, **KNOBS))


def test_a_text_is_the_same_as_a_file_of_it(corpus: Path) -> None:
    assert weights(charrnn.train(text=TEXT, **KNOBS)) == weights(charrnn.train(corpus, **KNOBS))


def test_bytes_of_a_text_are_the_same_as_the_text_read_as_bytes(here: Path) -> None:
    one, other = (
        charrnn.train(text=TEXT.encode(), unit="byte", **KNOBS),
        charrnn.train(text=TEXT, unit="byte", name="other", **KNOBS),
    )
    assert one.vocabulary == charrnn.Vocabulary("byte")
    assert weights(one) == weights(other)


def test_the_callback_gets_one_report_a_step_and_the_final_loss(corpus: Path) -> None:
    seen: list[Report] = []
    model = charrnn.train(corpus, on_report=seen.append, **KNOBS)
    assert [report.step for report in seen] == [1, 2, 3, 4, 4]
    assert [report.final is not None for report in seen] == [False, False, False, False, True]
    assert seen[-1].final is not None
    assert seen[-1].final.characters == 93  # the last tenth of 924
    assert seen[-1].final.nats_per_character == pytest.approx(
        -model.score(TEXT[-93:]).mean(), abs=1e-5
    )


def test_a_report_has_a_sample_now_and_then_and_it_is_what_the_model_writes_then(
    corpus: Path,
) -> None:
    seen: list[Report] = []
    charrnn.train(
        corpus,
        on_report=seen.append,
        **KNOBS | {"sample_every": 2, "save_every": 2, "steps": 5, "keep": 9},
    )
    assert [report.step for report in seen if report.sample is not None] == [2, 4]
    for report in seen:
        if report.sample is not None:
            assert report.saved is not None
            assert report.sample == charrnn.load(report.saved).generate(
                length=200, seed=report.step
            )


def test_without_samples_there_is_none(corpus: Path) -> None:
    seen: list[Report] = []
    charrnn.train(corpus, on_report=seen.append, **KNOBS | {"sample_every": None})
    assert all(report.sample is None for report in seen)


def test_notices_are_told(here: Path) -> None:
    # 100 characters, 90 to learn from: five lanes would have 18, two have 45
    (here / "corpus.txt").write_bytes(b"\xef\xbb\xbf" + TEXT[:100].encode())
    said: list[str] = []
    charrnn.train(
        "corpus.txt",
        on_notice=said.append,
        **KNOBS | {"batch_size": 5, "dropout": 0.1, "num_layers": 2},
    )
    assert said == [
        "corpus.txt begins with a byte order mark, which was left out",
        "the training text of 90 characters is too short for batches of 5 x 20 characters; "
        "using `batch_size=2` and `sequence_length=20`",
    ]


def test_nothing_is_printed(corpus: Path, capfd: pytest.CaptureFixture[str]) -> None:
    charrnn.train(corpus, **KNOBS | {"batch_size": 400})
    assert capfd.readouterr() == ("", "")


def test_the_model_is_the_best_checkpoint_and_not_the_last(here: Path) -> None:
    # every step makes the symbols of the validation text, which are never seen, less likely
    model = charrnn.train(
        text="ab" * 90 + "cd" * 10,
        eval_every=1,
        patience=None,
        copy_window=None,
        **KNOBS,
    )
    assert [path.name for path in Run(Path("checkpoints/text")).steps()] == [
        f"step-0000000{step}" for step in (1, 2, 3, 4)
    ]
    assert model.path == Path("checkpoints/text/step-00000001")
    assert model.about["step"] == 1


# Runs


def test_a_run_that_exists_is_refused_overwritten_or_gone_on_with(corpus: Path) -> None:
    first = weights(charrnn.train(corpus, **KNOBS))
    with pytest.raises(charrnn.RunExistsError):
        charrnn.train(corpus, **KNOBS)
    assert weights(charrnn.train(corpus, overwrite=True, **KNOBS)) == first
    seen: list[Report] = []
    model = charrnn.train(corpus, resume=True, steps=6, on_report=seen.append)
    assert [report.step for report in seen] == [5, 6, 6]
    assert model.path == Path("checkpoints/corpus/step-00000006")


def test_an_exception_of_the_callback_passes_and_what_was_set_in_pytorch_comes_back(
    corpus: Path,
) -> None:
    def stop(report: Report) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        charrnn.train(corpus, on_report=stop, **KNOBS | {"threads": 2})
    assert (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()) == (1, False)


@pytest.mark.parametrize("precision", ["fp32", pytest.param("bf16", marks=pytest.mark.bf16)])
def test_training_leaves_the_global_generator_and_the_threads_as_they_were(
    precision: str, corpus: Path
) -> None:
    generator = torch.get_rng_state()
    charrnn.train(corpus, **KNOBS | {"precision": precision, "dropout": 0.3, "threads": 2})
    assert torch.get_num_threads() == 1
    assert torch.equal(torch.get_rng_state(), generator)


# Refusals


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"hiden_size": 8}, "unknown option 'hiden_size'; did you mean hidden_size?"),
        ({"lr": 0.1}, "unknown option 'lr'; the options are: corpus, " + ", ".join(run_knobs())),
        ({"learning_rate": 0}, "`learning_rate` must be a number above 0 and at most 100, got 0"),
        (
            {"learning_rate": float("nan")},
            "`learning_rate` must be a number above 0 and at most 100, got nan",
        ),
        (
            {"steps": "4"},
            "`steps` must be a whole number from 1 to 1,000,000,000, or none; got '4'",
        ),
        (
            {"steps": True},
            "`steps` must be a whole number from 1 to 1,000,000,000, or none; got True",
        ),
        ({"cell": "lstn"}, "`cell` must be one of lstm, gru, rnn, got 'lstn'"),
        ({"minutes": 1}, "`minutes` and `steps` cannot both be given, got 1 and 4"),
        ({"text": TEXT}, "`corpus` and `text` cannot both be given; leave one of them out"),
    ],
)
def test_an_impossible_knob_is_refused_by_name(
    knobs: dict[str, Any], message: str, corpus: Path
) -> None:
    with pytest.raises(charrnn.ConfigError) as error:
        charrnn.train(corpus, **KNOBS | knobs)
    assert str(error.value) == message
    assert not Path("checkpoints").exists()


@pytest.mark.parametrize("given", [{}, {"path": []}])
def test_no_corpus_is_an_error(given: dict[str, Any], here: Path) -> None:
    with pytest.raises(charrnn.CorpusError) as error:
        charrnn.train(**given, **KNOBS)
    assert (
        str(error.value)
        == "no corpus was given; give a text file, a directory of *.txt files, or - for standard input"
    )


@pytest.mark.parametrize("text", ["", "abc", b"", b"abc"])
def test_a_text_too_small_is_an_error_with_the_numbers(text: str | bytes, here: Path) -> None:
    with pytest.raises(charrnn.CorpusError) as error:
        charrnn.train(text=text, **KNOBS)
    assert (
        str(error.value)
        == f"the corpus must have at least 4 characters, got {len(text)}; give more text"
    )


def test_only_the_path_is_given_without_its_name(corpus: Path) -> None:
    with pytest.raises(TypeError):
        charrnn.train(corpus, TEXT)  # type: ignore[misc]


def test_ctrl_c_in_python_saves_the_step_and_goes_on_with_resume(corpus: Path) -> None:
    def interrupt(report: Report) -> None:
        if report.step == 3:
            os.kill(os.getpid(), signal.SIGINT)

    knobs: dict[str, Any] = {
        "steps": 6,
        "hidden_size": 8,
        "num_layers": 1,
        "dropout": 0.1,
        "embedding_size": 4,
        "save_every": None,
        "eval_every": None,
        "threads": 1,
    }
    with pytest.raises(KeyboardInterrupt):
        charrnn.train(corpus, on_report=interrupt, **knobs)
    assert [path.name for path in Path("checkpoints/corpus").glob("step-*")] == ["step-00000003"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert charrnn.train(corpus, resume=True).about["step"] == 6


def test_a_callback_that_gives_false_saves_and_stops(corpus: Path) -> None:
    knobs: dict[str, Any] = {
        "steps": 6,
        "hidden_size": 8,
        "num_layers": 1,
        "dropout": 0.1,
        "embedding_size": 4,
        "save_every": None,
        "eval_every": None,
        "threads": 1,
    }
    model = charrnn.train(corpus, on_report=lambda report: report.step < 2, **knobs)
    assert model.about["step"] == 2


def test_records_from_a_text_in_hand_or_a_file(here: Path) -> None:
    names = ["ana", "ann", "bea", "ben", "bo", "cato", "dan", "eda"]
    (here / "names.txt").write_text("\r\n".join(names))
    knobs = KNOBS | {"separator": "\n", "sample_every": 2}
    said: list[Report] = []
    model = charrnn.train("names.txt", on_report=said.append, **knobs)
    again = charrnn.train(text="\n".join(names), name="again", **knobs)
    assert weights(model) == weights(again)
    assert model.vocabulary == charrnn.Vocabulary("char", "abcdenot", records=True)
    assert model.prime == model.vocabulary.end
    assert model.seen_records == again.seen_records == frozenset(names)
    assert model.about["records"] == {"train": 7, "val": 1, "lengths": [2, 3, 3, 3, 4]}
    samples = [report.sample for report in said if report.sample is not None]
    assert len(samples) == 2
    assert all(sample.count("\n") == 4 for sample in samples)
    assert len(list(model.records(5, unique=True, temperature=2, seed=1))) == 5


# Wrong types


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"path": b"p12.txt"}, "`corpus` must be a string or a Path, got b'p12.txt'"),
        ({"path": 5}, "`corpus` must be a string or a Path, got 5"),
        ({"path": ["a.txt", 5]}, "`corpus` must be a string or a Path, got 5"),
        ({"path": "a\0b"}, "`corpus` must not contain a NUL character, got 'a\\x00b'"),
        ({"path": "\ud800"}, "`corpus` must not contain half a surrogate pair, got '\\ud800'"),
        ({"text": 5}, "`text` must be a string or bytes, got int"),
        ({"text": "abc", "on_report": 5}, "`on_report` must be a function, got 5"),
        ({"text": "abc", "on_notice": "tell"}, "`on_notice` must be a function, got 'tell'"),
        ({"text": "abc", "runs_dir": 5}, "`runs_dir` must be a string or a Path, got 5"),
    ],
)
def test_an_argument_of_the_wrong_type_is_refused_by_name(
    given: dict[str, Any], message: str, here: Path
) -> None:
    with pytest.raises(ConfigError) as error:
        charrnn.train(**given)
    assert str(error.value) == message
    assert list(here.iterdir()) == []


def test_a_path_too_long_for_the_system_is_refused(here: Path) -> None:
    with pytest.raises(CorpusError, match=r"cannot be read: File name too long; check the name$"):
        charrnn.train("x" * 5000)


def test_the_directory_of_the_runs_may_be_a_path(corpus: Path) -> None:
    assert (
        charrnn.train(corpus, runs_dir=corpus.parent / "runs", **KNOBS).path
        == corpus.parent / "runs/corpus/step-00000004"
    )


@pytest.mark.parametrize("inside", ["step-00000004/mine.txt", "metrics.jsonl"])
def test_a_run_is_not_overwritten_while_its_new_corpus_is_in_it(inside: str, corpus: Path) -> None:
    path = charrnn.train(corpus, **KNOBS).path
    assert path
    file = path.parent / inside
    if not file.exists():
        file.write_text(TEXT)
    before = file.read_bytes()
    (corpus.parent / "link.txt").symlink_to(file.absolute())
    for name in (file, "link.txt"):
        with pytest.raises(
            CharRNNError, match=r"move (it elsewhere|them), or choose another `name`$"
        ):
            charrnn.train(name, name="corpus", overwrite=True, **KNOBS)
    assert file.read_bytes() == before


def test_training_without_torch_is_refused_in_one_line(corpus: Path) -> None:
    """Where an import of torch fails, as it does where it is not installed."""
    code = """
import sys
sys.modules["torch"] = None
import charrnn
try:
    charrnn.train("corpus.txt")
except charrnn.MissingPackageError as error:
    assert isinstance(error, ImportError)
    print(error)
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == (
        "training, evaluating and adapting need PyTorch, which is not installed; install it with `pip install torch` "
        "(generating text works without it)\n"
    )


def test_the_network_of_a_sample_is_freed_before_the_next_step(
    corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a large alphabet its tables take more memory than the training itself."""
    networks: list[weakref.ref[Any]] = []

    def made(*args: Any) -> Network:
        network = Network(*args)
        networks.append(weakref.ref(network))
        return network

    monkeypatch.setattr(api, "Network", made)
    alive: list[int] = []
    gc.disable()
    try:
        charrnn.train(
            corpus,
            on_report=lambda report: alive.append(sum(ref() is not None for ref in networks)),
            sample_every=1,
            **KNOBS,
        )
    finally:
        gc.enable()
    assert len(networks) == KNOBS["steps"]
    assert set(alive) == {0}
