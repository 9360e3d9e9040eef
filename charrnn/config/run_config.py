"""Every knob of a run, written once.

The flag, the YAML key, the environment variable, the entry in a run's ``config.yaml`` and the row
in docs/reference.md are all derived from the knob.

Flags, YAML and Python arguments are merged into ``{knob: value}``, which ``RunConfig.from_flat``
checks. ``flat`` is its inverse.
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
        "char",
        "unit of text: Unicode characters, or raw bytes",
        choices=("char", "byte"),
    )
    encoding: str = knob("utf-8", "encoding of the text files")
    encoding_errors: str = knob(
        "strict",
        "bytes that cannot be decoded: stop with an error, or replace them by U+FFFD",
        choices=("strict", "replace"),
    )
    newlines: str = knob(
        "keep", "line endings: keep them, or convert all to LF", choices=("keep", "lf")
    )
    normalize: str | None = knob(
        None,
        "Unicode normalization form to convert the text to; none: leave it unchanged",
        choices=("nfc", "nfkc"),
        none=True,
    )
    separator: str | None = knob(
        None,
        "text between two records, such as \\n; each record is learned on its own; "
        "none: one continuous text",
        none=True,
        escaped=True,
    )
    column: str | None = knob(
        None,
        "column of a .csv, .tsv or .jsonl file whose fields are the records; none: such a file is "
        "text like any other",
        none=True,
    )
    min_count: int = knob(
        1,
        "replace characters that occur fewer times by a similar, more frequent one, or leave them "
        "out; 1: keep all",
        low=1,
    )
    val_fraction: float = knob(
        0.1,
        "share of the text kept for validation and not trained on: the end of a continuous text, "
        "or a random choice of records; 0: train on everything",
        low=0,
        high=0.5,
    )
    val: str | None = knob(
        None,
        "file to validate on, in place of a share of the text; none: hold out that share",
        none=True,
        metavar="FILE",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.separator is not None and len(self.separator) > LONGEST_SEPARATOR:
            raise ConfigError(
                f"`separator` must have at most {LONGEST_SEPARATOR:,} characters, "
                f"got {len(self.separator):,}"
            )
        if self.val is not None and self.val_fraction:
            raise ConfigError(
                f"`val` and `val_fraction` cannot both be given, got {self.val!r} and "
                f"{self.val_fraction:g}; leave one of them out"
            )
        if self.column is not None and self.separator is None:
            raise ConfigError(
                f"`column={self.column!r}` reads records, which need a `separator`; "
                "leave one of them out"
            )


AUTO_COUNTS = 2  # what `counts` is if it is auto
# The peak learning rate of a network that is trained further on another text, unless one is given.
FURTHER_LEARNING_RATE = 2e-3
# The knobs of such a network that stay.
SIZES = ("cell", "hidden_size", "num_layers", "embedding_size", "copy_window", "counts")


@dataclass(frozen=True)
class ModelConfig(Checked):
    """The sizes of the network."""

    cell: str = knob("lstm", "type of the recurrent cell", choices=tuple(GATES))
    hidden_size: int = knob(256, "units per layer", low=1, high=65536, planned=True)
    num_layers: int = knob(2, "number of recurrent layers", low=1, high=64, planned=True)
    embedding_size: int = knob(
        64, "length of the vector that represents a character", low=1, high=65536
    )
    copy_window: int | None = knob(
        8192,
        "characters to look back for an earlier occurrence of the last few, so that names and "
        "phrases can be repeated; none: do not look back",
        low=2,
        high=2**20,
        none=True,
    )
    counts: int | None = knob(
        None,
        "count what followed each context that occurs at least this often in the training text, "
        "and mix the counts into the prediction; auto: 2, or none if that text has fewer than "
        "5,000 characters or more than 1,000 different ones; none: use the network alone",
        low=1,
        high=1000,
        none=True,
        planned=True,
    )
    dropout: float = knob(
        0.1,
        "share of the units switched off at random during training, against over-fitting",
        low=0,
        high=0.95,
        planned=True,
    )


@dataclass(frozen=True)
class TrainConfig(Checked):
    """How the network is trained; all intervals are in steps."""

    minutes: float | None = knob(
        None,
        "minutes that the command may take, from start to exit; 5 if neither this nor --steps is "
        "given; when a run is resumed, minutes more",
        above=0,
        high=525600,
        none=True,
    )
    steps: int | None = knob(None, "training steps to take", low=1, none=True)
    batch_size: int = knob(
        16,
        "sequences of text read in parallel; the default is higher for short records, and for long "
        "texts on a GPU or a processor on which a step then hardly takes longer",
        low=1,
        high=65536,
    )
    sequence_length: int = knob(
        64,
        "characters of each sequence read per step, and how far back gradients reach; "
        "records are always read whole",
        low=1,
        high=65536,
    )
    learning_rate: float = knob(
        4e-3,
        "peak learning rate; it rises during the first 3% of the steps and then falls to 1% of "
        "the peak along a cosine",
        above=0,
        high=100,
    )
    weight_decay: float = knob(
        0.01, "weight decay of the weight matrices, as in AdamW", low=0, high=100
    )
    clip_norm: float | None = knob(
        1.0,
        "maximum norm of the gradient; larger gradients are scaled down; none: never",
        above=0,
        none=True,
    )
    rehearse: float = knob(
        0.0,
        "share of each batch to read from the text of the run that is continued, so that the model "
        "does not forget it",
        low=0,
        high=0.9,
    )
    seed: int = knob(
        0,
        "random seed for the initial weights, the order of the text and the dropout",
        low=0,
        high=2**32 - 1,
    )
    report_every: int | Auto = knob(
        "auto",
        "steps between lines of metrics.jsonl; auto: at least a hundred lines in all",
        low=1,
        auto=True,
    )
    eval_every: int | Auto | None = knob(
        "auto",
        "steps between validations; auto: about twenty in all, fewer if they would take long, but "
        "at least one every 5,000 steps; "
        "none: only at the end",
        low=1,
        auto=True,
        none=True,
    )
    patience: int | None = knob(
        4,
        "stop early after this many validations with a loss more than 1% above the best, counted "
        "after the first pass over the text; none: never stop early",
        low=1,
        none=True,
    )
    save_every: int | Auto | None = knob(
        "auto",
        "steps between checkpoints; auto: at each validation; none: only at the end",
        low=1,
        auto=True,
        none=True,
    )
    sample_every: int | Auto | None = knob(
        "auto",
        "steps between short samples; auto: five in all; none: no samples",
        low=1,
        auto=True,
        none=True,
    )
    keep: int = knob(3, "number of latest checkpoints to keep, in addition to the best", low=1)
    on_save_error: str = knob(
        "stop",
        "if a checkpoint cannot be written: stop the run, or print a warning and continue",
        choices=("stop", "continue"),
    )
    threads: int | Auto = knob(
        "auto",
        "CPU threads to use; auto: one per core, or fewer if that is faster and --steps is not "
        "given",
        low=1,
        high=1024,
        auto=True,
    )
    device: str = knob(
        "auto",
        "device to train on; auto: cuda if available, else mps, else cpu",
        choices=("auto", "cpu", "cuda", "mps"),
    )
    precision: str = knob(
        "auto",
        "precision of the matrix products; auto: bf16 where it is fast, else fp32",
        choices=("auto", "fp32", "bf16"),
    )


@dataclass(frozen=True)
class RunConfig(Checked):
    """All knobs of a run, in three groups, and where the run is."""

    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    train: TrainConfig = TrainConfig()
    corpus: tuple[str, ...] = ()
    base: str | None = knob(
        None,
        "run or checkpoint whose model is trained further on this text; characters that it does "
        "not know are added; none: train a new model",
        none=True,
        flag_name="from",
        metavar="RUN",
    )
    name: str | None = knob(
        None, "name of the run; none: the name of the corpus file without its extension", none=True
    )
    runs_dir: str = knob("checkpoints", "directory that contains the runs")

    def __post_init__(self) -> None:
        super().__post_init__()
        name = self.name or "none"
        if set(name) & set("/\\\0") or name.startswith(("step-", ".")) or len(name) > 200:
            raise ConfigError(
                "`name` must be a directory name of at most 200 characters, without slashes, "
                f"that does not begin with step- or a dot, got {name!r}"
            )
        if self.train.rehearse and self.base is None:
            raise ConfigError(
                f"`rehearse` is {self.train.rehearse:g}, but there is no model to continue from; "
                "give `base`"
            )
        minutes = self.train.minutes
        steps = self.train.steps
        if minutes is not None and steps is not None:
            raise ConfigError(
                f"`minutes` and `steps` cannot both be given, got {minutes:g} and {steps}"
            )

    @classmethod
    def from_flat(cls, values: Mapping[str, Any]) -> "RunConfig":
        """From ``{knob: value}``; missing knobs, and those that are auto, get their default.

        Raises:
            ConfigError: a name is unknown, or a value is not allowed.
        """
        check_names(values)
        given = {}
        for name, value in values.items():
            if not is_auto(name, value):
                given[name] = value
        if given.get("column") is not None:
            given.setdefault("separator", "\n")
        if given.get("val") is not None:
            given.setdefault("val_fraction", 0.0)
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
    """The values of one dataclass's knobs."""
    own = {}
    for name in knobs(config):
        if name in values:
            own[name] = values[name]
    return own


def _check_corpus(paths: tuple[str, ...]) -> None:
    """Refuse more paths than a checkpoint, which lists them all, can store."""
    if len(paths) > MAX_PATHS or sum(map(len, paths)) > MAX_PATH_CHARACTERS:
        raise ConfigError(
            f"`corpus` has {len(paths):,} paths, more than a run can store; "
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
        place = f" in {source}" if source else ""
        nearest = difflib.get_close_matches(str(name), known, n=1)
        advice = "the options are: " + ", ".join(known)
        if nearest:
            advice = f"did you mean {nearest[0]}?"
        raise ConfigError(f"unknown option {name!r}{place}; {advice}")
