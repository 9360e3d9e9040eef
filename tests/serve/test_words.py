"""The likeliest words are those that all ways through the network add up to."""

import itertools

import numpy as np
import pytest

from charrnn.generation.network import Network
from charrnn.generation.sampling import probabilities
from charrnn.serve import words
from charrnn.serve.prefix_cache import PrefixCache
from charrnn.serve.words import LINE_END, next_words
from tests.serve.conftest import make_model


def ask(model, prompt, count):
    steps = next_words(model, PrefixCache(), prompt, count)
    while True:
        try:
            next(steps)
        except StopIteration as finished:
            return finished.value


def by_hand(model, prompt, longest):
    """The probabilities of all words of up to some letters."""
    symbols = model.vocabulary.symbols
    letters = [char for char in symbols if char.isalnum()]
    others = [symbols.index(char) for char in symbols if not char.isalnum()]
    found = {}
    for start, length in itertools.product(("", " "), range(1, longest + 1)):
        for word in itertools.product(letters, repeat=length):
            text = start + "".join(word)
            state, logits, of_text = model.network.zero_state(), None, 1.0
            for idx in model.vocabulary.encode(prompt):
                logits, state = model.network.step(int(idx), state)
            for idx in model.vocabulary.encode(text):
                of_text *= probabilities(logits.astype(np.float64))[idx]
                logits, state = model.network.step(int(idx), state)
            found[text] = of_text * probabilities(logits.astype(np.float64))[others].sum()
    return found


def test_the_words_are_the_likeliest_of_all(monkeypatch):
    monkeypatch.setattr(words, "LEAST", 1e-9)
    monkeypatch.setattr(words, "MOST_STEPS", 10_000)
    model = make_model()
    expected = by_hand(model, "ab", 4)
    found = ask(model, "ab", 6)
    best = sorted(expected.items(), key=lambda item: -item[1])
    listed = [word for word in found if word.text != LINE_END]
    assert len(listed) >= 5
    for word, (text, probability) in zip(listed, best, strict=False):
        assert (word.text, word.probability) == (text, pytest.approx(probability))
    assert [word.probability for word in found] == sorted(
        (w.probability for w in found), reverse=True
    )


def test_a_long_prompt_is_read_in_steps_and_only_once():
    model = make_model()
    prefixes = PrefixCache()
    turns = sum(1 for _ in next_words(model, prefixes, "abc " * 500, 3))
    again = sum(1 for _ in next_words(model, prefixes, "abc " * 500 + "a", 3))
    assert turns > again + 50


def test_a_record_can_end():
    model = make_model("abc", records=True)
    (end,) = [word for word in ask(model, "", 20) if word.text == LINE_END]
    logits, _ = model.network.step(model.vocabulary.end, model.network.zero_state())
    assert end.probability == pytest.approx(probabilities(logits.astype(np.float64))[-1])


def test_bytes_are_decoded():
    found = ask(make_model("", unit="byte"), "", 50)
    assert found
    assert all(word.text == LINE_END or word.text.strip() for word in found)


def test_the_end_of_the_line_is_one_of_them():
    model = make_model()
    (end,) = [word for word in ask(model, "ab", 20) if word.text == LINE_END]
    state = model.network.zero_state()
    for idx in model.vocabulary.encode("ab"):
        logits, state = model.network.step(int(idx), state)
    newline = model.vocabulary.symbols.index("\n")
    assert end.probability == pytest.approx(probabilities(logits.astype(np.float64))[newline])


@pytest.mark.parametrize(
    "kind", [{}, {"symbols": "abc", "records": True}, {"symbols": "", "unit": "byte"}]
)
def test_the_steps_are_bounded(kind, monkeypatch):
    taken, step = [], Network.step

    def counted(network, idx, state):
        taken.append(idx)
        return step(network, idx, state)

    monkeypatch.setattr(Network, "step", counted)
    monkeypatch.setattr(words, "MOST_STEPS", 20)
    found = ask(make_model(**kind), "", 50)
    assert 5 < len(taken) <= 21
    assert 0 < sum(word.probability for word in found) <= 1 + 1e-9
