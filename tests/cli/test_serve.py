"""charrnn serve as a process: real clients, signals, and what it refuses."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import openai
import pytest

import charrnn
from charrnn.cli.serve import _listen
from tests.command import Trained, call

FINISHING = "finishing the answers that have begun; Ctrl-C stops at once\n"
MANY = 200  # streams at the same time


@pytest.fixture(scope="module")
def where(text_run: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the run ``corpus``, in which the server may build an index."""
    home = tmp_path_factory.mktemp("serve") / "home"
    shutil.copytree(text_run.where, home)
    return home


class Server:
    """A server in a process, which first runs some lines of Python."""

    def __init__(self, where: Path, *flags: str, first: str = "") -> None:
        script = f"from charrnn.cli.main import main\n{first}\nmain()"
        self.process = subprocess.Popen(
            [sys.executable, "-c", script, "serve", "--port", "0", *flags],
            cwd=where,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        )
        assert self.process.stderr
        self.said = self.process.stderr.readline() + self.process.stderr.readline()
        match = re.search(r"http://127\.0\.0\.1:(\d+)/v1", self.said)
        if match is None:
            self.close()
            pytest.fail(self.said)
        self.port = int(match[1])
        self.url = f"http://127.0.0.1:{self.port}"
        for _ in range(200):
            try:
                self.get("/health")
                return
            except OSError:
                time.sleep(0.02)

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()

    def get(self, path: str) -> dict:
        with urllib.request.urlopen(self.url + path, timeout=20) as answer:
            return json.load(answer)

    def post(self, path: str, **body: object) -> dict:
        request = urllib.request.Request(
            self.url + path, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def connect(self, head: str, room: int = 0) -> socket.socket:
        """A connection that has sent a head, and perhaps has little room for what it receives."""
        connection = socket.socket()
        connection.settimeout(30)
        if room:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
        connection.connect(("127.0.0.1", self.port))
        connection.sendall(head.encode())
        return connection


@pytest.fixture(scope="module")
def server(where: Path) -> Iterator[Server]:
    server = Server(where)
    yield server
    server.close()


def head_of(body: str, more: str = "") -> str:
    return (
        "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"{more}Content-Length: {len(body)}\r\n\r\n"
    )


def test_the_address_is_said_and_all_runs_are_offered(server: Server) -> None:
    assert server.said == (
        f"serving corpus; stop with Ctrl-C\nwrite at {server.url}, or send requests to {server.url}/v1\n"
    )
    assert server.get("/v1/models")["data"][0]["id"] == "corpus"


def test_a_seed_writes_what_sample_writes(server: Server, where: Path) -> None:
    sampled = subprocess.run(
        [sys.executable, "-m", "charrnn", "sample", "corpus", "-n", "300", "-s", "7", "-p", "the ", "-q"],
        cwd=where, capture_output=True, text=True, check=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    answer = server.post("/v1/completions", prompt="the ", max_tokens=300, seed=7, echo=True)
    assert answer["choices"][0]["text"] + "\n" == sampled.stdout


def test_the_client_of_openai_completes_and_streams(server: Server, where: Path) -> None:
    client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0)
    expected = charrnn.load(where / "checkpoints/corpus").generate("the ", length=40, seed=3)
    answer = client.completions.create(
        model="corpus", prompt="the ", max_tokens=40, seed=3, logprobs=2
    )
    assert answer.choices[0].text == expected
    assert answer.choices[0].logprobs.tokens == list(expected)
    assert answer.usage.completion_tokens == 40
    stream = client.completions.create(
        model="corpus", prompt="the ", max_tokens=40, seed=3, stream=True
    )
    parts = list(stream)
    assert "".join(part.choices[0].text for part in parts) == expected
    assert parts[-1].choices[0].finish_reason == "length"
    assert [model.id for model in client.models.list()] == ["corpus"]
    with pytest.raises(openai.NotFoundError, match="there is no model 'none'"):
        client.completions.create(model="none", prompt="the ")
    with pytest.raises(openai.NotFoundError, match="use /v1/completions"):
        client.chat.completions.create(model="corpus", messages=[])
    with pytest.raises(openai.BadRequestError, match="has not seen the character"):
        client.completions.create(model="corpus", prompt="Ж")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(where)
        assert call("originality", "corpus").exit_code == 0
    own = client.completions.create(
        model="corpus", prompt="", max_tokens=30, extra_body={"contains": ["bell"], "max_copy": 60}
    )
    assert "bell" in own.choices[0].text


def test_a_client_that_goes_frees_its_stream(server: Server) -> None:
    body = json.dumps({"max_tokens": 100_000, "stream": True})
    connection = server.connect(head_of(body) + body)
    assert b"200 OK" in connection.recv(1000)
    assert server.get("/health")["streams"] == 1
    connection.close()
    for _ in range(200):
        if not server.get("/health")["streams"]:
            return
        time.sleep(0.02)
    pytest.fail("the stream goes on")


SHORT_TIMES = """
import charrnn.serve.connection as connection, charrnn.serve.limits as limits, dataclasses
connection.HEAD_SECONDS = 0.4
connection.WRITE_SECONDS = 0.4
connection.MOST_CONNECTIONS = 20
fields = limits.Limits.__init__.__defaults__
limits.Limits.__init__.__defaults__ = tuple(0.4 if value == 20.0 else value for value in fields)
"""


def closes(connection: socket.socket) -> bytes:
    """What a connection still receives before the server closes it."""
    received = b""
    try:
        while part := connection.recv(1 << 20):
            received += part
    except ConnectionResetError:
        pass
    connection.close()
    return received


def test_clients_that_are_too_slow_are_cut_off(where: Path) -> None:
    server = Server(where, "corpus", first=SHORT_TIMES)
    server.post("/v1/completions", max_tokens=1)
    silent = server.connect("")
    half = server.connect("GET /health HTTP/1.1\r\nHo")
    begun = server.connect(head_of("x" * 50) + "x")
    body = json.dumps({"max_tokens": 100_000, "stream": True})
    unread = server.connect(head_of(body) + body, room=4096)
    assert closes(silent) == b""
    assert closes(half) == b""
    assert closes(begun).startswith(b"HTTP/1.1 408 ")
    for _ in range(500):  # its buffers fill first
        if not server.get("/health")["streams"]:
            break
        time.sleep(0.02)
    else:
        pytest.fail("the stream of a client that does not read goes on")
    assert b"[DONE]" not in closes(unread)
    again = server.connect("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
    while b"}" not in again.recv(1 << 16):
        pass
    again.sendall(b"GET /health HT")  # the next head is late, on a connection that is kept
    assert closes(again) == b""
    # an answer that needs no body does not keep a connection whose body never ends
    dripping = server.connect(head_of("x" * 1000).replace("application/json", "text/plain"))
    while b"}" not in dripping.recv(1 << 16):
        pass
    dripping.sendall(b"x")
    assert closes(dripping) == b""
    many = [server.connect("") for _ in range(30)]
    refused = sum(closes(connection) == b"" for connection in many)
    assert refused == 30  # 10 of them at once
    assert server.get("/health")["status"] == "ok"
    server.close()


def test_sigterm_under_load_finishes_every_answer_that_has_begun(where: Path) -> None:
    server = Server(where, "corpus")
    server.post("/v1/completions", max_tokens=1)
    answers: list[str] = []

    def ask(seed: int) -> None:
        body = {"max_tokens": 300, "seed": seed}
        answers.append(server.post("/v1/completions", **body)["choices"][0]["text"])

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(40)]
    for thread in threads:
        thread.start()
    while server.get("/health")["streams"] < 30:
        time.sleep(0.01)
    server.process.send_signal(signal.SIGTERM)
    for thread in threads:
        thread.join(60)
    _, said = server.process.communicate(timeout=30)
    assert sorted(map(len, answers)) == [300] * 40
    assert said == FINISHING


def test_answers_that_are_too_long_end_with_an_error_when_the_server_stops(where: Path) -> None:
    short = "import charrnn.cli.serve as command\ncommand.DRAIN_SECONDS = 0.3"
    server = Server(where, "corpus", first=short)
    body = json.dumps({"max_tokens": 100_000, "stream": True})
    connection = server.connect(head_of(body, "Connection: close\r\n") + body)
    assert b"200 OK" in connection.recv(1000)
    server.process.send_signal(signal.SIGTERM)
    assert b"the server is stopping" in closes(connection)
    _, said = server.process.communicate(timeout=30)
    assert said == FINISHING


def test_large_headers_and_slow_bodies_do_not_stop_the_others(server: Server) -> None:
    large = server.connect(
        "GET /health HTTP/1.1\r\nHost: localhost\r\nX: " + "a" * 1_000_000 + "\r\n\r\n"
    )
    assert b" 400 " in large.recv(100)
    slow = [server.connect(head_of("x" * 50) + "x") for _ in range(20)]
    assert server.post("/v1/completions", max_tokens=5)["choices"]
    for connection in (large, *slow):
        connection.close()


def test_a_checkpoint_that_is_named_is_the_one_that_is_served(where: Path) -> None:
    (first, *_) = sorted((where / "checkpoints/corpus").glob("step-*"))
    server = Server(where, f"checkpoints/corpus/{first.name}")
    answer = server.post("/v1/completions", max_tokens=40, seed=2)
    server.close()
    assert answer["model"] == first.name
    assert answer["choices"][0]["text"] == charrnn.load(first).generate(length=40, seed=2)


def test_ctrl_c_twice_ends_at_once_and_quietly(where: Path) -> None:
    server = Server(where, "corpus")
    body = json.dumps({"max_tokens": 100_000})
    connections = [server.connect(head_of(body) + body) for _ in range(3)]
    while server.get("/health")["streams"] < 3:
        time.sleep(0.01)
    server.process.send_signal(signal.SIGINT)
    assert server.process.stderr
    assert server.process.stderr.readline() == FINISHING
    begin = time.monotonic()
    server.process.send_signal(signal.SIGINT)
    _, said = server.process.communicate(timeout=30)
    assert said == ""
    assert time.monotonic() - begin < 10  # of 30 seconds
    for connection in connections:
        closes(connection)


def test_sigterm_finishes_what_has_begun(where: Path) -> None:
    server = Server(where, "corpus")
    server.post("/v1/completions", max_tokens=1)  # the model is loaded
    answers = []
    thread = threading.Thread(
        target=lambda: answers.append(server.post("/v1/completions", max_tokens=20_000, seed=1))
    )
    thread.start()
    while not server.get("/health")["streams"]:
        time.sleep(0.01)
    server.process.send_signal(signal.SIGTERM)
    thread.join(60)
    assert len(answers[0]["choices"][0]["text"]) == 20_000
    _, said = server.process.communicate(timeout=30)
    assert (server.process.returncode in (0, -signal.SIGTERM), said) == (True, FINISHING)


def test_answers_are_sent_at_once() -> None:
    """Without TCP_NODELAY, an answer of two parts waits 40 ms for the client's acknowledgement."""
    config = SimpleNamespace(host="127.0.0.1", port=0, backlog=1)
    with _listen(config) as listening:
        assert listening.proto == socket.IPPROTO_TCP


def test_it_starts_without_torch(where: Path) -> None:
    script = (
        "import sys; from charrnn.cli import serve; from charrnn.serve import app; "
        f"app({str(where / 'checkpoints/corpus')!r}); print('torch' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)})  # fmt: skip
    assert ran.stdout == "False\n"


@pytest.mark.campaign
def test_many_streams_side_by_side_write_their_own_texts(server: Server, where: Path) -> None:
    """200 streams for about a minute: each text is the one of its seed, in bounded memory."""
    model = charrnn.load(where / "checkpoints/corpus")
    length = 2_000
    texts: dict[int, str] = {}

    def ask(seed: int) -> None:
        client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", timeout=600)
        parts = client.completions.create(
            model="corpus", prompt="", max_tokens=length, seed=seed, stream=True
        )
        texts[seed] = "".join(part.choices[0].text for part in parts)

    def memory() -> int:
        status = Path(f"/proc/{server.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1])

    ask(0)
    before = memory()
    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(MANY)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
    assert memory() < before + 200_000  # kB
    for seed in range(MANY):
        assert texts[seed] == model.generate(length=length, seed=seed)
    assert len(texts) == MANY


@pytest.mark.parametrize(
    ("args", "error"),
    [
        (["none"], "Error: there is no run or checkpoint 'none'"),
        (["--host", "0.0.0.0"], "Error: --host 0.0.0.0 lets other machines connect, so it needs --api-key; give a long one"),
        (["--port", "70000"], "Error: --port must be a whole number from 0 to 65,535, got"),
    ],
)  # fmt: skip
def test_an_error_is_one_line(args: list[str], error: str, where: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.chdir(where)
    result = call("serve", *args)
    assert (result.exit_code > 0, result.stdout) == (True, "")
    assert result.stderr.startswith(error)
    assert result.stderr.count("\n") == 1


def test_a_port_in_use_and_no_runs_are_one_line(where: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.chdir(where)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        result = call("serve", "--port", str(taken.getsockname()[1]))
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: cannot listen on 127.0.0.1, port ")
    monkeypatch.chdir(tmp_path)
    result = call("serve")
    assert (result.exit_code, result.stderr) == (
        1, "Error: there are no runs in checkpoints; train one with `charrnn train`\n"
    )  # fmt: skip


def test_a_missing_package_is_one_line(where: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(where)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    result = call("serve")
    assert (result.exit_code, result.stderr) == (
        1,
        "Error: the server needs Starlette and uvicorn; install them with: pip install 'charrnn[serve]'\n",
    )
