"""The paths of the API, what it refuses, and in which shape."""

import json

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

import charrnn
from charrnn.errors import ConfigError
from charrnn.serve import app
from charrnn.serve.limits import Limits

JSON = {"content-type": "application/json"}


def check_error(answer, low=400, high=499):
    """An error is JSON in the shape of OpenAI's API."""
    assert low <= answer.status_code <= high, answer.text
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"]
    return error


def test_health_and_models(client):
    health = client.get("/health").json()
    assert health == {"status": "ok", "version": charrnn.__version__, "models": 3, "streams": 0}
    names = [model["id"] for model in client.get("/v1/models").json()["data"]]
    assert names == ["plain", "names", "bytes"]
    about = client.get("/v1/models/names").json()
    assert (about["id"], about["records"], about["characters"]) == ("names", True, "abc")
    assert check_error(client.get("/v1/models/none"))["param"] == "model"


def test_there_is_no_chat_and_the_answer_says_why(client):
    answer = client.post("/v1/chat/completions", json={"messages": []})
    assert answer.status_code == 404
    assert "use /v1/completions" in check_error(answer)["message"]


def test_scores_are_those_of_the_library(client, models):
    answer = client.post("/v1/score", json={"model": "plain", "text": "abca", "alternatives": 2})
    explanation = models["plain"].explain("abca", alternatives=2)
    expected = [c._asdict() | {"offset": place} for place, c in enumerate(explanation)]
    assert answer.json()["data"] == json.loads(json.dumps(expected))


# Each is refused with a status of 4xx: bodies for /v1/completions.
FIELDS = {
    "prompt": [1, [1, 2], [[1]], [], {}, ["a", 1], True, "z", ["a", "z"], "a" * 300_000],
    "max_tokens": [-1, 1.5, "a", [], 10**9, 10**400, True, {}],
    "temperature": [-1, "hot", [], 10**9, True, {}],
    "top_p": [0, -0.1, 1.1, "a", True, []],
    "top_k": [0, -1, 1.5, "a", True, 2**40],
    "min_p": [-1, 2, "a", True],
    "dry": [-1, 0, 1000, "a", True],
    "seed": [-1, 1.5, "a", 2**64, True, []],
    "n": [0, -1, 1.5, 1000, "a", True, []],
    "best_of": [0, 1000, "a", 1.5, True],
    "unknown": [1, "a", []],
    "stop": [1, [1], {}, [""], "", ["a"] * 17, "a" * 501, True],
    "until": [1, "", [], "z", {}, "a" * 501],
    "echo": [1, "true", [], {}],
    "stream": [1, "true", []],
    "logprobs": [-1, 21, 1.5, "a", True, []],
    "logit_bias": [1, "a", [], {"ab": 1}, {"": 1}, {"a": "b"}, {"a": 1e9}, {"z": 1}, {"50256": -100}, {"a": None}, {"a": True}],
    "match": [1, "(", "[", "a{9999999}", "a" * 501, [], "z", "(?=a)"],
    "contains": [1, [1], "z", "a" * 501, ["a"] * 17, {}],
    "without": [1, [1], "", "a" * 501, {}],
    "max_copy": [0, -1, 1.5, "a", 5, True],
    "acrostic": [1, "z", "a\nb", "", [], "a" * 501],
    "lines": [0, -1, 1.5, "a", True, [], 10**9],
    "line_length": [1, "a", [1], [1, 2, 3], [1.5, 2], [5, 2], [-1, 2], ["a", "b"], [None, 2], True],
    "length_between": [1, "a", [1], [5, 2], [-1, 2], [1, 10**9], [1, None]],
    "exact_length": [-1, 1.5, "a", True, 10**9],
    "particles": [0, -1, 1.5, "a", 65, 5],
    "max_tries": [0, "a", 1.5],
    "unique": [1, "a", True],
    "new": [1, "a", True],
    "model": [1, "none", [], "a" * 2000, ""],
    "suffix": ["a", 1],
    "presence_penalty": [1, "a"],
    "frequency_penalty": [0.5],
    "unknown_field": [1, None, "a"],
}  # fmt: skip
MALFORMED = [
    (name, value) for name, values in FIELDS.items() for value in values if value is not None
]
# Where the message is about another field, or about none.
OTHER_NAMES = {
    ("until", "z"): None,
    ("logit_bias", "{'z': 1}"): None,
    ("new", "True"): "unique",
}
BODIES = [
    b"", b"{", b"[]", b"1", b'"a"', b"null", b"\xff\xfe", b'{"prompt": NaN}', b'{"temperature": Infinity}', b"[" * 100_000,
    b'{"a": 1', b"{'prompt': 'a'}", b'{"prompt": "\\ud800"}', b'{"prompt": "\\u0000"}', b"a=b", b"{}{}", b'{"n": 1e999}',
    b'{"prompt": "a", "max_tokens": 1e400}', b'{"prompt": {"a": {"a": {}}}}', b"\x00",
]  # fmt: skip
PATHS = [
    ("GET", "/page"), ("GET", "/page/none.js"), ("GET", "/page/../models.py"), ("GET", "/v1"), ("GET", "/v1/completions"), ("PUT", "/v1/completions"), ("DELETE", "/v1/models"),
    ("GET", "/../../etc/passwd"), ("GET", "/v1/models/../../x"), ("GET", "/v1/models/%00"), ("POST", "/v1/none"), ("GET", "/v1/words"),
]  # fmt: skip
OTHERS = [
    ("/v1/words", {"k": 0}), ("/v1/words", {"k": 51}), ("/v1/words", {"prompt": 1}), ("/v1/words", {"prompt": "z"}), ("/v1/words", {"x": 1}),
    ("/tokenize", {"prompt": 1}), ("/detokenize", {"tokens": [-1]}), ("/detokenize", {"tokens": ["a"]}), ("/detokenize", {"tokens": [10**7]}),
    ("/v1/score", {}), ("/v1/score", {"text": ""}), ("/v1/score", {"text": 1}), ("/v1/score", {"text": "z"}),
    ("/v1/score", {"text": "a", "alternatives": 0}), ("/v1/score", {"text": "a", "x": 1}), ("/v1/score", []), ("/v1/words", []),
]  # fmt: skip


def test_any_name_of_a_field_can_be_answered(client):
    for name in ("\ud800", "\x00", "\u202e", "a" * 500):
        check_error(client.post("/v1/completions", content=json.dumps({name: 1}), headers=JSON))


def test_tokens_are_code_points(client, models):
    answer = client.post("/tokenize", json={"prompt": "ab\U0001f600", "add_special_tokens": False})
    assert answer.json()["tokens"] == [97, 98, 0x1F600]
    tokens = {"tokens": [97, 98, 0x1F600]}
    assert client.post("/detokenize", json=tokens).json() == {"prompt": "ab\U0001f600"}
    assert client.get("/tokenizer_info").json()["eos_token"] == "\n"
    for prompt in ([97, 98], [[97, 98]], ["ab"]):
        body = {"prompt": prompt, "seed": 7, "max_tokens": 9}
        choice = client.post("/v1/completions", json=body).json()["choices"][0]
        assert choice["text"] == models["plain"].generate("ab", length=9, seed=7)


def test_scores_are_limited_and_records_are_read_one_by_one(client, models):
    check_error(client.post("/v1/score", json={"model": "plain", "text": "a" * 20_001}))
    check_error(
        client.post(
            "/v1/completions",
            json={"model": "plain", "prompt": "a" * 30_000, "logprobs": 1, "max_tokens": 0},
        )
    )
    data = client.post(
        "/v1/score", json={"model": "names", "text": "ab\nc", "alternatives": 1}
    ).json()["data"]
    assert [part["character"] for part in data] == ["a", "b", "\n", "c", "\n"]
    scores = [*models["names"].score("ab"), *models["names"].score("c")]
    assert [part["log_probability"] for part in data] == pytest.approx(scores)


def test_max_copy_needs_an_index(client):
    error = check_error(client.post("/v1/completions", json={"max_copy": 20}))
    assert error["param"] == "max_copy"
    assert "charrnn originality RUN" in error["message"]


def test_malformed_requests_are_refused_with_the_field(client):
    for name, value in MALFORMED:
        answer = client.post(
            "/v1/completions", content=json.dumps({"max_tokens": 5, name: value}), headers=JSON
        )
        error = check_error(answer)
        assert error["param"] == OTHER_NAMES.get((name, str(value)), name), (name, value, error)
    for body in BODIES:
        check_error(client.post("/v1/completions", content=body, headers=JSON))
    for method, path in PATHS:
        check_error(client.request(method, path, headers=JSON))
    for path, body in OTHERS:
        check_error(client.post(path, json=body))
    assert len(MALFORMED) + len(BODIES) + len(PATHS) + len(OTHERS) >= 150
    assert client.get("/health").json()["streams"] == 0


def test_a_method_that_is_not_allowed_is_told_which_is(client):
    answer = client.get("/v1/completions", headers=JSON)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


def test_an_app_can_be_mounted_in_another_one(models):
    outer = Starlette(routes=[Mount("/texts", app(models, api_key="key"))])
    with TestClient(outer, base_url="http://localhost") as client:
        assert client.get("/texts/health").json() == {"status": "ok"}
        assert client.get("/texts/v1/models").status_code == 401
        key = {"authorization": "Bearer key"}
        answer = client.post("/texts/v1/completions", json={"max_tokens": 3}, headers=key)
        assert len(answer.json()["choices"][0]["text"]) == 3


def test_the_given_model_is_not_changed(models):
    model = models["plain"]
    before = dict(vars(model.generator))
    with TestClient(app(model), base_url="http://localhost") as client:
        client.post("/v1/completions", json={"max_tokens": 3, "contains": "a"})
    assert vars(model.generator) == before


def test_an_application_that_is_closed_refuses(models):
    application = app(models)
    with TestClient(application, base_url="http://localhost") as client:
        application.close()
        assert check_error(client.post("/v1/completions", json={}), 503, 503)


def test_records_are_not_given_what_they_cannot_have(client):
    check_error(client.post("/v1/completions", json={"model": "names", "prompt": "a\nb"}))


def test_limits(models):
    limits = Limits(body=200, length=50, texts=3, prompt=10)
    with TestClient(app(models, limits=limits), base_url="http://localhost") as client:
        for body in (
            {"max_tokens": 51},
            {"n": 4},
            {"prompt": "a" * 11},
            {"n": 3, "max_tokens": 20},
            {"prompt": ["a"] * 4},
        ):
            check_error(client.post("/v1/completions", json=body))
        assert client.post("/v1/completions", content=b" " * 201, headers=JSON).status_code == 413
        assert client.post("/v1/completions", json={"max_tokens": 50}).status_code == 200


def test_too_many_requests_are_told_to_come_back(models):
    with TestClient(app(models, limits=Limits(streams=0)), base_url="http://localhost") as client:
        answer = client.post("/v1/completions", json={})
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
        assert check_error(answer)["type"] == "rate_limit_error"


def test_the_time_of_an_answer_is_limited(models):
    with TestClient(app(models, limits=Limits(seconds=0.0)), base_url="http://localhost") as client:
        answer = client.post("/v1/completions", json={"max_tokens": 10_000})
        assert answer.status_code == 503
        assert "took more than 0 seconds" in check_error(answer, 503, 503)["message"]


def test_an_empty_key_is_refused(models):
    with pytest.raises(ConfigError, match="`api_key` must have at least one character"):
        app(models, api_key="")


def test_an_app_needs_a_model_and_names_that_differ(models):
    with pytest.raises(ConfigError, match="there is no model to serve"):
        app([])
    with pytest.raises(ConfigError, match="two models have the name 'model'"):
        app([models["plain"], models["names"]])


def test_one_model_alone_has_a_name(models):
    with TestClient(app(models["plain"]), base_url="http://localhost") as client:
        assert client.post("/v1/completions", json={"max_tokens": 3}).json()["model"] == "model"


def test_a_model_that_cannot_be_loaded_is_an_error_of_its_own(tmp_path, caplog):
    with TestClient(app({"gone": tmp_path / "gone"}), base_url="http://localhost") as client:
        error = check_error(client.post("/v1/completions", json={}), 503, 503)
        assert error["message"] == "the model 'gone' cannot be loaded; the server's log says why"
        assert str(tmp_path) in caplog.text
