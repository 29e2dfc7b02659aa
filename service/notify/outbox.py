"""What one receiver is still to be told: a function of the newest alerts and of what it has confirmed."""

from __future__ import annotations

import heapq
import logging
from collections.abc import Callable, Iterable
from typing import Final, Literal

import msgspec
from msgspec import Struct

from service.domain.alert_record import SEVERITIES, Alert

log = logging.getLogger(__name__)
Told = Literal["firing", "resolved"]
Record = tuple[bytes, bytes | None]
"""Key and value of a record of `cti.notifications`; without a value the key is forgotten."""

_Urgency = tuple[bool, int, int]
_Place = tuple[int, _Urgency, str]
"""Where a notice stands in the order: its rank (0; 1 once it was held), urgency, key. Others of a key are void."""

_WEIGHT: Final = {severity: rank for rank, severity in enumerate(SEVERITIES)}
_NOBODY: Final = ""
"""In the place of a fingerprint: since when a receiver is known."""


class Confirmed(Struct, frozen=True):
    """The last that a receiver confirmed of one alert, and when."""

    episode: int
    state: Told
    at_ms: int


class Notice(Struct, frozen=True):
    """One thing to tell: that an episode of an alert fires, or that it has ended."""

    alert: Alert
    state: Told
    episode: int

    @property
    def key(self) -> str:
        """The idempotency key: the same for every attempt to tell the same thing."""
        return f"{self.alert.fingerprint}/{self.episode}/{self.state}"

    @property
    def ended_ms(self) -> int | None:
        """When the episode ended; None while it fires."""
        if self.state == "firing":
            return None
        return self.alert.updated_ms if self.alert.resolved_ms is None else self.alert.resolved_ms

    @property
    def urgency(self) -> _Urgency:
        """What sorts first is told first: what fires, what is severe, what is old."""
        alert = self.alert
        return self.state == "resolved", _WEIGHT[alert.severity], alert.fired_ms or alert.since_ms


def notice_for(
    alert: Alert, confirmed: Confirmed | None, wants: Callable[[Alert], bool], known_since_ms: int
) -> Notice | None:
    """What the receiver is to be told of the alert now; None: nothing.

    An episode that ended before anybody could be told of it is told once, as ended. A pending alert still carries the
    episode before it. What ended before the receiver was known (`known_since_ms`) is none of its business.
    """
    heard = confirmed if confirmed is not None and confirmed.episode == alert.episode else None
    if alert.state == "firing":
        return Notice(alert, "firing", alert.episode) if heard is None and alert.told and wants(alert) else None
    if heard is not None:
        return Notice(alert, "resolved", alert.episode) if heard.state == "firing" else None
    ended = Notice(alert, "resolved", alert.episode)
    untold = alert.fired_ms is not None and wants(alert)
    return ended if untold and (ended.ended_ms or 0) >= known_since_ms else None


class Outbox:
    """What one receiver has confirmed and is still to be told, at most one notice for an alert.

    `linger_ms`: for how long an ended alert stays among `standing`, for a receiver that is told again and again.
    """

    def __init__(self, receiver: str, wants: Callable[[Alert], bool], linger_ms: int = 0) -> None:
        self.receiver = receiver
        self._wants = wants
        self._linger_ms = linger_ms
        self._known_since_ms = 0
        self._alerts: dict[str, Alert] = {}
        self._confirmed: dict[str, Confirmed] = {}
        self._due: dict[str, Notice] = {}
        self._order: list[_Place] = []
        self._rank: dict[str, int | None] = {}

    @property
    def pending(self) -> int:
        """How many notices wait to be confirmed."""
        return len(self._due)

    def restore(self, alerts: Iterable[Alert], records: Iterable[Record], now_ms: int) -> list[Record]:
        """Take what the two topics hold; return what is to be written to the second.

        That is: since when a new receiver is known, and forgetting what was confirmed of alerts that are no more.
        """
        found = self._own(records)
        known = found.pop(_NOBODY, None)
        news = [] if known is not None else [self._record(_NOBODY, Confirmed(0, "resolved", now_ms))]
        self._known_since_ms = now_ms if known is None else known.at_ms
        self._confirmed = found
        self._alerts, self._due, self._order = {}, {}, []
        self._rank.clear()
        there = set()
        for alert in alerts:
            there.add(alert.fingerprint)
            self.offer(alert)
        for fingerprint in found.keys() - there:
            news += self.forget(fingerprint)
        return news

    def offer(self, alert: Alert) -> None:
        """The alert has changed."""
        self._alerts[alert.fingerprint] = alert
        self._judge(alert.fingerprint)

    def forget(self, fingerprint: str) -> list[Record]:
        """The alert is no more; return what is to be written."""
        self._alerts.pop(fingerprint, None)
        self._due.pop(fingerprint, None)
        known = self._confirmed.pop(fingerprint, None)
        return [(self._key(fingerprint), None)] if known is not None else []

    def due(self, limit: int) -> list[Notice]:
        """The most urgent notices that are not confirmed, without those that are held."""
        found: dict[str, _Place] = {}
        while self._order and len(found) < limit:
            place = heapq.heappop(self._order)
            if self.owes(place[-1]) and self._rank.get(place[-1], 0) == place[0]:
                found[place[-1]] = place
        for place in found.values():
            heapq.heappush(self._order, place)
        return [self._due[_fingerprint_in(key)] for key in found]

    def hold(self, key: str) -> None:
        """Put a notice aside."""
        self._rank[key] = None

    def release(self, key: str) -> None:
        """Let a notice be due again, behind all that were never held."""
        if self.owes(key):
            self._rank[key] = 1
            heapq.heappush(self._order, (1, self._due[_fingerprint_in(key)].urgency, key))

    def owes(self, key: str) -> bool:
        """Whether the notice with this key is still to be confirmed."""
        notice = self._due.get(_fingerprint_in(key))
        return notice is not None and notice.key == key

    def confirm(self, notices: Iterable[Notice], now_ms: int) -> list[Record]:
        """The receiver has them; return what is to be written: nothing for what it had confirmed before."""
        news = []
        for notice in notices:
            fingerprint = notice.alert.fingerprint
            told = Confirmed(notice.episode, notice.state, now_ms)
            before = self._confirmed.get(fingerprint)
            if before is None or (before.episode, before.state) != (told.episode, told.state):
                self._confirmed[fingerprint] = told
                news.append(self._record(fingerprint, told))
                self._judge(fingerprint)
        return news

    def standing(self, now_ms: int) -> list[str]:
        """Fingerprints of what a receiver that forgets is to be told again: what fires, and what ended lately."""
        found = []
        for fingerprint, alert in list(self._alerts.items()):
            if self.now_standing(fingerprint, now_ms) is not None:
                found.append(fingerprint)
            elif alert.state != "firing" and fingerprint not in self._due:
                del self._alerts[fingerprint]
        return found

    def now_standing(self, fingerprint: str, now_ms: int) -> Notice | None:
        """What such a receiver is to be told again of one alert; None: nothing any more."""
        alert, confirmed = self._alerts.get(fingerprint), self._confirmed.get(fingerprint)
        if alert is None or confirmed is None or confirmed.episode != alert.episode:
            return None
        notice = Notice(alert, "firing" if alert.state == "firing" else "resolved", alert.episode)
        if notice.ended_ms is None or confirmed.state == "firing" or now_ms - confirmed.at_ms < self._linger_ms:
            return notice
        return None

    def _judge(self, fingerprint: str) -> None:
        """Decide anew what is due of one alert; let go of one that has ended and of which nothing will be told."""
        alert, confirmed = self._alerts.get(fingerprint), self._confirmed.get(fingerprint)
        notice = None if alert is None else notice_for(alert, confirmed, self._wants, self._known_since_ms)
        before = self._due.get(fingerprint)
        if before is not None and (notice is None or notice.key != before.key):
            self._rank.pop(before.key, None)
        if notice is not None:
            if before is None or notice.key != before.key:
                heapq.heappush(self._order, (0, notice.urgency, notice.key))
            self._due[fingerprint] = notice
            return
        self._due.pop(fingerprint, None)
        if alert is not None and alert.state != "firing" and not self._linger_ms:
            del self._alerts[fingerprint]

    def _own(self, records: Iterable[Record]) -> dict[str, Confirmed]:
        """What this receiver confirmed, the newest record of a key winning.

        One that cannot be decoded is logged and confirms nothing: better told twice than never.
        """
        found: dict[str, Confirmed] = {}
        for key, value in records:
            receiver, _, fingerprint = key.decode(errors="replace").partition("|")
            if receiver != self.receiver:
                continue
            found.pop(fingerprint, None)
            if value is not None:
                try:
                    found[fingerprint] = _DECODER.decode(value)
                except (msgspec.DecodeError, UnicodeDecodeError) as error:
                    log.error("record %r of what receivers have confirmed cannot be read: %s", key, error)
        return found

    def _record(self, fingerprint: str, confirmed: Confirmed) -> Record:
        return self._key(fingerprint), _ENCODER.encode(confirmed)

    def _key(self, fingerprint: str) -> bytes:
        return f"{self.receiver}|{fingerprint}".encode()


def _fingerprint_in(key: str) -> str:
    return key.partition("/")[0]


_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(Confirmed)
