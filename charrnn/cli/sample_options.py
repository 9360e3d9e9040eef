"""The options of ``charrnn sample``, in the order of its help."""

from contextlib import suppress

import click

from charrnn.cli.forms import forms_options
from charrnn.cli.options import (
    WholeNumber,
    WholeString,
    json_option,
    knob_options,
    option_group,
    quiet_option,
    runs_dir_option,
)
from charrnn.cli.records import records_options
from charrnn.config.arguments import shown_value
from charrnn.config.knobs import knobs
from charrnn.generation.jobs import AUTO
from charrnn.generation.sampling import Sampler
from charrnn.generation.session import LENGTH

MAX_JOBS = 1024


def _parse_jobs(ctx: click.Context, param: click.Parameter, value: str) -> int | str:
    """A number of processes, or ``auto``."""
    if value == AUTO:
        return AUTO
    with suppress(ValueError):
        if 1 <= int(value) <= MAX_JOBS:
            return int(value)
    raise click.BadParameter(
        f"must be a whole number from 1 to {MAX_JOBS:,} or auto, got {shown_value(value)}",
        ctx,
        param,
    )


sample_options = option_group(
    click.option("-p", "--prompt", default="", help="text that the network reads first"),
    click.option(
        "--prompt-file",
        metavar="FILE",
        help="file to read the prompt from, byte for byte; - is standard input",
    ),
    click.option(
        "-e",
        "--escapes",
        is_flag=True,
        help="read \\n, \\r, \\t and \\\\ in --prompt as newline, return, tab and backslash",
    ),
    click.option(
        "-n",
        "--length",
        type=WholeNumber(0, 10**9),
        default=LENGTH,
        help="characters to generate (for records: the maximum per record, including the prompt)  "
        f"[default: {LENGTH}; for records, twice the longest of the corpus, or what --lines needs]",
    ),
    knob_options(knobs(Sampler)),
    click.option(
        "-s",
        "--seed",
        type=WholeNumber(0, 2**63 - 1),
        help="number that makes the text reproducible, with the same settings  "
        "[default: random, and printed]",
    ),
    click.option(
        "--num-samples",
        type=WholeNumber(1, 10**6),
        default=1,
        show_default=True,
        help="number of texts, with consecutive seeds and a line of dashes between them; "
        "or number of records",
    ),
    click.option(
        "--jobs",
        callback=_parse_jobs,
        metavar="N|auto",
        default="1",
        show_default=True,
        help="processes that write them, auto for one on each core; the output is the same",
    ),
    click.option(
        "--bias",
        multiple=True,
        type=WholeString(),
        metavar="CHARS=X",
        help="make these characters likelier (X > 0) or less likely (X < 0): adds X to the "
        "logarithm of their probability, so 1 makes rare ones 2.7 times as likely; can be "
        "repeated",
    ),
    click.option("--ban", default="", metavar="CHARS", help="never write these characters"),
    click.option(
        "--stop",
        multiple=True,
        type=WholeString(),
        metavar="STRING",
        help="end before this string; can be repeated; "
        "\\n, \\r, \\t, \\\\ are newline, return, tab, backslash",
    ),
    click.option(
        "--until",
        metavar="sentence|line|paragraph|STRING",
        help="continue after --length to the end of a sentence, line or paragraph, or this string",
    ),
    click.option(
        "--best-of",
        type=WholeNumber(1, 10**4),
        default=1,
        show_default=True,
        help="number of drafts, of which the likeliest is shown (highest log-probability per "
        "character)",
    ),
    click.option(
        "--unknown",
        type=click.Choice(["error", "skip", "replace"]),
        default="error",
        show_default=True,
        help="what to do with characters of the prompt that the model has not seen",
    ),
    click.option(
        "--adapt-to",
        metavar="FILE",
        help="text that the model learns from briefly before it writes, for this command only; "
        "needs PyTorch",
    ),
    click.option(
        "--save-state",
        metavar="FILE",
        help="save the end of the text in this file, to continue it later with --load-state",
    ),
    click.option(
        "--load-state",
        metavar="FILE",
        help="continue a text saved with --save-state, with the same settings",
    ),
    forms_options,
    records_options,
    click.option("--hide-prompt", is_flag=True, help="show only the new text"),
    click.option(
        "-o",
        "--output",
        metavar="FILE",
        help="file to write when everything is finished; - is standard output",
    ),
    json_option(
        "sample",
        "print one JSON object per line: text, prompt, seed, settings, adapt_to, model, "
        "log_probability; for records also number",
    ),
    runs_dir_option,
    quiet_option,
)
