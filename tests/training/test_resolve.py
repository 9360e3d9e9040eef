"""Every auto becomes a value, every knob has an effect, and config.yaml reproduces the run."""

import itertools
import math
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from charrnn.api import reports
from charrnn.config.cores import available_threads
from charrnn.config.run_config import RunConfig, run_knobs
from charrnn.config.yaml import read_yaml
from charrnn.corpus.corpus import Corpus, RunningText, read_corpus
from charrnn.errors import CharRNNError, ConfigError
from charrnn.storage.checkpoint import read_about
from charrnn.storage.run import Run
from charrnn.training import resolve as resolving
from charrnn.training import timing
from charrnn.training.device import pick_device, pick_precision
from charrnn.training.model import CELLS
from charrnn.training.plan import Plan
from charrnn.training.resolve import fit_to_corpus, passes_in_words, resolve
from charrnn.training.start import launch

pytestmark = pytest.mark.usefixtures("one_thread")

# 781 code points, 803 bytes: composed and decomposed accents, and two kinds of line ends
TEXT = "Café au lait, said the clock;\r\nthen is the time, cafe\u0301, said the bell!\n" * 11
MIXED = 'the text mixes line endings (11 CRLF, 11 LF), which were kept; `newlines="lf"` converts all to LF'
SMALL = {
    "corpus": ("text.txt",), "steps": 10, "batch_size": 4, "sequence_length": 20, "hidden_size": 8, "num_layers": 1, "embedding_size": 4,
    "dropout": 0.1, "learning_rate": 0.01, "report_every": 5, "eval_every": 5, "save_every": 5, "sample_every": 5, "keep": 9, "threads": 1,
    "device": "cpu", "precision": "fp32", "counts": 2,
}  # fmt: skip


@pytest.fixture
def texts(here: Path) -> Path:
    """``text.txt``, ``bad.txt`` with a byte that is not UTF-8, ``worse.txt``, whose held-out text
    only becomes less likely, and ``table.csv`` with two columns."""
    (here / "text.txt").write_bytes(TEXT.encode())
    (here / "bad.txt").write_bytes(TEXT.encode() + b"\xff")
    (here / "worse.txt").write_text("ab" * 90 + "cd" * 10)
    rows = [f"{number},the word {number}\n" for number in range(40)]
    (here / "table.csv").write_text("number,words\n" + "".join(rows))
    return here


def outcome(given: dict[str, Any]) -> dict[str, Any]:
    """Everything visible of a run: its path, files, weights, metrics and samples; or the error."""
    try:
        trainer = launch(given)
    except CharRNNError as error:
        return {"error": str(error)}
    threads, samples = set(), []
    for report in reports(trainer):
        threads.add(torch.get_num_threads())
        samples.append(report.sample)
    run = trainer.directory
    return {
        "place": run.path,
        "files": sorted(str(path.relative_to(run.path)) for path in run.path.rglob("*")),
        "weights": run.steps()[-1].joinpath("model.safetensors").read_bytes(),
        "metrics": run.metrics.read_bytes(),
        "samples": samples,
        "threads": threads,
    }


# For every knob: a second value, the outcome it must change, and further knobs of both runs that
# are compared.
SECOND: dict[str, tuple[Any, str, dict[str, Any]]] = {
    "unit": ("byte", "weights", {}),
    "encoding": ("cp1252", "weights", {}),
    "encoding_errors": ("replace", "error", {"corpus": ("bad.txt",)}),
    "newlines": ("lf", "weights", {}),
    "normalize": ("nfc", "weights", {}),
    "separator": (" ", "weights", {}),
    "column": ("words", "weights", {"corpus": ("table.csv",), "separator": "\n"}),
    "min_count": (20, "weights", {}),
    "val_fraction": (0.2, "weights", {}),
    "val": ("worse.txt", "metrics", {"val_fraction": 0.0}),
    "cell": ("gru", "weights", {}),
    "hidden_size": (9, "weights", {}),
    "num_layers": (2, "weights", {}),
    "embedding_size": (5, "weights", {}),
    "copy_window": (40, "weights", {}),  # the text repeats after 71 characters
    "counts": (100, "weights", {}),  # all contexts of the text occur at least nine times
    "dropout": (0.5, "weights", {}),
    # 39 and 14 steps by the clock of the tests, without a budget of real time
    "minutes": (1.0, "weights", {"steps": None, "minutes": 0.5}),
    "steps": (11, "weights", {}),
    "batch_size": (5, "weights", {}),
    "sequence_length": (19, "weights", {}),
    "learning_rate": (0.02, "weights", {}),
    "weight_decay": (0.5, "weights", {}),
    "clip_norm": (0.01, "weights", {}),
    "rehearse": (0.5, "error", {}),  # without a model to continue from
    "seed": (1, "weights", {}),
    "report_every": (3, "metrics", {}),
    "eval_every": (3, "metrics", {}),
    # ends after 2 and after 5 steps
    "patience": (1, "weights", {"corpus": ("worse.txt",), "eval_every": 1}),
    "save_every": (3, "files", {}),
    "sample_every": (3, "samples", {}),
    "keep": (1, "files", {"save_every": 2}),
    "on_save_error": ("continue", "error", {}),  # on a full disk
    "threads": (2, "threads", {}),
    "device": ("cuda", "error", {}),
    "precision": ("bf16", "weights", {}),
    "base": ("none there", "error", {}),
    "name": ("other", "place", {}),
    "runs_dir": ("elsewhere", "place", {}),
}
WATCHING = ("report_every", "eval_every", "save_every", "sample_every", "keep", "name", "runs_dir")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock for timing the steps that advances one second each time it is read."""
    monkeypatch.setattr(timing, "time", SimpleNamespace(perf_counter=itertools.count().__next__))


@pytest.mark.parametrize("name", run_knobs())
def test_a_second_value_of_every_knob_has_an_effect(
    name: str, texts: Path, clock: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert name in SECOND, f"{name} is a knob without a second value here; say what it changes"
    second, changed, besides = SECOND[name]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    if name == "on_save_error":
        monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=0))
    if name == "minutes":
        monkeypatch.setattr("charrnn.training.start.TimeBudget", lambda *_: None)
    first = outcome(SMALL | besides)
    other = outcome(
        SMALL | besides | ({} if changed == "place" else {"name": "second"}) | {name: second}
    )
    assert first.get(changed) != other.get(changed)
    if name in WATCHING:
        assert first["weights"] == other["weights"]


def test_every_second_value_belongs_to_a_knob() -> None:
    assert set(SECOND) == set(run_knobs())


# The meaning of auto


@pytest.mark.parametrize(
    ("given", "automatic"),
    [
        ({}, ["counts", "num_layers", "hidden_size", "dropout"]),
        ({"dropout": 0.2, "counts": None}, ["num_layers", "hidden_size"]),
        (
            {"eval_every": "auto", "num_layers": 1, "hidden_size": 8},
            ["eval_every", "counts", "dropout"],
        ),
    ],
)
def test_a_checkpoint_says_what_was_left_to_charrnn(
    given: dict[str, Any], automatic: list[str], texts: Path
) -> None:
    sizes = {"num_layers", "hidden_size", "dropout", "counts"}
    fixed = {name: value for name, value in SMALL.items() if name not in sizes}
    run = launch(fixed | given | {"steps": 1})
    for _ in run.run():
        pass
    about = read_about(run.directory.best())["about"]
    assert sorted(about["automatic"]) == sorted(automatic)
    assert about["minutes"] is None


def resolved(text: str = TEXT, seconds: float = 0.0, **knobs: Any) -> tuple[RunConfig, list[str]]:
    """The configuration from SMALL and these knobs, when ``seconds`` have already been spent, and
    what was reported."""
    given = (
        {name: value for name, value in SMALL.items() if not name.endswith("_every")}
        | {"corpus": ()}
        | knobs
    )
    said: list[str] = []
    with pytest.MonkeyPatch.context() as patch:  # no planning is left to do
        patch.setattr(resolving, "plan", lambda *_: Plan({}, math.inf))
        started = resolving.time.monotonic() - seconds
        config = resolve(given, text, said.append, started).config
    return config, [notice for notice in said if notice != MIXED]


@pytest.mark.parametrize(
    ("steps", "report_every", "eval_every", "save_every", "sample_every"),
    [
        (1, 1, 1, 1, 1),
        (12, 1, 1, 1, 3),  # a hundredth, a twentieth, a twentieth, a fifth, rounded up
        (1000, 10, 50, 50, 200),
        (1001, 11, 51, 51, 201),
    ],
)
def test_auto_intervals_are_fractions_of_the_run(
    steps: int, report_every: int, eval_every: int, save_every: int, sample_every: int
) -> None:
    train = resolved(steps=steps)[0].train
    assert (train.report_every, train.eval_every, train.save_every, train.sample_every) == (
        report_every,
        eval_every,
        save_every,
        sample_every,
    )


def test_given_intervals_and_none_are_kept() -> None:
    given = {"report_every": 7, "eval_every": None, "save_every": 3, "sample_every": None}
    train = resolved(**given)[0].train
    assert {name: getattr(train, name) for name in given} == given


@pytest.mark.parametrize("cell", CELLS)
def test_device_precision_and_threads_are_those_of_the_machine(cell: str) -> None:
    config, said = resolved(cell=cell, device="auto", precision="auto", threads="auto")
    device = pick_device("auto")
    assert config.train.device == device
    assert config.train.precision == pick_precision("auto", device)
    assert config.train.threads == available_threads()
    assert said == []


@pytest.mark.parametrize("cell", CELLS)
def test_resolving_leaves_no_auto_and_is_idempotent(cell: str) -> None:
    config, _ = resolved(cell=cell, device="auto", precision="auto", threads="auto")
    assert "auto" not in config.flat().values()
    again, said = resolved(**config.flat())
    assert again == config
    assert said == []


# A corpus too short for the batch


@pytest.mark.parametrize(
    ("given", "characters", "taken"),
    [
        ((16, 64), 1024, (16, 64)),  # 16 x 64, exactly
        ((16, 64), 1023, (8, 64)),  # 1023 / 16 = 63.9; 1023 / 8 = 127.9
        ((16, 64), 64, (1, 64)),
        ((16, 64), 63, (1, 63)),
        ((16, 64), 2, (1, 2)),
        ((5, 64), 200, (2, 64)),  # 5, 2, 1 are tested
    ],
)
def test_a_short_corpus_halves_the_batch_and_then_shortens_the_sequence(
    given: tuple[int, int], characters: int, taken: tuple[int, int]
) -> None:
    text = ("ab" * characters)[:characters]
    said: list[str] = []
    config = RunConfig.from_flat(
        SMALL | {"batch_size": given[0], "sequence_length": given[1], "val_fraction": 0}
    )
    corpus = Corpus.of(text + "ab", 0)
    short = RunningText(corpus.vocabulary, corpus.train[:characters], corpus.val)
    train = fit_to_corpus(config, set(), short, said.append).train
    assert (train.batch_size, train.sequence_length) == taken
    notice = (
        f"the training text of {characters:,} characters is too short for batches of {given[0]} x {given[1]} characters; "
        f"using `batch_size={taken[0]}` and `sequence_length={taken[1]}`"
    )
    assert said == ([] if taken == given else [notice])


@pytest.mark.parametrize(
    ("characters", "given", "batch_size"),
    [
        (1_664_000, set(), 128),
        (1_638_400, set(), 128),  # 200 steps of 128 x 64
        (1_638_399, set(), 64),
        (300_000, set(), 16),
        (5_000, set(), 16),  # the default
        (1_638_400, {"batch_size"}, 16),
    ],
)
def test_the_batches_of_a_gpu_are_larger_if_the_text_is_long(
    characters: int, given: set[str], batch_size: int
) -> None:
    corpus = Corpus.of(("ab " * characters)[:characters], 0)
    config = RunConfig.from_flat({"device": "cuda"})
    assert fit_to_corpus(config, given, corpus, str).train.batch_size == batch_size


# Minutes

# By the clock of the tests everything takes a second: a step, a validation (and 0.15 s a checkpoint),
# and the end of the run for 78 of its 78 + 703 characters, so 10.0 s in all. With 270.1 s left of 5
# minutes: 270.1 - 0.6 to exit - 10.0 - 1.15 for the last checkpoint = 258.3 s. 92 % of them are for
# steps: 237.


@pytest.mark.parametrize(
    ("length", "symbols", "counts"),
    [(4_999, 20, None), (5_000, 20, 2), (6_000, 1_000, 2), (6_000, 1_001, None)],
)
def test_a_text_is_counted_unless_it_is_short_or_has_many_characters(
    length: int, symbols: int, counts: int | None
) -> None:
    alphabet = "".join(map(chr, range(0x4E00, 0x4E00 + symbols)))
    corpus = Corpus.of((alphabet * length)[:length], 0)
    fitted = fit_to_corpus(RunConfig(), set(), corpus, str)
    assert fitted.model.counts == counts
    asked = fit_to_corpus(RunConfig().replace(counts=7), {"counts"}, corpus, str)
    assert asked.model.counts == 7


@pytest.fixture
def step_times(monkeypatch: pytest.MonkeyPatch) -> dict[int, float]:
    """Seconds of a step by batch size, which a test fills in; validations take no time."""
    seconds: dict[int, float] = {}

    def measure(config: RunConfig, corpus: Corpus, threads: tuple[int, ...]) -> timing.Timing:
        return timing.Timing(seconds[config.train.batch_size], 0.0, 0.0, threads[0])

    def step(config: RunConfig, corpus: Corpus, threads: int) -> float:
        return seconds[config.train.batch_size]

    monkeypatch.setattr(resolving, "measure_speed", measure)
    monkeypatch.setattr(resolving, "seconds_per_step", step)
    return seconds


@pytest.mark.parametrize(
    ("seconds", "batch_size"),
    [
        ({16: 1.0, 32: 1.29, 64: 1.29 * 1.31}, 32),
        ({16: 1.0, 32: 1.31}, 16),
        ({16: 1.0, 32: 1.0, 64: 1.0}, 64),  # 128 x 64 characters are 2.4% of the text
    ],
)
def test_a_batch_is_doubled_where_a_step_hardly_takes_longer(
    seconds: dict[int, float], batch_size: int, step_times: dict[int, float]
) -> None:
    step_times |= seconds
    corpus = Corpus.of("abcd" * 250_000, 0.0)  # 977 steps of 16 x 64 are a pass
    config = RunConfig.from_flat({"minutes": 1.0})
    measured = timing.Timing(1.0, 0.0, 0.0, 1)
    larger, found = resolving.with_larger_batch(config, corpus, measured, (1,), time.monotonic())
    assert larger.train.batch_size == batch_size
    assert found.step == seconds[batch_size]


def test_a_batch_is_not_doubled_in_a_run_of_many_passes(step_times: dict[int, float]) -> None:
    step_times |= {16: 0.02, 32: 0.02, 64: 0.02}
    corpus = Corpus.of("abcd" * 250_000, 0.0)
    measured = timing.Timing(0.02, 0.0, 0.0, 1)

    def doubled(minutes: float) -> int:
        config = RunConfig.from_flat({"minutes": minutes})
        larger, _ = resolving.with_larger_batch(config, corpus, measured, (1,), time.monotonic())
        return larger.train.batch_size

    assert doubled(1.0) == 32  # 3.0 passes, and twice as many with the larger batch
    assert doubled(1.8) == 16  # 5.5 passes
    assert doubled(0.5) == 16  # half a minute is too short to find out


def test_a_batch_of_records_is_not_doubled_beyond_what_fits(step_times: dict[int, float]) -> None:
    step_times |= {16: 1.0, 32: 1.0, 64: 1.0, 128: 1.0, 256: 1.0}
    measured = timing.Timing(1.0, 0.0, 0.0, 1)

    def doubled(longest: int) -> int:
        config = RunConfig.from_flat({"minutes": 1.0, "separator": "\n", "batch_size": 16})
        records = ["abc" * 10] * 40_000 + ["a" * longest]
        text = "\n".join(f"{record}{number}" for number, record in enumerate(records))
        corpus = read_corpus(config, text, str)
        larger, _ = resolving.with_larger_batch(config, corpus, measured, (1,), time.monotonic())
        return larger.train.batch_size

    assert doubled(30) == 128  # 313 steps are a pass
    assert doubled(1_500) == 32  # 64 x 1,536 characters would be too many


def test_a_doubled_batch_is_not_a_choice_of_the_user(
    texts: Path, step_times: dict[int, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolving, "MIN_STEPS_PER_PASS", 1)
    step_times |= {4: 30.0, 8: 30.0, 16: 60.0}
    given = {name: value for name, value in SMALL.items() if name not in ("steps", "batch_size")}
    given |= {"minutes": 2.0, "sequence_length": 5}
    monkeypatch.setattr(resolving, "fit_to_corpus", lambda config, *_: config.replace(batch_size=4))
    run = resolve(given, None, str, time.monotonic())
    assert run.config.train.batch_size == 8
    assert "batch_size" in run.automatic
    chosen = resolve(given | {"batch_size": 4}, None, str, time.monotonic())
    assert chosen.config.train.batch_size == 4
    assert "batch_size" not in chosen.automatic


@pytest.mark.parametrize(
    ("minutes", "seconds", "expected"),
    [(None, 29.9, 237), (5.0, 29.9, 237), (4.5, -0.1, 237), (5.5, 59.9, 237)],
)
def test_minutes_become_the_steps_that_fit_into_the_remaining_time(
    minutes: float | None, seconds: float, expected: int, clock: None
) -> None:
    config, said = resolved(steps=None, minutes=minutes, seconds=seconds)
    assert (config.train.steps, config.train.minutes) == (expected, None)
    assert said == [f"237 steps fit into {minutes or 5:g} minutes on this machine"]
    assert config.train.report_every == 3  # a hundredth of the steps, rounded up
    assert config.train.eval_every == 15  # 1.15 s are at most 8 % of the time of 15 steps


def test_the_written_configuration_contains_steps_instead_of_minutes(
    texts: Path, clock: None
) -> None:
    trainer = launch(SMALL | {"steps": None, "minutes": 0.5})
    written = (texts / "checkpoints/text/config.yaml").read_text().splitlines()
    # 30 - 0.6 - 10.0 - 1.15 = 18.2 s; a fifth of a pause with each step: 18.2 / 1.23 = 14.8
    assert trainer.steps == 14
    assert "steps: 14" in written
    assert "minutes: none" in written


def test_minutes_and_steps_together_are_refused() -> None:
    with pytest.raises(ConfigError) as error:
        resolved(steps=10, minutes=1.0)
    assert str(error.value) == "`minutes` and `steps` cannot both be given, got 1 and 10"


@pytest.mark.parametrize(
    ("passes", "words"),
    [
        (0.0, "less than 0.1 passes over the text"),
        (0.47, "about 0.5 passes over the text"),
        (9.44, "about 9.4 passes over the text"),
        (20.6, "about 21 passes over the text"),
        (2300.0, "about 2,300 passes over the text"),
    ],
)
def test_passes_are_rounded_for_display(passes: float, words: str) -> None:
    assert passes_in_words(passes) == words


# config.yaml


def test_config_yaml_is_exactly_the_resolved_configuration(texts: Path) -> None:
    launch(SMALL | {"threads": 2})
    assert (texts / "checkpoints/text/config.yaml").read_text() == (
        "# The resolved configuration of this run. `charrnn train --config config.yaml --name another` trains it again.\n"
        "corpus: [text.txt]\nbase: none\nname: text\nruns_dir: checkpoints\n"
        "unit: char\nencoding: utf-8\nencoding_errors: strict\nnewlines: keep\nnormalize: none\nseparator: none\ncolumn: none\nmin_count: 1\nval_fraction: 0.1\nval: none\n"
        "cell: lstm\nhidden_size: 8\nnum_layers: 1\nembedding_size: 4\ncopy_window: 8192\ncounts: 2\ndropout: 0.1\n"
        "minutes: none\nsteps: 10\nbatch_size: 4\nsequence_length: 20\nlearning_rate: 0.01\nweight_decay: 0.01\nclip_norm: 1.0\nrehearse: 0.0\n"
        "seed: 0\nreport_every: 5\neval_every: 5\npatience: 4\nsave_every: 5\nsample_every: 5\nkeep: 9\non_save_error: stop\nthreads: 2\n"
        "device: cpu\nprecision: fp32\n"
    )


@pytest.mark.parametrize("cell", CELLS)
def test_config_yaml_round_trips_and_trains_the_same_run(cell: str, texts: Path) -> None:
    autos = dict.fromkeys(
        ("report_every", "eval_every", "save_every", "sample_every", "device", "precision"), "auto"
    )
    trainer = launch(
        SMALL
        | autos
        | {"cell": cell, "batch_size": 64, "dropout": 0.3, "learning_rate": 1e-3, "clip_norm": None}
    )
    written = read_yaml((texts / "checkpoints/text/config.yaml").read_text(), "config.yaml")
    assert RunConfig.from_flat(written) == trainer.config
    for _ in trainer.run():
        pass
    again = outcome(written | {"name": "again"})
    run = Run(texts / "checkpoints/text")
    assert again["weights"] == run.steps()[-1].joinpath("model.safetensors").read_bytes()
    assert again["metrics"] == run.metrics.read_bytes()


# The corpus


@pytest.mark.parametrize(("unit", "symbols"), [("char", 25), ("byte", 256)])
def test_a_text_is_read_like_a_file(unit: str, symbols: int, texts: Path) -> None:
    given = RunConfig.from_flat(SMALL | {"unit": unit})
    by_file = read_corpus(given, None, lambda _: None)
    by_text = read_corpus(given.replace(corpus=()), TEXT, lambda _: None)
    assert len(by_file.vocabulary) == symbols
    assert by_file.fingerprint == by_text.fingerprint


@pytest.mark.parametrize(
    ("knob", "change"),
    [
        ({"newlines": "lf"}, lambda text: text.replace("\r\n", "\n")),
        ({"normalize": "nfc"}, lambda text: text.replace("e\u0301", "é")),
    ],
)
def test_reading_knobs_apply_to_a_text_too(
    knob: dict[str, str], change: Callable[[str], str]
) -> None:
    corpus = read_corpus(RunConfig.from_flat(knob), TEXT, lambda _: None)
    assert corpus.fingerprint == Corpus.of(change(TEXT), 0.1).fingerprint


@pytest.mark.parametrize("unit", ["char", "byte"])
def test_the_unit_is_that_of_the_configuration_even_for_bytes(unit: str) -> None:
    assert (
        read_corpus(
            RunConfig.from_flat({"unit": unit}), TEXT.encode(), lambda _: None
        ).vocabulary.unit
        == unit
    )


def test_a_path_and_a_text_together_are_refused() -> None:
    with pytest.raises(ConfigError) as error:
        read_corpus(RunConfig.from_flat(SMALL), TEXT, pytest.fail)
    assert str(error.value) == "`corpus` and `text` cannot both be given; leave one of them out"


def test_notices_about_the_files_are_reported(texts: Path) -> None:
    said: list[str] = []
    read_corpus(RunConfig.from_flat(SMALL), None, said.append)
    assert said == [
        'text.txt mixes line endings (11 CRLF, 11 LF), which were kept; `newlines="lf"` converts all to LF'
    ]
