"""Settings in characters are converted to sampler settings in ids."""

import math

import pytest

from charrnn.errors import ConfigError, VocabularyError
from charrnn.generation.sampling import Sampler
from charrnn.generation.settings import NAMES, bias_of, not_banned, settings_of
from charrnn.vocab import Vocabulary, describe

ABC = Vocabulary.of("abcé")
BYTES = Vocabulary("byte")
RECORDS = Vocabulary("char", "abc", records=True)


def test_a_bias_applies_to_each_character_and_adds_up() -> None:
    assert bias_of(ABC, {"ab": -2.0, "b": 0.5}, "") == ((0, -2.0), (1, -1.5))


def test_a_ban_is_minus_infinity_and_takes_precedence_over_a_bias() -> None:
    assert bias_of(ABC, {"a": 5}, "aé") == ((0, -math.inf), (3, -math.inf))


def test_an_unknown_character_may_be_banned_but_not_biased() -> None:
    assert bias_of(ABC, {}, "xyz") == ()
    with pytest.raises(VocabularyError, match=r"^the model has not seen the character 'x'"):
        bias_of(ABC, {"x": 1}, "")


def test_a_ban_must_leave_at_least_one_character() -> None:
    with pytest.raises(ConfigError) as error:
        bias_of(ABC, {}, "abcéx")
    assert str(error.value) == "`ban` contains all 4 characters of the model; leave at least one"
    assert len(bias_of(ABC, {}, "abc")) == 3
    with pytest.raises(ConfigError):
        bias_of(RECORDS, {}, "abc")  # otherwise every record would be empty


def test_bytes_are_biased_by_their_ascii_characters() -> None:
    assert bias_of(BYTES, {"a": 1.0}, "\n") == ((10, -math.inf), (97, 1.0))
    for bias, ban, name in (({"é": 1.0}, "", "bias"), ({}, "é", "ban")):
        with pytest.raises(ConfigError) as error:
            bias_of(BYTES, bias, ban)
        assert str(error.value) == (
            f"`{name}` can contain only ASCII characters for a model of bytes, got 'é'"
        )


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, "1", None, True])
def test_a_bias_must_be_a_finite_number(value: object) -> None:
    with pytest.raises(ConfigError) as error:
        bias_of(ABC, {"a": value}, "")  # type: ignore[dict-item]
    assert str(error.value) == f"`bias` must be a finite number for 'a', got {value!r}"


def test_settings_are_the_fields_of_a_sampler() -> None:
    def nothing(ids: object, logits: object) -> object:
        return logits

    found = settings_of(
        ABC, {"temperature": 0.5, "ban": "a", "bias": {"b": 1}, "processors": [nothing]}
    )
    assert found == {
        "temperature": 0.5,
        "bias": ((0, -math.inf), (1, 1.0)),
        "processors": (nothing,),
    }
    assert Sampler(**found).processors == (nothing,)
    assert settings_of(ABC, {"bias": {}, "ban": "", "processors": []}) == {"processors": ()}


@pytest.mark.parametrize(
    ("symbols", "ban", "banned", "reported"),
    [
        ("\u05e9\u05c1\ufb2a", "\ufb2a", "\ufb2a", ""),  # decomposed by NFC
        ("K\u212a", "\u212a", "\u212a", ""),
        ("\u00c5\u212b", "\u212b", "\u212b", ""),
        ("aeiou\u0301x", "aeiou\u0301", "aeiou\u0301", ""),
        ("aeu\u00fa", "u\u0301", "\u00fa", ""),
        ("aeu", "u\u0301e", "e", "\u00fa"),
        ("aeu\u0301", "\u00fae", "e", "\u00fa"),
        ("ab", "\u2603a\u2603", "a", "\u2603"),
    ],
)
def test_a_ban_finds_composed_and_decomposed_characters(
    symbols: str, ban: str, banned: str, reported: str
) -> None:
    vocabulary = Vocabulary("char", "".join(sorted(symbols + "z")))
    assert {vocabulary.symbols[idx] for idx, _ in bias_of(vocabulary, {}, ban)} == set(banned)
    assert [
        describe(char) in line
        for char, line in zip(reported, not_banned(vocabulary, ban), strict=True)
    ] == [True] * len(reported)


def test_an_unknown_setting_is_an_error_that_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError) as error:
        settings_of(ABC, {"topk": 5})
    assert str(error.value) == f"'topk' is not a sampling setting; use one of {', '.join(NAMES)}"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"bias": 5},
            "`bias` must be a mapping of characters to numbers, such as {'eE': -2.0}, got 5",
        ),
        ({"ban": 5}, "`ban` must be a string of characters, got 5"),
        (
            {"processors": [5]},
            "`processors` must be a list of functions (ids, logits) -> logits, got [5]",
        ),
    ],
)
def test_a_setting_of_the_wrong_type_is_an_error(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        settings_of(ABC, settings)
    assert str(error.value) == message


def test_a_ban_without_effect_is_reported() -> None:
    assert not_banned(ABC, "ax") == [
        "`ban` has no effect on 'x' (U+0078, LATIN SMALL LETTER X): "
        "the model never writes that character"
    ]
