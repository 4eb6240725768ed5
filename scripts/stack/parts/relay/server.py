"""The relay's process: listens, passes inference to Foundry Local, ends within three seconds of SIGTERM.

    python -m stack.parts.relay.server --listen 127.0.0.1:51211 --token-file FILE --upstream-file FILE --cloud-file FILE

Exit codes: 0 asked to stop, 2 bad arguments, 3 an address is taken, 4 an address can't be listened on.
"""

from __future__ import annotations

import argparse
import asyncio
import errno
import os
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from aiohttp import web

from stack.parts import state
from stack.parts.relay import access_log, answers, cloud, foundry, limits
from stack.parts.relay.limits import Crowd, Rate, TurnedAway
from stack.parts.relay.passage import Surroundings
from stack.parts.relay.rules import CLOUD, Door
from stack.parts.relay.to_cloud import ToCloud
from stack.parts.relay.to_foundry import ToFoundry
from stack.parts.relay.watched_file import WatchedFile

ADDRESS_TAKEN = 3
ADDRESS_UNUSABLE = 4
BODY_LIMIT = 32 * 1024 * 1024  # bytes
BODY_SECONDS = 120.0  # all of it; on the way from this machine to itself that is an eternity
REQUESTS_A_SECOND = 500.0  # of one sender: the gateway is one, with all front ends behind it
SILENCE_SECONDS = 600.0
WIND_DOWN_SECONDS = 1.0  # for requests under way when asked to stop; the server grants it twice
# Without a request, or with one that does not come to the end of its headers. Longer than the gateway keeps a
# connection, so that it is never the relay that closes first.
IDLE_CLIENT_SECONDS = 30.0
UNREAD_BODY_SECONDS = 2.0


@dataclass(frozen=True)
class Options:
    """What the command line says; see `--help`."""

    doors: Sequence[Door]
    token_file: Path
    upstream_file: Path
    cloud_file: Path
    state_file: Path | None
    log_file: Path | None
    body_limit: int
    body_seconds: float
    requests_a_second: float
    idle_seconds: float
    silence_seconds: float
    code: str


class Connection(web.RequestHandler):
    """aiohttp's handler of one client connection, with the relay's own words for what is not HTTP.

    Args:
        crowd: who is at this door already.
    """

    __slots__ = ("_crowd", "_sender")

    def __init__(self, manager: web.Server, crowd: Crowd, **options: Any) -> None:
        super().__init__(manager, **options)
        self._crowd = crowd
        self._sender: str | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let one more in, if the same sender has not got too many inside."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101
        sender = str((transport.get_extra_info("peername") or ("",))[0])
        if not self._crowd.enter(sender):
            TurnedAway(transport)
            return
        self._sender = sender
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Make room for another."""
        if self._sender is not None:
            self._crowd.leave(self._sender)
            self._sender = None
        super().connection_lost(exc)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer in the relay's shape; aiohttp's own log line could quote what was sent, so only defects are logged."""
        if status >= 500:
            self.log_exception("The relay failed", exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionError("An answer has begun already")
        response = answers.error(answers.failed() if status >= 500 else answers.bad_request(), "none")
        response.force_close()
        return response


async def serve(options: Options, sockets: Sequence[socket.socket]) -> None:
    """Pass requests until SIGTERM or SIGINT; the sockets are bound to ``options.doors``, in that order."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with foundry.client(options.silence_seconds) as client:
        around = Surroundings(
            doors=frozenset(options.doors),
            token=WatchedFile(options.token_file, lambda text: text.strip() or None),
            foundry=WatchedFile(options.upstream_file, foundry.address),
            cloud=WatchedFile(options.cloud_file, cloud.parse),
            client=client,
            body_limit=options.body_limit,
            body_seconds=options.body_seconds,
            silence_seconds=options.silence_seconds,
            rate=Rate(options.requests_a_second),
        )
        servers = [_server(around, door) for door in options.doors]
        listeners = [
            await loop.create_server(
                partial(_connection, server, loop, Crowd(), options.idle_seconds), sock=bound, backlog=1024
            )
            for server, bound in zip(servers, sockets, strict=True)
        ]
        if options.state_file:
            _sign_in(options)
        await stop.wait()
        for listener in listeners:
            listener.close()
        for server in servers:
            server.pre_shutdown()
        await asyncio.gather(*(server.shutdown(WIND_DOWN_SECONDS) for server in servers))


def _server(around: Surroundings, door: Door) -> web.Server:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        way = ToCloud if request.raw_path == CLOUD else ToFoundry
        return await way(around, door, request).go()

    return web.Server(answer, handler_cancellation=True)


def _connection(server: web.Server, loop: asyncio.AbstractEventLoop, crowd: Crowd, idle_seconds: float) -> Connection:
    return Connection(
        server,
        crowd,
        loop=loop,
        auto_decompress=False,
        keepalive_timeout=idle_seconds,
        lingering_time=UNREAD_BODY_SECONDS,
    )


def _sign_in(options: Options) -> None:
    """Write down who listens where: done here, so that no caller that dies too early leaves an unknown process."""
    assert options.state_file is not None  # noqa: S101
    mine = {"pid": os.getpid(), "started": state.process_started(os.getpid())}
    state.write_json(
        options.state_file, {**mine, "listen": [str(door) for door in options.doors], "code": options.code}
    )


def _bind(door: Door) -> socket.socket:
    family = socket.AF_INET6 if ":" in door.host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((door.host, door.port))
        bound.listen(1024)  # two may bind the same address before one listens; only this tells
    except BaseException:
        bound.close()
        raise
    return bound


def main() -> int:
    """Run the relay; returns the exit code."""
    options = _options()
    os.umask(0o077)
    limits.allow_open_files()
    with ExitStack() as held:
        sockets = []
        for door in options.doors:
            try:
                sockets.append(held.enter_context(_bind(door)))
            except OSError as problem:
                taken = problem.errno == errno.EADDRINUSE
                reason = "another program listens there" if taken else problem.strerror
                print(f"The relay can't listen on {door}: {reason}.", file=sys.stderr)
                return ADDRESS_TAKEN if taken else ADDRESS_UNUSABLE
        access_log.write_to(options.log_file)
        asyncio.run(serve(options, sockets))
    return 0


def _options() -> Options:
    parser = argparse.ArgumentParser(prog="relay", description="Pass inference, and nothing else, to Foundry Local.")
    add = parser.add_argument
    add("--listen", action="append", required=True, type=Door.parse, help="address:port; may be given several times")
    add("--token-file", required=True, type=Path, help="the token that all but 127.0.0.1 and ::1 must bring")
    add("--upstream-file", required=True, type=Path, help='JSON with Foundry Local\'s address as "url"')
    add("--cloud-file", required=True, type=Path, help="JSON on the cloud that may be asked; no such file: none may")
    add("--state-file", type=Path, help="where to write pid, start time and addresses once they are listened on")
    add("--log-file", type=Path, help="the access log, rotated by size; default: standard output")
    add("--body-limit", type=int, default=BODY_LIMIT, help="bytes of a request's body; default: %(default)s")
    add("--body-timeout", type=float, default=BODY_SECONDS, help="seconds for all of a body; default: %(default)s")
    add(
        "--idle-timeout",
        type=float,
        default=IDLE_CLIENT_SECONDS,
        help="seconds without a request; default: %(default)s",
    )
    add("--rate", type=float, default=REQUESTS_A_SECOND, help="one sender's requests per second; default: %(default)s")
    add("--first-byte-timeout", type=float, default=SILENCE_SECONDS, help="seconds; default: %(default)s")
    add("--code", default="", help="version of the code, written to the state file")
    given = parser.parse_args()
    return Options(
        doors=given.listen,
        token_file=given.token_file,
        upstream_file=given.upstream_file,
        cloud_file=given.cloud_file,
        state_file=given.state_file,
        log_file=given.log_file,
        body_limit=given.body_limit,
        body_seconds=given.body_timeout,
        requests_a_second=given.rate,
        idle_seconds=given.idle_timeout,
        silence_seconds=given.first_byte_timeout,
        code=given.code,
    )


if __name__ == "__main__":
    sys.exit(main())
