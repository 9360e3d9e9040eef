"""The verdict on a run: how good it is, and what should make it better.

How much better is predicted by measured runs. What was tried already is not proposed again.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from charrnn.advice.evidence import Evidence, evidence_of
from charrnn.advice.gains import (
    LESS_DROPOUT,
    LONGER,
    MORE_DROPOUT,
    RISE,
    TIMES_LONGER,
    cost_of,
    expected_gains,
    next_dropout,
)
from charrnn.advice.next_command import (
    has_possible_length,
    length_in_words,
    new_run_command,
    new_validation_command,
    resume_command,
    sizes_and_dropout,
)
from charrnn.advice.other_runs import OtherRun, of_the_same_text, runs_beside
from charrnn.advice.quality import NEGLIGIBLE_LOSS, SCALE
from charrnn.advice.similar_runs import gain_of_continuing
from charrnn.config.arguments import short_repr
from charrnn.config.shell import command
from charrnn.storage.run import Run

WORTHWHILE = 0.02  # the least expected gain of a proposal
BETTER = 0.01  # share of the loss by which one run is better than another
# Of two runs with about the same length and dropout, one tried what is proposed for the other.
SAME_DROPOUT = 0.05
SAME_LENGTH = 1.5
KINDS = {
    LONGER: "under-trained",
    MORE_DROPOUT: "over-fitted",
    LESS_DROPOUT: "under-fitted",
}


@dataclass(frozen=True)
class Verdict:
    """What a run's losses show.

    Args:
        kind: ``over-fitted``, ``under-trained``, ``under-fitted``, ``at its best``,
            ``surpassed``, ``unfinished``, ``too short``.
        text: one short paragraph.
        command: what to do next, quoted for a shell; None if nothing simple will help.
        expected_gain: the share of its loss by which that is expected to make the run better.
        quality: a word for the loss, on a scale from ``noise`` to ``fluent``; None for an older
            model, or for too simple a text.
    """

    kind: str
    text: str
    command: str | None
    expected_gain: float | None = None
    quality: str | None = None

    def __repr__(self) -> str:
        text = short_repr(self.text)
        command = None if self.command is None else short_repr(self.command)
        return f"Verdict({self.kind!r}, text={text}, command={command})"


def verdict(run: Run, runs: Sequence[OtherRun] | None = None) -> Verdict | None:
    """The verdict on a run; None if its best checkpoint was not validated.

    Args:
        run: with a checkpoint.
        runs: those beside it, if they are known.
    """
    evidence = evidence_of(run)
    if evidence is None:
        return None
    if not run.path.name:  # as of the working directory
        run = Run(run.path.resolve())
    directory = Run(run.path.resolve())  # which may be another one, if it is a link
    if runs is None:
        runs = runs_beside(directory)
    others = of_the_same_text(directory.path.name, evidence.about, runs)
    return judge(run, evidence, others)


def judge(run: Run, evidence: Evidence, others: Sequence[OtherRun] = ()) -> Verdict:
    """The verdict on a run.

    Args:
        run: for the names in commands.
        evidence: of the run.
        others: runs on the same text.
    """
    return replace(_judge(run, evidence, others), quality=evidence.quality)


def _judge(run: Run, evidence: Evidence, others: Sequence[OtherRun]) -> Verdict:
    if not evidence.has_ended:
        return Verdict(
            "unfinished",
            f"{_loss(evidence)} Unfinished: the run is at step {evidence.last_step:,} of "
            f"{evidence.steps:,}.",
            resume_command(run, evidence),
        )
    if evidence.is_too_short:
        remedy = None
        if evidence.knobs["val"] is None:
            remedy = new_validation_command(run, evidence)
        return Verdict("too short", _too_short(evidence), remedy)
    loss = _loss(evidence)
    base = evidence.about.get("from")
    if base is not None and base["val_loss"] is not None and base["val_loss"] < evidence.loss:
        return Verdict(
            "surpassed",
            f"{loss} Training on this text did not help; {base['name']} is the better model.",
            None,
        )
    better = _much_better(evidence, others)
    if better is not None:
        share = 1 - better.val_loss / evidence.about["val_loss"]
        return Verdict(
            "surpassed",
            f"{loss} The run {better.name} is {share:.0%} better.",
            command(["info"], [better.name], run.runs_dir_option),
        )
    dropout = next_dropout(evidence)
    gains = {
        change: gain
        for change, gain in expected_gains(evidence).items()
        if gain >= WORTHWHILE and not _was_tried(change, dropout, evidence, others)
    }
    if not has_possible_length(evidence, TIMES_LONGER):
        gains.pop(LONGER, None)
    if not gains:
        return Verdict("at its best", f"{loss} {_at_its_best(evidence)}", None)
    change = max(gains, key=gains.__getitem__)
    return Verdict(
        KINDS[change],
        f"{loss} {_diagnosis(change, gains[change], dropout, evidence)}",
        _proposal(change, dropout, run, evidence),
        round(gains[change], 4),
    )


def _loss(evidence: Evidence) -> str:
    """The loss in bits, compared with that of the count-based model."""
    if evidence.is_too_short:
        return _too_few(evidence)
    loss = evidence.loss
    bits = f"{loss / math.log(2):.3f} bits per character of new text (lower is better)"
    rest = _quality(evidence) + _before(evidence)
    counted_loss = evidence.counting_loss
    if counted_loss is None or counted_loss < NEGLIGIBLE_LOSS:
        return f"{bits}.{rest}"
    excess = loss / counted_loss - 1
    if abs(excess) < 0.005:
        how = "about as good as"
    elif excess > 0:
        how = f"{excess:.0%} worse than"
    else:
        how = f"{-excess:.0%} better than"
    return (
        f"{bits}, {how} simply counting which characters follow which "
        f"({counted_loss / math.log(2):.3f}).{rest}"
    )


def _quality(evidence: Evidence) -> str:
    """The word for the loss, and the scale it is on."""
    if evidence.quality is None:
        return ""
    *words, last = SCALE
    return f" On the scale {', '.join(words)} and {last}, that is {evidence.quality}."


def _before(evidence: Evidence) -> str:
    """The loss before training, of a run that continued from another."""
    base = evidence.about.get("from")
    if base is None or base["val_loss"] is None:
        return ""
    bits = base["val_loss"] / math.log(2)
    sentence = f" Before training on this text, {base['name']} had {bits:.3f}."
    before = base["old_val_loss"]
    if evidence.old_loss is None or before is None:
        return sentence
    after = evidence.old_loss / math.log(2)
    return f"{sentence} On its own text, it had {before / math.log(2):.3f}; now it has {after:.3f}."


def _too_few(evidence: Evidence) -> str:
    """That the loss says nothing."""
    count = evidence.about["val_characters"]
    unit = "character" if count == 1 else "characters"
    return f"The validation part has only {count:,} {unit}, too few to judge the run."


def _too_short(evidence: Evidence) -> str:
    remedy = "Give more text, or train on all of it."
    if evidence.knobs["val"] is not None:
        remedy = "Give a longer file for validation."
    elif evidence.needed_val_fraction:
        remedy = "Keep a larger share of the text for validation, or give more text."
    return f"{_too_few(evidence)} {remedy}"


def _diagnosis(change: str, gain: float, dropout: float, evidence: Evidence) -> str:
    """What is wrong, and by how much the change is expected to make it better."""
    percent = f"about {gain:.0%} better"
    passes = evidence.about["epochs"]
    if change == LONGER:
        learned = f"{passes:.1f} passes over the text are"
        if passes < 1:
            share = f"{passes:.0%}" if passes >= 0.01 else "less than 1%"
            learned = f"reading {share} of the text is"
        longer = length_in_words(evidence, TIMES_LONGER)
        return f"Under-trained: {learned} not enough. {longer} should make it {percent}."
    same_time = f"In the same time, dropout {dropout:g} should make it {percent}"
    if change == MORE_DROPOUT:
        return (
            "Over-fitted: it has begun to memorize the text instead of learning its patterns. "
            f"{same_time}; more text would help most."
        )
    return f"Under-fitted: the dropout is too high. {same_time}."


def _at_its_best(evidence: Evidence) -> str:
    passes = evidence.about["epochs"]
    worse = ""
    if evidence.rise > RISE:
        worse = (
            f" It was best at step {evidence.about['step']:,}, and had become worse by step "
            f"{evidence.last_step:,}; the best checkpoint is kept."
        )
    continuing = ""
    if _continuing_helps(evidence):
        continuing = "; so would continuing from the model of a longer text (`--from`)"
    return (
        f"At its best after {passes:.1f} passes over the text: more time or another dropout would "
        f"gain little.{worse} More text of the same kind would help most{continuing}."
    )


def _continuing_helps(evidence: Evidence) -> bool:
    """Whether a new run could continue from another model; for lists, that was not measured."""
    about = evidence.about
    if about.get("from") is not None or about["records"] is not None:
        return False
    return gain_of_continuing(about["train_characters"]) >= WORTHWHILE


def _proposal(change: str, dropout: float, run: Run, evidence: Evidence) -> str:
    if change == LONGER:
        return new_run_command(run, evidence, [], TIMES_LONGER)
    return new_run_command(run, evidence, sizes_and_dropout(evidence, dropout))


def _much_better(evidence: Evidence, others: Sequence[OtherRun]) -> OtherRun | None:
    """The best of the other runs, if it is better than this one."""
    best = min(others, key=lambda other: other.val_loss, default=None)
    if best is None or evidence.about["val_loss"] < NEGLIGIBLE_LOSS:
        return None
    if best.val_loss > (1 - BETTER) * evidence.about["val_loss"]:
        return None
    return best


def _was_tried(
    change: str,
    dropout: float,
    evidence: Evidence,
    others: Sequence[OtherRun],
) -> bool:
    """Whether another run had this change; none of them is better, or it would be pointed to."""
    return any(_has_change(change, dropout, evidence, other) for other in others)


def _has_change(change: str, dropout: float, evidence: Evidence, other: OtherRun) -> bool:
    """Whether a run that has ended differs from this one by a change, or by more of it."""
    if not other.has_ended or other.model["cell"] != evidence.knobs["cell"]:
        return False
    work = other.passes * cost_of(other.model)
    times = work / max(evidence.passes * cost_of(evidence.knobs), 1e-9)
    if change == LONGER:
        return times >= TIMES_LONGER / SAME_LENGTH
    has_dropout = abs(other.model["dropout"] - dropout) <= SAME_DROPOUT
    has_size = cost_of(other.model) == cost_of(evidence.knobs)
    return has_dropout and has_size and times >= 1 / SAME_LENGTH
