"""Runs the API: the tail of the state feed and the HTTP server in one event loop."""

import asyncio
import errno
import logging
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

import uvicorn
import uvloop
from fastapi import FastAPI
from pydantic import ValidationError

from api.app import create_app
from api.security_connections import KEEP_ALIVE_SECONDS, bounded
from api.security_start import open_tokens, tls_options
from api.settings import ApiSettings
from service.collector import tune_collector
from service.config import Config
from service.config_feed import TOPIC as CONFIG_TOPIC
from service.config_feed import ConfigFeed
from service.errors import FailedError, UsageError
from service.event_sender import EventSender
from service.floor_state import FloorState
from service.kafka_security import kafka_client
from service.settings import ProcessSettings
from service.state_tail import StateTail

STATE_TOPIC, INTERVALS_TOPIC, ALERTS_TOPIC = "cti.state", "cti.intervals", "cti.alerts"
_LEAVE_SECONDS: Final = 2
_FOLLOW_SECONDS: Final = 1.0
log = logging.getLogger(__name__)


class _Server(uvicorn.Server):
    """Ends the live streams before it waits for open connections, and knows whether the tail failed."""

    tail_failed = False

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave on SIGTERM and SIGINT; unlike uvicorn's own, do not send the signal to ourselves once more."""
        loop = asyncio.get_running_loop()
        leave = (signal.SIGINT, signal.SIGTERM)
        for number in leave:
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in leave:
                loop.remove_signal_handler(number)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the live streams, then do as usual."""
        app = self.config.app
        if isinstance(app, FastAPI):
            app.state.context.hub.close()
        await super().shutdown(sockets)

    def tail_ended(self, task: "asyncio.Task[None]") -> None:
        """The tail runs for ever: if it ends by an error, so does the process."""
        if not task.cancelled() and task.exception() is not None:
            log.critical("the tail of the state feed failed", exc_info=task.exception())
            self.tail_failed = True
            self.should_exit = True


def run(settings: ProcessSettings, config: Config) -> int:
    """Serve until SIGTERM or SIGINT; returns the exit code.

    Raises UsageError for settings that do not fit, FailedError where the port is taken.
    """
    try:
        own = ApiSettings()
    except ValidationError as error:
        first = error.errors()[0]
        name = f"FLOORWALKER_{str(first['loc'][0]).upper()}"
        raise UsageError(f"{name} is {first['input']!r}: {first['msg'][0].lower()}{first['msg'][1:]}") from None
    _log_to_stderr(settings.log_level)
    floor = config.floor()
    state = FloorState(floor, settings.clock, own.history_days)
    tokens, tls = open_tokens(settings, state.wall_ms), tls_options(settings)
    listener = _listen(settings.host, settings.port)
    tune_collector(10_000, 10)  # who asks waits meanwhile
    apply = {STATE_TOPIC: state.apply, INTERVALS_TOPIC: state.history.apply, ALERTS_TOPIC: state.alerts.apply}
    configs = ConfigFeed()
    apply |= {CONFIG_TOPIC: configs.apply}
    client = kafka_client(settings)
    tail = StateTail(settings.bootstrap, apply, state, state.wall_ms, client=client)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        tasks = [
            asyncio.create_task(tail.run(), name="state tail"),
            asyncio.create_task(_follow_config(state, configs)),
        ]
        for task in tasks:
            task.add_done_callback(server.tail_ended)
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            await send.close()

    send = EventSender(settings.bootstrap, **client)
    app = create_app(state, floor, own, lifespan, tokens, send, configs)
    server = _Server(
        uvicorn.Config(
            app, log_config=None, access_log=False, timeout_graceful_shutdown=_LEAVE_SECONDS,
            server_header=False, lifespan="on", ws="none", timeout_keep_alive=KEEP_ALIVE_SECONDS,
            http=bounded(own.connections), **tls,
        )
    )  # fmt: skip
    log.info("serving on %s://%s:%d", "https" if tls else "http", settings.host, settings.port)
    if tokens is None:
        log.info("no tokens are asked for: whoever can use this machine sees everything")
    with listener:
        uvloop.run(server.serve(sockets=[listener]))
    return 1 if server.tail_failed else 0


def _log_to_stderr(level: str) -> None:
    """Our own messages, the Kafka client's and the server's, each with its time; one line each, as the worker's."""
    logging.basicConfig(format="[%(asctime)s] [%(process)d] [%(levelname)s] %(message)s", level=level.upper())
    logging.getLogger("aiokafka.conn").setLevel(max(logging.INFO, logging.getLogger().level))  # else whole records


async def _follow_config(state: FloorState, configs: ConfigFeed) -> None:
    """Have the floor follow what `config apply` publishes, when it comes and when it begins to hold."""
    while True:
        if state.feed.caught_up:
            configs.follow(state)
        await asyncio.sleep(_FOLLOW_SECONDS)


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises FailedError with one sentence where that is impossible."""
    try:
        return socket.create_server((host, port), backlog=2048, family=_family(host))
    except OSError as error:
        reason = "is taken" if error.errno == errno.EADDRINUSE else f"cannot be used ({error.strerror or error})"
        raise FailedError(f"port {port} of {host} {reason}: choose another one with --port") from None


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
