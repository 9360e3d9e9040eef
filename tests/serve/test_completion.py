"""Completions are the texts of the library, in the shape of OpenAI's API."""

import json

import numpy as np
import pytest

from charrnn.generation.constraints.forms import Acrostic, Contains, Length, Lines, Match, Without
from charrnn.generation.sampling import log_probabilities


def complete(client, **body):
    answer = client.post("/v1/completions", json={"model": "plain", "max_tokens": 20} | body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def texts(client, **body):
    return [choice["text"] for choice in complete(client, **body)["choices"]]


@pytest.mark.parametrize(
    ("body", "settings"),
    [
        ({}, {}),
        ({"prompt": "ab"}, {"prompt": "ab"}),
        ({"temperature": 0.3, "top_p": 0.8, "top_k": 3, "min_p": 0.1}, {"temperature": 0.3, "top_p": 0.8, "top_k": 3, "min_p": 0.1}),
        ({"dry": 2.0, "logit_bias": {"a": -100, "b": 1.5}}, {"dry": 2.0, "bias": {"a": -100, "b": 1.5}}),
        ({"stop": ["ab", "c"]}, {"stop": ["ab", "c"]}),
        ({"stop": "a"}, {"stop": "a"}),
        ({"until": "a"}, {"until": "a"}),
        ({"match": "a[bc]*"}, {"constraint": Match("a[bc]*")}),
        ({"contains": ["ab", "ca"], "without": "bb"}, {"constraint": Contains("ab") & Contains("ca") & Without("bb")}),
        ({"best_of": 4}, {"best_of": 4}),
        ({"match": "a[bc]*", "n": 1, "particles": 3}, {"constraint": Match("a[bc]*"), "particles": 3}),
        ({"acrostic": "ab", "line_length": [2, 9], "max_tokens": 40}, {"constraint": Acrostic("ab") & Lines(2, 2, 9), "length": 40}),
        ({"lines": 3, "max_tokens": 40}, {"constraint": Lines(3), "length": 40}),
        ({"line_length": [4, None]}, {"constraint": Lines(None, 4)}),
        ({"exact_length": 30}, {"constraint": Length(30)}),
        ({"length_between": [10, 30]}, {"constraint": Length(10, 30)}),
        ({"model": "names", "prompt": "a", "best_of": 2}, {"prompt": "a", "best_of": 2}),
        ({"model": "bytes", "prompt": "\u00e9"}, {"prompt": "\u00e9"}),
        ({"max_tokens": 0}, {"length": 0}),
    ],
)  # fmt: skip
def test_a_seed_writes_the_text_of_the_library(body, settings, client, models):
    model = models[body.get("model", "plain")]
    expected = model.generate(seed=7, **{"length": 20} | settings)
    assert texts(client, seed=7, **body) == [expected]


def test_choice_i_has_seed_plus_i_for_each_prompt(client, models):
    expected = [
        models["plain"].generate(prompt, length=20, seed=seed)
        for prompt in ("a", "bc") for seed in (7, 8, 9)
    ]  # fmt: skip
    answer = complete(client, prompt=["a", "bc"], n=3, seed=7)
    assert [choice["text"] for choice in answer["choices"]] == expected
    assert [choice["index"] for choice in answer["choices"]] == list(range(6))
    assert answer["usage"] == {"prompt_tokens": 3, "completion_tokens": 120, "total_tokens": 123}


def test_the_same_prompt_again_gives_the_same_text(client, models):
    for prompt in ("ab", "abc", "abca", "ab", "b", "abc"):
        expected = models["plain"].generate(prompt, length=20, seed=7)
        assert texts(client, prompt=prompt, seed=7) == [expected]


def test_a_stream_is_the_same_text_piece_by_piece(client, models):
    body = {"prompt": "ab", "n": 2, "seed": 7, "stream": True, "max_tokens": 9, "model": "plain"}
    with client.stream("POST", "/v1/completions", json=body) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = [line for line in answer.iter_lines() if line]
    assert lines.pop() == "data: [DONE]"
    parts = [json.loads(line.removeprefix("data: "))["choices"][0] for line in lines]
    for index in (0, 1):
        of_choice = [part for part in parts if part["index"] == index]
        text = "".join(part["text"] for part in of_choice)
        assert text == models["plain"].generate("ab", length=9, seed=7 + index)
        assert [part["finish_reason"] for part in of_choice] == [None] * (len(of_choice) - 1) + [
            "length"
        ]
        assert len(of_choice) > 3


def test_the_reason_of_the_end_is_stated(client):
    assert complete(client, seed=7)["choices"][0]["finish_reason"] == "length"
    assert complete(client, seed=7, stop="a")["choices"][0]["finish_reason"] == "stop"
    assert complete(client, seed=7, model="names")["choices"][0]["finish_reason"] == "stop"
    for ending in ({"until": "a"}, {"match": "[abc]{5}"}):
        body = {"max_tokens": 5, "seed": 7} | ending
        assert complete(client, **body)["choices"][0]["finish_reason"] == "stop"


def test_records_are_those_that_sample_writes(client, models):
    expected = [record.text for record in models["names"].records(5, prompt="a", seed=7)]
    answer = complete(client, model="names", prompt="a", n=5, seed=7, max_tokens=None, echo=True)
    assert [choice["text"] for choice in answer["choices"]] == expected
    assert texts(client, model="names", prompt="a", n=5, seed=7) == [
        record.text[1:] for record in models["names"].records(5, prompt="a", seed=7, length=21)
    ]


def test_records_can_be_unique_and_those_left_out_are_counted(client, models):
    records = models["names"].records(12, seed=1, unique=True, constraint=Match("[ab]{1,3}"))
    expected = [record.text for record in records]
    body = {"model": "names", "n": 12, "seed": 1, "unique": True, "match": "[ab]{1,3}"}
    answer = complete(client, **body)
    assert [choice["text"] for choice in answer["choices"]] == expected
    assert answer["notices"] == [str(records.tally)]
    assert "repeated" in str(records.tally)


def test_the_seed_is_in_the_answer(client):
    answer = complete(client)
    assert texts(client, seed=answer["seed"]) == [answer["choices"][0]["text"]]


def test_unknown_characters_of_a_prompt_can_be_left_out_which_is_said(client, models):
    answer = complete(client, prompt="az", unknown="skip", seed=7)
    assert answer["choices"][0]["text"] == models["plain"].generate("a", length=20, seed=7)
    assert answer["notices"] == models["plain"].vocabulary.repair("az", "skip")[1]
    assert answer["notices"]


def by_hand(model, text):
    """The log-probabilities (n - 1, V) of all symbols but the first."""
    state, rows = model.network.zero_state(), []
    for idx in model.vocabulary.encode(text)[:-1]:
        logits, state = model.network.step(int(idx), state)
        rows.append(log_probabilities(logits.astype(np.float64)))
    return np.array(rows)


def test_log_probabilities_with_echo_are_those_of_the_whole_text(client, models):
    model = models["plain"]
    choice = complete(client, prompt="abc", seed=7, echo=True, logprobs=2)["choices"][0]
    logprobs = choice["logprobs"]
    text = choice["text"]
    assert text == "abc" + model.generate("abc", length=20, seed=7)
    rows = by_hand(model, text)
    ids = model.vocabulary.encode(text)[1:]
    assert logprobs["tokens"] == list(text)
    assert logprobs["text_offset"] == list(range(23))
    assert logprobs["token_logprobs"][0] is logprobs["top_logprobs"][0] is None
    assert logprobs["token_logprobs"][1:] == pytest.approx(
        [row[idx] for row, idx in zip(rows, ids, strict=True)]
    )
    for row, top in zip(rows, logprobs["top_logprobs"][1:], strict=True):
        best = np.argsort(-row)[:2]
        assert top == pytest.approx({model.vocabulary.symbols[idx]: row[idx] for idx in best})


def test_log_probabilities_without_echo_are_those_of_the_new_text(client, models):
    choice = complete(client, prompt="abc", seed=7, logprobs=0)["choices"][0]
    sample = models["plain"].sample("abc", length=20, seed=7)
    assert sum(choice["logprobs"]["token_logprobs"]) == pytest.approx(sample.log_probability)
    assert choice["logprobs"]["top_logprobs"] is None
    assert choice["logprobs"]["text_offset"] == list(range(3, 23))


def test_log_probabilities_of_bytes_are_those_with_which_they_were_drawn(client, models):
    model = models["bytes"]
    body = {"model": "bytes", "prompt": "\u00e9a", "seed": 7, "logprobs": 1, "max_tokens": 5}
    choice = complete(client, **body)["choices"][0]
    text = "\u00e9a" + choice["text"]
    rows = by_hand(model, text)
    of_ids = [row[idx] for row, idx in zip(rows, model.vocabulary.encode(text)[1:], strict=True)]
    assert sum(choice["logprobs"]["token_logprobs"]) == pytest.approx(sum(of_ids[2:]))


@pytest.mark.parametrize("model", ["plain", "names", "bytes"])
def test_a_prompt_can_be_scored_without_new_text(model, client):
    """The request of lm-evaluation-harness: an echoed prompt and one more character."""
    body = {
        "prompt": ["abc", "b"],
        "max_tokens": 1,
        "echo": True,
        "logprobs": 1,
        "seed": 1234,
        "temperature": 0,
        "model": model,
    }
    for choice, prompt in zip(complete(client, **body)["choices"], ("abc", "b"), strict=True):
        logprobs = choice["logprobs"]
        assert logprobs["tokens"][: len(prompt)] == list(prompt)
        assert all(value < 0 for value in logprobs["token_logprobs"][1:])


def test_a_token_that_is_the_likeliest_has_the_number_of_the_likeliest(client):
    """lm-evaluation-harness compares them to find out whether a text is the likeliest."""
    body = {"prompt": "abc", "temperature": 0, "logprobs": 3, "echo": True}
    logprobs = complete(client, **body)["choices"][0]["logprobs"]
    for value, top in list(zip(logprobs["token_logprobs"], logprobs["top_logprobs"], strict=True))[
        3:
    ]:
        assert value == max(top.values())


def test_a_stream_counts_characters_if_asked(client):
    body = {
        "prompt": "ab",
        "stream": True,
        "max_tokens": 5,
        "stream_options": {"include_usage": True},
    }
    with client.stream("POST", "/v1/completions", json=body) as answer:
        lines = [line for line in answer.iter_lines() if line]
    last = json.loads(lines[-2].removeprefix("data: "))
    assert last["choices"] == []
    assert last["usage"] == {"prompt_tokens": 2, "completion_tokens": 5, "total_tokens": 7}


def test_drafts_that_do_not_end_are_left_out(client, models, monkeypatch):
    monkeypatch.setattr("charrnn.generation.pieces.MOST_BEYOND", 30)
    settings = {"until": "abc", "best_of": 8}
    expected = models["plain"].generate(length=3, seed=5, **settings)
    assert texts(client, seed=5, max_tokens=3, **settings) == [expected]


def test_what_clients_send_without_effect_is_accepted(client):
    body = {
        "user": "me",
        "presence_penalty": 0,
        "frequency_penalty": 0.0,
        "suffix": None,
        "stream": False,
        "logprobs": None,
    }
    assert len(texts(client, **body)[0]) == 20
