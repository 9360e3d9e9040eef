"""What is asked for in characters becomes what the sampler knows: ids."""

import math

import pytest

from charrnn.errors import ConfigError, VocabularyError
from charrnn.generation.sampling import Sampler
from charrnn.generation.settings import NAMES, bias_of, not_banned, settings_of
from charrnn.vocab import Vocabulary, describe

ABC = Vocabulary.of("abcé")
BYTES = Vocabulary("byte")
RECORDS = Vocabulary("char", "abc", records=True)


def test_a_bias_is_given_to_each_of_some_characters_and_adds_up() -> None:
    assert bias_of(ABC, {"ab": -2.0, "b": 0.5}, "") == ((0, -2.0), (1, -1.5))


def test_a_ban_is_minus_infinity_and_goes_before_a_bias() -> None:
    assert bias_of(ABC, {"a": 5}, "aé") == ((0, -math.inf), (3, -math.inf))


def test_a_character_that_the_model_does_not_have_is_never_written_and_may_be_banned_but_not_favoured() -> (
    None
):
    assert bias_of(ABC, {}, "xyz") == ()
    with pytest.raises(VocabularyError, match=r"^unknown character 'x'"):
        bias_of(ABC, {"x": 1}, "")


def test_what_is_left_is_at_least_one_character() -> None:
    with pytest.raises(ConfigError) as error:
        bias_of(ABC, {}, "abcéx")
    assert str(error.value) == "ban: all 4 characters of the model are banned; leave one"
    assert len(bias_of(ABC, {}, "abc")) == 3
    with pytest.raises(ConfigError):
        bias_of(RECORDS, {}, "abc")  # else every record would be empty


def test_bytes_are_biased_by_their_ascii_characters() -> None:
    assert bias_of(BYTES, {"a": 1.0}, "\n") == ((10, -math.inf), (97, 1.0))
    for bias, ban in (({"é": 1.0}, ""), ({}, "é")):
        with pytest.raises(
            ConfigError,
            match=r"'é' is not possible: the model writes bytes, and a character beyond ASCII has several$",
        ):
            bias_of(BYTES, bias, ban)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, "1", None, True])
def test_a_bias_that_is_no_number_is_refused(value: object) -> None:
    with pytest.raises(ConfigError) as error:
        bias_of(ABC, {"a": value}, "")  # type: ignore[dict-item]
    assert str(error.value) == f"bias: a={value!r} is not possible; give a number of nats"


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
    ("symbols", "ban", "banned", "said"),
    [
        ("\u05e9\u05c1\ufb2a", "\ufb2a", "\ufb2a", ""),  # which NFC takes apart
        ("K\u212a", "\u212a", "\u212a", ""),
        ("\u00c5\u212b", "\u212b", "\u212b", ""),
        ("aeiou\u0301x", "aeiou\u0301", "aeiou\u0301", ""),
        ("aeu\u00fa", "u\u0301", "\u00fa", ""),
        ("aeu", "u\u0301e", "e", "\u00fa"),
        ("aeu\u0301", "\u00fae", "e", "\u00fa"),
        ("ab", "\u2603a\u2603", "a", "\u2603"),
    ],
)
def test_a_ban_is_of_the_characters_that_were_meant(
    symbols: str, ban: str, banned: str, said: str
) -> None:
    vocabulary = Vocabulary("char", "".join(sorted(symbols + "z")))
    assert {vocabulary.symbols[idx] for idx, _ in bias_of(vocabulary, {}, ban)} == set(banned)
    assert [
        describe(char) in line for char, line in zip(said, not_banned(vocabulary, ban), strict=True)
    ] == [True] * len(said)


def test_an_unknown_setting_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(ConfigError) as error:
        settings_of(ABC, {"topk": 5})
    assert (
        str(error.value)
        == f"'topk' is not a setting of the sampler; give one of {', '.join(NAMES)}"
    )
