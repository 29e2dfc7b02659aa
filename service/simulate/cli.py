"""`floorwalker simulate`: a simulated contact centre to Kafka or to standard output."""

import argparse
import json
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from service.cli import DONE, Command
from service.cli_common import add_setting, checked, zone
from service.domain.codec import encode_event, record_key
from service.domain.events import Event
from service.errors import UsageError
from service.event_producer import EventProducer
from service.ingest import EVENTS_TOPIC
from service.kafka_security import kafka_client
from service.settings import KAFKA, load_settings
from service.simulate.centre import labels, simulate
from service.simulate.options import DAY_MS, MINUTE_MS, MONDAY_MS, SCENARIOS, SimulationOptions
from service.simulate.pacing import Pacing
from service.simulate.scenarios import Label

_LIVE_DAYS: Final = 30
_LIVE_HOUR: Final = 10
_LIVE_INJECTION_MS: Final = 10 * MINUTE_MS
_UNITS_MS: Final = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}

Send = Callable[[Event], None]


def _duration(text: str) -> int:
    """Return the milliseconds of `90s`, `15m`, `2h` or `1d`."""
    try:
        length_ms = int(float(text[:-1]) * _UNITS_MS[text[-1:]])
    except (KeyError, ValueError, OverflowError):
        length_ms = 0
    if length_ms <= 0:
        raise ValueError(f"{text!r} is not a length of time: use one such as 90s, 15m, 2h or 1d")
    return length_ms


def _sites(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `simulate`."""
    add = parser.add_argument
    add("--queues", type=int, default=6, help="number of queues (default 6)")
    add("--agents", type=int, help="number of agents (default: what the rate needs, else 40)")
    add("--rate", type=float, help="mean contacts an hour while open (default: what the agents carry)")
    add(
        "--speed", type=float, default=0, help="simulated seconds a second, with times of now; 0: all at once (default)"
    )
    add("--seed", type=int, default=1, help="the same seed gives the same day (default 1)")
    add("--scenario", choices=SCENARIOS, default="calm", help="what goes wrong (default calm)")
    add(
        "--inject-after",
        type=checked(_duration),
        metavar="TIME",
        help="when the scenario begins, such as 90m after the start",
    )
    add(
        "--start", help="local time of the first event, such as 2026-11-23T08:00 (default that day; 10:00 with --speed)"
    )
    add("--duration", type=checked(_duration), help="how long, such as 12h (default a day; with --speed until stopped)")
    add("--warm-up", type=checked(_duration), default=0, help="with --speed: begin so much simulated time before now")
    add("--timezone", type=zone, default="UTC", help="the sites' IANA time zone (default UTC)")
    add("--sites", type=_sites, default=("main",), help="comma-separated names of the sites (default main)")
    add(
        "--bootstrap",
        metavar="HOST:PORT",
        help=f"produce to {EVENTS_TOPIC} of this Kafka broker instead of standard output",
    )
    for name in KAFKA:
        add_setting(parser, name)
    add("--labels", type=Path, metavar="FILE", help="write what the scenario injects as JSON")


def run(args: argparse.Namespace) -> int:
    """Simulate until the end or Ctrl-C, which is the usual end of a live run. Raises UsageError and FailedError."""
    wall_ms = int(time.time() * 1000)
    try:
        options = _options(args, wall_ms)
        events = simulate(options)
        injected = labels(options)
    except ValueError as error:
        raise UsageError(str(error)) from None
    pacing = Pacing(options.start_ms + args.warm_up, wall_ms, args.speed) if args.speed else None
    if args.labels:
        _write_labels(args.labels, [pacing.label(label) for label in injected] if pacing else injected)
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)  # `kill` is to end as tidily as Ctrl-C
    try:
        with _output(args, live=pacing is not None) as send:
            for event in events if pacing is None else _paced(events, pacing):
                send(event)
    except KeyboardInterrupt:
        return DONE
    finally:
        signal.signal(signal.SIGTERM, before)
    return DONE


def _options(args: argparse.Namespace, wall_ms: int) -> SimulationOptions:
    """Of the arguments; a live run has ids of its own, or a second run would look like a redelivery of the first."""
    live = args.speed > 0
    if not 0 <= args.speed <= 1_000_000:
        raise ValueError(f"--speed must be 0 or more, not {args.speed}")
    if args.warm_up and not live:
        raise ValueError("--warm-up needs --speed")
    options = SimulationOptions(
        queues=args.queues,
        agents=args.agents,
        contacts_per_hour=args.rate,
        seed=args.seed,
        scenario=args.scenario,
        start_ms=_start_ms(args.start, args.timezone, _LIVE_HOUR if live else 0),
        duration_ms=args.duration or (_LIVE_DAYS * DAY_MS if live else DAY_MS),
        timezone=args.timezone,
        sites=args.sites,
        inject_after_ms=args.inject_after,
    )
    if not live:
        return options
    after_ms = args.warm_up + _LIVE_INJECTION_MS if args.inject_after is None else args.inject_after
    return replace(options, inject_after_ms=after_ms, prefix=f"s{args.seed}-{wall_ms:x}")


def _start_ms(start: str | None, timezone: str, hour: int) -> int:
    """The stated local time, else that hour of the standard Monday."""
    if start is None:
        local = datetime.fromtimestamp(MONDAY_MS / 1000, UTC).replace(hour=hour, tzinfo=None)
    else:
        try:
            local = datetime.fromisoformat(start)
        except ValueError:
            raise ValueError(f"--start is {start!r}: use a local time such as 2026-11-23T08:00") from None
    return int((local if local.tzinfo else local.replace(tzinfo=ZoneInfo(timezone))).timestamp() * 1000)


def _paced(events: Iterator[Event], pacing: Pacing) -> Iterator[Event]:
    """Each event at its wall-clock time; what is past already at once."""
    waiter = threading.Event()  # never set: its wait ends early only by Ctrl-C
    for event in events:
        shifted = pacing.shifted(event)
        ahead_ms = shifted.occurred_at_ms - time.time() * 1000
        if ahead_ms > 0:
            waiter.wait(ahead_ms / 1000)
        yield shifted


def _output(args: argparse.Namespace, live: bool) -> AbstractContextManager[Send]:
    if not args.bootstrap:
        return _to_standard_output(live)
    return _to_kafka(args.bootstrap, kafka_client(load_settings({name: getattr(args, name) for name in KAFKA})))


@contextmanager
def _to_standard_output(live: bool) -> Iterator[Send]:
    """Canonical JSON lines, each at once in a live run."""
    out = sys.stdout.buffer

    def send(event: Event) -> None:
        out.write(encode_event(event) + b"\n")
        if live:
            out.flush()

    yield send
    out.flush()


@contextmanager
def _to_kafka(bootstrap: str, client: dict[str, Any]) -> Iterator[Send]:
    """Records of `cti.events`; all of them are acknowledged when this ends in peace."""
    with EventProducer(bootstrap, (EVENTS_TOPIC,), client) as producer:
        yield lambda event: producer.send(EVENTS_TOPIC, record_key(event).encode(), encode_event(event))
        producer.settle(at_most=0)


def _write_labels(path: Path, injected: list[Label]) -> None:
    path.write_text(json.dumps([asdict(label) for label in injected], indent=1) + "\n", encoding="utf-8")


COMMANDS = (Command("simulate", "a realistic contact centre as canonical events", add_arguments, run),)
