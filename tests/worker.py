"""Trains runs, each in a forked process: a job a line on stdin, an answer a line on stdout. Used by conftest.Processes.

A job: ``cwd``; the ``knobs`` of the run; ``resume``; ``stop_at``, a step after which the run is asked to stop, or
``kill_at``, one after which the process kills itself. The answer: the ``steps`` made by this process, or ``killed``.
"""

import json
import os
import signal
import sys
from typing import Any

from charrnn.text_model import reports
from charrnn.training.launch import launch


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


def main() -> None:
    for line in sys.stdin:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                answer = work(json.loads(line))
            except BaseException as error:  # the answer must come, whatever happened
                answer = {"error": repr(error)}
            os.write(writing, json.dumps(answer).encode())
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading) as pipe:
            answer = pipe.read() or '{"killed": true}'
        os.waitpid(child, 0)
        sys.stdout.write(answer + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
