"""A form compared with brute force: the symbols that may follow, and the lookahead of each."""

import math
import random
import tracemalloc
from collections.abc import Callable
from itertools import product as texts_of

import numpy as np
import pytest

from charrnn.errors import ConfigError, VocabularyError
from charrnn.generation.constraints import dfa
from charrnn.generation.constraints.compiled_form import Form
from charrnn.generation.constraints.dfa import compile_constraint, product
from charrnn.generation.constraints.forms import (
    Acrostic,
    All,
    Constraint,
    Contains,
    Length,
    Lines,
    Match,
    Without,
)
from charrnn.generation.constraints.regex import MAX_NODES
from charrnn.vocab import Vocabulary
from tests.generation.constraints.test_forms import satisfies

ABN = Vocabulary("char", "\nab")
RECORDS = Vocabulary("char", "ab", records=True)
SHARES = np.array([0.2, 0.5, 0.3])

# an error about constraints that contradict each other: IMPOSSIBLE, their names, CHANGE
IMPOSSIBLE = "no text that the model can write satisfies"
CHANGE = "change one of them, or leave it out"
CHANGE_IT = "change it, or leave it out"

CONSTRAINTS = [
    Contains("ab"), Without("aa"), Contains("ba") & Contains("ab") & Without("bb"), Lines(2), Lines(2, 1, 2) & Acrostic("ab"),
    Match("(ab|b)*a?"), Match("[ab]{2,4}"), Match(".*?ba"), Lines(None, 1, 2), Length(2, 4) & Lines(2), Contains("aba") & Length(3, 6),
    Match("(aa)*b?"), Match("(aa)*") & Length(5, 6),
]  # fmt: skip


def all_texts(symbols: str, most: int) -> list[str]:
    return ["".join(chars) for size in range(most + 1) for chars in texts_of(symbols, repeat=size)]


def read(form: Form, text: str, vocabulary: Vocabulary) -> int:
    return form.begin(vocabulary.encode(text).tolist())


@pytest.mark.parametrize("constraint", CONSTRAINTS, ids=str)
@pytest.mark.parametrize("vocabulary", [ABN, RECORDS], ids=["text", "records"])
def test_allowed_symbols_are_those_that_continue_some_matching_text(
    constraint: Constraint, vocabulary: Vocabulary
) -> None:
    length = 6
    try:
        form = Form(constraint, vocabulary, length)
    except (ConfigError, VocabularyError):
        assert vocabulary is RECORDS  # a record has no lines
        return
    fitting = {
        text
        for text in all_texts(vocabulary.symbols, form.high)
        if form.low <= len(text) and satisfies(constraint, text)
    }
    beginnings = {text[:size] for text in fitting for size in range(len(text) + 1)}
    assert fitting
    for text in beginnings:
        state = read(form, text, vocabulary)
        expected = [text + char in beginnings for char in vocabulary.symbols] + [
            False
        ] * vocabulary.records
        assert (form.lookahead_by_symbol(state, len(text)) > -np.inf).tolist() == expected, text
        assert form.may_end(state, len(text)) == (text in fitting), text
        for char in vocabulary.symbols:
            if text + char not in beginnings:
                with pytest.raises(
                    ConfigError,
                    match=r"^(no text that begins with this prompt|`prompt` has \d characters, but)",
                ):
                    read(form, text + char, vocabulary)


@pytest.mark.parametrize(
    "constraint",
    [each for each in CONSTRAINTS if not any(part.followed for part in each.parts())],
    ids=str,
)
def test_the_lookahead_is_the_probability_of_finishing_with_symbols_drawn_by_frequency(
    constraint: Constraint,
) -> None:
    form = Form(constraint, ABN, 6, frequencies=SHARES)

    def chance(text: str) -> float:
        if text not in beginnings:
            return 0.0
        following = [text + char for char in ABN.symbols]
        found = sum(share * chance(each) for share, each in zip(SHARES, following, strict=True))
        # it ends if the next symbol leaves a constraint that ends texts, or if none can follow
        if text in fitting:
            out = [
                share
                for share, each in zip(SHARES, following, strict=True)
                if each not in beginnings and leaves(each)
            ]
            found += sum(out) if any(each in beginnings for each in following) else 1.0
        return float(found)

    def leaves(text: str) -> bool:
        longer = [text + more for more in all_texts(ABN.symbols, 3)]
        return any(
            part.ends and not any(satisfies(part, each) for each in longer)
            for part in constraint.parts()
        )

    fitting = {
        text
        for text in all_texts(ABN.symbols, form.high)
        if form.low <= len(text) and satisfies(constraint, text)
    }
    beginnings = {text[:size] for text in fitting for size in range(len(text) + 1)}
    for text in beginnings:
        assert form.lookahead(read(form, text, ABN), len(text)) == pytest.approx(
            math.log(chance(text)), abs=2e-3
        ), text


@pytest.mark.parametrize("pattern", ["ab", "(a|bbbb)a*", "[ab]{2,4}", "(ab|b)*a?", ".*?ba"])
@pytest.mark.parametrize("vocabulary", [ABN, RECORDS], ids=["text", "records"])
def test_symbols_forced_by_an_expression_cost_no_probability(
    pattern: str, vocabulary: Vocabulary
) -> None:
    form = Form(Match(pattern), vocabulary, 10**6)
    for text in ("", "a", "b", "ab", "bb"):
        try:
            state = read(form, text, vocabulary)
        except ConfigError:
            continue
        assert form.lookahead(state, len(text)) == pytest.approx(0, abs=2e-3), text


def test_symbols_excluded_by_another_constraint_cost_probability() -> None:
    both, alone = (
        Form(Match("[ab]{3}") & Without("b"), ABN, 9, frequencies=SHARES),
        3 * math.log(0.5 / 0.8),
    )
    assert both.lookahead(0, 0) == pytest.approx(
        alone, abs=1e-3
    )  # three symbols out of a and b, none of them b


def test_a_product_accepts_what_both_accept() -> None:
    rng, symbols, equal = random.Random(0), "ab\n", np.full(3, 1 / 3)
    for _ in range(60):
        one, other = rng.sample(
            [
                part
                for constraint in CONSTRAINTS
                for part in constraint.parts()
                if not isinstance(part, Length)
            ],
            2,
        )
        table = product(
            compile_constraint(one, symbols, equal), compile_constraint(other, symbols, equal)
        )
        for text in all_texts(symbols, 5):
            state = 0
            for char in text:
                state = int(table.next[state, table.classes[symbols.index(char)]])
            assert bool(table.accepts[state]) == (
                satisfies(one, text) and satisfies(other, text)
            ), (str(one), str(other), text)


def test_only_leaving_a_constraint_that_ends_texts_ends_a_text() -> None:
    form = Form(Lines(2) & Without("b"), ABN, 9)
    ahead = form.next_symbols(read(form, "a\na", ABN), 3)
    assert ahead.gains is not None
    # a newline would start a third line; b is never written, and ends nothing
    assert (ahead.gains > -np.inf).tolist() == [True, True, False]
    assert ahead.allowed is not None
    assert ahead.allowed.tolist() == [False, True, False]
    long = Form(Length(2, 5) & Without("b"), ABN, 9)
    gains = long.next_symbols(read(long, "aaa", ABN), 3).gains
    assert gains is not None
    assert (gains > -np.inf).tolist() == [True, True, False]


def test_a_product_has_no_dead_states() -> None:
    table = product(
        *(
            compile_constraint(each, "ab", np.array([0.5, 0.5]))
            for each in (Contains("ab"), Without("aa"))
        )
    )
    good = table.accepts.copy()
    for _ in range(len(good)):
        good |= good[table.next].any(axis=1)
    assert good[:-1].all()
    assert not good[-1]


def test_a_long_text_takes_no_more_memory_than_a_short_one() -> None:
    form = Form(Without("aa") & Contains("ab"), ABN, 10**9)
    assert len(form._lookahead._late) + len(form._lookahead._early) < 500
    assert not form.may_end(0, 10**9 - 1)


def test_banned_symbols_are_never_written() -> None:
    form = Form(Match("a?b"), ABN, 5, banned=frozenset([1]))
    assert (form.lookahead_by_symbol(0, 0) > -np.inf).tolist() == [False, False, True]
    with pytest.raises(ConfigError) as error:
        Form(Match("[ab]") & Without("b"), ABN, 5, banned=frozenset([1]))
    assert str(error.value) == f"{IMPOSSIBLE} `match` '[ab]' and `without` 'b'; {CHANGE}"
    with pytest.raises(ConfigError) as error:
        Form(Contains("a"), ABN, 5, banned=frozenset([1]))
    assert str(error.value) == f"{IMPOSSIBLE} `contains` 'a'; {CHANGE_IT}"


def test_a_model_of_bytes_writes_ascii_under_a_constraint() -> None:
    form = Form(Match("[éa]."), Vocabulary("byte"), 5)
    assert np.flatnonzero(form.lookahead_by_symbol(0, 0) > -np.inf).tolist() == [ord("a")]
    assert len(form.lookahead_by_symbol(0, 0)) == 256
    assert np.flatnonzero(
        form.lookahead_by_symbol(form.after(0, ord("a")), 1) > -np.inf
    ).tolist() == [byte for byte in range(128) if byte != ord("\n")]
    with pytest.raises(VocabularyError) as error:
        Form(Match("é"), Vocabulary("byte"), 5)
    assert str(error.value) == (
        "`match` 'é' needs 'é' (U+00E9, LATIN SMALL LETTER E WITH ACUTE), but constraints "
        "on a model of bytes can contain only ASCII characters; remove it"
    )


EXCLUDING: list[tuple[Constraint, int, str]] = [
    (
        Contains("ab") & Without("b"),
        9,
        f"{IMPOSSIBLE} `contains` 'ab' and `without` 'b'; {CHANGE}",
    ),
    (
        Lines(9) & Contains("abab"),
        3,
        "no text of up to 3 characters satisfies `contains` 'abab'; give a larger `length`",
    ),
    (
        Contains("abab"),
        3,
        "no text of 3 characters satisfies `contains` 'abab'; give a larger `length`",
    ),
    (
        Without("b") & Lines(3) & Match(".*"),
        9,
        f"{IMPOSSIBLE} `lines` 3 and `match` '.*'; {CHANGE}",
    ),
    (
        Match("(aa)*") & Length(5),
        9,
        "no text of 5 characters satisfies `match` '(aa)*'; give another `exact_length`",
    ),
    (Match("[xyz]"), 9, f"{IMPOSSIBLE} `match` '[xyz]'; {CHANGE_IT}"),
]


@pytest.mark.parametrize(("constraint", "length", "message"), EXCLUDING, ids=str)
def test_an_error_names_only_the_constraints_that_contradict_each_other(
    constraint: Constraint, length: int, message: str
) -> None:
    with pytest.raises(ConfigError) as error:
        Form(constraint, ABN, length)
    assert str(error.value) == message


def test_a_character_unknown_to_the_model_is_reported() -> None:
    for constraint in (Contains("abc"), Match("ab?c"), Acrostic("c")):
        with pytest.raises(VocabularyError) as error:
            Form(constraint, ABN, 9)
        assert (
            str(error.value)
            == f"{constraint} needs 'c' (U+0063, LATIN SMALL LETTER C), which the model has not seen; remove it"
        )
    with pytest.raises(VocabularyError, match=r"^`lines` 2 needs '\\n'"):
        Form(Lines(2), RECORDS, 9)
    Form(Without("xyz"), ABN, 9)  # it is never written


def test_a_long_chain_and_many_contradictions_are_fast() -> None:
    chain = Form(Length(3000) & Lines(1, 3000, 3000), ABN, 9)
    assert chain.may_end(read(chain, "a" * 3000, ABN), 3000)
    letters = "abcdefghijklmnopqrst"
    with pytest.raises(
        ConfigError,
        match=rf"^{IMPOSSIBLE} `match` '\[a-t\]\+' and `without` 'a' and .* and `without` 't'; {CHANGE}$",
    ):
        Form(
            All(Lines(1), Match("[a-t]+"), Without("ab"), *map(Without, letters)),
            Vocabulary("char", letters),
            9,
        )


def test_equivalent_characters_are_merged_into_one_class() -> None:
    class Even(Constraint):
        """An even number of characters, without declaring which are equivalent."""

        start = 0

        def step(self, state: int, char: str) -> int:
            return 1 - state

        def accepts(self, state: int) -> bool:
            return state == 0

    table = compile_constraint(
        Even(), "".join(map(chr, range(0x4E00, 0x4E00 + 5000))), np.full(5000, 1 / 5000)
    )
    assert table.next.shape == (3, 1)


def test_too_many_states_are_refused_early() -> None:
    class Counting(Constraint):
        start = 0

        def step(self, state: int, char: str) -> int:
            return state + 1

        def accepts(self, state: int) -> bool:
            return True

    with pytest.raises(ConfigError, match=r"^Counting has more than 200,000 states"):
        Form(Counting(), Vocabulary("char", "a"), 9)
    words = ["ab" * 20 + "a" * number for number in range(1, 30)]
    many = Contains(words[0])
    for word in words[1:]:
        many = many & Contains(word + "b" + word)
    with pytest.raises(ConfigError, match="the constraints together have too many states"):
        Form(many, ABN, 10_000)


def peak_memory(compiled: Callable[[], object]) -> int:
    """The peak of allocated bytes of a call that is refused."""
    tracemalloc.start()
    try:
        with pytest.raises(ConfigError):
            compiled()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def chinese(count: int) -> str:
    """A string of ``count`` different characters."""
    return "".join(map(chr, range(0x4E00, 0x4E00 + count)))


HARD = {
    "sets of nodes": "(.{1,100}){1,100}",
    "forks": "(a|b|){5000}",
    "optional parts": "((a?){99}){99}",
    "exponentially many sets": "(a|b)*a(a|b){30}",
    "many characters in one state": "|".join(chinese(3000)),
    "many characters in many states": chinese(3000),
    "classes": "".join(rf"[{char}\w]" for char in chinese(3000)),
}


@pytest.mark.parametrize("pattern", HARD.values(), ids=HARD)
def test_compiling_an_expression_takes_limited_work_and_memory(
    pattern: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dfa, "MAX_WORK", 200_000)
    vocabulary = Vocabulary("char", "ab" + chinese(3000))
    match = Match(pattern)
    work_before = match.work
    with pytest.raises(ConfigError) as error:
        Form(match, vocabulary, 6000)
    assert (
        str(error.value)
        == f"{match} takes too long to compile; give smaller counts, or a simpler constraint"
    )
    last_call = 3 * MAX_NODES
    assert match.work - work_before < 200_000 + last_call
    assert peak_memory(lambda: Form(Match(pattern), vocabulary, 6000)) < 40_000_000


def test_work_is_counted_per_compilation(monkeypatch: pytest.MonkeyPatch) -> None:
    match = Match("(a|b){1,50}")
    work_before = match.work
    compile_constraint(match, "ab", np.array([0.5, 0.5]))
    monkeypatch.setattr(dfa, "MAX_WORK", match.work - work_before)
    for _ in range(5):
        compile_constraint(match, "ab", np.array([0.5, 0.5]))
    for _ in range(10_000):
        match.step(match.start, "a")


def test_everyday_patterns_are_far_from_the_limits() -> None:
    symbols = "".join(map(chr, range(32, 127))) + "\n" + chinese(5904)
    equal = np.full(len(symbols), 1 / len(symbols))
    for pattern in (
        r"([A-Z].*\n){13}[A-Z].*\.",
        r"K:G(\n([A-Ga-g]{3} [A-Ga-g]{3}\|){4}){2}",
        r"([^()]|\(([^()]|\([^()]*\))*\))*",
        r"[A-Z].{11,17}\n.{20,26}\n.{12,17}\.",
        r"(\w+[ ,.]){3,20}\p{L}+[.!?]",
        rf"([{chinese(3)[0]}-\u9fff]{{7}}\n){{3}}.{{7}}",
        "(.{1,100}\n){1,14}",
    ):
        match = Match(pattern)
        work_before = match.work
        compile_constraint(match, symbols, equal)
        assert match.work - work_before < dfa.MAX_WORK / 20, pattern


def test_the_number_of_transitions_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    class Counting(Constraint):
        """Counts the characters, without declaring which are equivalent."""

        start = 0

        def step(self, state: int, char: str) -> int:
            return min(state + 1, 1000)

        def accepts(self, state: int) -> bool:
            return True

    monkeypatch.setattr(dfa, "MAX_TRANSITIONS", 300_000)
    vocabulary = Vocabulary("char", chinese(1000))
    with pytest.raises(ConfigError) as error:
        Form(Counting(), vocabulary, 9)
    assert (
        str(error.value)
        == "Counting has more than 300,000 transitions between states; give smaller counts, or a simpler constraint"
    )
    assert peak_memory(lambda: Form(Counting(), vocabulary, 9)) < 10_000_000
    with pytest.raises(
        ConfigError, match=r"^`contains` .* has more than 300,000 transitions between states"
    ):
        Form(Contains(chinese(1000)), vocabulary, 9)


def test_a_product_takes_memory_only_for_reachable_pairs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    symbols = "ab"
    equal = np.full(2, 1 / 2)
    long, longer = (
        compile_constraint(Match(f"[ab]{{{count}}}"), symbols, equal) for count in (5000, 6000)
    )
    tracemalloc.start()
    both = product(long, product(long, longer))  # 5,000 of 30,000,000 pairs are reachable
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert not both.accepts.any()
    assert peak < 10_000_000
    monkeypatch.setattr(dfa, "MAX_TRANSITIONS", 30_000)
    many = chinese(200)
    equal = np.full(200, 1 / 200)
    one, other = (
        compile_constraint(Match(".{1,100}"), many, equal),
        compile_constraint(Contains(many[:100]), many, equal),
    )
    with pytest.raises(ConfigError) as error:
        product(one, other)
    assert (
        str(error.value)
        == "the constraints together have too many states; give fewer constraints or smaller counts"
    )
    assert peak_memory(lambda: product(one, other)) < 10_000_000


def test_a_custom_constraint_works_like_a_built_in_one() -> None:
    class Balanced(Constraint):
        """Every a is closed by a b, nested at most two deep."""

        start = 0

        def step(self, state: int, char: str) -> int | None:
            state += {"a": 1, "b": -1}.get(char, 0)
            return state if 0 <= state <= 2 else None

        def accepts(self, state: int) -> bool:
            return state == 0

    form = Form(Balanced() & Length(4), ABN, 9)
    assert (form.lookahead_by_symbol(0, 0) > -np.inf).tolist() == [True, True, False]
    assert (form.lookahead_by_symbol(read(form, "aa", ABN), 2) > -np.inf).tolist() == [
        False,
        False,
        True,
    ]
    assert str(Balanced()) == "Balanced"
