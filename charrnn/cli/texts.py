"""The part of ``charrnn sample`` that writes continuous text: several texts, or a saved story."""

from collections.abc import Iterable, Iterator
from itertools import chain

from charrnn.cli.json_line import json_line
from charrnn.cli.output import Writing, bar_of_texts
from charrnn.cli.sample_request import SampleRequest
from charrnn.generation.generator import Sample
from charrnn.generation.jobs import ONE_BY_ONE
from charrnn.generation.session import Session
from charrnn.text_model import TextModel

# The line between two texts; --json has none.
DIVIDER = "-" * 40


def write_texts(model: TextModel, request: SampleRequest) -> Writing:
    """Write texts, each with a seed one higher than the one before, and a divider between them.

    Raises:
        CharRNNError: the model cannot write what was asked for.
    """
    # This text is never drawn: it checks all settings before anything is printed.
    model.stream(request.prompt, seed=request.seed, **request.text_arguments)
    seeds = range(request.seed, request.seed + request.num_samples)
    title = f"{model.path}, seed {request.seed}"
    if len(seeds) > 1:
        title = f"{model.path}, seeds {seeds[0]} to {seeds[-1]}"
    new_texts: list[str] = []
    has_jobs = request.jobs != 1 and len(seeds) > 1
    if has_jobs or len(seeds) > ONE_BY_ONE:
        return Writing(title, _whole_texts(model, request, new_texts), new_texts)
    texts = (_text(model, request, seed, new_texts) for seed in seeds)
    return Writing(title, chain.from_iterable(texts), new_texts)


def write_story(model: TextModel, request: SampleRequest) -> Writing:
    """Write a text that continues a saved state, or whose state will be saved.

    Raises:
        CharRNNError: the state cannot be read, or the model cannot write what was asked for.
    """
    if request.load_state is None:
        session = model.session(request.prompt, seed=request.seed, **request.settings)
        title = f"{model.path}, seed {request.seed}"
    else:
        session = model.load_session(request.load_state, **request.settings)
        if "seed" in request.given:
            session = session.fork(request.seed)
        session.feed(request.prompt)
        title = f"{model.path}, continuing {request.load_state}"
    new_texts: list[str] = []
    return Writing(title, _story(session, request, new_texts), new_texts, session)


def _text(
    model: TextModel,
    request: SampleRequest,
    seed: int,
    new_texts: list[str],
) -> Iterator[str]:
    """The pieces of one text, or its line of JSON."""
    if request.as_json:
        sample = model.sample(
            request.prompt,
            seed=seed,
            best_of=request.best_of,
            **request.text_arguments,
        )
        yield from _finished(model, request, sample, new_texts)
        return
    yield from _before(request, seed)
    pieces = _new_pieces(model, request, seed)
    yield from _collected(pieces, request, new_texts)
    yield "\n"


def _whole_texts(
    model: TextModel,
    request: SampleRequest,
    new_texts: list[str],
) -> Iterator[str]:
    """The pieces of many texts, each of which is shown when it is finished."""
    samples = model.samples(
        request.num_samples,
        request.prompt,
        seed=request.seed,
        best_of=request.best_of,
        jobs=request.jobs,
        **request.text_arguments,
    )
    with bar_of_texts(request.output, request.num_samples, " texts") as bar:
        for sample in samples:
            yield from _finished(model, request, sample, new_texts)
            bar.update()


def _finished(
    model: TextModel,
    request: SampleRequest,
    sample: Sample,
    new_texts: list[str],
) -> Iterator[str]:
    """The pieces of a text that is already drawn, or its line of JSON."""
    if request.originality:
        new_texts.append(sample.text)
    if request.as_json:
        yield _json(model, request, sample)
        return
    yield from _before(request, sample.seed)
    yield f"{sample.text}\n"


def _before(request: SampleRequest, seed: int) -> Iterator[str]:
    """What precedes the new text of a seed: the line after the text before it, and the prompt."""
    if seed != request.seed:
        yield f"{DIVIDER}\n"
    if not request.hide_prompt:
        yield request.prompt


def _json(model: TextModel, request: SampleRequest, sample: Sample) -> str:
    ends = {
        "length": request.text_length,
        "stop": request.stop,
        "until": request.until,
        "best_of": request.best_of,
    }
    which = {"seed": sample.seed}
    return json_line(model, request, sample.text, sample.log_probability, which=which, ends=ends)


def _new_pieces(model: TextModel, request: SampleRequest, seed: int) -> Iterable[str]:
    """The pieces of a text as it is drawn; the best of several texts is one piece."""
    if request.best_of == 1:
        return model.stream(request.prompt, seed=seed, **request.text_arguments)
    best = model.generate(
        request.prompt,
        seed=seed,
        best_of=request.best_of,
        **request.text_arguments,
    )
    return [best]


def _story(session: Session, request: SampleRequest, new_texts: list[str]) -> Iterator[str]:
    if not request.hide_prompt:
        yield session.text
    pieces = session.stream(request.text_length, until=request.until)
    yield from _collected(pieces, request, new_texts)
    yield "\n"


def _collected(
    pieces: Iterable[str],
    request: SampleRequest,
    new_texts: list[str],
) -> Iterator[str]:
    """Yield the pieces of a text, and add it to the new texts for ``--originality``."""
    if not request.originality:
        yield from pieces
        return
    finished: list[str] = []
    for piece in pieces:
        finished.append(piece)
        yield piece
    new_texts.append("".join(finished))
