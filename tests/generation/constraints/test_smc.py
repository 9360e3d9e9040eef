"""Constrained and copy-free texts, compared with an enumeration of all texts of a tiny model, and
with independent checkers."""

import itertools
import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from charrnn.config.run_config import ModelConfig
from charrnn.context_mixing.contexts import Contexts
from charrnn.context_mixing.count_table import CountTable
from charrnn.context_mixing.counting import count_followers
from charrnn.errors import ConfigError, GenerationError
from charrnn.generation.constraints.backtracking import (
    MAX_BACKTRACK,
    MAX_STEPS_BACK,
    NothingLeftError,
)
from charrnn.generation.constraints.compiled_form import Form
from charrnn.generation.constraints.forms import Constraint, Contains, Length, Lines, Match, Without
from charrnn.generation.constraints.particles import Particles
from charrnn.generation.constraints.smc import MAX_DIVERGENCE, ConstrainedDecoder
from charrnn.generation.network import CELLS, Network
from charrnn.generation.sampling import Sampler, log_probabilities
from charrnn.originality.copy_guard import Guard
from charrnn.originality.suffix_array import Suffixes
from charrnn.storage.weight_shapes import shapes
from charrnn.vocab import Vocabulary

ABC, NLAB = Vocabulary("char", "abc"), Vocabulary("char", "\nab")
RECORDS = Vocabulary("char", "abc", records=True)
FREE = Sampler(temperature=1)


def make_network(
    vocab_size: int,
    cell: str = "lstm",
    copy_window: int | None = 16,
    scale: float = 1.0,
    seed: int = 0,
    table: CountTable | None = None,
) -> Network:
    config = ModelConfig(
        cell=cell,
        hidden_size=6,
        num_layers=1,
        embedding_size=3,
        copy_window=copy_window,
        counts=None if table is None else 1,
    )
    rng = np.random.default_rng(seed)
    weights = {
        name: rng.normal(0, scale, shape).astype(np.float32)
        for name, shape in shapes(config, vocab_size).items()
    }
    return Network(config, vocab_size, weights, table)


def table_of(vocabulary: Vocabulary) -> CountTable:
    """The counts of a random text."""
    ids = np.random.default_rng(0).integers(0, len(vocabulary), 100).astype(np.uint8)
    return count_followers(Contexts(vocabulary), ids, 1).table


def write(
    network: Network,
    vocabulary: Vocabulary,
    seed: Any = 0,
    sampler: Sampler = FREE,
    prompt: Sequence[int] = (0,),
    **settings: Any,
) -> str:
    rng = np.random.default_rng(seed)
    return vocabulary.decode(
        [
            symbol.idx
            for symbol in ConstrainedDecoder(network, prompt, sampler, rng, **settings)
            if symbol.idx != vocabulary.end
        ]
    )


def guard(corpus: str, longest: int, vocabulary: Vocabulary) -> Guard:
    symbols = sorted(set(corpus))
    codes = [
        bytes([symbols.index(char)]) if char in symbols else b"" for char in vocabulary.symbols
    ] + [b""] * vocabulary.records
    return Guard(
        Suffixes.of(np.array([symbols.index(char) for char in corpus], np.uint8), 1), codes, longest
    )


def copies(text: str, corpus: str, longest: int) -> list[str]:
    return [
        text[at : at + longest + 1]
        for at in range(len(text) - longest)
        if text[at : at + longest + 1] in corpus
    ]


def enumerated(
    network: Network,
    vocabulary: Vocabulary,
    fits: Callable[[str], bool],
    low: int,
    high: int,
    temperature: float = 1.0,
) -> dict[str, float]:
    """The probability of every matching text given that it matches, by the model's own steps; a
    record includes its end."""
    every = [
        "".join(chars)
        for size in range(high + 3)
        for chars in itertools.product(vocabulary.symbols, repeat=size)
    ]
    fitting = {text for text in every if low <= len(text) <= high and fits(text)}
    beginnings = {text[:size] for text in fitting for size in range(len(text) + 1)}
    # if there were room for it
    possible = {text[:size] for text in every if fits(text) for size in range(len(text) + 1)}
    found: dict[str, float] = {}

    def extend(text: str, logits: Any, state: Any, score: float) -> None:
        scores = log_probabilities(logits.astype(np.float64) / temperature)
        follow = [char for char in vocabulary.symbols if text + char in beginnings]
        if text in fitting:
            other = [
                scores[idx]
                for idx, char in enumerate(vocabulary.symbols)
                if text + char not in possible
            ]
            ends = [scores[vocabulary.end]] if vocabulary.records else other if follow else [0.0]
            found[text] = score + float(np.logaddexp.reduce([-np.inf, *ends]))
        for char in follow:
            idx = vocabulary.symbols.index(char)
            extend(text + char, *network.step(idx, state), score + scores[idx])

    prime = vocabulary.end if vocabulary.records else 0
    extend("", *network.step(prime, network.zero_state()), 0.0)
    total = np.logaddexp.reduce(list(found.values()))
    return {text: math.exp(score - total) for text, score in found.items()}


def distance(found: Counter[str], expected: dict[str, float]) -> float:
    """The total variation distance."""
    return (
        sum(
            abs(found[text] / found.total() - expected.get(text, 0.0))
            for text in {*found, *expected}
        )
        / 2
    )


TARGETS: list[tuple[Constraint, int, int, Callable[[str], bool]]] = [
    (Contains("cab"), 5, 5, lambda text: "cab" in text),
    (Match("(ab|c)*a?b"), 0, 5, lambda text: re.fullmatch("(ab|c)*a?b", text) is not None),
    (Without("a") & Length(4), 4, 4, lambda text: "a" not in text),
]


@pytest.mark.parametrize("vocabulary", [ABC, RECORDS], ids=["text", "records"])
@pytest.mark.parametrize(
    ("constraint", "low", "high", "fits"), TARGETS, ids=["contains", "match", "without"]
)
def test_many_particles_sample_from_the_model_given_the_constraint(
    vocabulary: Vocabulary, constraint: Constraint, low: int, high: int, fits: Callable[[str], bool]
) -> None:
    low = low if not vocabulary.records or low == 4 else 0
    network, draws, prime = make_network(len(vocabulary), seed=1), 400, max(0, vocabulary.end)
    expected, form = (
        enumerated(network, vocabulary, fits, low, high),
        Form(constraint, vocabulary, high),
    )
    found = Counter(
        write(
            network,
            vocabulary,
            [7, seed],
            form=form,
            particles=32,
            prompt=[prime],
            end=vocabulary.end,
        )
        for seed in range(draws)
    )
    assert set(found) <= set(expected)
    rng, shares = np.random.default_rng(0), np.array(list(expected.values()))
    by_chance = [
        np.abs(rng.multinomial(draws, shares / shares.sum()) / draws - shares).sum() / 2
        for _ in range(200)
    ]
    assert distance(found, expected) < np.max(by_chance) + 0.02


def test_the_error_falls_with_more_particles_where_masks_alone_are_far_off() -> None:
    network, form = make_network(3, seed=1, scale=1.4), Form(Contains("cab"), ABC, 6)
    remove_lookahead(form)
    expected = enumerated(network, ABC, lambda text: "cab" in text, 6, 6)
    far = [
        distance(
            Counter(
                write(network, ABC, [3, seed], form=form, particles=particles)
                for seed in range(300)
            ),
            expected,
        )
        for particles in (1, 4, 32)
    ]
    assert far[0] > far[1] + 0.05
    assert far[1] > far[2] + 0.02


def remove_lookahead(form: Form) -> None:
    """Leave only the masks, which say which symbols may follow."""
    by_symbol = form.lookahead_by_symbol
    form._next_symbols.clear()
    form.lookahead = lambda state, written: 0.0  # type: ignore[method-assign]
    form.lookahead_offset = lambda written: 0.0  # type: ignore[method-assign]
    form.lookahead_by_symbol = lambda state, written: np.where(  # type: ignore[method-assign]
        by_symbol(state, written) > -np.inf, 0.0, -np.inf
    )


def test_one_particle_is_closer_with_lookahead_than_with_masks_alone() -> None:
    network, form = make_network(3, seed=1, scale=1.4), Form(Contains("cab"), ABC, 6)
    expected = enumerated(network, ABC, lambda text: "cab" in text, 6, 6)
    with_lookahead = distance(
        Counter(write(network, ABC, [3, seed], form=form) for seed in range(400)), expected
    )
    remove_lookahead(form)
    masked = distance(
        Counter(write(network, ABC, [3, seed], form=form) for seed in range(400)), expected
    )
    assert with_lookahead < masked - 0.1


def test_the_shorter_alternative_of_an_expression_is_not_favoured() -> None:
    network, form = make_network(3, scale=0.3), Form(Match("aaaaaaaaab|ba"), ABC, 20)
    expected = {}
    for text in ("aaaaaaaaab", "ba"):
        scores, (logits, state) = 0.0, network.step(0, network.zero_state())
        for idx in ABC.encode(text).tolist():
            scores += float(log_probabilities(logits.astype(np.float64))[idx])
            logits, state = network.step(idx, state)
        expected[text] = scores
    odds = math.exp(expected["aaaaaaaaab"] - expected["ba"])
    found = Counter(write(network, ABC, [1, seed], form=form, particles=64) for seed in range(400))
    assert found["aaaaaaaaab"] / 400 == pytest.approx(odds / (1 + odds), abs=0.03)
    alone = Counter(write(network, ABC, [1, seed], form=form) for seed in range(400))
    # a single stream follows the model rather than the alternative with the fewest characters
    assert alone["aaaaaaaaab"] > 100


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("particles", [1, 3, 8])
def test_every_text_satisfies_the_constraint_whatever_the_sampler(
    cell: str, particles: int
) -> None:
    network = make_network(3, cell, scale=3.0)
    samplers = [
        *(Sampler(temperature=each) for each in (0, 1e-9, 1e-21, 1e-300, 50)), Sampler(top_k=1),
        Sampler(temperature=1, top_p=0.01), Sampler(temperature=1, min_p=1.0), Sampler(dry=5.0, dry_length=1), Sampler(bias=((0, 40.0),)),
    ]  # fmt: skip
    form = Form(Contains("bca") & Without("aa"), ABC, 9)
    for sampler in samplers:
        for seed in range(5):
            text = write(network, ABC, seed, sampler, form=form, particles=particles)
            assert len(text) == 9
            assert "bca" in text
            assert "aa" not in text


@pytest.mark.parametrize("particles", [1, 8])
@pytest.mark.parametrize("vocabulary", [ABC, RECORDS], ids=["text", "records"])
def test_with_counts_every_text_satisfies_the_constraint(
    vocabulary: Vocabulary, particles: int
) -> None:
    network = make_network(len(vocabulary), scale=0.2, table=table_of(vocabulary))
    form = Form(Match("(ab|c)*a?b"), vocabulary, 8)
    settings = {"form": form, "particles": particles, "end": vocabulary.end}
    prompt = [max(0, vocabulary.end)]
    texts = [write(network, vocabulary, seed, prompt=prompt, **settings) for seed in range(20)]
    assert all(re.fullmatch("(ab|c)*a?b", text) for text in texts)
    assert len(set(texts)) > 3
    network.mixer = None
    alone = [write(network, vocabulary, seed, prompt=prompt, **settings) for seed in range(20)]
    assert alone != texts


def test_greedy_text_takes_the_likeliest_symbol_weighted_by_lookahead() -> None:
    network, form = make_network(3), Form(Match("[ab]{4}"), ABC, 9)
    logits, state = network.step(0, network.zero_state())
    at, expected = 0, ""
    for written in range(4):
        idx = int((logits + form.lookahead_by_symbol(at, written)).argmax())
        at, expected = form.after(at, idx), expected + ABC.symbols[idx]
        logits, state = network.step(idx, state)
    assert write(network, ABC, sampler=Sampler(temperature=0), form=form, particles=5) == expected


def test_a_tiny_temperature_is_the_same_as_zero() -> None:
    network, form = make_network(3), Form(Without("a"), ABC, 30)
    texts = {
        write(network, ABC, seed, Sampler(temperature=each), form=form)
        for seed, each in enumerate([0, 1e-300, 1e-30, 1e-21, 1e-19, 1e-9])
    }
    assert len(texts) == 1


def test_the_same_seed_gives_the_same_text_and_another_a_different_one() -> None:
    network, form = make_network(3), Form(Contains("abc"), ABC, 40)
    for particles in (1, 5):
        texts = [write(network, ABC, seed, form=form, particles=particles) for seed in (1, 1, 2)]
        assert texts[0] == texts[1] != texts[2]


@pytest.mark.parametrize(("particles", "most"), [(1, 21), (4, MAX_DIVERGENCE + 1)])
def test_text_is_streamed_as_soon_as_all_particles_share_it(particles: int, most: int) -> None:
    network, form = make_network(3), Form(Without("abc"), ABC, 2 * MAX_DIVERGENCE)
    steps, symbols = (
        count_steps(network),
        iter(
            ConstrainedDecoder(
                network, [0], FREE, np.random.default_rng(0), form=form, particles=particles
            )
        ),
    )
    given = [next(symbols).idx for _ in range(20)]
    assert 20 <= steps() <= most
    given += [symbol.idx for symbol in symbols]
    assert ABC.decode(given) == write(make_network(3), ABC, form=form, particles=particles)
    assert len(given) == 2 * MAX_DIVERGENCE


def count_steps(network: Network) -> Callable[[], int]:
    calls, step = [0], network.step

    def counted(idx: Any, state: Any) -> Any:
        calls[0] += 1
        return step(idx, state)

    network.step = counted  # type: ignore[method-assign]
    return lambda: calls[0]


@pytest.mark.parametrize("table", [None, table_of(ABC)], ids=["network", "counts"])
def test_scores_are_the_log_probabilities_of_the_unconstrained_model(
    table: CountTable | None,
) -> None:
    network, form = make_network(3, table=table), Form(Contains("abc"), ABC, 30)
    for particles in (1, 4):
        drawn = list(
            ConstrainedDecoder(
                network,
                [0],
                Sampler(temperature=2),
                np.random.default_rng(0),
                form=form,
                particles=particles,
                scored=True,
            )
        )
        logits, state = network.step(0, network.zero_state())
        for symbol in drawn:
            assert symbol.log_probability == pytest.approx(
                float(log_probabilities(logits.astype(np.float64))[symbol.idx]), abs=1e-5
            )
            logits, state = network.step(symbol.idx, state)
    assert all(
        symbol.log_probability == 0
        for symbol in ConstrainedDecoder(network, [0], FREE, np.random.default_rng(0), form=form)
    )


def test_a_prompt_that_is_part_of_the_text_counts_for_the_constraint() -> None:
    network, form = make_network(4), Form(Match("ab[bc]{2}"), RECORDS, 9)
    for seed in range(10):
        text = write(network, RECORDS, seed, prompt=[3, 0, 1], form=form, begun=2, end=3)
        assert re.fullmatch("[bc]{2}", text)
    with pytest.raises(ConfigError) as error:
        ConstrainedDecoder(
            network, [3, 1], FREE, np.random.default_rng(0), form=form, begun=1, end=3
        )
    assert (
        str(error.value)
        == "no text that begins with this prompt satisfies the constraint; give another `prompt`"
    )


# Stop strings


@pytest.mark.parametrize("particles", [1, 4])
def test_a_stop_string_ends_a_text_only_where_the_constraint_is_satisfied(particles: int) -> None:
    network, ended = make_network(3, scale=0.5), 0
    for stop in ("a", "bb", "abc"):
        form = Form(Contains("cc") & Without(stop) & Length(0, 30), ABC, 30)
        ids = ABC.encode(stop).tolist()
        for seed in range(60):
            text = write(network, ABC, seed, form=form, particles=particles, stops=[ids])
            assert "cc" in text
            assert stop not in text
            assert len(text) <= 30
            ended += len(text) < 30
    assert ended > 50


def test_a_possible_stop_string_is_held_back_until_ruled_out() -> None:
    class Script(Network):
        def step(self, idx: Any, state: Any) -> Any:
            _, state = super().step(idx, state)
            # abcabc
            return np.where(np.arange(3) == (idx + 1) % 3, 50.0, 0.0).astype(np.float32), state

    network = Script(
        ModelConfig(hidden_size=2, num_layers=1, embedding_size=2, copy_window=None),
        3,
        weights_of(3),
    )
    form = Form(Contains("ab") & Without("cab") & Length(0, 30), ABC, 30)
    assert write(network, ABC, prompt=[2], form=form, stops=[[2, 0, 1]]) == "ab"


def weights_of(vocab_size: int) -> dict[str, Any]:
    config = ModelConfig(hidden_size=2, num_layers=1, embedding_size=2, copy_window=None)
    return {name: np.zeros(shape, np.float32) for name, shape in shapes(config, vocab_size).items()}


# Copies


@pytest.mark.parametrize("particles", [1, 3])
def test_no_copy_is_longer_than_allowed(particles: int) -> None:
    rng = np.random.default_rng(0)
    backed = 0
    for case in range(60):
        corpus = "".join(rng.choice(list("abc"), 60))
        longest = int(rng.integers(3, 6))
        network = make_network(3, scale=2.0, seed=case)
        decoder = ConstrainedDecoder(
            network,
            [0],
            FREE,
            np.random.default_rng(case),
            form=Form(Length(150), ABC, 150),
            guard=guard(corpus, longest, ABC),
            particles=particles,
        )
        text = ABC.decode([symbol.idx for symbol in decoder])
        assert len(text) == 150
        assert copies(text, corpus, longest) == []
        backed += decoder.taken_back > 0
    assert backed > 0 or particles > 1


def test_it_backtracks_if_every_continuation_would_be_copied() -> None:
    corpus = "aba-abb-abc"  # every symbol occurs after "ab"
    network, taken_back = make_network(3, scale=0.3), 0
    for seed in range(40):
        decoder = ConstrainedDecoder(
            network,
            [0],
            FREE,
            np.random.default_rng(seed),
            form=Form(Length(60), ABC, 60),
            guard=guard(corpus, 2, ABC),
        )
        text = ABC.decode([symbol.idx for symbol in decoder])
        assert "ab" not in text[:-1]
        taken_back += decoder.taken_back
    assert taken_back > 40


def test_backtracking_counts_once_in_the_weights() -> None:
    """If two alternatives both end in a copy, backtracking restores the previous weights."""
    network, seen = make_network(3, scale=0.5), dict[tuple[int, ...], list[float]]()

    class Watched(ConstrainedDecoder):
        def _draw(self, particles: Any, following: Any, gains: Any) -> Any:
            if not any((each == -np.inf).any() for each in gains.values()):
                written = tuple(particles.ids[:, : particles.column].ravel().tolist())
                weights = particles.log_weights
                assert seen.setdefault(written, weights) == weights
            return super()._draw(particles, following, gains)

    taken_back = 0
    for seed in range(30):
        decoder = Watched(
            network, [0], FREE, np.random.default_rng(seed), form=Form(Length(40), ABC, 40), guard=guard("aba-abb-abc-bca-bcb-bcc", 2, ABC),
            particles=2,
        )  # fmt: skip
        seen.clear()
        list(decoder)
        taken_back += decoder.taken_back
    assert taken_back > 0


def test_a_long_text_may_backtrack_more_than_a_short_one() -> None:
    decoder = ConstrainedDecoder(
        make_network(3, scale=0.3), [0], FREE, np.random.default_rng(0), form=Form(Length(20_000), ABC, 20_000),
        guard=guard("aba-abb-abc", 2, ABC),
    )  # fmt: skip
    assert len(list(decoder)) == 20_000
    assert decoder.taken_back > MAX_STEPS_BACK


def test_streams_are_gathered_rarely_even_with_a_guard(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gathered, select = list[int](), Particles.select

    def counted(particles: Particles, rows: Sequence[int], emitted: int) -> Particles:
        gathered.extend([particles.written] if len(set(rows)) == 1 else [])
        return select(particles, rows, emitted)

    monkeypatch.setattr(Particles, "select", counted)
    for keeper in (None, guard("zz", 1, ABC)):
        gathered.clear()
        form = Form(Without("abc") & Length(3 * MAX_DIVERGENCE), ABC, 3 * MAX_DIVERGENCE)
        text = write(make_network(3), ABC, form=form, guard=keeper, particles=4)
        assert len(text) == 3 * MAX_DIVERGENCE
        assert 1 <= len(gathered) <= 4


def test_processors_see_the_whole_history_including_text_already_streamed() -> None:
    seen = list[Any]()

    def watch(ids: Any, logits: Any) -> Any:
        seen.append(ids)
        return logits

    form, sampler = (
        Form(Without("cc") & Length(600), ABC, 600),
        Sampler(temperature=1, processors=(watch,)),
    )
    text = write(make_network(3), ABC, sampler=sampler, form=form, particles=3, prompt=[0, 1])
    assert [len(ids) for ids in seen[::3]] == list(range(2, 602))
    assert any(ABC.decode(ids[2:].tolist()) == text[:599] for ids in seen[-3:])


def test_a_dead_end_is_an_error_that_gives_the_reason() -> None:
    # every pair of characters is followed by every character
    every = "".join("".join(chars) for chars in itertools.product("abc", repeat=3))
    decoder = ConstrainedDecoder(
        make_network(3),
        [0],
        FREE,
        np.random.default_rng(0),
        form=Form(Length(60), ABC, 60),
        guard=guard(every, 2, ABC),
    )
    with pytest.raises(
        NothingLeftError,
        match=r"^every continuation of the first \d characters would copy more than 2 characters "
        r"of the corpus \(gave up after rewriting \d+ characters\); "
        r"give a larger `max_copy`, or another `seed`$",
    ):
        list(decoder)
    assert isinstance(NothingLeftError("x"), GenerationError)
    assert decoder.taken_back > 0


@pytest.mark.parametrize("particles", [1, 4])
def test_a_constraint_and_a_guard_both_hold_or_it_is_an_error(
    particles: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # a refusal takes all of these steps; successful texts need few
    monkeypatch.setattr("charrnn.generation.constraints.backtracking.MAX_STEPS_BACK", 200)
    rng, kept, refused = np.random.default_rng(1), 0, 0
    for case in range(40):
        corpus, longest = "".join(rng.choice(list("abc"), 40)), int(rng.integers(2, 5))
        # which may be one character longer than allowed
        wanted = corpus[3 : 3 + int(rng.integers(2, longest + 2))]
        form = (
            Form(Contains(wanted) & Without("ca"), ABC, 20)
            if "ca" not in wanted
            else Form(Contains(wanted), ABC, 20)
        )
        try:
            text = write(
                make_network(3, seed=case),
                ABC,
                case,
                form=form,
                guard=guard(corpus, longest, ABC),
                particles=particles,
            )
        except NothingLeftError:
            refused += 1
            continue
        kept += 1
        assert copies(text, corpus, longest) == []
        assert wanted in text
        assert len(text) == 20
    assert kept > 10
    assert refused > 3


def test_with_a_guard_text_is_streamed_once_it_is_final() -> None:
    network = make_network(3)
    steps = count_steps(network)
    symbols = iter(
        ConstrainedDecoder(network, [0], FREE, np.random.default_rng(0), guard=guard("zz", 1, ABC))
    )
    next(symbols)
    assert MAX_BACKTRACK <= steps() <= MAX_BACKTRACK + 3


def test_the_end_of_a_record_does_not_count_as_copied() -> None:
    network = make_network(4, scale=0.3)
    for seed in range(30):
        text = write(
            network,
            RECORDS,
            seed,
            prompt=[3],
            form=Form(Length(0, 12), RECORDS, 12),
            guard=guard("aa", 1, RECORDS),
            end=3,
        )
        assert "aa" not in text


# Processors


def test_processors_see_the_history_of_each_stream_and_may_leave_no_symbol() -> None:
    seen: list[tuple[int, ...]] = []

    def never_c(ids: Any, logits: Any) -> Any:
        seen.append(tuple(ids.tolist()))
        logits[2] = -np.inf
        return logits

    sampler = Sampler(temperature=1, processors=(never_c,))
    assert set(
        write(make_network(3), ABC, sampler=sampler, form=Form(Length(5), ABC, 5), particles=2)
    ) <= {"a", "b"}
    assert seen[:2] == [(0,), (0,)]
    assert {len(ids) for ids in seen} == {1, 2, 3, 4, 5}
    with pytest.raises(
        GenerationError,
        match=r"^no symbol is left after the first 1 characters: the processors removed all",
    ):
        write(make_network(3), ABC, sampler=sampler, form=Form(Match("ac+"), ABC, 5))


def test_a_nan_logit_is_an_error() -> None:
    network = make_network(3)
    network.head_bias[0] = np.nan
    for form in (Form(Length(5), ABC, 5), Form(Contains("ab"), ABC, 5)):
        with pytest.raises(GenerationError, match="not a number"):
            write(network, ABC, form=form)


def test_lines_end_where_the_model_ends_them() -> None:
    network, form = make_network(3, scale=1.5), Form(Lines(2), NLAB, 200)
    lengths = {len(write(network, NLAB, seed, form=form, prompt=[0])) for seed in range(40)}
    assert len(lengths) > 5
    assert max(lengths) < 200
