"""The options of ``charrnn sample``, in the order of its help."""

import click

from charrnn.cli.forms import forms_options
from charrnn.cli.options import (
    WholeString,
    json_option,
    knob_options,
    option_group,
    runs_dir_option,
)
from charrnn.cli.records import records_options
from charrnn.config.knobs import knobs
from charrnn.generation.sampling import Sampler
from charrnn.generation.session import LENGTH

sample_options = option_group(
    click.option("-p", "--prompt", default="", help="text that the network reads first"),
    click.option(
        "--prompt-file",
        metavar="FILE",
        help="read the prompt from a file, exactly as it is; - is standard input",
    ),
    click.option(
        "-n",
        "--length",
        type=click.IntRange(0, 10**9),
        default=LENGTH,
        show_default=True,
        help="new characters to write; of a record, the most that it may have, its prompt counted  "
        "[of a record: by the corpus; more for many --lines]",
    ),
    knob_options(knobs(Sampler)),
    click.option(
        "-s",
        "--seed",
        type=click.IntRange(0, 2**63 - 1),
        help="the same seed and settings write the same text  [default: another each time, shown]",
    ),
    click.option(
        "--num-samples",
        type=click.IntRange(1, 10**6),
        default=1,
        show_default=True,
        help="how many texts, the i-th with seed + i - 1; or how many records, one after another",
    ),
    click.option(
        "--bias",
        multiple=True,
        type=WholeString(),
        metavar="CHARS=X",
        help="add X nats to each of these characters; several times",
    ),
    click.option("--ban", default="", metavar="CHARS", help="never write these characters"),
    click.option(
        "--stop",
        multiple=True,
        type=WholeString(),
        metavar="STRING",
        help="end before this string; may be given several times; "
        "\\n, \\r, \\t, \\\\ are newline, return, tab, backslash",
    ),
    click.option(
        "--until",
        metavar="sentence|line|paragraph|STRING",
        help="go on past --length to the end of a sentence, line or paragraph, or this string",
    ),
    click.option(
        "--best-of",
        type=click.IntRange(1, 10**4),
        default=1,
        show_default=True,
        help="write so many, and show the one with the highest log-probability per character",
    ),
    click.option(
        "--unknown",
        type=click.Choice(["error", "skip", "replace"]),
        default="error",
        show_default=True,
        help="a character of the prompt that the model has not seen",
    ),
    click.option(
        "--adapt-to",
        metavar="FILE",
        help="lean the model toward this text first: it learns from it, once; "
        "the run is not changed; needs PyTorch",
    ),
    click.option(
        "--save-state",
        metavar="FILE",
        help="keep in a file where the story stands, once it is written",
    ),
    click.option(
        "--load-state",
        metavar="FILE",
        help="go on with a story that was kept so, as if it had not stopped; settings go with it",
    ),
    forms_options,
    records_options,
    click.option("--hide-prompt", is_flag=True, help="show the new text alone"),
    click.option(
        "-o",
        "--output",
        metavar="FILE",
        help="write into a file, once all is written; - is standard output",
    ),
    json_option(
        "sample",
        "one JSON object a line: text, prompt, seed, settings, adapt_to, model, log_probability; "
        "of a record its number too",
    ),
    runs_dir_option,
)
