"""What is fuzzed: every place where bytes from outside become objects. A target raises only when it found a bug.

What cannot be read must be refused by the one exception that its reader names, and what was accepted must be usable.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Final

import msgspec
import orjson

from api.views import Views
from service.adapters import Adapter, AdapterSettings, events_of, make_adapter, parse_record
from service.adapters.mapping import CallRecordsMapping
from service.cli_dead_letters import row_of
from service.config import Config, load_config
from service.config_feed import ConfigFeed, record_of
from service.dead_letters import letter_of, unsealed
from service.domain.alert_record import encode_alert
from service.domain.codec import decode_event, encode_event, record_key
from service.domain.correlate import CorrelateStore
from service.domain.errors import InvalidEvent
from service.domain.facts import FactBatch, decode_batch, encode_batch
from service.domain.settings import Floor
from service.errors import FailedError
from service.floor_state import FloorState
from service.interval_history import interval_key
from service.notify.outbox import Outbox
from service.sealing import ENCRYPTED, Sealer
from tests.support.alerts import firing
from tests.support.one_floor import OneFloor

REPORTS: Final = Path(__file__).parents[1] / "golden" / "reports"
NOW_MS: Final = 1_795_348_800_000
KEY: Final = "k1"
MOST_LINES: Final = 64
WINDOWS: Final = ("5m", "interval", "day")
GONE: Final = b"\xff"
"""In the place of a record's value: there is none."""


def event(raw: bytes) -> None:
    """`codec.decode_event`, and the way back."""
    try:
        found = decode_event(raw)
    except InvalidEvent:
        return
    record_key(found).encode(errors="surrogatepass")
    assert decode_event(encode_event(found)) == found


def canonical(raw: bytes) -> None:
    """The adapter of canonical events."""
    through(make_adapter("canonical", AdapterSettings("pbx")), raw.split(b"\n"))


def queue_log(raw: bytes) -> None:
    """Asterisk's queue_log."""
    settings = AdapterSettings("pbx", "Europe/Berlin", r"SIP/(\w+)")
    through(make_adapter("asterisk-queue-log", settings), raw.split(b"\n"))


def call_records(raw: bytes) -> None:
    """Call records by a mapping that uses most of what mappings may have."""
    adapter = make_adapter("call-records", AdapterSettings("records", "Europe/Berlin", mapping=mapping()))
    adapter.begin(b"started;queue;agent;answered;transferred;ended;outcome")
    through(adapter, raw.split(b"\n"))


def through(adapter: Adapter, lines: list[bytes]) -> None:
    """Whatever an adapter accepts are events that the codec writes and reads again."""
    for number, line in enumerate(lines[:MOST_LINES]):
        try:
            events = events_of(parse_record(adapter, line), f"k{number}", NOW_MS)
        except InvalidEvent:
            continue
        for found in events:
            assert decode_event(encode_event(found)) == found


def facts(raw: bytes) -> None:
    """A record of `cti.facts`."""
    try:
        batch = decode_batch(raw)
    except msgspec.DecodeError:
        return
    assert decode_batch(encode_batch(batch)) == batch


def floor_of_events(raw: bytes) -> None:
    """Lines of events through both stages to what the API says: what was accepted must never be poison."""
    lines = raw.split(b"\n")[:MOST_LINES]
    one = OneFloor(floor())
    half = len(lines) // 2
    for part in (lines[:half], lines[half:]):
        one.take(part, [NOW_MS] * len(part))
    say_all(one.reader)


def state(raw: bytes) -> None:
    """Records of the topics that the API and the evaluator read: each is taken, or counted as unreadable."""
    reader = FloorState(floor(), wall_ms=lambda: NOW_MS)
    reader.settle(1)
    found = records(raw)
    reader.apply(found)
    reader.history.apply(found)
    reader.alerts.apply(found)
    feed = ConfigFeed()
    feed.apply(found)
    if feed.applied:
        feed.follow(FloorState(config().floor(), wall_ms=lambda: NOW_MS))  # a floor of its own, since it changes


def say_all(reader: FloorState) -> None:
    """Everything that the API says of queues and agents."""
    views, view = Views(reader), reader.view()
    for queue in reader.scopes.queues.values():
        orjson.dumps(views.queue(view, queue, WINDOWS))
    for agent in reader.scopes.agents.values():
        orjson.dumps(views.agent(view, agent, WINDOWS))


def notifications(raw: bytes) -> None:
    """Records of `cti.notifications`."""
    Outbox("desk", lambda alert: True).restore([], records(raw), NOW_MS)


def dead_letter(raw: bytes) -> None:
    """A record of `cti.dead-letter`: shown, decrypted, and masked as a rejected record would be."""
    headers, _, rest = raw.partition(b"\n\n")
    key, _, value = rest.partition(b"\n")
    about = [part.partition(b":") for part in headers.split(b"\n")]
    named = [(name.decode("utf-8", "replace"), None if text == GONE else text) for name, _, text in about]
    letter = letter_of(SimpleNamespace(partition=0, offset=7, timestamp=NOW_MS, key=key, value=value, headers=named))
    try:
        letter = unsealed(letter, secretive())
    except FailedError:
        assert letter.about[ENCRYPTED] == KEY
    letter.hindrance()
    orjson.dumps(row_of(letter))
    for sealer in (Sealer(), secretive()):
        sealer.seal(key, value)
        sealer.text(value.decode("utf-8", "replace"))
    sealed = secretive().seal(key, value)
    assert secretive().open(KEY, sealed.value) == (key, value)


def records(raw: bytes) -> list[tuple[bytes, bytes | None]]:
    """Keys and values as the fuzzer writes them: two bytes of length before each."""
    parts: list[bytes] = []
    at = 0
    while at + 2 <= len(raw):
        length = int.from_bytes(raw[at : at + 2], "big")
        parts.append(raw[at + 2 : at + 2 + length])
        at += 2 + length
    return [(key, None if value == GONE else value) for key, value in zip(parts[::2], parts[1::2], strict=False)]


def written(found: list[tuple[bytes, bytes | None]]) -> bytes:
    """Records as `records` reads them."""
    parts = [part for key, value in found for part in (key, GONE if value is None else value)]
    return b"".join(len(part).to_bytes(2, "big") + part for part in parts)


@cache
def config() -> Config:
    """The golden report's configuration."""
    return load_config(REPORTS / "canonical.yaml")


@cache
def floor() -> Floor:
    """Its floor."""
    return config().floor()


@cache
def mapping() -> CallRecordsMapping | None:
    """The mapping of the golden report's call records."""
    return load_config(REPORTS / "call_records.yaml").sources["records"].mapping


@cache
def secretive() -> Sealer:
    """Encrypts what it seals."""
    return Sealer("encrypted", {KEY: b"s" * 32})


def lines_of(name: str, at_once: int = 8) -> list[bytes]:
    """A golden report's recording, some lines at a time."""
    lines = (REPORTS / name).read_bytes().splitlines()
    return [b"\n".join(lines[start : start + at_once]) for start in range(0, len(lines), at_once)]


def state_seeds() -> list[bytes]:
    """What both stages and the rest write: one record each, and all of a kind together."""
    one = OneFloor(floor())
    lines = (REPORTS / "canonical.jsonl").read_bytes().splitlines()
    one.take(lines, [decode_event(line).occurred_at_ms for line in lines])
    kinds: dict[bytes, list[tuple[bytes, bytes | None]]] = {}
    for key, value in one.state.items():
        kinds.setdefault(key[:1], []).append((key, value))
    kinds[b"closed"] = [(interval_key(c.scope, c.start_ms), msgspec.msgpack.encode(c)) for c in one.closed]
    kinds[b"alert"] = [(b"f", encode_alert(firing("busy")))]
    applied = record_of({}, NOW_MS, NOW_MS, "ann")
    kinds[b"config"] = [(applied.key, msgspec.json.encode(applied))]
    return [written(found[:count]) for found in kinds.values() for count in (1, 8)]


def fact_seeds() -> list[bytes]:
    """A record for each event of the golden report that says anything."""
    store, found = CorrelateStore(floor()), []
    for offset, line in enumerate((REPORTS / "canonical.jsonl").read_bytes().splitlines()):
        said = store.take(line, decode_event(line).occurred_at_ms, offset)
        found.append(encode_batch(FactBatch(0, store.newest_ms(), [offset] * len(said), said)))
    return found


def notification_seeds() -> list[bytes]:
    """Since when a receiver is known, and what it confirmed."""
    known = b'{"episode":0,"state":"resolved","at_ms":%d}' % NOW_MS
    return [written([(b"desk|", known), (b"desk|f", b'{"episode":2,"state":"firing","at_ms":5}'), (b"desk|g", None)])]


def letter_seeds() -> list[bytes]:
    """A rejected event as it was, masked, and encrypted."""
    (line, *_) = lines_of("canonical.jsonl", 1)
    sealed = secretive().seal(b"c1", line)
    origin = b"reason:bad_field\ndetail:x\nsource_topic:cti.events\nsource_partition:0\nsource_offset:7"
    return [
        origin + b"\n\nc1\n" + line,
        origin + b"\nmasked:yes\ncut_from:9\n\nc1\n+49 (30) 123-4567 " + line,
        origin + b"\nencrypted_with:k1\n\n\n" + sealed.value,
    ]


@dataclass(frozen=True, slots=True)
class Target:
    """`seeds` are inputs to begin with; `longest` is how many bytes an input may have."""

    run: Callable[[bytes], None]
    seeds: Callable[[], list[bytes]]
    longest: int = 4_096


TARGETS: Final = {
    "event": Target(event, lambda: lines_of("canonical.jsonl", 1)),
    "canonical": Target(canonical, lambda: lines_of("canonical.jsonl", 2)),
    "queue-log": Target(queue_log, lambda: lines_of("queue_log.txt")),
    "call-records": Target(call_records, lambda: lines_of("call_records.csv")),
    "facts": Target(facts, fact_seeds),
    "floor": Target(floor_of_events, lambda: lines_of("canonical.jsonl", 12), 16_384),
    "state": Target(state, state_seeds),
    "notifications": Target(notifications, notification_seeds),
    "dead-letter": Target(dead_letter, letter_seeds, 65_536),
}
"""By the name that `make fuzz TARGETS=...` takes."""
