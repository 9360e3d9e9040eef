"""charrnn serve: an HTTP API for trained models. Needs no PyTorch."""

import asyncio
import os
import time
from typing import Any

import click

# Set before NumPy is imported, so that a seed writes the same text as with `charrnn sample`.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from charrnn.cli.console import tell
from charrnn.cli.options import WholeNumber, quiet_option, runs_dir_option
from charrnn.errors import CheckpointError, ConfigError, MissingPackageError
from charrnn.storage.find_run import all_runs, find_checkpoint

LOOPBACK = ("127.0.0.1", "::1", "localhost")
ANY_ADDRESS = ("0.0.0.0", "::", "")  # under which the server may be called by any name
DRAIN_SECONDS = 30  # for answers that have begun when the server is stopped
CLOSE_SECONDS = 5  # after that, to send what has been generated
IDLE_SECONDS = 15  # of a connection between two requests
MAX_HEADER_BYTES = 16 << 10


@click.command(context_settings={"max_content_width": 110})
@click.argument("runs", metavar="[RUN]...", nargs=-1)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="address to listen on; one that other machines reach needs an API key",
)
@click.option(
    "--port",
    type=WholeNumber(0, 65_535),
    default=8000,
    show_default=True,
    help="port to listen on; 0 for any that is free",
)
@click.option("--api-key", metavar="KEY", help="key that every request must bring")
@click.option(
    "--allow-origin",
    metavar="ORIGIN",
    multiple=True,
    help="let pages of this origin, such as https://example.org, send requests; can be repeated",
)
@click.option(
    "--allow-host",
    metavar="NAME",
    multiple=True,
    help="name under which a proxy passes requests on, such as texts.example.org; can be repeated",
)
@click.option("--open", is_flag=True, help="open the page to write in in a browser")
@runs_dir_option
@quiet_option
def serve(
    runs: tuple[str, ...],
    host: str,
    port: int,
    api_key: str | None,
    allow_origin: tuple[str, ...],
    allow_host: tuple[str, ...],
    open: bool,
    runs_dir: str,
) -> None:
    """Answer requests for text over HTTP, as clients of OpenAI's completions API send them.

    Without RUN, all runs with a checkpoint are offered. A model is loaded when it is first asked
    for. Only this machine can connect, unless --host says otherwise. Ctrl-C or SIGTERM stops the
    server once the answers in progress are finished, after at most 30 seconds. Needs two more
    packages: pip install 'charrnn[serve]'.

    \b
      charrnn serve shakespeare
      curl localhost:8000/v1/completions -H 'Content-Type: application/json' \\
        -d '{"model": "shakespeare", "prompt": "ROMEO:", "max_tokens": 200}'
    """
    if host not in LOOPBACK and not api_key:
        raise ConfigError(
            f"--host {host} lets other machines connect, so it needs --api-key; give a long one"
        )
    try:
        import uvicorn

        from charrnn.serve import app
        from charrnn.serve.connection import Connection
        from charrnn.serve.guard import LOCAL
    except ImportError:
        raise MissingPackageError(
            "the server needs Starlette and uvicorn; install them with: "
            "pip install 'charrnn[serve]'"
        ) from None
    paths: dict[str, Any] = {}
    for run in runs:
        checkpoint = find_checkpoint(run, runs_dir)
        names_run = os.path.basename(os.path.normpath(run)) != checkpoint.name
        # a run is loaded when it is asked for, with the checkpoint that is its best one then
        paths[_name(run, paths)] = checkpoint.parent if names_run else checkpoint
    if not runs:
        paths = {run.path.name: run.path for run in all_runs(runs_dir)}
    if not paths:
        raise CheckpointError(f"there are no runs in {runs_dir}; train one with `charrnn train`")
    hosts = () if host in ANY_ADDRESS else (*LOCAL, host, *allow_host)
    application = app(paths, api_key=api_key, hosts=hosts, origins=allow_origin)
    config = uvicorn.Config(
        application,
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=DRAIN_SECONDS + CLOSE_SECONDS,
        timeout_keep_alive=IDLE_SECONDS,
        h11_max_incomplete_event_size=MAX_HEADER_BYTES,
        http=Connection,
        ws="none",
        lifespan="off",
    )
    socket = _listen(config)
    address = f"http://{_shown_host(host)}:{socket.getsockname()[1]}"
    tell(f"serving {', '.join(paths)}; stop with Ctrl-C")
    tell(f"write at {address}, or send requests to {address}/v1")
    if open:
        click.launch(address)

    class Server(uvicorn.Server):
        """Gives answers that have begun some time when it is stopped."""

        async def shutdown(self, sockets: Any = None) -> None:
            if application.num_streams:
                tell("finishing the answers that have begun; Ctrl-C stops at once")
            closing = asyncio.create_task(self._close_later())
            await super().shutdown(sockets)
            application.close()
            for connection in list(self.server_state.connections):
                connection.transport.abort()
            closing.cancel()
            await asyncio.wait([closing, *self.server_state.tasks], timeout=CLOSE_SECONDS)

        async def _close_later(self) -> None:
            """End the answers after some time, or when Ctrl-C is pressed again."""
            end = time.monotonic() + DRAIN_SECONDS
            while time.monotonic() < end and not self.force_exit:
                await asyncio.sleep(0.05)
            application.close()

    Server(config).run(sockets=[socket])


def _name(run: str, others: Any) -> str:
    """A name for a run that was given by its name or path."""
    name = os.path.basename(os.path.normpath(run)) or run
    if name in others:
        raise ConfigError(f"two runs have the name {name!r}; serve one of them")
    return name


def _listen(config: Any) -> Any:
    """A socket that listens at the address.

    Raises:
        ConfigError: it cannot.
    """
    import socket

    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    # asyncio sets TCP_NODELAY only if the protocol is named; without it, answers wait for 40 ms
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((config.host, config.port))
    except (OSError, UnicodeError) as error:
        listening.close()
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(
            f"cannot listen on {config.host}, port {config.port}: {reason}; "
            "give another --host or --port"
        ) from None
    listening.listen(config.backlog)
    return listening


def _shown_host(host: str) -> str:
    return f"[{host}]" if ":" in host else host
