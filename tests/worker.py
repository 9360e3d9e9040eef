"""Trains runs in forked processes: one job per line on stdin, one answer per line on stdout. Used
by conftest.Processes.

A job: ``cwd``; the ``knobs`` of the run; ``resume``; ``stop_at``, a step after which the run is
asked to stop, or ``kill_at``, one after which the process kills itself. The answer: the ``steps``
taken by this process, or ``killed``.

Or: ``cwd``; the ``words`` of a command; ``signum``, a signal sent to it ``after`` that number of seconds
of listening. The answer: its exit ``code``, or minus the signal that ended it, and, with ``run``,
whether it had ``ended`` when the signal was sent; its output is in the file ``said``. With
``alone``, any use of a socket or start of a process ends it with exit code TOUCHED.
"""

import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from charrnn.api import reports
from charrnn.cli import train
from charrnn.cli.main import cli
from charrnn.cli.signals import Requests
from charrnn.storage.run import Run
from charrnn.training.start import launch


def work(job: dict[str, Any]) -> dict[str, Any]:
    os.chdir(job["cwd"])
    trainer = launch(job["knobs"], resume=job.get("resume", False))
    steps = 0
    for report in reports(trainer):
        if report.final is None:
            steps += 1
        if report.step == job.get("kill_at"):
            os.kill(os.getpid(), signal.SIGKILL)
        if report.step == job.get("stop_at"):
            trainer.stop_requested = True
    return {"steps": steps}


TOUCHED = 77


def forbid(event: str, args: tuple[Any, ...]) -> None:
    """An audit hook (PEP 578) that ends the process if it is about to leave the machine."""
    if event.startswith(("socket.", "subprocess.", "os.system", "os.exec", "urllib.")):
        os.write(2, f"{event} {args!r}\n".encode())
        os._exit(TOUCHED)


def command(job: dict[str, Any], listening: int) -> None:
    """Run ``charrnn`` with these words; report when it has begun to listen for signals."""
    signal_requests = train.signal_requests

    @contextmanager
    def announced() -> Iterator[Requests]:
        with signal_requests() as requests:
            os.write(listening, b"\n")
            yield requests

    train.signal_requests = announced  # type: ignore[assignment]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # it would be ignored under nohup
    os.chdir(job["cwd"])
    said = os.open("said", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(said, 1)
    os.dup2(said, 2)
    if job.get("alone"):
        sys.addaudithook(forbid)
    code = 1
    try:
        cli(job["words"], prog_name="charrnn")
    except SystemExit as left:
        code = left.code if isinstance(left.code, int) else 1
    except BaseException:  # shown by a console script
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def warm() -> None:
    """Import what a first step imports (including PyTorch's compiler), to save the jobs the time;
    without a backward pass, because PyTorch refuses one in a fork if the parent has made one.
    """
    weight = torch.nn.Parameter(torch.zeros(2, 2))
    weight.grad = torch.zeros(2, 2)
    torch.nn.utils.clip_grad_norm_([weight], 1.0)
    torch.optim.AdamW([weight], fused=True).step()


def main() -> None:
    torch.set_num_threads(1)
    warm()
    for line in sys.stdin:
        job = json.loads(line)
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            if "words" in job:
                command(job, writing)
            try:
                answer = work(job)
            except BaseException as error:  # there must be an answer, whatever happened
                answer = {"error": repr(error)}
            os.write(writing, json.dumps(answer).encode())
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading) as pipe:
            if "words" in job:
                pipe.read(1)
                if job.get("signum"):
                    time.sleep(job["after"])
                    os.kill(child, job["signum"])
                ended = Run(Path(job["run"])).final() is not None if "run" in job else None
                code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
                text = json.dumps({"code": code} | ({} if ended is None else {"ended": ended}))
            else:
                text = pipe.read() or '{"killed": true}'
                os.waitpid(child, 0)
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
