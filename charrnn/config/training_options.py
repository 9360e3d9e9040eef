"""The keyword arguments of ``charrnn.train`` that are knobs of a run, with their types."""

from pathlib import Path
from typing import Literal, TypedDict

from charrnn.config.run_config import Auto


class TrainingOptions(TypedDict, total=False):
    """How a text is read and a model is trained: the options of ``charrnn train``.

    ``"auto"`` leaves a value to charrnn, which decides by the text and the machine.

    Args:
        unit: unit of text: Unicode characters, or raw bytes (default "char")
        encoding: encoding of the text files (default "utf-8")
        encoding_errors: bytes that cannot be decoded: stop with an error, or replace them by U+FFFD
            (default "strict")
        newlines: line endings: keep them, or convert all to LF (default "keep")
        normalize: Unicode normalization form to convert the text to; None: leave it unchanged
            (default None)
        separator: text between two records, such as \\n; each record is learned on its own; None:
            one continuous text (default None)
        column: column of a .csv, .tsv or .jsonl file whose fields are the records; None: such a
            file is text like any other (default None)
        min_count: replace characters that occur fewer times by a similar, more frequent one, or
            leave them out; 1: keep all (default 1)
        val_fraction: share of the text kept for validation and not trained on: the end of a
            continuous text, or a random choice of records; 0: train on everything (default 0.1)
        val: file to validate on, in place of a share of the text; None: hold out that share
            (default None)
        cell: type of the recurrent cell (default "lstm")
        hidden_size: units per layer (default "auto")
        num_layers: number of recurrent layers (default "auto")
        embedding_size: length of the vector that represents a character (default 64)
        copy_window: characters to look back for an earlier occurrence of the last few, so that
            names and phrases can be repeated; None: do not look back (default 8192)
        counts: count what followed each context that occurs at least this often in the training
            text, and mix the counts into the prediction; "auto": 2, or none if that text has fewer
            than 5,000 characters or more than 1,000 different ones; None: use the network alone
            (default "auto")
        dropout: share of the units switched off at random during training, against over-fitting
            (default "auto")
        minutes: minutes that the command may take, from start to exit; 5 if neither this nor
            `steps` is given; when a run is resumed, minutes more (default None)
        steps: training steps to take (default None)
        batch_size: sequences of text read in parallel; the default is higher for short records, and
            for long texts on a GPU or a processor on which a step then hardly takes longer (default
            16)
        sequence_length: characters of each sequence read per step, and how far back gradients
            reach; records are always read whole (default 64)
        learning_rate: peak learning rate; it rises during the first 3% of the steps and then falls
            to 1% of the peak along a cosine (default 0.004)
        weight_decay: weight decay of the weight matrices, as in AdamW (default 0.01)
        clip_norm: maximum norm of the gradient; larger gradients are scaled down; None: never
            (default 1.0)
        rehearse: share of each batch to read from the text of the run that is continued, so that
            the model does not forget it (default 0.0)
        seed: random seed for the initial weights, the order of the text and the dropout (default 0)
        report_every: steps between lines of metrics.jsonl; "auto": at least a hundred lines in all
            (default "auto")
        eval_every: steps between validations; "auto": about twenty in all, fewer if they would
            take long, but at least one every 5,000 steps; None: only at the end (default "auto")
        patience: stop early after this many validations with a loss more than 1% above the best,
            counted after the first pass over the text; None: never stop early (default 4)
        save_every: steps between checkpoints; "auto": at each validation; None: only at the end
            (default "auto")
        sample_every: steps between short samples; "auto": five in all; None: no samples (default
            "auto")
        keep: number of latest checkpoints to keep, in addition to the best (default 3)
        on_save_error: if a checkpoint cannot be written: stop the run, or print a warning and
            continue (default "stop")
        threads: CPU threads to use; "auto": one per core, or fewer if that is faster and `steps`
            is not given (default "auto")
        device: device to train on; "auto": cuda if available, else mps, else cpu (default "auto")
        precision: precision of the matrix products; "auto": bf16 where it is fast, else fp32
            (default "auto")
        base: run or checkpoint whose model is trained further on this text; characters that it
            does not know are added; None: train a new model (default None)
        name: name of the run; None: the name of the corpus file without its extension (default
            None)
        runs_dir: directory that contains the runs (default "checkpoints")
    """

    unit: Literal["char", "byte"]
    encoding: str
    encoding_errors: Literal["strict", "replace"]
    newlines: Literal["keep", "lf"]
    normalize: Literal["nfc", "nfkc"] | None
    separator: str | None
    column: str | None
    min_count: int
    val_fraction: float
    val: str | Path | None
    cell: Literal["lstm", "gru", "rnn"]
    hidden_size: int | Auto
    num_layers: int | Auto
    embedding_size: int
    copy_window: int | None
    counts: int | Auto | None
    dropout: float | Auto
    minutes: float | None
    steps: int | None
    batch_size: int
    sequence_length: int
    learning_rate: float
    weight_decay: float
    clip_norm: float | None
    rehearse: float
    seed: int
    report_every: int | Auto
    eval_every: int | Auto | None
    patience: int | None
    save_every: int | Auto | None
    sample_every: int | Auto | None
    keep: int
    on_save_error: Literal["stop", "continue"]
    threads: int | Auto
    device: Literal["auto", "cpu", "cuda", "mps"]
    precision: Literal["auto", "fp32", "bf16"]
    base: str | Path | None
    name: str | None
    runs_dir: str | Path
