"""A session goes on as if it had not stopped: from call to call, from one file to the next, and
back."""

import json
import random
import re
from itertools import islice, product

import numpy as np
import pytest

import charrnn
from charrnn.config.run_config import ModelConfig
from charrnn.context_mixing.contexts import Contexts
from charrnn.context_mixing.counting import count_followers
from charrnn.errors import (
    CharRNNError,
    CheckpointError,
    ConfigError,
    GenerationError,
    VocabularyError,
)
from charrnn.generation import writer as writers
from charrnn.generation.network import CELLS
from charrnn.generation.writer import with_memory
from charrnn.storage import checkpoint as checkpoints
from charrnn.storage.checkpoint import Checkpoint
from charrnn.storage.weight_shapes import shapes
from charrnn.vocab import Vocabulary

CHARS = Vocabulary.of("\n abce. é")
BYTES = Vocabulary("byte")
RECORDS = Vocabulary("char", "abc", records=True)


def make(path, vocabulary, cell="lstm", window=20, seed=0, counts=None):
    config = ModelConfig(
        cell=cell, hidden_size=8, num_layers=2, embedding_size=4, copy_window=window, counts=counts
    )
    rng = np.random.default_rng(seed)
    weights = {
        name: rng.standard_normal(shape).astype(np.float32)
        for name, shape in shapes(config, len(vocabulary)).items()
    }
    prime = vocabulary.end if vocabulary.records else max(0, vocabulary.newline)
    table = None
    if counts is not None:
        ids = rng.choice(vocabulary.encode("ab ce."), 400)
        table = count_followers(Contexts(vocabulary), ids, counts).table
    checkpoints.write(path, Checkpoint(vocabulary, config, weights, prime, {}, table))
    return charrnn.load(path)


@pytest.fixture(
    scope="module",
    params=product(CELLS, (CHARS, BYTES), (None, 20)),
    ids=lambda three: f"{three[0]}-{three[1].unit}-{three[2]}",
)
def model(request, tmp_path_factory):
    cell, vocabulary, window = request.param
    return make(tmp_path_factory.mktemp("session") / "model", vocabulary, cell, window)


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    return make(tmp_path_factory.mktemp("session") / "model", RECORDS)


@pytest.mark.parametrize(
    "settings",
    [{}, {"dry": 1.0, "dry_length": 2}, {"temperature": 0}, {"bias": {"ab": 2.0}, "ban": "c"}],
)
@pytest.mark.parametrize("prompt", ["", "abc"])
def test_what_a_session_writes_piece_by_piece_is_what_generate_writes(model, prompt, settings):
    whole = model.generate(prompt, length=90, seed=4, **settings)
    session = model.session(prompt, seed=4, **settings)
    assert (
        session.write(1) + session.write(0) + session.write(29) + "".join(session.stream(60))
        == whole
    )
    assert session.text == prompt + whole


def test_a_session_in_a_file_goes_on_as_if_it_had_not_stopped(model, tmp_path):
    rng, file = random.Random(0), tmp_path / "state"
    for settings in (
        {},
        {"dry": 0.5, "dry_length": 2, "top_k": 5},
        {"bias": {"a": 1.5}, "ban": "b"},
    ):
        whole = model.session("ab", seed=9, **settings)
        kept = model.session("ab", seed=9, **settings)
        for _ in range(4):
            length, fed = rng.randrange(60), rng.choice(["", "cab", " "])
            expected = whole.write(length) + whole.feed(fed).write(5)
            kept.save(file)
            kept = model.load_session(file)
            found = kept.write(length)
            kept.save(file)
            kept = model.load_session(file).feed(fed)
            assert found + kept.write(5) == expected
        assert kept.write(200) == whole.write(200)


def test_a_state_is_a_few_kilobytes_and_holds_the_settings(model, tmp_path):
    session = model.session("abc", seed=1, temperature=0.3, ban="e")
    session.write(3000)
    session.save(tmp_path / "state")
    assert (tmp_path / "state").stat().st_size < 20_000
    again = model.load_session(tmp_path / "state")
    assert again._writer.sampler == session._writer.sampler
    assert (
        model.load_session(tmp_path / "state", temperature=0.9)._writer.sampler.temperature == 0.9
    )


def test_until_a_boundary_is_held_over_to_the_next(tmp_path):
    model = make(tmp_path / "model", CHARS)
    whole = model.session(seed=3, temperature=1.5).write(3000)
    session, parts = model.session(seed=3, temperature=1.5), []
    for until in ("sentence", "line", "sentence", "e", "paragraph") * 3:
        parts.append(session.write(20, until=until))
        session.save(tmp_path / "state")
        session = model.load_session(tmp_path / "state")
    assert whole.startswith("".join(parts))
    assert all(len(part) >= 20 for part in parts)
    assert "".join(parts) + session.write(50) == whole[: sum(map(len, parts)) + 50]


@pytest.mark.parametrize("until", ["sentence", "line", "paragraph", "e"])
def test_feeding_goes_on_behind_what_was_given_whatever_was_drawn_beyond_it(model, tmp_path, until):
    # for bytes, no sequence that is no UTF-8
    settings = {"seed": 3, "temperature": 1.5, "bias": {"\n abce.": 60.0}}
    session = model.session("ab", **settings)
    first = session.write(20, until=until)
    assert session.text == "ab" + first
    session.save(tmp_path / "state")
    loaded = model.load_session(tmp_path / "state")
    fork, again = session.fork(), session.fork()
    for each in (session, loaded, fork):
        each.feed("\nc")
        fresh = model.session("ab" + first + "\nc", **settings)
        assert each._writer.logits.tobytes() == fresh._writer.logits.tobytes()
        assert each._writer.history.ids[-3:] == fresh._writer.history.ids[-3:]
    assert session.text == "ab" + first + "\nc"
    assert session.write(30) == loaded.write(30) == fork.write(30)
    session.undo()
    assert session.undo().text == "ab" + first
    assert session._writer.history.ids == again._writer.history.ids
    assert session.write(40) == again.write(40)  # with what was drawn beyond the boundary


def test_a_session_that_is_broken_off_stands_behind_what_it_gave(model):
    session = model.session("ab", seed=1, bias={"\n abce.": 60.0})
    stream, given = session.stream(50, until="paragraph"), ""
    while len(given) < 10:
        given += next(stream)
    stream.close()
    assert session.text == "ab" + given
    fresh = model.session("ab" + given)
    assert session._writer.logits.tobytes() == fresh._writer.logits.tobytes()


@pytest.mark.parametrize("until", [None, "paragraph"])
@pytest.mark.parametrize("act", ["feed", "write", "undo", "close late"])
def test_a_stream_ends_where_something_else_is_done_with_the_session(model, act, until):
    settings = {"seed": 1, "bias": {"\n abce.": 60.0}}
    session = model.session("ab", **settings)
    session.write(5, until="line")
    before, stream, given = session.text, session.stream(50, until=until), ""
    while len(given) < 10:
        given += next(stream)
    if act == "feed":
        session.feed("\nc")
        assert session.text == before + given + "\nc"
    elif act == "write":
        given += session.write(7)
        assert session.text == before + given
    elif act == "undo":
        assert session.undo().text == before
        assert session.undo().text == "ab"
    else:
        session.feed("\nc").write(3)
    text, read = session.text, session._writer.history.ids
    assert list(stream) == []  # it is over
    stream.close()
    assert (session.text, session._writer.history.ids) == (text, read)
    fresh = model.session(session.feed("a").text, **settings)
    assert session._writer.logits.tobytes() == fresh._writer.logits.tobytes()


@pytest.mark.parametrize("until", [None, "paragraph"])
def test_a_fork_and_a_file_made_while_a_stream_is_written_stand_behind_what_was_given(
    model, tmp_path, until
):
    settings = {"seed": 1, "bias": {"\n abce.": 60.0}}
    session, forks = model.session("ab", **settings), []
    for number, _ in enumerate(islice(session.stream(8, until=until), 12)):
        if number % 3 == 2:
            session.save(tmp_path / "state")
            forks.append((session.fork(), model.load_session(tmp_path / "state"), session.text))
    whole = session.text
    assert (
        "".join(islice(model.session("ab", **settings).stream(8, until=until), 12)) == whole[2:]
    )  # it went on as if nothing had been done
    for fork, loaded, text in forks:
        assert fork.text == text
        fresh = model.session(text, **settings)
        for each in (fork, loaded):
            each._writer.restore_memory()
            assert each._writer.logits.tobytes() == fresh._writer.logits.tobytes()
        assert (
            until
            or fork.write(10 - len(text)) == loaded.write(10 - len(text)) == whole[len(text) :]
        )


def test_a_record_stays_ended_when_its_stream_is_dropped(records):
    for seed in range(20):
        session = records.session("a", seed=seed)
        for _ in session.stream(1000):
            if session.ended:
                break
        assert session.ended
        with pytest.raises(ConfigError, match="the record of this session has ended"):
            session.write(5)


def test_no_moment_keeps_what_was_read(tmp_path):
    session = make(tmp_path / "model", CHARS).session("ab", seed=1)
    for _ in range(5):
        session.write(10, until="sentence")
        session.feed(" b")
    kept = [moment.state for moment in session._before] + [
        place.state for moment in session._before for place in moment.places
    ]
    assert len(kept) > 10
    assert all(state.memories == () for state in kept)


def test_left_and_gone_on_with_at_every_character_it_is_the_same_text(model):
    for seed in range(12):
        whole = model.session("ab", seed=seed, temperature=1.5).write(60)
        session, parts = model.session("ab", seed=seed, temperature=1.5), ""
        while len(parts) < 60:
            for piece in session.stream(60 - len(parts)):
                parts += piece
                break
        assert parts[:60] == whole


def test_a_text_that_cannot_be_fed_changes_nothing(tmp_path):
    session = make(tmp_path / "model", BYTES).session("ab", seed=3, bias={"\n .": 90.0})
    session.write(5, until="line")
    held, moments = session._held, len(session._before)
    assert held
    with pytest.raises(VocabularyError):
        session.feed("\ud800")
    assert (session._held, len(session._before)) == (held, moments)


def test_processors_must_be_given_again(tmp_path):
    def no_a(ids, logits):
        logits[CHARS.symbols.find("a")] = -np.inf
        return logits

    model = make(tmp_path / "model", CHARS)
    session = model.session("b", seed=1, processors=[no_a])
    session.save(tmp_path / "state")
    with pytest.raises(
        ConfigError, match=r"was saved with processors \(1\), which a file cannot hold"
    ):
        model.load_session(tmp_path / "state")
    loaded = model.load_session(tmp_path / "state", processors=[no_a])
    assert session.write(60) == loaded.write(60)
    assert "a" not in session.text
    assert "a" in model.load_session(tmp_path / "state", processors=[]).write(200)


def test_dry_length_may_be_set_where_the_state_has_dry(tmp_path):
    model = make(tmp_path / "model", CHARS)
    model.session("b", dry=1.0).save(tmp_path / "dry")
    model.session("b").save(tmp_path / "plain")
    assert model.load_session(tmp_path / "dry", dry_length=8).write(5)
    with pytest.raises(
        ConfigError,
        match=r"^`dry_length` has no effect without `dry`; give that too, such as `dry=1`$",
    ):
        model.load_session(tmp_path / "plain", dry_length=8)


def test_undo_takes_back_one_after_another(model):
    session = model.session("ab", seed=2)
    moments = [session.text]
    for number in range(6):
        session.write(7) if number % 2 else session.feed("ca")
        moments.append(session.text)
    for expected in moments[-2::-1]:
        assert session.undo().text == expected
    assert session.undo().text == ""
    with pytest.raises(ConfigError) as error:
        session.undo()
    assert str(error.value) == (
        "nothing to undo: nothing was fed or written, or all of it was undone"
    )


def test_what_is_written_after_undo_is_what_was_written_before(model):
    session = model.session("ab", seed=2)
    first = session.write(60)
    assert session.undo().write(60) == first
    assert session.undo().feed("c").text == "abc"
    assert session.undo().write(60) == first


def test_undo_leaves_the_memory_to_what_is_written_next(model, monkeypatch):
    """Restoring what 8,192 symbols of a copy window recall takes 20 ms: once for many undos, not
    for each."""
    restored = []
    monkeypatch.setattr(
        writers, "with_memory", lambda *args: restored.append(args) or with_memory(*args)
    )
    session = model.session("ab", seed=2)
    for _ in range(5):
        session.write(6)
    text = session.text[:14]
    for _ in range(3):
        session.undo()
    assert (session.text, len(restored)) == (text, 0)
    session.write(6)
    assert len(restored) == 1
    assert session.text == "ab" + model.session("ab", seed=2).write(18)


def test_a_fork_goes_on_by_itself(model):
    session = model.session("ab", seed=2, temperature=2)
    session.write(30)
    alike, other = session.fork(), session.fork(seed=77)
    assert alike.write(40) == session.fork().write(40)
    assert other.write(40) != alike.undo().write(40)
    expected = model.session("ab", seed=2, temperature=2).write(70)[30:]
    assert session.write(40) == expected
    other.feed("b")
    assert session.text == "ab" + model.session("ab", seed=2, temperature=2).write(70)


def test_an_unknown_character_changes_nothing(tmp_path):
    model = make(tmp_path / "model", CHARS)
    session = model.session("ab", seed=2)
    with pytest.raises(VocabularyError):
        session.feed("xyz")
    assert session.text == "ab"
    assert session.feed("axb", unknown="skip").text == "abab"
    assert session.undo().write(20) == model.generate("ab", length=20, seed=2)


def test_a_session_of_records_writes_one_to_its_end(records, tmp_path):
    session = records.session("ab", seed=5)
    text = session.write(1000)
    assert session.ended
    assert text == records.generate("ab", length=1000, seed=5)
    for act in (lambda: session.write(5), lambda: session.feed("a")):
        with pytest.raises(ConfigError) as error:
            act()
        assert (
            str(error.value)
            == "the record of this session has ended; start another session, or undo"
        )
    session.save(tmp_path / "state")
    assert records.load_session(tmp_path / "state").ended
    assert session.undo().write(1000) == text


# Files that are not what they should be


@pytest.fixture
def saved(tmp_path):
    model = make(tmp_path / "model", BYTES)
    session = model.session("abc", seed=1)
    session.write(50)
    session.save(tmp_path / "state")
    return model, tmp_path / "state"


def test_any_bit_flipped_or_byte_cut_off_is_an_error(saved):
    model, file = saved
    data, rng = file.read_bytes(), random.Random(1)
    expected = model.load_session(file).write(30)
    refused = 0
    for _ in range(300):
        place, bit = rng.randrange(len(data)), rng.randrange(8)
        file.write_bytes(data[:place] + bytes([data[place] ^ 1 << bit]) + data[place + 1 :])
        try:
            found = model.load_session(file).write(30)
        except CheckpointError:
            refused += 1
        else:
            assert found == expected  # another spelling of the same, such as a space
    for length in rng.sample(range(len(data) - 1), 50):
        file.write_bytes(data[:length])
        with pytest.raises(CheckpointError):
            model.load_session(file)
    assert refused > 280


def resigned(file, **changes):
    """A state with some values changed, and a right checksum."""
    from charrnn.generation.session_file import _digest

    values = json.loads(file.read_bytes())
    values.pop("sha256")
    values = {name: value for name, value in (values | changes).items() if value is not ...}
    file.write_text(json.dumps(values | {"sha256": _digest(values)}))


@pytest.mark.parametrize(
    "changes",
    [
        {"h": ...}, {"h": ""}, {"h": "!"}, {"h": "AAAA"}, {"c": 5}, {"ids": "eJxjYAAAAAEAAQ=="}, {"random": {}}, {"random": ...},
        {"random": {"state": {"state": "-1", "inc": "x"}}},
        {"pending": "\u00e9"}, {"held": 5}, {"ended": "no"}, {"sampler": {"temperature": -1}}, {"sampler": {"nothing": 1}}, {"sampler": 5},
        {"bias": [["a", 1]]}, {"bias": [[99999, 1]]}, {"bias": [[-1, 1]]}, {"bias": [[1, "inf"]]}, {"banned": [257]},
        {"random": {"state": {"state": "-5", "inc": "1"}, "has_uint32": 0, "uinteger": 0}},
        {"random": {"state": {"state": "5", "inc": "1"}, "has_uint32": 2**70, "uinteger": 0}},
        {"random": {"state": {"state": "5", "inc": "1"}, "has_uint32": 0, "uinteger": -1}},
        {"banned": "a"}, {"held": "\ud800"}, {"held": "x" * 99},
        {"beyond": [[0, 0, "", ""]]}, {"beyond": 5}, {"processors": -1}, {"processors": ...},
        {"sampler": {"temperature": 1.0, "top_k": None, "top_p": None, "min_p": None, "dry": None, "processors": ["x"]}},
        {"format": 0}, {"format": "2"}, {"charrnn": "model"}, {"model": ...},
    ],
    ids=str,
)  # fmt: skip
def test_a_state_with_a_right_checksum_and_wrong_values_is_an_error(saved, changes):
    model, file = saved
    resigned(file, **changes)
    with pytest.raises(CharRNNError) as error:
        model.load_session(file)
    assert "Traceback" not in str(error.value)
    assert isinstance(error.value, CheckpointError)


# Counts


@pytest.fixture(scope="module", params=product((CHARS, BYTES), (None, 20)), ids=str)
def counting(request, tmp_path_factory):
    vocabulary, window = request.param
    path = tmp_path_factory.mktemp("session") / "model"
    return make(path, vocabulary, window=window, counts=1)


@pytest.mark.parametrize("settings", [{}, {"dry": 1.0, "dry_length": 2}, {"temperature": 0}])
def test_with_counts_what_is_written_piece_by_piece_is_what_generate_writes(counting, settings):
    whole = counting.generate("abc", length=90, seed=4, **settings)
    session = counting.session("abc", seed=4, **settings)
    assert session.write(1) + session.write(29) + "".join(session.stream(60)) == whole
    # and not what the network alone writes
    alone = charrnn.load(counting.path)
    alone.generator.network.mixer = None
    assert alone.generate("abc", length=90, seed=4, **settings) != whole


def test_with_counts_a_session_in_a_file_goes_on_as_if_it_had_not_stopped(counting, tmp_path):
    whole, kept = (counting.session("ab", seed=9) for _ in range(2))
    for length, fed in ((0, ""), (17, "cab"), (30, " "), (1, "e.")):
        expected = whole.write(length) + whole.feed(fed).write(5)
        kept.save(tmp_path / "state")
        kept = counting.load_session(tmp_path / "state")
        found = kept.write(length)
        kept.save(tmp_path / "state")
        kept = counting.load_session(tmp_path / "state").feed(fed)
        assert found + kept.write(5) == expected
        assert kept._writer.state.reading == whole._writer.state.reading
    assert kept.write(100) == whole.write(100)


def test_with_counts_undo_returns_to_the_contexts_before(counting):
    session = counting.session("ab", seed=1)
    session.write(20)
    before = session._writer.bare_state.reading
    first = session.fork().write(30)
    session.feed("cab e.").write(10)
    assert session._writer.bare_state.reading != before
    session.undo().undo()
    assert session._writer.bare_state.reading == before
    assert session.write(30) == first


def test_with_counts_a_session_is_continued_from_a_boundary(counting):
    settings = {"seed": 3, "temperature": 1.5, "bias": {"\n abce.": 60.0}}
    session = counting.session("ab", **settings)
    first = session.write(20, until="e")
    session.feed(" c")
    fresh = counting.session("ab" + first + " c", **settings)
    assert session._writer.state.reading == fresh._writer.state.reading
    np.testing.assert_array_equal(session._writer.logits, fresh._writer.logits)


@pytest.mark.parametrize(
    "reading",
    [
        ..., None, 5, "", [], ["1"] * 8, ["1"] * 10, ["x"] * 9, [None] * 9, ["-1"] * 9, [[]] * 9, ["9" * 5000] * 9,
        ["0"] * 8 + [str(1 << 64)], ["258"] + ["0"] * 8, {"last": "1"},
    ],
    ids=lambda reading: repr(reading)[:40],
)  # fmt: skip
def test_damaged_contexts_in_a_state_are_an_error(counting, reading, tmp_path):
    session = counting.session("ab", seed=1)
    session.write(5)
    session.save(tmp_path / "state")
    resigned(tmp_path / "state", reading=reading)
    with pytest.raises(CheckpointError) as error:
        counting.load_session(tmp_path / "state")
    assert "\n" not in str(error.value)


def test_the_state_of_a_model_without_counts_has_no_contexts(saved):
    model, file = saved
    assert json.loads(file.read_bytes())["reading"] is None
    resigned(file, reading=...)  # as in an older version
    assert model.load_session(file)._writer.state.reading is None


def test_a_setting_that_a_state_lacks_has_its_default(saved):
    model, file = saved
    resigned(file, sampler={"temperature": 0.5})
    assert model.load_session(file)._writer.sampler == model.sampler(temperature=0.5)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"sampler": {"temperature": 0.5, "top_z": 3}}, "it has the setting 'top_z'"),
        ({"format": 2}, "it has format 2"),
    ],
)
def test_a_state_of_a_newer_version_is_refused_as_such(saved, changes, what):
    model, file = saved
    resigned(file, **changes)
    with pytest.raises(CheckpointError) as error:
        model.load_session(file)
    assert str(error.value) == (
        f"{file} was saved by a newer charrnn: {what}, which this version does not know; "
        "update charrnn, or use another file"
    )


def test_the_repr_of_a_session_is_short(tmp_path):
    session = make(tmp_path / "model", CHARS).session("abc" * 100)
    # how much is cut depends on the version of Python
    assert re.fullmatch(r"Session\('(abc)+\.\.\.[abc]+', length=300\)", repr(session))
    assert len(repr(session)) < 90


def test_the_repr_of_a_session_says_that_its_record_has_ended(records):
    session = records.session("ab", seed=1)
    assert repr(session) == "Session('ab', length=2)"
    session.write(1000)
    assert repr(session) == f"Session('{session.text}', length={len(session.text)}, ended)"


def test_a_setting_that_is_not_possible_is_no_damage_and_a_bias_is_added_to_what_was_kept(
    saved, tmp_path
):
    model, file = saved
    with pytest.raises(
        ConfigError, match=r"^`temperature` must be a number from 0 to 1,000,000, got -1"
    ):
        model.load_session(file, temperature=-1)
    model.session("a", seed=1, ban="b", bias={".": 1, "c": 2}).save(file)
    assert dict(model.load_session(file, bias={".": 3}, ban="x")._writer.sampler.bias) == {
        ord("."): 3.0, ord("b"): -np.inf, ord("c"): 2.0, ord("x"): -np.inf,
    }  # fmt: skip


def test_a_session_with_numbers_that_are_none_is_refused_and_stays_as_it_was(saved):
    model, _ = saved
    session = model.session("a", seed=1)
    for act in (
        lambda: session.write(-5),
        lambda: session.write(2.5),
        lambda: session.fork(-1),
        lambda: session.write(5, until=""),
    ):
        with pytest.raises(ConfigError):
            act()
    assert session.text == "a"
    assert session.write(20) == model.generate("a", length=20, seed=1)


def test_line_by_line_a_session_goes_through_the_text(tmp_path):
    model = make(tmp_path / "model", CHARS)
    whole = model.session(seed=3, temperature=1.5).write(400)
    session = model.session(seed=3, temperature=1.5)
    lines = "".join(session.write(0, until="line") for _ in range(12))
    assert whole.startswith(lines)
    assert lines.count("\n") >= 10


def test_the_state_of_another_model_is_refused(saved, tmp_path):
    _, file = saved
    other = make(tmp_path / "other", BYTES, seed=1)
    with pytest.raises(
        CheckpointError,
        match=r"was saved by another model: \w{12}, not \w{12}; use the model that saved it$",
    ):
        other.load_session(file)


def test_a_missing_state_is_an_error_and_a_failed_save_leaves_the_old_file(saved, tmp_path):
    model, file = saved
    with pytest.raises(CheckpointError) as error:
        model.load_session(tmp_path / "none")
    assert (
        str(error.value)
        == f"{tmp_path / 'none'} does not exist; check the name, or save a session there first"
    )
    with pytest.raises(CheckpointError):
        model.load_session(tmp_path)
    with pytest.raises(CheckpointError):
        model.session("a").save(file / "state")  # which is no directory
    assert len(model.load_session(file).write(5)) == 5


def test_a_session_of_a_model_without_a_checkpoint_cannot_be_saved(saved, tmp_path):
    model, _ = saved
    for other in (
        model.adapted("abc" * 30),
        charrnn.TextModel(model.network, model.vocabulary, model.prime),
    ):
        if other.is_adapted:
            with pytest.raises(ConfigError, match=r"^this model was adapted, and a session"):
                other.load_session(tmp_path / "state")
        session = other.session("ab", seed=1)
        assert len(session.write(5)) == 5
        with pytest.raises(
            ConfigError,
            match=r"^this session cannot be saved: its model was adapted or was not read",
        ):
            session.save(tmp_path / "another")


def test_without_a_boundary_the_session_continues_after_what_it_wrote(tmp_path):
    model = make(tmp_path / "model", CHARS)
    session = model.session(seed=1, ban=".\n")
    with pytest.raises(GenerationError):
        session.write(5, until="line")
    assert len(session.text) == 10_005
