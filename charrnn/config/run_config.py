"""Every knob of a run, written once.

From a knob come the flag, the YAML key, the environment variable, the entry in a run's
``config.yaml`` and the row in docs/reference.md.

Values reach a run in one way: flags, YAML and Python arguments are merged to ``{knob: value}``,
and ``RunConfig.from_flat`` checks them. ``flat`` is the way back.
"""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from charrnn.config.arguments import corpus_paths
from charrnn.config.cells import GATES
from charrnn.config.knobs import Checked, Knob, knob, knobs
from charrnn.errors import ConfigError

Auto = Literal["auto"]
MAX_PATHS = 10_000
MAX_PATH_CHARACTERS = 100 * MAX_PATHS  # of all paths together
LONGEST_SEPARATOR = 1_000  # characters


@dataclass(frozen=True)
class DataConfig(Checked):
    """How a corpus is read and split."""

    unit: str = knob(
        "char", "what one symbol is: a Unicode code point, or a raw byte", choices=("char", "byte")
    )
    encoding: str = knob("utf-8", "the encoding of the text files")
    encoding_errors: str = knob(
        "strict",
        "a byte that cannot be decoded: stop, or put U+FFFD",
        choices=("strict", "replace"),
    )
    newlines: str = knob("keep", "line ends: as they are, or all made LF", choices=("keep", "lf"))
    normalize: str | None = knob(
        None,
        "Unicode normalisation of the text",
        choices=("nfc", "nfkc"),
        none=True,
    )
    separator: str | None = knob(
        None,
        "what stands between two records, such as \\n; each is learned by itself, and ends; "
        "none: a running text",
        none=True,
        escaped=True,
    )
    val_fraction: float = knob(
        0.1,
        "share of the text held out for validation: its end, or some of its distinct records; "
        "0 trains on all of it",
        low=0,
        high=0.5,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.separator is not None and len(self.separator) > LONGEST_SEPARATOR:
            raise ConfigError(
                f"separator: it has {len(self.separator):,} characters, "
                f"at most {LONGEST_SEPARATOR:,} are possible; give a shorter one"
            )


@dataclass(frozen=True)
class ModelConfig(Checked):
    """The sizes of the network."""

    cell: str = knob("lstm", "the recurrent cell", choices=tuple(GATES))
    hidden_size: int = knob(256, "units of a layer", low=1, high=65536, planned=True)
    num_layers: int = knob(2, "recurrent layers", low=1, high=64, planned=True)
    embedding_size: int = knob(64, "numbers that stand for a symbol", low=1, high=65536)
    copy_window: int | None = knob(
        8192,
        "characters back to look for the last time that the same few were read, "
        "to copy what followed; none: the state alone remembers",
        low=2,
        high=2**20,
        none=True,
    )
    dropout: float = knob(
        0.1,
        "share of the units left out in training, one choice for all time steps of a chunk",
        low=0,
        high=0.95,
        planned=True,
    )


@dataclass(frozen=True)
class TrainConfig(Checked):
    """How the network is trained; everything that counts time is in steps."""

    minutes: float | None = knob(
        None,
        "train for so long: turned into steps by timing a few; 5 where --steps is not given",
        above=0,
        high=525600,
        none=True,
    )
    steps: int | None = knob(None, "train for so many steps", low=1, none=True)
    batch_size: int = knob(
        16,
        "lanes of text read side by side; of short records more, where it is not given",
        low=1,
        high=65536,
    )
    sequence_length: int = knob(
        64,
        "characters that a lane reads in a step; gradients reach back so far; "
        "a record is read whole",
        low=1,
        high=65536,
    )
    learning_rate: float = knob(
        4e-3,
        "the highest learning rate: 3 % of the steps lead up to it, a cosine down to 1 % of it",
        above=0,
        high=100,
    )
    weight_decay: float = knob(0.01, "decoupled weight decay of the matrices", low=0, high=100)
    clip_norm: float | None = knob(
        1.0,
        "the longest that the gradient may be; longer ones are scaled down",
        above=0,
        none=True,
    )
    seed: int = knob(
        0,
        "of the initial weights, the order of the text and the dropout",
        low=0,
        high=2**32 - 1,
    )
    report_every: int | Auto = knob(
        "auto",
        "steps between lines of metrics.jsonl; auto: a hundred lines or more",
        low=1,
        auto=True,
    )
    eval_every: int | Auto | None = knob(
        "auto",
        "steps between validation losses; auto: twenty in all, or each 5,000th",
        low=1,
        auto=True,
        none=True,
    )
    patience: int | None = knob(
        4,
        "stop once so many validations were worse than the best by a hundredth, "
        "after the text was read once; none: train on",
        low=1,
        none=True,
    )
    save_every: int | Auto | None = knob(
        "auto",
        "steps between checkpoints; auto: with each validation",
        low=1,
        auto=True,
        none=True,
    )
    sample_every: int | Auto | None = knob(
        "auto",
        "steps between short samples; auto: five in all",
        low=1,
        auto=True,
        none=True,
    )
    keep: int = knob(3, "the last checkpoints to keep, beside the best", low=1)
    on_save_error: str = knob(
        "stop",
        "a checkpoint that cannot be written: stop the run, or say so and train on to the next",
        choices=("stop", "continue"),
    )
    threads: int | Auto = knob(
        "auto",
        "threads of the processor; auto: one for each core",
        low=1,
        high=1024,
        auto=True,
    )
    device: str = knob(
        "auto",
        "where to train; auto: cuda, then mps, then cpu",
        choices=("auto", "cpu", "cuda", "mps"),
    )
    precision: str = knob(
        "auto",
        "of the matrix products; auto: bf16 where it is fast, else fp32",
        choices=("auto", "fp32", "bf16"),
    )


@dataclass(frozen=True)
class RunConfig(Checked):
    """All knobs of a run, in three groups, and where the run is."""

    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    train: TrainConfig = TrainConfig()
    corpus: tuple[str, ...] = ()
    name: str | None = knob(None, "the run's name; none: the stem of the corpus file", none=True)
    runs_dir: str = knob("checkpoints", "the directory that holds the runs")

    def __post_init__(self) -> None:
        super().__post_init__()
        name = self.name or "none"
        if set(name) & set("/\\\0") or name.startswith(("step-", ".")) or len(name) > 200:
            raise ConfigError(
                f"name: {name!r} is not possible; "
                "give a directory's name: no slash, not beginning with step- or a dot"
            )
        minutes = self.train.minutes
        steps = self.train.steps
        if minutes is not None and steps is not None:
            raise ConfigError(
                f"minutes and steps: {minutes:g} and {steps} are both given; give one of them"
            )

    @classmethod
    def from_flat(cls, values: Mapping[str, Any]) -> "RunConfig":
        """From ``{knob: value}``; what is auto or missing has its default.

        Raises:
            ConfigError: a name is unknown, or a value is not possible.
        """
        check_names(values)
        given = {}
        for name, value in values.items():
            if not is_auto(name, value):
                given[name] = value
        data = DataConfig(**_knobs_of(DataConfig, given))
        model = ModelConfig(**_knobs_of(ModelConfig, given))
        train = TrainConfig(**_knobs_of(TrainConfig, given))
        corpus = corpus_paths(given.get("corpus", ()))
        _check_corpus(corpus)
        return cls(
            data=data,
            model=model,
            train=train,
            corpus=corpus,
            **_knobs_of(cls, given),
        )

    def flat(self) -> dict[str, Any]:
        """``{knob: value}`` for all knobs, the inverse of from_flat."""
        values: dict[str, Any] = {"corpus": list(self.corpus)}
        for part in (self, self.data, self.model, self.train):
            for name in knobs(type(part)):
                values[name] = getattr(part, name)
        return values

    def replace(self, **values: Any) -> "RunConfig":
        """A copy in which some knobs have another value."""
        return RunConfig.from_flat(self.flat() | values)


def _knobs_of(config: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the values that are knobs of one dataclass."""
    own = {}
    for name in knobs(config):
        if name in values:
            own[name] = values[name]
    return own


def _check_corpus(paths: tuple[str, ...]) -> None:
    """Refuse more paths than a checkpoint, which names them all, can hold."""
    if len(paths) > MAX_PATHS or sum(map(len, paths)) > MAX_PATH_CHARACTERS:
        raise ConfigError(
            f"corpus: {len(paths):,} paths are more than can be kept with a run; "
            "give a directory, or join the files"
        )


def is_auto(name: str, value: Any) -> bool:
    """Whether a value leaves a knob to the autopilot."""
    if not isinstance(value, str) or value != "auto":
        return False
    by_name = run_knobs()
    return name in by_name and by_name[name].planned


def run_knobs() -> dict[str, Knob]:
    """Every knob of a run, by name: the flags of ``charrnn train``."""
    return {
        **knobs(DataConfig),
        **knobs(ModelConfig),
        **knobs(TrainConfig),
        **knobs(RunConfig),
    }


def check_names(names: Iterable[str], source: str = "") -> None:
    """Refuse a name that is not a knob, and suggest the nearest one.

    Raises:
        ConfigError: a name is unknown.
    """
    known = ["corpus", *run_knobs()]
    for name in names:
        if name in known:
            continue
        place = f" (in {source})" if source else ""
        nearest = difflib.get_close_matches(str(name), known, n=1)
        advice = "the knobs are: " + ", ".join(known)
        if nearest:
            advice = f"did you mean {nearest[0]}?"
        raise ConfigError(f"{name!r} is not a knob{place}; {advice}")
