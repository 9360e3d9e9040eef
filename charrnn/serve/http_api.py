"""The HTTP API, as an ASGI application."""

import asyncio
import json
import re
import secrets
import time
from collections.abc import AsyncIterator, Collection, Iterator
from functools import partial
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

import charrnn
from charrnn.errors import CharRNNError, ConfigError
from charrnn.serve.answer import (
    BURST,
    Answer,
    Delta,
    Finished,
    Notice,
    explained,
    has_index,
    known_text,
)
from charrnn.serve.completion import Completion, text_of
from charrnn.serve.engine import Engine, elsewhere
from charrnn.serve.fields import Fields
from charrnn.serve.guard import LOCAL, Guard, has_key
from charrnn.serve.limits import Limits
from charrnn.serve.models import Models
from charrnn.serve.page_files import page_routes
from charrnn.serve.problem import Problem, problem_of
from charrnn.serve.words import next_words
from charrnn.text_model import TextModel

MOST_WORDS = 50
CLOSE = {"Connection": "close"}  # since the rest of the body is not read
NO_CHAT = (
    "charrnn has no chat: its models continue a text and know no roles or turns; "
    "use /v1/completions"
)


def app(
    models: Any,
    *,
    api_key: str | None = None,
    hosts: Collection[str] = LOCAL,
    origins: Collection[str] = (),
    limits: Limits | None = None,
) -> "Application":
    """The API for some models, as an ASGI application.

    Args:
        models: a TextModel, or the path of a run or a checkpoint; a list of them; or a dictionary
            of them by name.
        api_key: that requests must bring; None for no key.
        hosts: names by which the server may be called; empty for any.
        origins: of pages elsewhere that may send requests, such as ``https://example.org``.
        limits: on what a request may ask for.

    Raises:
        ConfigError: there is no model, two have one name, or the key is empty.
    """
    if api_key is not None and not api_key:
        raise ConfigError("`api_key` must have at least one character, got ''")
    for origin in origins:
        if not re.fullmatch(r"https?://[^/*]+/?", origin):
            raise ConfigError(
                f"`origins` must have origins such as https://example.org, got {origin!r}"
            )
    api = Api(Models(models), limits or Limits(), api_key)
    routes = [
        *page_routes(),
        Route("/health", api.health),
        Route("/v1/models", api.list_models),
        Route("/v1/models/{name:path}", api.show_model),
        Route("/v1/completions", api.completions, methods=["POST"]),
        Route("/v1/words", api.words, methods=["POST"]),
        Route("/v1/score", api.score, methods=["POST"]),
        Route("/v1/chat/completions", api.chat, methods=["POST"]),
        Route("/tokenizer_info", api.tokenizer_info),
        Route("/tokenize", api.tokenize, methods=["POST"]),
        Route("/detokenize", api.detokenize, methods=["POST"]),
    ]

    inner = Starlette(
        routes=routes,
        exception_handlers={
            Problem: _show_problem,
            404: _no_such_path,
            405: _wrong_method,
            Exception: _show_bug,
        },
    )
    inner.router.redirect_slashes = False
    return Application(Guard(inner, hosts, api_key, origins), api.engine)


class Application:
    """The API as an ASGI application.

    Args:
        guarded: answers requests.
        engine: generates the answers.
    """

    def __init__(self, guarded: Guard, engine: Engine) -> None:
        self._guarded = guarded
        self._engine = engine

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self._guarded(scope, receive, send)

    @property
    def num_streams(self) -> int:
        """The requests that are being answered."""
        return self._engine.num_streams

    def close(self) -> None:
        """End all answers, with an error if they have not been sent; further ones are refused."""
        self._engine.close()


class Api:
    """The answers to requests.

    Args:
        models: to choose from.
        limits: on what a request may ask for.
        api_key: that requests bring, or None.
    """

    def __init__(self, models: Models, limits: Limits, api_key: str | None) -> None:
        self.models = models
        self.api_key = api_key
        self.limits = limits
        self.engine = Engine(limits)

    async def health(self, request: Request) -> Response:
        """Whether the server is up; to those who have the key, if there is one, also more."""
        about: dict[str, Any] = {"status": "ok"}
        if self.api_key is None or has_key(request.headers, self.api_key):
            about["version"] = charrnn.__version__
            about["models"] = len(self.models)
            about["streams"] = self.engine.num_streams
        return Json(about)

    async def list_models(self, request: Request) -> Response:
        """The names of the models."""
        return Json({"object": "list", "data": [_as_model(name) for name in self.models]})

    async def show_model(self, request: Request) -> Response:
        """One of them, with what it writes."""
        name = self.models.check(request.path_params["name"])
        model: TextModel = await self._answered(request, self._model(name))
        vocabulary = model.vocabulary
        about = {
            "unit": vocabulary.unit,
            "characters": "".join(vocabulary.symbols),
            "records": vocabulary.records,
            "separator": model.separator_of_items,
            "has_index": has_index(model),
        }
        return Json(_as_model(name) | about)

    async def chat(self, request: Request) -> Response:
        """Say why there is no chat."""
        raise Problem(404, NO_CHAT)

    async def tokenizer_info(self, request: Request) -> Response:
        """What vLLM's clients ask for before they tokenize."""
        return Json({"tokenizer_class": "characters", "eos_token": "\n", "bos_token": "\n"})

    async def tokenize(self, request: Request) -> Response:
        """A text as tokens, which are the code points of its characters."""
        fields = Fields(await self._body(request))
        text = fields.string("prompt", "", self.limits.prompt)
        tokens = [ord(char) for char in text]
        return Json({"tokens": tokens, "count": len(tokens), "max_model_len": self.limits.prompt})

    async def detokenize(self, request: Request) -> Response:
        """The text of some tokens."""
        fields = Fields(await self._body(request))
        return Json({"prompt": text_of(fields.take("tokens", []), "tokens")})

    async def completions(self, request: Request) -> Response:
        """Continue a text, or several."""
        completion = Completion.parse(await self._body(request), self.limits)
        name = self.models.check(completion.model)
        about = {
            "id": f"cmpl-{secrets.token_hex(12)}",
            "object": "text_completion",
            "created": int(time.time()),
            "model": name,
            "seed": completion.seed,
        }
        events = self._run(self._completed(name, completion))
        if completion.stream:
            first = await self._unless_gone(request, _first(events))
            parts = _as_sse(about, first, events, completion)
            return StreamingResponse(parts, media_type="text/event-stream")
        return Json(await self._unless_gone(request, _collected(about, events, completion)))

    async def words(self, request: Request) -> Response:
        """The words that are likely to come next."""
        fields = Fields(await self._body(request))
        name = self.models.check(fields.string("model", None, 1000))
        prompt = fields.string("prompt", "", self.limits.prompt)
        unknown = fields.string("unknown", "error", 10)
        count = fields.integer("k", 5, 1, MOST_WORDS)
        fields.finish()
        words = await self._answered(request, self._words(name, prompt, unknown, count))
        return Json({"object": "list", "model": name, "data": [word._asdict() for word in words]})

    async def score(self, request: Request) -> Response:
        """How likely each character of a text is."""
        fields = Fields(await self._body(request))
        name = self.models.check(fields.string("model", None, 1000))
        text = fields.string("text", "", self.limits.scored)
        unknown = fields.string("unknown", "error", 10)
        alternatives = fields.integer("alternatives", 5, 1, 20)
        fields.finish()
        if not text:
            raise Problem(400, "`text` must have at least one character", "text")
        if len(text) * alternatives > self.limits.alternatives:
            raise Problem(
                400,
                f"a request may ask for at most {self.limits.alternatives:,} alternatives in all",
                "alternatives",
            )
        characters = await self._answered(request, self._scored(name, text, unknown, alternatives))
        body = f'{{"object": "list", "model": {json.dumps(name)}, "data": {characters}}}'
        return Response(body, media_type="application/json")

    async def _answered(self, request: Request, work: Iterator[Any]) -> Any:
        """The only part of an answer."""
        return await self._unless_gone(request, _result(self._run(work)))

    def _run(self, work: Iterator[Any]) -> AsyncIterator[Any]:
        """The parts that work yields; an error of the library is a problem of the request."""
        return self.engine.run(_with_problems(work))

    def _model(self, name: str) -> Iterator[Any]:
        served = yield from self.models.get(name)
        yield served.model

    def _completed(self, name: str, completion: Completion) -> Iterator[Any]:
        served = yield from self.models.get(name)
        yield from Answer(completion, served, self.limits).events()

    def _words(self, name: str, prompt: str, unknown: str, count: int) -> Iterator[Any]:
        model, prefixes = yield from self.models.get(name)
        known, _ = yield from known_text(model, prompt, unknown)
        yield (yield from next_words(model, prefixes, known, count))

    def _scored(self, name: str, text: str, unknown: str, alternatives: int) -> Iterator[Any]:
        model, _ = yield from self.models.get(name)
        items, _ = yield from elsewhere(partial(model.known_items, text, unknown))
        explanation = yield from explained(model, items, alternatives, model.prime)
        characters = []
        for place, offset in enumerate(explanation.offsets.tolist()):
            characters.append(json.dumps(explanation[place]._asdict() | {"offset": offset}))
            if place % BURST == 0:
                yield None
        yield f"[{', '.join(characters)}]"

    async def _body(self, request: Request) -> Any:
        """The JSON in the body of a request.

        Raises:
            Problem: it is too long or too slow, or is not JSON.
        """
        self.engine.check_room()
        data = bytearray()
        try:
            async with asyncio.timeout(self.limits.body_seconds):
                async for chunk in request.stream():
                    data += chunk
                    if len(data) > self.limits.body:
                        raise Problem(
                            413, f"the body has more than {self.limits.body:,} bytes", None, CLOSE
                        )
        except TimeoutError:
            raise Problem(408, "the body took too long to arrive", None, CLOSE) from None
        except ClientDisconnect:
            raise Problem(400, "the client has gone") from None
        try:
            return json.loads(data, parse_constant=_refuse_constant)
        except (ValueError, RecursionError):
            raise Problem(400, "the body is not valid JSON") from None

    async def _unless_gone(self, request: Request, answer: Any) -> Any:
        """Wait for an answer, but not longer than the client does."""
        task = asyncio.ensure_future(answer)
        gone = asyncio.ensure_future(_until_gone(request))
        try:
            await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise Problem(400, "the client has gone")
            return task.result()
        finally:
            task.cancel()
            gone.cancel()
            await asyncio.gather(task, gone, return_exceptions=True)


def _with_problems(work: Iterator[Any]) -> Iterator[Any]:
    try:
        yield from work
    except CharRNNError as error:
        raise problem_of(error) from None


async def _until_gone(request: Request) -> None:
    """Wait until the client has closed its connection."""
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            return


async def _result(events: AsyncIterator[Any]) -> Any:
    """The only part of an answer."""
    try:
        async for part in events:
            return part
    finally:
        await events.aclose()  # type: ignore[attr-defined]


async def _first(events: AsyncIterator[Any]) -> Any:
    """The first part of an answer, so that an error in it has its own status."""
    return await anext(events)


class Json(JSONResponse):
    """JSON in ASCII, so that any string can be sent."""

    def render(self, content: Any) -> bytes:
        return json.dumps(content, allow_nan=False).encode("ascii")


async def _collected(
    about: dict[str, Any],
    events: AsyncIterator[Any],
    completion: Completion,
) -> dict[str, Any]:
    """A whole answer."""
    texts: dict[int, list[str]] = {}
    choices = []
    notices = []
    new_characters = 0
    try:
        async for event in events:
            if isinstance(event, Notice):
                notices.append(event.text)
            elif isinstance(event, Delta):
                texts.setdefault(event.choice, []).append(event.text)
            else:
                text = "".join(texts.pop(event.choice, []))
                choices.append(_as_choice(event, text))
                new_characters += event.characters
    finally:
        await events.aclose()  # type: ignore[attr-defined]
    answer = {**about, "choices": choices, "usage": _usage(completion, new_characters)}
    if notices:
        answer["notices"] = notices
    return answer


def _usage(completion: Completion, new_characters: int) -> dict[str, int]:
    """The characters of the prompts, and of the new texts."""
    of_prompts = sum(map(len, completion.prompts))
    return {
        "prompt_tokens": of_prompts,
        "completion_tokens": new_characters,
        "total_tokens": of_prompts + new_characters,
    }


async def _as_sse(
    about: dict[str, Any],
    first: Any,
    events: AsyncIterator[Any],
    completion: Completion,
) -> AsyncIterator[str]:
    """An answer as server-sent events."""
    new_characters = 0
    notices: list[str] = []  # sent with the next part, since clients expect a choice in each
    try:
        event = first
        while event is not None:
            if isinstance(event, Notice):
                notices.append(event.text)
            else:
                yield _sse(about | {"notices": notices} if notices else about, event)
                notices = []
            if isinstance(event, Finished):
                new_characters += event.characters
            await asyncio.sleep(0)  # so that a client that has gone is noticed before the next part
            event = await anext(events, None)
        if completion.include_usage:
            usage = _usage(completion, new_characters)
            yield f"data: {json.dumps({**about, 'choices': [], 'usage': usage})}\n\n"
        yield "data: [DONE]\n\n"
    except Problem as problem:
        yield f"data: {json.dumps(problem.as_dict())}\n\n"
    finally:
        await events.aclose()  # type: ignore[attr-defined]


def _sse(about: dict[str, Any], event: Delta | Finished) -> str:
    if isinstance(event, Delta):
        choice: dict[str, Any] = {
            "text": event.text,
            "index": event.choice,
            "logprobs": None,
            "finish_reason": None,
        }
    else:
        choice = _as_choice(event, "")
    return f"data: {json.dumps({**about, 'choices': [choice]})}\n\n"


def _as_choice(event: Finished, text: str) -> dict[str, Any]:
    return {
        "text": text,
        "index": event.choice,
        "logprobs": event.logprobs,
        "finish_reason": event.reason,
    }


def _as_model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "charrnn"}


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


async def _show_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return Json(error.as_dict(), error.status, error.headers)


async def _no_such_path(request: Request, error: Exception) -> Response:
    return Json(Problem(404, "there is no such path").as_dict(), 404)


async def _wrong_method(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return Json(Problem(405, "this path needs another method").as_dict(), 405, error.headers)


async def _show_bug(request: Request, error: Exception) -> Response:
    return Json(Problem(500, "an error in charrnn; please report it").as_dict(), 500)
