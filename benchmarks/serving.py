"""What `charrnn serve` takes: to start, for a keystroke, and for many streams at once.

    python benchmarks/serving.py RUN TEXT

A keystroke is what an editor sends after each character of TEXT: a request for the five likeliest
words, and one for 30 more characters. The prompt is the last 1,000, 8,000 or 60,000 characters.
Streams are compared with writing the same texts one after another in Python. Medians, over HTTP on
the loopback interface.
"""

import http.client
import json
import os
import statistics
import sys
import threading
import time
from pathlib import Path

os.environ["OPENBLAS_NUM_THREADS"] = "1"

from machine import describe
from server import serving

import charrnn

STARTS = 5
KEYS = 100
PROMPTS = (1_000, 8_000, 60_000)
STREAMS = (1, 8, 32, 128)
LENGTH = 500


class Client:
    """A connection to the server that is kept."""

    def __init__(self, url: str) -> None:
        address = url.removeprefix("http://")
        self.connection = http.client.HTTPConnection(address, timeout=600)

    def post(self, path: str, **body: object) -> dict:
        head = {"Content-Type": "application/json"}
        self.connection.request("POST", path, json.dumps(body), head)
        return json.load(self.connection.getresponse())

    def get(self, path: str) -> dict:
        self.connection.request("GET", path)
        return json.load(self.connection.getresponse())


def seconds_to_start(run: str) -> float:
    """The seconds until a server has answered."""
    begin = time.perf_counter()
    with serving(run) as url:
        Client(url).get("/health")
        return time.perf_counter() - begin


def keystrokes(url: str, text: str) -> None:
    """Print what a keystroke takes after prompts of several lengths."""
    client = Client(url)
    for length in PROMPTS:
        times: dict[str, list[float]] = {"words": [], "completion": []}
        for end in range(length, length + KEYS + 1):
            prompt = text[:end]
            begin = time.perf_counter()
            client.post("/v1/words", prompt=prompt, k=5)
            between = time.perf_counter()
            client.post("/v1/completions", prompt=prompt, max_tokens=30, stop="\n")
            times["words"].append(between - begin)
            times["completion"].append(time.perf_counter() - between)
        first = times["words"][0]
        shown = []
        for name, seconds in times.items():
            later = sorted(seconds[1:])
            median = 1000 * statistics.median(later)
            slow = 1000 * later[int(0.95 * len(later))]
            shown.append(f"{name} {median:.1f} ms (95%: {slow:.1f} ms)")
        print(f"prompt of {length:,}: first {first:.2f} s, then {', '.join(shown)}", flush=True)


def streams(url: str, run: str) -> None:
    """Print what many streams take, compared with the same texts one after another."""
    model = charrnn.load(run)
    model.generate(length=10)
    begin = time.perf_counter()
    expected = [model.generate(length=LENGTH, seed=seed) for seed in range(max(STREAMS))]
    alone = (time.perf_counter() - begin) / max(STREAMS)
    print(f"in Python: {LENGTH / alone:,.0f} characters per second")
    for count in STREAMS:
        texts: dict[int, str] = {}

        def ask(seed: int, texts: dict[int, str] = texts) -> None:
            answer = Client(url).post("/v1/completions", max_tokens=LENGTH, seed=seed)
            texts[seed] = answer["choices"][0]["text"]

        threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(count)]
        begin = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seconds = time.perf_counter() - begin
        same = sum(texts[seed] == expected[seed] for seed in range(count))
        print(
            f"{count} streams: {count * LENGTH / seconds:,.0f} characters per second, "
            f"{seconds / (count * alone):.2f} times as long as one after another in Python; "
            f"{same} are the text of their seed",
            flush=True,
        )


def main() -> None:
    run, file = sys.argv[1:]
    text = Path(file).read_text(encoding="utf-8")
    print(describe())
    print(charrnn.load(run))
    times = [seconds_to_start(run) for _ in range(STARTS)]
    print(f"start: {statistics.median(times):.2f} s")
    with serving(run) as url:
        keystrokes(url, text)
        streams(url, run)


if __name__ == "__main__":
    main()
