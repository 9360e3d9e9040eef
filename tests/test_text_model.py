"""TextModel from a checkpoint to text: small random models, written here without PyTorch."""

import gc
import hashlib
import multiprocessing
import pickle
import subprocess
import sys
import weakref
from itertools import product

import numpy as np
import pytest

import charrnn
from charrnn.config.run_config import ModelConfig
from charrnn.errors import CheckpointError, ConfigError, GenerationError, VocabularyError
from charrnn.generation.constraints.forms import Contains, Lines
from charrnn.generation.network import CELLS
from charrnn.generation.sampling import log_probabilities
from charrnn.storage import checkpoint as checkpoints
from charrnn.storage.checkpoint import Checkpoint
from charrnn.storage.weight_shapes import shapes
from charrnn.vocab import Vocabulary

CHARS = Vocabulary.of("\n abceé")
BYTES = Vocabulary("byte")
NEWLINE = 0  # its id in CHARS
WRITERS = ("generate", "stream", "sample")


def write_model(path, vocabulary=CHARS, cell="lstm", *, prime=NEWLINE, change=lambda weights: None):
    config = ModelConfig(cell=cell, hidden_size=8, num_layers=2, embedding_size=4)
    rng = np.random.default_rng(0)
    weights = {
        name: rng.standard_normal(shape).astype(np.float32)
        for name, shape in shapes(config, len(vocabulary)).items()
    }
    change(weights)
    checkpoints.write(path, Checkpoint(vocabulary, config, weights, prime, {"val_loss": 1.5}))
    return path


def by_hand(model, prompt_ids, ids):
    """The log-probability of each of ``ids`` after ``prompt_ids``, read step by step."""
    state, logits, scores = model.network.zero_state(), None, []
    for idx in prompt_ids:
        logits, state = model.network.step(idx, state)
    for idx in ids:
        scores.append(log_probabilities(logits.astype(np.float64))[idx])
        logits, state = model.network.step(idx, state)
    return scores


@pytest.fixture(scope="module", params=CELLS)
def model(request, tmp_path_factory):
    return charrnn.load(write_model(tmp_path_factory.mktemp("char") / "model", cell=request.param))


@pytest.fixture(scope="module", params=CELLS)
def byte_model(request, tmp_path_factory):
    return charrnn.load(
        write_model(tmp_path_factory.mktemp("byte") / "model", BYTES, request.param, prime=10)
    )


@pytest.fixture(
    scope="module",
    params=product(CELLS, (CHARS, BYTES)),
    ids=lambda pair: f"{pair[0]}-{pair[1].unit}",
)
def any_model(request, tmp_path_factory):
    cell, vocabulary = request.param
    return charrnn.load(write_model(tmp_path_factory.mktemp("any") / "model", vocabulary, cell))


@pytest.fixture(scope="module")
def ascii_model(tmp_path_factory):
    """A byte model that gives bytes above 127 no probability to speak of."""

    def only_ascii(weights):
        weights["head.bias"][128:] = -1e4

    return charrnn.load(
        write_model(tmp_path_factory.mktemp("ascii") / "model", BYTES, prime=10, change=only_ascii)
    )


# Load


def test_a_loaded_model_knows_its_vocabulary_and_where_it_comes_from(tmp_path):
    path = write_model(tmp_path / "model")
    model = charrnn.load(path)
    assert model.vocabulary == CHARS
    assert model.prime == NEWLINE
    assert model.about["val_loss"] == 1.5
    assert model.path == path
    assert model.sha256 == hashlib.sha256((path / "model.safetensors").read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("vocabulary", "symbols"),
    [
        (CHARS, "7 characters"),
        (Vocabulary.of("a"), "1 character"),
        (BYTES, "bytes"),
        (Vocabulary("char", "abc", records=True), "3 characters, records"),
    ],
)
def test_the_repr_of_a_model_names_its_checkpoint_and_its_sizes(tmp_path, vocabulary, symbols):
    path = write_model(tmp_path / "model", vocabulary, "gru", prime=0)
    assert repr(charrnn.load(path)) == f"TextModel('{path}', GRU 2 x 8, {symbols})"


def test_the_repr_of_a_model_without_a_checkpoint_or_adapted_says_so(model):
    other = charrnn.TextModel(model.network, model.vocabulary, model.prime)
    other.is_adapted = True
    cell = model.network.cell_name.upper()
    assert repr(other) == f"TextModel({cell} 2 x 8, 7 characters, adapted)"


def test_the_repr_of_a_sample_cuts_its_text(model):
    short = charrnn.generation.generator.Sample("abc", 3, -1.5)
    assert repr(short) == "Sample('abc', seed=3, log_probability=-1.50)"
    long = short._replace(text="a" * 1000)
    text = f"{'a' * 27}...{'a' * 28}"
    assert repr(long) == f"Sample('{text}', seed=3, log_probability=-1.50)"


def test_load_takes_a_string_and_a_name_under_runs_dir(tmp_path):
    path = write_model(tmp_path / "run" / "step-00000001")
    text = charrnn.load(path).generate(length=50, seed=1)
    assert charrnn.load(str(path)).generate(length=50, seed=1) == text
    assert charrnn.load("run", runs_dir=tmp_path).generate(length=50, seed=1) == text
    assert charrnn.load(runs_dir=tmp_path).generate(length=50, seed=1) == text


@pytest.mark.parametrize("name", shapes(ModelConfig(num_layers=2), 1))
def test_a_checkpoint_with_a_weight_of_another_shape_is_refused(tmp_path, name):
    def cut(weights):
        weights[name] = weights[name][:-1].copy()

    path = write_model(tmp_path / "model", change=cut)
    with pytest.raises(CheckpointError, match=f"the weight {name} has shape "):
        charrnn.load(path)


def test_a_checkpoint_with_a_weight_too_few_or_too_many_is_refused(tmp_path):
    few = write_model(tmp_path / "few", change=lambda weights: weights.pop("head.bias"))
    many = write_model(
        tmp_path / "many", change=lambda weights: weights.update(extra=np.zeros(3, np.float32))
    )
    for path, name in ((few, "head.bias"), (many, "extra")):
        with pytest.raises(CheckpointError, match=f"the weight {name} "):
            charrnn.load(path)


def test_loading_and_writing_never_import_torch(tmp_path):
    code = (
        "import sys, charrnn\n"
        "model = charrnn.load(sys.argv[1])\n"
        "text = model.generate('ab', length=20, seed=1)\n"
        "assert ''.join(model.stream('ab', length=20, seed=1)) == text == model.sample('ab', length=20, seed=1).text\n"
        "assert model.score(text).shape == (20,)\n"
        "print(sorted(name for name in sys.modules if name.partition('.')[0] == 'torch' or name.startswith('charrnn.training')))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(write_model(tmp_path / "model"))],
        capture_output=True,
        text=True,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("[]\n", "", 0)


# Seeds


def test_the_same_seed_gives_the_same_text(model):
    assert model.generate(length=100, seed=7) == model.generate(length=100, seed=7)


def test_another_seed_gives_another_text(model):
    assert len({model.generate(length=100, seed=seed) for seed in range(5)}) == 5


def test_without_a_seed_every_text_is_another(model):
    # hot, since a cold model of random weights may write one symbol for ever, whatever the seed
    assert len({model.generate(length=100, temperature=100.0) for _ in range(5)}) == 5


def test_a_sample_without_a_seed_says_which_seed_writes_it_again(model):
    sample = model.sample("ab", length=100)
    assert model.generate("ab", length=100, seed=sample.seed) == sample.text


def test_a_sample_keeps_the_seed_it_is_given(model):
    assert model.sample(length=3, seed=7).seed == 7


# Text


@pytest.mark.parametrize(
    "settings", [{}, {"temperature": 0}, {"top_k": 2}, {"stop": "a"}, {"stop": ["ab", "b b", "\n"]}]
)
@pytest.mark.parametrize("prompt", ["", "abc"])
def test_generate_stream_and_sample_write_the_same(model, prompt, settings):
    text = model.generate(prompt, length=60, seed=3, **settings)
    assert "".join(model.stream(prompt, length=60, seed=3, **settings)) == text
    assert model.sample(prompt, length=60, seed=3, **settings).text == text


@pytest.mark.parametrize("settings", [{}, {"temperature": 0}, {"stop": "\ufffd\ufffd\ufffd"}])
def test_generate_stream_and_sample_write_the_same_from_bytes(byte_model, settings):
    text = byte_model.generate("é", length=60, seed=3, **settings)
    assert "".join(byte_model.stream("é", length=60, seed=3, **settings)) == text
    assert byte_model.sample("é", length=60, seed=3, **settings).text == text


@pytest.mark.parametrize("length", [0, 1, 2, 50])
def test_a_text_has_exactly_the_length(any_model, length):
    assert len(any_model.generate(length=length, seed=1)) == length


def test_the_length_is_500_where_none_is_given(model):
    assert len(model.generate(seed=1)) == 500


def test_length_zero_is_no_piece_and_certain(model):
    assert model.generate("ab", length=0) == ""
    assert list(model.stream("ab", length=0)) == []
    assert model.sample("ab", length=0).log_probability == 0


def test_a_stream_has_no_empty_piece(any_model):
    for stop in ((), "b", "bc", ["a", "ab", "\ufffd"]):
        assert "" not in list(any_model.stream(length=60, seed=3, stop=stop))


def test_a_stop_string_at_the_first_character_leaves_no_piece(any_model):
    first = any_model.generate(length=1, seed=3)
    assert any_model.generate(length=60, seed=3, stop=first) == ""
    assert list(any_model.stream(length=60, seed=3, stop=first)) == []


def test_a_text_ends_before_the_stop_string_and_is_else_the_same(model):
    text = model.generate(length=100, seed=3)
    stop = text[40:43]
    assert model.generate(length=100, seed=3, stop=stop) == text[: text.index(stop)]
    assert model.generate(length=100, seed=3, stop=["zzz", stop]) == text[: text.index(stop)]


def test_top_k_one_and_temperature_zero_are_greedy_whatever_the_seed(model):
    text = model.generate("ab", length=50, temperature=0, seed=1)
    assert model.generate("ab", length=50, temperature=0, seed=2) == text
    assert model.generate("ab", length=50, top_k=1, seed=3) == text


@pytest.mark.parametrize(
    "settings", [{"temperature": 1.5}, {"top_k": 2}, {"top_p": 0.5}, {"min_p": 0.5}]
)
def test_every_setting_changes_the_text(model, settings):
    assert model.generate(length=200, seed=1, **settings) != model.generate(length=200, seed=1)


# Prompts


def test_the_first_character_of_a_prompt_is_felt_after_the_last(model):
    texts = {
        first: [model.generate(first + "b", length=100, seed=seed) for seed in range(5)]
        for first in "ac"
    }
    assert texts["a"] != texts["c"]


def test_a_greedy_text_goes_on_as_if_its_beginning_had_been_the_prompt(model):
    text = model.generate("abc", length=40, temperature=0)
    assert model.generate("abc" + text[:15], length=25, temperature=0) == text[15:]


def test_a_prompt_is_read_by_the_network_alone_without_the_prime(model):
    assert model.sample("ab", length=20, seed=1).log_probability == pytest.approx(
        sum(
            by_hand(
                model, CHARS.encode("ab"), CHARS.encode(model.generate("ab", length=20, seed=1))
            )
        ),
        rel=1e-12,
    )


@pytest.mark.parametrize("prime", range(len(CHARS)))
def test_an_empty_prompt_is_the_prime(tmp_path, prime):
    model = charrnn.load(write_model(tmp_path / "model", prime=prime))
    assert model.generate(length=60, seed=1) == model.generate(
        CHARS.symbols[prime], length=60, seed=1
    )


@pytest.mark.parametrize("writer", WRITERS)
def test_an_unknown_character_of_the_prompt_is_an_error_that_names_it(model, writer):
    with pytest.raises(VocabularyError) as error:
        getattr(model, writer)("abX")
    assert str(error.value) == (
        "the model has not seen the character 'X' (U+0058, LATIN CAPITAL LETTER X), at position 3 of the text; "
        'leave it out with `unknown="skip"`'
    )


def test_unknown_skip_leaves_the_character_out(model):
    assert model.generate("aXbX", length=60, seed=1, unknown="skip") == model.generate(
        "ab", length=60, seed=1
    )


def test_a_prompt_of_which_nothing_is_left_is_the_prime(model):
    assert model.generate("XX", length=60, seed=1, unknown="skip") == model.generate(
        length=60, seed=1
    )


def test_unknown_replace_reads_the_nearest_character(model):
    assert model.generate("aBe\u0301", length=60, seed=1, unknown="replace") == model.generate(
        "abé", length=60, seed=1
    )


def test_unknown_replace_is_an_error_where_none_is_near(model):
    with pytest.raises(VocabularyError):
        model.generate("abX", unknown="replace")


def test_a_byte_model_reads_any_prompt(byte_model):
    assert len(byte_model.generate("aé€😀\0", length=20, seed=1)) == 20


# Scores


def test_the_score_of_each_character_is_the_networks_after_the_prime_and_all_before(model):
    np.testing.assert_allclose(
        model.score("abé \n"), by_hand(model, [NEWLINE], CHARS.encode("abé \n")), rtol=1e-12
    )


def test_the_scores_add_up_to_the_logarithm_of_the_product_of_the_probabilities(model):
    text = "abcab"
    following = [
        {char: np.exp(model.score(text[:place] + char)[-1]) for char in CHARS.symbols}
        for place in range(len(text))
    ]
    product = np.prod([following[place][char] for place, char in enumerate(text)])
    assert model.score(text).sum() == pytest.approx(np.log(product), rel=1e-12)


@pytest.mark.parametrize("before", ["", "a", "bcé"])
def test_the_probabilities_of_all_next_characters_add_up_to_one(model, before):
    assert sum(np.exp(model.score(before + char)[-1]) for char in CHARS.symbols) == pytest.approx(
        1, abs=1e-12
    )


def test_a_samples_log_probability_is_the_score_of_its_text(model):
    for settings in ({}, {"temperature": 0}, {"temperature": 2, "top_k": 4}):
        sample = model.sample(length=100, seed=5, **settings)
        assert sample.log_probability == pytest.approx(model.score(sample.text).sum(), rel=1e-12)


def test_a_samples_log_probability_counts_the_stop_string(model):
    stop = model.generate(length=100, seed=5)[30:33]
    sample = model.sample(length=100, seed=5, stop=stop)
    assert len(sample.text) < 100
    assert sample.log_probability == pytest.approx(model.score(sample.text + stop).sum(), rel=1e-12)


def test_a_samples_log_probability_is_the_score_of_its_text_for_bytes_too(ascii_model):
    sample = ascii_model.sample(length=100, seed=5)
    assert len(sample.text) == 100
    assert sample.text.isascii()
    assert sample.log_probability == pytest.approx(ascii_model.score(sample.text).sum(), rel=1e-12)


def test_a_byte_model_scores_each_character_by_all_its_bytes(byte_model):
    # a: 1 byte, é: 2, €: 3, 😀: 4, b: 1
    scores = by_hand(byte_model, [10], "aé€😀b".encode())
    expected = [
        sum(scores[start:end]) for start, end in ((0, 1), (1, 3), (3, 6), (6, 10), (10, 11))
    ]
    np.testing.assert_allclose(byte_model.score("aé€😀b"), expected, rtol=1e-12)


def test_no_text_has_no_scores(any_model):
    assert any_model.score("").shape == (0,)
    assert any_model.score("").dtype == np.float64


def test_the_score_of_an_unknown_character_is_an_error_or_another_text(model):
    with pytest.raises(VocabularyError):
        model.score("abX")
    np.testing.assert_array_equal(model.score("aXb", unknown="skip"), model.score("ab"))
    np.testing.assert_array_equal(model.score("aB", unknown="replace"), model.score("ab"))


# Refusals


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"temprature": 1},
            "'temprature' is not a sampling setting; use one of dry, "
            "dry_base, dry_length, temperature, top_k, top_p, min_p, bias, ban, processors",
        ),
        ({"temperature": -1}, "`temperature` must be a number from 0 to 1,000,000, got -1"),
        (
            {"temperature": float("nan")},
            "`temperature` must be a number from 0 to 1,000,000, got nan",
        ),
        (
            {"top_k": 0},
            "`top_k` must be a whole number from 1 to 1,000,000,000, or none; got 0",
        ),
        ({"top_p": 0}, "`top_p` must be a number above 0 and at most 1, or none; got 0"),
        ({"min_p": 2}, "`min_p` must be a number from 0 to 1, or none; got 2"),
        ({"length": -1}, "`length` must be a whole number of at least 0, got -1"),
        ({"length": 1.5}, "`length` must be a whole number of at least 0, got 1.5"),
        ({"length": "5"}, "`length` must be a whole number of at least 0, got '5'"),
        ({"stop": ""}, "`stop` must have at least one character, got ''"),
        ({"stop": ["a", ""]}, "`stop` must have at least one character, got ''"),
        ({"seed": -1}, "`seed` must be a whole number of at least 0, got -1"),
        ({"seed": 1.5}, "`seed` must be a whole number of at least 0, got 1.5"),
        ({"seed": True}, "`seed` must be a whole number of at least 0, got True"),
        ({"unknown": "ignore"}, "`unknown` must be one of error, skip, replace, got 'ignore'"),
    ],
)
def test_an_impossible_setting_is_refused_at_once(model, writer, settings, message):
    with pytest.raises(ConfigError) as error:
        getattr(model, writer)(**settings)  # a stream too, before its first piece
    assert str(error.value) == message


@pytest.mark.parametrize("text", ["", "ab", "abX"])
def test_score_refuses_an_unknown_that_is_none_of_the_three(model, text):
    with pytest.raises(ConfigError) as error:
        model.score(text, unknown="ignore")
    assert str(error.value) == "`unknown` must be one of error, skip, replace, got 'ignore'"


@pytest.mark.parametrize("writer", [*WRITERS, "score"])
def test_settings_are_given_by_name_only(model, writer):
    with pytest.raises(TypeError):
        getattr(model, writer)("ab", 100)


# Steering


def test_until_and_best_of_are_those_of_the_decoding(model):
    plain = model.generate(length=400, seed=3, temperature=1.5)
    found = model.generate(length=20, seed=3, temperature=1.5, until="line")
    assert found == plain[: plain.index("\n", 20)]
    assert "".join(model.stream(length=20, seed=3, temperature=1.5, until="line")) == found
    texts = [
        model.sample(length=30, seed=3, temperature=2, best_of=number) for number in range(1, 30)
    ]
    assert texts[0] == model.sample(length=30, seed=3, temperature=2)
    assert [each.log_probability for each in texts] == sorted(
        each.log_probability for each in texts
    )
    assert len({each.text for each in texts}) > 1
    assert {each.seed for each in texts} == {3}


@pytest.mark.parametrize("seeds", [10, pytest.param(60, marks=pytest.mark.campaign)])
def test_a_text_that_does_not_end_is_not_among_the_best_of_several(model, seeds, monkeypatch):
    monkeypatch.setattr("charrnn.generation.pieces.MOST_BEYOND", 30)
    how = {"length": 20, "temperature": 1.5, "until": "paragraph"}
    ends = 0
    for seed in range(seeds):
        one, many = [], []
        for texts, count in ((one, 1), (many, 40)):
            try:
                texts.append(model.sample(seed=seed, best_of=count, **how).text)
            except GenerationError as error:
                assert "no paragraph ends in the 30 characters" in str(error)  # noqa: PT017
        assert len(one) <= len(many)
        ends += len(many) - len(one)
    assert ends > 0


@pytest.mark.parametrize("settings", [{"best_of": 0}, {"best_of": 1.5}, {"until": ""}])
def test_an_impossible_end_is_refused(model, settings):
    with pytest.raises(ConfigError):
        model.generate(**settings)


def test_what_is_banned_is_never_written_and_what_is_favoured_is_written_more(any_model):
    plain = any_model.generate(length=300, seed=1, temperature=1.5)
    banned = max("abc", key=plain.count)
    assert banned not in any_model.generate(length=300, seed=1, temperature=1.5, ban=banned)
    assert any_model.generate(length=300, seed=1, temperature=1.5, bias={"b": 9}).count(
        "b"
    ) > plain.count("b")


def test_processors_see_the_prompt_and_what_was_written_and_have_the_last_word(model):
    seen = []

    def alternate(ids, logits):
        seen.append(ids.tolist())
        wanted = model.vocabulary.encode("ab")[len(ids) % 2]
        return np.where(np.arange(len(logits)) == wanted, 0.0, -np.inf)

    assert model.generate("ab", length=6, processors=[alternate]) == "ababab"
    assert seen == [
        model.vocabulary.encode("ab" + "ababab"[:number]).tolist() for number in range(6)
    ]


def test_dry_ends_a_loop(model):
    def longest_loop(text):
        return max(
            length
            for length in range(len(text) // 2)
            if length == 0 or text[-length:] == text[-2 * length : -length]
        )

    settings = {"length": 400, "temperature": 0}
    assert longest_loop(model.generate(**settings)) > 0
    assert longest_loop(model.generate(**settings, dry=2.0, dry_length=8)) == 0 or model.generate(
        **settings
    ) != model.generate(**settings, dry=2.0, dry_length=8)


# Records


@pytest.fixture(scope="module", params=CELLS)
def records_model(request, tmp_path_factory):
    vocabulary = Vocabulary("char", "abcé", records=True)

    def likelier(weights):
        weights["head.bias"][vocabulary.end] += 2

    path = tmp_path_factory.mktemp("records") / "model"
    return charrnn.load(
        write_model(path, vocabulary, request.param, prime=vocabulary.end, change=likelier)
    )


def test_a_model_of_records_writes_one_up_to_its_end_and_is_always_primed(records_model):
    for prompt in ("", "ab"):
        sample = records_model.sample(prompt, length=400, seed=2)
        ids = records_model.vocabulary.encode(prompt + sample.text).tolist()
        end = records_model.vocabulary.end
        assert len(sample.text) < 400
        scores = by_hand(records_model, [end], [*ids, end])
        assert sample.log_probability == pytest.approx(sum(scores[len(prompt) :]), rel=1e-6)
        assert "".join(records_model.stream(prompt, length=400, seed=2)) == sample.text


def test_the_score_of_a_record_counts_its_end(records_model):
    end = records_model.vocabulary.end
    ids = records_model.vocabulary.encode("caé").tolist()
    assert records_model.score("caé").tolist() == pytest.approx(
        by_hand(records_model, [end], [*ids, end]), rel=1e-9
    )
    assert len(records_model.score("")) == 1


def test_the_scores_of_a_record_of_bytes_are_those_of_its_characters_and_of_its_end(tmp_path):
    vocabulary = Vocabulary("byte", records=True)
    model = charrnn.load(write_model(tmp_path / "model", vocabulary, prime=256))
    scores = by_hand(model, [256], [*"aé€".encode(), 256])
    expected = [scores[0], sum(scores[1:3]), sum(scores[3:6]), scores[6]]
    assert model.score("aé€").tolist() == pytest.approx(expected, rel=1e-9)


def test_records_of_python_are_checked(records_model, model):
    with pytest.raises(ConfigError) as error:
        model.records(5)
    assert (
        str(error.value)
        == "this model writes continuous text, not records; train one with a `separator`"
    )
    for wrong in (
        {"count": -1},
        {"count": 5, "length": -1},
        {"count": 5, "max_tries": "many"},
        {"count": 5, "temperatur": 1},
    ):
        with pytest.raises(ConfigError):
            records_model.records(**wrong)
    with pytest.raises(
        CheckpointError, match=r"records.jsonl.gz, the list of records in the corpus, is missing"
    ):
        records_model.records(5, new=True)
    with pytest.raises(VocabularyError):
        records_model.records(5, prompt="x")
    assert [
        record.text for record in records_model.records(3, seed=1, accept=lambda text: "a" in text)
    ] == [record.text for record in records_model.records(400, seed=1) if "a" in record.text][:3]


def test_without_a_length_a_record_has_twice_that_of_the_longest(records_model):
    assert records_model.longest == 500  # nobody knows how long they were
    records_model.about["records"] = {"train": 5, "val": 1, "lengths": [1, 2, 3, 4, 5]}
    assert records_model.longest == 26
    assert (
        max(len(record.text) for record in records_model.records(50, seed=1, bias={"a": 3})) <= 26
    )
    del records_model.about["records"]


# Wrong types


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda model: model.generate(None), "`prompt` must be a string, got None"),
        (lambda model: model.generate(b""), "`prompt` must be a string, got b''"),
        (lambda model: model.stream(5), "`prompt` must be a string, got 5"),
        (lambda model: model.generate(until=5), "`until` must be a string, got 5"),
        (
            lambda model: model.generate(stop=5),
            "`stop` must be a string or a list of strings, got 5",
        ),
        (lambda model: model.generate(stop=[5]), "`stop` must be a string, got 5"),
        (lambda model: model.generate(bias={5: 1}), "`bias` must be a string, got 5"),
        (lambda model: model.score(None), "`text` must be a string, got None"),
        (lambda model: model.adapted(5), "`text` must be a string or bytes, got int"),
        (lambda model: model.session(5), "`text` must be a string, got 5"),
        (
            lambda model: model.session().save(5),
            "`path` must be a string or a Path, got 5",
        ),
        (lambda model: model.load_session(5), "`path` must be a string or a Path, got 5"),
        (
            lambda model: model.index(corpus=5),
            "`corpus` must be a string or a Path, got 5",
        ),
        (
            lambda model: Contains("a") & "b",
            "`constraint` must be a Constraint, such as Contains('moon'), got 'b'",
        ),
        (lambda model: charrnn.load(5), "`path` must be a string or a Path, got 5"),
        (
            lambda model: charrnn.load("a\0"),
            "`path` must not contain a NUL character, got 'a\\x00'",
        ),
        (
            lambda model: charrnn.load(runs_dir=5),
            "`runs_dir` must be a string or a Path, got 5",
        ),
        (
            lambda model: charrnn.Sampler(bias=5),
            "`bias` must be a tuple of pairs (id, nats), got 5",
        ),
        (
            lambda model: charrnn.Sampler(processors=5),
            "`processors` must be a tuple of functions, got 5",
        ),
    ],
)
def test_an_argument_of_the_wrong_type_is_refused_by_name(model, call, message):
    with pytest.raises(ConfigError) as error:
        call(model)
    assert str(error.value) == message


def test_a_name_too_long_for_the_system_names_no_run(here):
    with pytest.raises(
        CheckpointError,
        match=r"^there is no run or checkpoint 'a{200}'; runs in checkpoints: none$",
    ):
        charrnn.load("a" * 5000)


# Memory


def test_an_unused_model_is_freed_without_the_garbage_collector(tmp_path):
    model = charrnn.load(write_model(tmp_path / "model"))
    model.generate(seed=1, length=5)
    network = weakref.ref(model.network)
    gc.disable()
    try:
        del model
        assert network() is None
    finally:
        gc.enable()


# Pickle


def test_a_model_that_was_pickled_writes_the_same(any_model):
    # what is compiled for it stays behind
    any_model.generate(seed=1, length=20, constraint=Contains("a"))
    other = pickle.loads(pickle.dumps(any_model))
    for settings in ({}, {"constraint": Contains("a") & Lines(1)}, {"dry": 1.0}):
        assert other.generate("ab", seed=1, length=20, **settings) == any_model.generate(
            "ab", seed=1, length=20, **settings
        )
    assert (other.about, other.path, other.sha256) == (
        any_model.about,
        any_model.path,
        any_model.sha256,
    )


def test_spawned_processes_write_with_a_model_that_they_are_given(model):
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        texts = [
            pool.apply(model.generate, ("ab",), {"length": 30, "seed": seed}) for seed in (1, 2)
        ]
    assert texts == [model.generate("ab", length=30, seed=seed) for seed in (1, 2)]


def test_a_story_that_was_pickled_continues_alike(model):
    session = model.session("ab", seed=3)
    session.write(25)
    other = pickle.loads(pickle.dumps(session))
    assert other.write(25) == session.write(25)
    assert other.undo().text == session.undo().text
