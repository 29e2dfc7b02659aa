"""`floorwalker ingest`: send a recording to Kafka."""

import argparse
import signal
import sys
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path

from rich.progress import Progress, TaskID

from service.cli import DONE, Command
from service.cli_common import add_broker, add_config, add_setting, checked, read_config, read_settings
from service.cli_recording import Feed, add_recording, clock_ms, feed_of
from service.console import print_error, print_line, progress_bar
from service.errors import FailedError, UsageError
from service.event_producer import EventProducer
from service.follow import follow_lines
from service.ingest import DEAD_LETTERS, EVENTS_TOPIC, Ingest, Item, Pace, Summary
from service.ingest_state import IngestState, StateFile, default_state_file, mark_files
from service.kafka_security import kafka_client
from service.privacy import INGESTING, customer_keys, sealer
from service.recordings import STDIN, Recording, decode_lines, read_recording
from service.shift import shift_to_now_ms


def _speed(text: str) -> float:
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed <= 1_000_000:
        raise ValueError(f"{text!r} is not a speed: use a number above 0, such as 1 for real time or 60")
    return speed


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_recording(parser)
    add_config(parser)
    add_broker(parser)
    speed_help = "event seconds a second; without it everything is sent at once"
    parser.add_argument("--speed", type=checked(_speed), metavar="N", help=speed_help)
    parser.add_argument("--shift-to-now", action="store_true", help="move the recording in time so that it ends now")
    parser.add_argument("--follow", action="store_true", help="go on with what is written to the file, until Ctrl-C")
    parser.add_argument("--state", type=Path, metavar="FILE", help="where to keep how far it came, for continuing")
    for name in INGESTING:
        add_setting(parser, name)
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="folder for progress files without --state")


def _ingest(args: argparse.Namespace) -> int:
    _check(args)
    config = read_config(args)
    settings = read_settings(args, config)
    keys, seal, client = customer_keys(settings), sealer(settings), kafka_client(settings)
    feed = feed_of(args, config)
    recording = None if args.follow else read_recording(args.files, feed.adapter(), clock_ms())
    items = _followed(args.files[0], feed) if recording is None else _recorded(recording)
    summary = Summary()
    with EventProducer(settings.bootstrap, (EVENTS_TOPIC, DEAD_LETTERS), client) as producer, progress_bar() as bar:
        file = _state_file(args, settings.data_dir, settings.bootstrap)
        state = _state(args, feed, file, recording)
        total = None if recording is None else len(recording.events) + len(recording.rejected)
        task = bar.add_task(f"to {EVENTS_TOPIC}", total=total, completed=state.acknowledged)
        show = partial(_show, bar, task)
        run = Ingest(producer, state, file, feed.source, Pace(args.speed), show, keys, seal, summary)
        finished = _until_interrupted(run, items)
    print_line(_sentence(summary, settings.bootstrap))
    if finished or args.follow:
        return DONE
    raise FailedError("interrupted: run the same command again to send the rest")


def _until_interrupted(run: Ingest, items: Iterable[Item]) -> bool:
    """Send everything; return False after Ctrl-C or `kill`, which is to end as tidily."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        run.run(items)
    except KeyboardInterrupt:
        return False
    finally:
        signal.signal(signal.SIGTERM, before)
    return True


def _show(bar: Progress, task: TaskID, done: int) -> None:
    bar.update(task, completed=done)


def _check(args: argparse.Namespace) -> None:
    if args.follow and (len(args.files) > 1 or args.speed or args.shift_to_now):
        raise UsageError("--follow takes one file, and neither --speed nor --shift-to-now")
    for name in args.files if args.follow else ():
        if name != STDIN and not Path(name).is_file():
            raise UsageError(f"{name}: there is no such file to follow")


def _recorded(recording: Recording) -> Iterable[Item]:
    return chain(recording.rejected, recording.events)


def _followed(name: str, feed: Feed) -> Iterator[Item]:
    lines: Iterable[bytes] = sys.stdin.buffer if name == STDIN else follow_lines(Path(name))
    return decode_lines(lines, feed.adapter(), clock_ms)


def _state_file(args: argparse.Namespace, data_dir: Path, bootstrap: str) -> StateFile:
    """Return where progress is kept: nowhere for standard input, which cannot be read again."""
    if STDIN in args.files:
        return StateFile(None)
    paths = [Path(name) for name in args.files]
    return StateFile(args.state or default_state_file(data_dir, paths, EVENTS_TOPIC, bootstrap))


def _state(args: argparse.Namespace, feed: Feed, file: StateFile, recording: Recording | None) -> IngestState:
    """Return the progress of the interrupted ingest of the same, else a new one."""
    marks = mark_files([Path(name) for name in args.files]) if file.path is not None else {}
    asked = {
        "topic": EVENTS_TOPIC,
        "format": feed.format,
        "source": feed.source,
        "timezone": feed.timezone,
        "mapping": repr(feed.settings.mapping),
        "shift": str(args.shift_to_now),
    }
    found = file.load(asked, marks, growing=args.follow)
    if found is not None:
        print_error(f"continuing after {found.acknowledged} records that were sent before")
        return found
    shift_ms = 0
    if args.shift_to_now and recording is not None and recording.events:
        first, last = recording.events[0].occurred_at_ms, recording.events[-1].occurred_at_ms
        shift_ms = shift_to_now_ms(first, last, clock_ms(), args.speed)
    return IngestState(asked, marks, shift_ms=shift_ms)


def _sentence(summary: Summary, bootstrap: str) -> str:
    rejected = ", ".join(f"{reason} {count}" for reason, count in sorted(summary.rejected.items()))
    text = f"{summary.events} events sent to {EVENTS_TOPIC} at {bootstrap}"
    text += f", {summary.rejected.total()} records rejected to {DEAD_LETTERS} ({rejected})" if rejected else ""
    text += f", {summary.skipped} sent before" if summary.skipped else ""
    dropped = summary.customers_dropped
    return text + (f", {dropped} without their customer's number (no --customer-key-file)" if dropped else "")


COMMANDS = (Command("ingest", "send a recording to Kafka", _add_arguments, _ingest),)
