"""Signals to a real process: what was learned is saved, the exit code says which it was, and the
run goes on to the same bytes.

How far a run can get is settled by its stderr, not by the clock: it says a line each step into a
pipe of 4 kB, so it stands still after some 30 of its 60 steps until the test reads on.
"""

import array
import fcntl
import os
import re
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

import charrnn
from charrnn.cli.signals import signal_requests
from tests.command import TEXT, call

# one after the other: they wait for processes, and share the run of the fixture whole
pytestmark = pytest.mark.xdist_group("signals")

ROOT = str(Path(charrnn.__file__).parents[1])
N = 60
SMALL = [
    "--hidden-size=8", "--embedding-size=4", "--batch-size=4", "--sequence-length=20",
    "--device=cpu", "--precision=fp32", "--threads=1", "--sample-every=none", "--save-every=none",
    "--num-layers=2", "--dropout=0.1", "--patience=none",
]  # fmt: skip
# So high a learning rate that hardly a step is the best so far: what is saved is saved for the
# signal's sake.
EVERY_STEP = [
    "train",
    "corpus.txt",
    *SMALL,
    f"--steps={N}",
    "--eval-every=1",
    "--learning-rate=0.3",
]
SILENT = ["train", "corpus.txt", *SMALL, "--steps=1000000", "--eval-every=none"]
STOPS = [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
# SIGINT in every run of the tests; the others in the campaign, since test_r11_signals.py sends each
# at random moments, and further tests here send SIGTERM and SIGHUP.
EACH_STOP = [
    pytest.param(
        *stop,
        id=stop[0].name,
        marks=[] if stop[0] == signal.SIGINT else [pytest.mark.campaign],
    )
    for stop in STOPS
]
CONTINUE = "continue with: charrnn train --resume --name corpus"
# seconds, so that a test that waits for what never comes fails; nothing is measured by it
PATIENCE = 60


@pytest.fixture(autouse=True, scope="module")
def heard() -> Iterator[None]:
    """The signals are not ignored from the start, as they are in the background of a script."""
    before = {signum: signal.signal(signum, signal.default_int_handler) for signum, _ in STOPS}
    yield
    for signum, handler in before.items():
        signal.signal(signum, handler)


@contextmanager
def process(*args: str, **settings: Any) -> Iterator[subprocess.Popen[bytes]]:
    """charrnn in a process of its own, with a stderr that holds 4 kB; gone at the end."""
    settings = {"stderr": subprocess.PIPE, "pipesize": 4096} | settings
    environment = os.environ | {"PYTHONPATH": ROOT}
    with subprocess.Popen(
        [sys.executable, "-m", "charrnn", *args],
        bufsize=0,
        stdin=subprocess.DEVNULL,
        env=environment,
        **settings,
    ) as started:
        try:
            yield started
        finally:
            if started.poll() is None:
                started.kill()


def wait_for(what: Callable[[], bool], started: subprocess.Popen[bytes]) -> None:
    for _ in range(PATIENCE * 50):
        if what():
            return
        assert started.poll() is None, "the process ended"
        time.sleep(0.02)
    pytest.fail("it never came")


def lines_until(start: str, started: subprocess.Popen[bytes]) -> list[str]:
    """What the process says, up to the first line that begins so."""
    assert started.stderr
    lines: list[str] = []
    while not lines or not lines[-1].startswith(start):
        lines.append(started.stderr.readline().decode())
        assert lines[-1], f"the process ended: {lines}"
    return lines


def waiting(started: subprocess.Popen[bytes]) -> int:
    """The bytes in the pipe that nobody has read yet."""
    assert started.stderr
    number = array.array("i", [0])
    fcntl.ioctl(started.stderr, termios.FIONREAD, number)
    return number[0]


def wait_until_it_stands_still(started: subprocess.Popen[bytes]) -> None:
    """Until the pipe is so full that the process waits to write its next line."""
    seen = [-1] * 20

    def still() -> bool:
        seen.append(waiting(started))
        return seen[-1] > 4096 - 160 and len(set(seen[-20:])) == 1

    wait_for(still, started)


def steps(run: str = "corpus") -> list[str]:
    return sorted(path.name for path in Path(f"checkpoints/{run}").glob("step-*"))


def outcome() -> dict[str, bytes]:
    """What a run leaves at its end."""
    run = Path("checkpoints/corpus")
    return {
        "metrics.jsonl": (run / "metrics.jsonl").read_bytes(),
        **{
            name: (run / f"step-{N:08d}" / name).read_bytes()
            for name in ("model.safetensors", "trainer.safetensors")
        },
    }


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The outcome of the run that was never interrupted."""
    where = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(where)
        (where / "corpus.txt").write_text(TEXT)
        assert call(*EVERY_STEP).exit_code == 0
        return outcome()


@pytest.mark.parametrize(("signum", "code"), EACH_STOP)
def test_a_signal_saves_the_step_under_way_and_resume_ends_in_the_same_bytes(
    signum: int, code: int, whole: dict[str, bytes], corpus: Path, here: Path
) -> None:
    with process(*EVERY_STEP, stdout=subprocess.PIPE) as started:
        assert started.stdout
        assert started.stderr
        lines_until("step 1 of 60: ", started)
        started.send_signal(signum)
        *rest, last = started.stderr.read().decode().splitlines()
        assert (started.wait(), started.stdout.read()) == (code, b"")
    step = int(rest[-1].split()[1]) if rest else 1
    assert all(re.match(r"step \d+ of 60: ", line) for line in rest)
    assert last == f"stopped after saving checkpoints/corpus/step-{step:08d}; {CONTINUE}"
    assert steps()[-1] == f"step-{step:08d}"
    assert step < N
    resumed = call("train", "--resume", "--name", "corpus")
    assert resumed.exit_code == 0
    assert f"resuming checkpoints/corpus after step {step} of 60" in resumed.stderr.splitlines()
    assert outcome() == whole
    assert not list(here.rglob("*.tmp-*"))


def test_sigusr1_saves_and_the_run_ends_in_the_same_bytes(
    whole: dict[str, bytes], corpus: Path
) -> None:
    with process(*EVERY_STEP) as started:
        assert started.stderr
        lines_until("step 1 of 60: ", started)
        started.send_signal(signal.SIGUSR1)
        lines = started.stderr.read().decode().splitlines()
        assert started.wait() == 0
    assert lines[-1] == "generate text with: charrnn sample corpus"
    assert outcome() == whole


def test_sigusr1_saves_where_nothing_else_would_and_goes_on(corpus: Path, here: Path) -> None:
    metrics = Path("checkpoints/corpus/metrics.jsonl")
    with process(*SILENT, "--report-every=1") as started:
        assert started.stderr
        lines_until("training checkpoints/corpus: ", started)
        for number in (1, 2):
            started.send_signal(signal.SIGUSR1)
            wait_for(lambda number=number: len(steps()) == number, started)  # type: ignore[misc]
            # another step, since one that is saved already is not saved again
            size = metrics.stat().st_size
            wait_for(lambda size=size: metrics.stat().st_size > size, started)  # type: ignore[misc]
        started.send_signal(signal.SIGTERM)
        *rest, last = started.stderr.read().decode().splitlines()
        assert started.wait() == 143
    assert len(steps()) == 3
    # a line of progress comes where all this took long
    assert all(re.match(r"step [\d,]+ of 1,000,000: ", line) for line in rest)
    assert last == f"stopped after saving checkpoints/corpus/{steps()[-1]}; {CONTINUE}"
    for step in steps():
        assert len(charrnn.load(f"checkpoints/corpus/{step}").generate(length=10, seed=1)) == 10


def test_a_third_sigint_leaves_at_once_and_what_was_committed_goes_on_to_the_same_bytes(
    whole: dict[str, bytes], corpus: Path
) -> None:
    with process(*EVERY_STEP) as started:
        assert started.stderr
        # waits to write a line, and cannot end by finishing its step
        wait_until_it_stands_still(started)
        while started.poll() is None:
            with suppress(ProcessLookupError):
                started.send_signal(signal.SIGINT)
            time.sleep(0.05)
        said = started.stderr.read().decode()
    assert started.returncode == 130
    assert "stopped" not in said
    assert "Traceback" not in said
    for step in steps():
        assert len(charrnn.load(f"checkpoints/corpus/{step}").generate(length=10, seed=1)) == 10
    assert call("train", "--resume").exit_code == 0
    assert outcome() == whole


# Three times Ctrl-C in a process whose run is at step 7 of a training that does not react.
STUBBORN = """
import os, signal, sys
from pathlib import Path
from charrnn.cli.signals import Requests, signal_requests
from charrnn.storage.run import Run

class Stubborn:
    directory = Run(Path("checkpoints/my run"))
    step = 7
    stop_requested = False
    save_requested = False

with signal_requests() as requests:
    if sys.argv[1] == "run":
        requests.watch(Stubborn())
    for number in range(3):
        os.kill(os.getpid(), signal.SIGINT)
        print(number)
"""
ASKED = "stopping once the current step is finished and saved; press Ctrl-C again to exit at once without saving it\n"


@pytest.mark.parametrize(
    ("target", "saved", "lines"),
    [
        (
            "none",
            None,
            "stopping before the first step; press Ctrl-C again to exit at once\n"
            "stopped before the first step\n",
        ),
        (
            "run",
            None,
            ASKED
            + "stopped at once: nothing was saved; start again with the same command and --overwrite\n",
        ),
        (
            "run",
            4,
            ASKED
            + "stopped at once: what was learned after step 4 was not saved, checkpoints/my run/step-00000004 was; "
            "continue with: charrnn train --resume --name 'my run'\n",
        ),
        (
            "run",
            7,
            ASKED + "stopped after saving checkpoints/my run/step-00000007; "
            "continue with: charrnn train --resume --name 'my run'\n",
        ),
    ],
    ids=["no run yet", "nothing saved", "saved before", "all saved"],
)
def test_the_second_sigint_explains_and_the_third_exits_with_what_was_saved(
    target: str, saved: int | None, lines: str, here: Path
) -> None:
    if saved is not None:
        (here / f"checkpoints/my run/step-{saved:08d}").mkdir(parents=True)
    done = subprocess.run(
        [sys.executable, "-u", "-c", STUBBORN, target],
        env=os.environ | {"PYTHONPATH": ROOT},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "0\n1\n", lines)


def test_a_sigint_while_a_stopped_run_exits_changes_nothing(here: Path) -> None:
    code = (
        "import os, signal, sys\n"
        "from charrnn.cli.signals import signal_requests\n"
        "with signal_requests() as requests:\n"
        "    requests.imported()\n"
        "    try:\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\n"
        "    finally:\n"
        "        import atexit\n"
        "        atexit.register(os.kill, os.getpid(), signal.SIGINT)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": ROOT},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (143, "")
    assert done.stderr == "stopped before the first step\n"


def test_a_stop_whose_last_words_nobody_reads_is_still_a_stop(
    whole: dict[str, bytes], corpus: Path
) -> None:
    """Ctrl-C on ``charrnn train my.txt 2>&1 | tee log`` ends tee as well."""
    with process(*EVERY_STEP) as started:
        assert started.stderr
        wait_until_it_stands_still(started)
        started.send_signal(signal.SIGINT)
        time.sleep(0.1)
        started.stderr.close()
        assert started.wait() == 130
    assert call("train", "--resume").exit_code == 0
    assert outcome() == whole


def test_a_terminal_that_is_closed_saves_the_run_and_exits_129(corpus: Path) -> None:
    master, slave = os.openpty()
    termios.tcsetwinsize(slave, (24, 100))
    take_it = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    arguments = [sys.executable, "-c", take_it, "-m", "charrnn", *SILENT]
    environment = os.environ | {"PYTHONPATH": ROOT}
    with subprocess.Popen(
        arguments, stdin=slave, stdout=slave, stderr=slave, start_new_session=True, env=environment
    ) as started:
        os.close(slave)
        try:
            said = b""
            while b"bits" not in said:  # the bar is there, with a loss: a step was made
                assert select.select([master], [], [], PATIENCE)[0], said
                said += os.read(master, 1024)
            os.close(master)
            code = started.wait(PATIENCE)
        finally:
            started.kill()
    assert code == 129
    assert len(steps()) == 1
    assert call("train", "--resume", "--steps", str(int(steps()[0][5:]) + 1)).exit_code == 0


@pytest.mark.parametrize(("signum", "code"), EACH_STOP)
def test_a_signal_before_there_is_a_run_leaves_nothing(signum: int, code: int, here: Path) -> None:
    os.mkfifo("corpus.txt")  # a text that never comes
    with process("train", "corpus.txt", *SMALL, "--steps=4", stdout=subprocess.PIPE) as started:
        assert started.stdout
        assert started.stderr
        writing: list[int] = []

        def opened() -> bool:
            with suppress(OSError):
                writing.append(os.open("corpus.txt", os.O_WRONLY | os.O_NONBLOCK))
            return bool(writing)

        wait_for(opened, started)  # the process has it open, and reads
        started.send_signal(signum)
        os.close(writing[0])  # the text ends, should the signal have come just before the reading
        said = started.stderr.read().decode()
        assert (started.wait(), started.stdout.read()) == (code, b"")
    assert said == "stopped before the first step\n"
    assert [path.name for path in here.iterdir()] == ["corpus.txt"]


def test_a_run_stopped_before_its_first_step_does_not_stand_in_the_way(
    corpus: Path, here: Path
) -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with suppress(BlockingIOError):
        while True:  # until it is full: the first line must wait
            os.write(writing, b"." * 64)
    os.set_blocking(writing, True)
    with process(*EVERY_STEP, stderr=writing, pipesize=-1) as started:
        os.close(writing)
        wait_for(lambda: Path("checkpoints/corpus/metrics.jsonl").exists(), started)
        # it waits to write its first line; were it not there yet, it would stop all the sooner
        time.sleep(0.2)
        started.send_signal(signal.SIGTERM)
        with os.fdopen(reading, "rb") as pipe:
            said = pipe.read().lstrip(b".").decode()
        assert started.wait() == 143
    assert said.splitlines()[-1].startswith("stopped before the first step")
    assert steps() == []
    assert call(*EVERY_STEP).exit_code == 0


def test_a_run_that_ends_leaves_the_handlers_as_they_were(corpus: Path) -> None:
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
    before = [signal.getsignal(signum) for signum in signals]
    with signal_requests():
        assert [signal.getsignal(signum) for signum in signals] != before
    assert [signal.getsignal(signum) for signum in signals] == before
    assert call("train", "corpus.txt", *SMALL, "--steps=1").exit_code == 0
    assert [signal.getsignal(signum) for signum in signals] == before


def test_a_signal_that_was_ignored_stays_ignored(here: Path) -> None:
    """As under nohup, and in the background of a shell script."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with signal_requests():
            assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
