"""charrnn sample: write new text. Needs no PyTorch, except for ``--adapt-to``."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

# Set before NumPy is imported: waking a second thread for each character costs more than it saves.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from charrnn.cli.console import print_on_stderr, progress_bar, tell
from charrnn.cli.output import Writing, show
from charrnn.cli.records import write_records
from charrnn.cli.sample_options import sample_options
from charrnn.cli.sample_request import SampleRequest
from charrnn.cli.texts import write_story, write_texts
from charrnn.config.run_config import DataConfig
from charrnn.corpus.reading import read
from charrnn.errors import VocabularyError
from charrnn.generation.settings import not_banned
from charrnn.text_model import TextModel, load

# Unicode noncharacters: no text has all of them.
NONCHARACTERS = [chr(code) for code in range(0xFDD0, 0xFDF0)]


@click.command(context_settings={"max_content_width": 110})
@click.argument("run", required=False)
@sample_options
@click.pass_context
def sample(ctx: click.Context, /, **options: Any) -> None:
    """Write new text with a trained model.

    RUN is a run's name or directory, or a checkpoint's directory; by default the newest run. Of a
    run, the checkpoint with the lowest validation loss is used. A model trained on records writes
    whole records, one per line.

    \b
      charrnn sample --temperature 0.7 --prompt "Once "
      charrnn sample shakespeare --length 2000 --until sentence --seed 7 --output story.txt
      charrnn sample names --num-samples 50 --unique --new
      charrnn sample shakespeare --acrostic ROMEO --line-length 30 50 --max-copy 30
      charrnn sample story --save-state today.state; charrnn sample story --load-state today.state
    """
    request = SampleRequest.from_options(ctx, options)
    model = load(request.run, runs_dir=request.runs_dir)
    request.check_with(model)
    model, request, notices = _prepare(model, request)
    writing = _writing(model, request)  # raises errors before anything is printed
    notices += not_banned(model.vocabulary, request.settings.get("ban", ""))
    for line in (*notices, writing.title):
        tell(line)
    show(writing.pieces, request.output)
    _finish(model, request, writing)


def _prepare(
    model: TextModel,
    request: SampleRequest,
) -> tuple[TextModel, SampleRequest, list[str]]:
    """Repair the prompt, adapt the model, and open the index of the corpus.

    Returns:
        the model, the request, and notices on the prompt and on the file of ``--adapt-to``.
    """
    prompt, notices = _known_prompt(model, request)
    request = replace(request, prompt=prompt)
    if request.adapt_to is not None:
        model, notices_on_file = _adapted(model, request.adapt_to, request.unknown)
        notices += notices_on_file
    if request.originality or "max_copy" in request.settings:
        notices_on_index: list[str] = []
        with progress_bar(delay=1) as bar:
            model.index(
                corpus=request.corpus,
                on_notice=notices_on_index.append,
                on_progress=bar.update,
            )
        for notice in notices_on_index:
            tell(notice)
    return model, request, notices


def _known_prompt(model: TextModel, request: SampleRequest) -> tuple[str, list[str]]:
    """The prompt in the characters of the model, and a notice on each change.

    Raises:
        VocabularyError: a character is unknown, and may not or cannot be replaced.
    """
    hint = request.escapes_hint
    try:
        prompt, notices = model.vocabulary.repair(request.prompt, request.unknown)
    except VocabularyError as error:
        if not hint:
            raise
        raise VocabularyError(f"{error}; {hint}") from None
    if notices and hint:
        notices.append(hint)
    return prompt, notices


def _adapted(model: TextModel, file: str, unknown: str) -> tuple[TextModel, list[str]]:
    """The model adapted to a file, which is read like the run's corpus; notices on the file.

    Raises:
        VocabularyError: a character is unknown, and may not or cannot be replaced.
    """
    reading = read([file], DataConfig(**model.about["data"]))
    notices = list(reading.notices)
    with progress_bar(len(reading.text)) as bar:
        try:
            adapted = model.adapted(
                reading.text,
                unknown=unknown,
                each=bar.update,
                on_notice=notices.append,
            )
        except VocabularyError as error:
            raise VocabularyError(f"--adapt-to {file}: {error}") from None
    return adapted, notices


def _writing(model: TextModel, request: SampleRequest) -> Writing:
    """The records, the story or the texts that will be written."""
    if model.vocabulary.records:
        return write_records(model, request)
    if request.is_story:
        return write_story(model, request)
    return write_texts(model, request)


def _finish(model: TextModel, request: SampleRequest, writing: Writing) -> None:
    """Save the state of a story, and report on what was written."""
    if writing.session is not None and request.save_state is not None:
        writing.session.save(request.save_state)
        tell(_saved(model, request, request.save_state))
    taken_back = model.generator.taken_back
    if taken_back:
        tell(f"rewrote {taken_back:,} characters that would have copied the corpus")
    if request.originality:
        for line in _originality(model, writing.new_texts):
            print_on_stderr(line)


def _saved(model: TextModel, request: SampleRequest, path: str) -> str:
    """A line on how to continue a story that was saved."""
    if not Path(path).is_file():
        return f"wrote the state to {path}, which does not keep it; give a file to continue from"
    continues = request.command_with(model, "--load-state", path)
    return f"saved the state in {path}; continue with: {continues}"


def _originality(model: TextModel, texts: list[str]) -> Iterator[str]:
    """A report on the parts of some texts that are copied from the corpus."""
    from charrnn.cli.originality import of_text
    from charrnn.originality.report import LENGTHS, find_copies

    index = model.index()
    symbols = index.vocabulary.symbols
    # Joined by a character that is not in the corpus, no copied stretch spans two texts.
    separator = next(char for char in NONCHARACTERS if char not in symbols)
    text: str | bytes = separator.join(texts)
    if index.vocabulary.unit == "byte":
        text = separator.join(texts).encode("utf-8", "surrogatepass")
    least = LENGTHS[0]
    yield from of_text(find_copies(index, text, least), text, least)
