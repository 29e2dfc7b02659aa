"""The command `simulate`: the simulated centre to Kafka or to standard output."""

import argparse
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Final, cast
from zoneinfo import ZoneInfo

from kafka import KafkaProducer
from kafka.errors import KafkaError

from service.domain.codec import encode_event, record_key
from service.domain.events import Event
from service.simulate.centre import labels, simulate
from service.simulate.options import DAY_MS, MINUTE_MS, MONDAY_MS, SCENARIOS, Scenario, SimulationOptions
from service.simulate.pacing import Pacing

TOPIC: Final = "cti.events"
_LIVE_DAYS: Final = 30
_LIVE_HOUR: Final = 10
_LIVE_INJECTION_MS: Final = 10 * MINUTE_MS
_UNITS_MS: Final = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}

Send = Callable[[Event], None]


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
    add("--inject-after", type=_duration, metavar="TIME", help="when the scenario begins, such as 90m after the start")
    add(
        "--start", help="local time of the first event, such as 2026-11-23T08:00 (default that day; 10:00 with --speed)"
    )
    add("--duration", type=_duration, help="how long, such as 12h (default a day; with --speed until stopped)")
    add("--warm-up", type=_duration, default=0, help="with --speed: begin so much simulated time before now")
    add("--timezone", default="UTC", help="the sites' IANA time zone (default UTC)")
    add("--sites", default="main", help="comma-separated names of the sites (default main)")
    add("--bootstrap", metavar="HOST:PORT", help=f"produce to {TOPIC} of this Kafka broker instead of standard output")
    add("--labels", metavar="FILE", help="write what the scenario injects as JSON")


def run(args: argparse.Namespace, settings: object) -> int:
    """Simulate until the end or Ctrl-C. Returns 0 done, 1 the output failed, 2 these options make no centre.

    The settings of the service do not concern a simulated source: all it needs is in the arguments.
    """
    try:
        wall_ms = int(time.time() * 1000)
        options = _options(args, wall_ms)
        pacing = _pacing(args, options, wall_ms)
        if args.labels:
            _write_labels(args.labels, options, pacing)
        events = simulate(options)
    except (ValueError, OSError) as error:
        print(f"simulate: {error}", file=sys.stderr)
        return 2
    try:
        with _output(args.bootstrap) as send:
            for event in events if pacing is None else _paced(events, pacing):
                send(event)
    except KeyboardInterrupt:
        return 0
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has seen enough, and the interpreter would complain of it again
        return 0
    except KafkaError as error:
        print(f"simulate: cannot produce to {TOPIC} at {args.bootstrap}: {error}", file=sys.stderr)
        return 1
    return 0


def _options(args: argparse.Namespace, wall_ms: int) -> SimulationOptions:
    """Of the arguments; a live run has ids of its own, or a second run would look like a redelivery of the first."""
    live = args.speed > 0
    if args.speed < 0:
        raise ValueError(f"--speed must be 0 or more, not {args.speed}")
    options = SimulationOptions(
        queues=args.queues,
        agents=args.agents,
        contacts_per_hour=args.rate,
        seed=args.seed,
        scenario=cast(Scenario, args.scenario),
        duration_ms=args.duration or (_LIVE_DAYS * DAY_MS if live else DAY_MS),
        timezone=args.timezone,
        sites=tuple(name.strip() for name in args.sites.split(",") if name.strip()),
        inject_after_ms=(
            args.warm_up + _LIVE_INJECTION_MS if live and args.inject_after is None else args.inject_after
        ),
        prefix=f"s{args.seed}-{wall_ms:x}" if live else None,
    )
    return _started(options, args.start, _LIVE_HOUR if live else 0)


def _started(options: SimulationOptions, start: str | None, hour: int) -> SimulationOptions:
    """The options with their start: the stated local time, else that hour of the standard Monday."""
    zone = ZoneInfo(options.timezone)
    if start:
        local = datetime.fromisoformat(start)
        local = local if local.tzinfo else local.replace(tzinfo=zone)
    else:
        monday = datetime.fromtimestamp(MONDAY_MS / 1000, ZoneInfo("UTC"))
        local = monday.replace(tzinfo=zone) + timedelta(hours=hour)
    fields = asdict(options) | {"start_ms": int(local.timestamp() * 1000)}
    return SimulationOptions(**fields)


def _pacing(args: argparse.Namespace, options: SimulationOptions, wall_ms: int) -> Pacing | None:
    """How simulated times become wall-clock times; None: not at all."""
    return Pacing(options.start_ms + args.warm_up, wall_ms, args.speed) if args.speed > 0 else None


def _paced(events: Iterator[Event], pacing: Pacing) -> Iterator[Event]:
    """Each event at its wall-clock time; what is past already at once."""
    waiter = threading.Event()  # never set: its wait ends early only by Ctrl-C
    for event in events:
        shifted = pacing.shifted(event)
        ahead_ms = shifted.occurred_at_ms - time.time() * 1000
        if ahead_ms > 0:
            waiter.wait(ahead_ms / 1000)
        yield shifted


def _output(bootstrap: str | None) -> AbstractContextManager[Send]:
    return _to_kafka(bootstrap) if bootstrap else _to_standard_output()


@contextmanager
def _to_standard_output() -> Iterator[Send]:
    """Canonical JSON lines; flushed line by line only where somebody watches."""
    out = sys.stdout.buffer

    def send(event: Event) -> None:
        out.write(encode_event(event) + b"\n")
        if sys.stdout.isatty():
            out.flush()

    try:
        yield send
    finally:
        out.flush()


@contextmanager
def _to_kafka(bootstrap: str) -> Iterator[Send]:
    """Records of `cti.events`; everything sent is acknowledged, or the last failure raised, before this ends."""
    producer = KafkaProducer(bootstrap_servers=bootstrap.split(","), acks="all", linger_ms=20)
    failures: list[BaseException] = []

    def send(event: Event) -> None:
        if failures:
            raise failures[0]
        record = producer.send(
            TOPIC, key=record_key(event).encode(), value=encode_event(event), timestamp_ms=event.occurred_at_ms
        )
        record.add_errback(failures.append)

    try:
        yield send
        producer.flush()
        if failures:
            raise failures[0]
    finally:
        producer.close()


def _write_labels(path: str, options: SimulationOptions, pacing: Pacing | None) -> None:
    found = [asdict(label) for label in labels(options)]
    for label in found if pacing else ():
        label |= {name: pacing.wall(label[name]) for name in ("from_ms", "to_ms")} if pacing else {}
    with open(path, "w", encoding="utf-8") as file:
        json.dump(found, file, indent=1)


def _duration(text: str) -> int:
    """`90s`, `15m`, `2h` or `1d` in milliseconds."""
    try:
        return int(float(text[:-1]) * _UNITS_MS[text[-1:]])
    except (KeyError, ValueError):
        raise argparse.ArgumentTypeError(f"{text!r} is not a time such as 90s, 15m, 2h or 1d") from None
