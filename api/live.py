"""Live push: server-sent events with the view of each subscribed scope that changed, at most four a second each."""

import asyncio
import secrets
from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final
from zlib import crc32

import orjson
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.alerts import alert_view, sees
from api.problems import Problem
from api.security_connections import CUT
from api.views import Views
from service.access import EVERYTHING, Grant
from service.domain.view import FloorView
from service.floor_state import FloorState

TICK_SECONDS: Final = 0.25
HEARTBEAT_SECONDS: Final = 2.0
SLIDE_MS: Final = 10_000
"""Windows move on without events: a quiet scope is sent again this often."""

WAITING_SLIDE_MS: Final = 1_000
"""The same for a queue in which somebody waits."""

SEND_TIMEOUT_SECONDS: Final = 10.0
_RENDERS_A_TURN: Final = 10
_COUNTS_A_TURN: Final = 50
_MOST_DIGITS: Final = 18
"""Of a number in an event's id: more than there will be events."""

ALERTS: Final = "alerts"
"""The scope of all alerts that fire."""

Stamp = tuple[int, int, int]


@dataclass(slots=True)
class Subscription:
    """What one client wants. `all_queues`: also those that appear later. `sent`: what it has of each scope."""

    scopes: list[str]
    all_queues: bool
    windows: tuple[str, ...]
    grant: Grant = EVERYTHING
    sent: dict[str, Stamp] = field(default_factory=dict)


class Hub:
    """Renders each scope once per change for all clients, and counts the clients."""

    def __init__(self, state: FloorState, views: Views, most_clients: int, most_of_one: int) -> None:
        self._state = state
        self._views = views
        self._most = most_clients
        self._most_of_one = most_of_one
        self._by_token: Counter[str] = Counter()
        self._boot = secrets.token_hex(4)
        self._rendered: dict[tuple[Hashable, ...], tuple[Stamp, bytes]] = {}
        self.clients = 0
        self.closing = asyncio.Event()

    def close(self) -> None:
        """End every stream."""
        self.closing.set()

    def enter(self, token_id: str | None) -> None:
        """Count a client in; None: tokens are not asked for. Raises Problem when there are as many as allowed."""
        if self.clients >= self._most:
            raise Problem(503, f"there are {self.clients} live streams, the most allowed", {"Retry-After": "5"})
        if token_id is not None:
            if self._by_token[token_id] >= self._most_of_one:
                detail = f"this token has {self._by_token[token_id]} live streams, the most allowed"
                raise Problem(429, detail, {"Retry-After": "5"})
            self._by_token[token_id] += 1
        self.clients += 1

    def leave(self, token_id: str | None) -> None:
        """Count a client out."""
        self.clients -= 1
        if token_id is not None:
            self._by_token[token_id] -= 1
            if not self._by_token[token_id]:
                del self._by_token[token_id]

    def resume(self, subscription: Subscription, last_event_id: str | None) -> None:
        """Mark as sent what has not changed since the event the client saw last; another process's id says nothing."""
        prefix, _, seq = (last_event_id or "").rpartition("-")
        if prefix != self._prefix() or not (seq.isascii() and seq.isdigit()) or len(seq) > _MOST_DIGITS:
            return
        view = self._state.view()
        for scope in self._scopes(subscription):
            if scope != ALERTS and self._state.changed.get(scope, 0) <= int(seq):
                subscription.sent[scope] = self._stamp(scope, view)

    async def frames(self, subscription: Subscription) -> bytes:
        """Everything new for the client. Only the last event has an id: a broken connection resumes before them all."""
        while not self._state.count(_COUNTS_A_TURN):
            await asyncio.sleep(0)
        view = self._state.view()
        seq = self._state.seq
        found: list[bytes] = []
        for scope in self._scopes(subscription):
            stamp = self._stamp(scope, view)
            if subscription.sent.get(scope) == stamp:
                continue
            if scope == ALERTS:
                frame = self._alerts(subscription.grant, stamp, view)
            else:
                frame = self._render(scope, subscription.windows, stamp, view)
            subscription.sent[scope] = stamp
            found.append(frame)
            if len(found) % _RENDERS_A_TURN == 0:
                await asyncio.sleep(0)
        if found:
            found[-1] = b"id: %s-%d\n" % (self._prefix().encode(), seq) + found[-1]
        return b"".join(found)

    def heartbeat(self) -> bytes:
        """Says that the connection lives and how old the state is."""
        body = self._views.head(self._state.view())
        return b"event: heartbeat\ndata: " + orjson.dumps(body) + b"\n\n"

    def _prefix(self) -> str:
        return f"{self._boot}.{self._state.generation}"

    def _scopes(self, subscription: Subscription) -> Iterable[str]:
        if subscription.all_queues:
            return ["queue:" + queue_id for queue_id in self._state.queue_ids()] + subscription.scopes
        return subscription.scopes

    def _stamp(self, scope: str, view: FloorView) -> Stamp:
        """What has to differ for the scope to be sent again; quiet scopes take turns instead of coming all at once."""
        if scope == ALERTS:
            return self._state.generation, self._state.alerts.seq, 0
        queue = self._state.scopes.queues.get(scope)
        slide_ms = WAITING_SLIDE_MS if queue is not None and queue.waiting else SLIDE_MS
        slot = (view.now_ms + crc32(scope.encode()) % slide_ms) // slide_ms
        return self._state.generation, self._state.changed.get(scope, 0), slot

    def _alerts(self, grant: Grant, stamp: Stamp, view: FloorView) -> bytes:
        """The alerts that fire, as far as the client may see them; rendered once for all who may see the same."""
        sight = ALERTS, grant.role, grant.teams, grant.agent_id
        kept = self._rendered.get(sight)
        if kept is None or kept[0] != stamp:
            firing = self._state.alerts.found("firing", None, None)
            kept = stamp, orjson.dumps([alert_view(alert) for alert in firing if sees(grant, alert)])
            self._rendered[sight] = kept
        body = {"scope": ALERTS, **self._views.head(view), "items": orjson.Fragment(kept[1])}
        return b"event: alerts\ndata: " + orjson.dumps(body) + b"\n\n"

    def _render(self, scope: str, windows: tuple[str, ...], stamp: Stamp, view: FloorView) -> bytes:
        kept = self._rendered.get((scope, windows))
        if kept is None or kept[0] != stamp:
            kind, _, name = scope.partition(":")
            body: dict[str, Any] = {"scope": scope, **self._views.head(view)}
            queue, agent = self._state.queue(name), self._state.agent(name)
            if kind == "queue" and queue is not None:
                body |= self._views.queue(view, queue, windows)
            elif kind == "agent" and agent is not None:
                body |= self._views.agent(view, agent, windows)
            kept = (stamp, b"event: " + kind.encode() + b"\ndata: " + orjson.dumps(body) + b"\n\n")
            self._rendered[scope, windows] = kept
        return kept[1]


class EventStream(Response):
    """One client's stream, for as long as what it was let in with is valid.

    A client that takes nothing for ten seconds is dropped; it never holds up another.
    """

    media_type = "text/event-stream"

    def __init__(
        self, hub: Hub, subscription: Subscription, token_id: str | None, still_valid: Callable[[], bool]
    ) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._hub = hub
        self._subscription = subscription
        self._token_id = token_id
        self._still_valid = still_valid

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer until the client or the server leaves."""
        gone: asyncio.Future[Any] = asyncio.ensure_future(_until_gone(receive))
        ends = {gone, asyncio.ensure_future(self._hub.closing.wait())}
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await self._push(ends, lambda body: asyncio.wait_for(_chunk(send, body), SEND_TIMEOUT_SECONDS))
            if not gone.done():
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        except TimeoutError:  # too slow
            if cut := scope.get("extensions", {}).get(CUT):
                cut()
                await gone
        finally:
            self._hub.leave(self._token_id)
            for task in ends:
                task.cancel()

    async def _push(self, ends: set[asyncio.Future[Any]], put: Callable[[bytes], Any]) -> None:
        """Send what is new, tick by tick, until the client or the server leaves."""
        await put(b"retry: 1000\n\n" + self._hub.heartbeat())
        silent = 0.0
        while self._still_valid() and not any(end.done() for end in ends):
            body = await self._hub.frames(self._subscription)
            silent += TICK_SECONDS
            if silent >= HEARTBEAT_SECONDS:
                body += self._hub.heartbeat()
                silent = 0.0
            if body:
                await put(body)
            await asyncio.wait(ends, timeout=TICK_SECONDS, return_when=asyncio.FIRST_COMPLETED)


async def _chunk(send: Send, body: bytes) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": True})


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
