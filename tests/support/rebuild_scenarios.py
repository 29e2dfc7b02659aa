"""`floorwalker rebuild`, the same on every broker; the broker's own test files call these."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from kafka import TopicPartition
from msgspec.msgpack import decode

from service.topic_reading import reading, until_the_end
from service.topics import describe_topics
from tests.support import stop_scenarios
from tests.support.mornings import Event, record, recording
from tests.support.stream_run import ROOT, StreamRun

MARKS_AND_SOURCES = (b"m|", b"o|")
"""Kinds of keys whose values name offsets and partitions, and what was heard twice."""


def rebuild(bootstrap: str, *more: str) -> tuple[int, str]:
    """Exit code and standard error of the real command."""
    command = [sys.executable, "-m", "service.main", "rebuild", "--bootstrap", bootstrap, *more]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    return done.returncode, done.stderr


def latest(bootstrap: str, topic: str) -> dict[bytes, Any]:
    """The newest value of each key, without what has been deleted and without marks."""
    partitions = next(report.partitions for report in describe_topics(bootstrap) if report.name == topic)
    with reading(bootstrap, [TopicPartition(topic, number) for number in range(partitions or 0)]) as consumer:
        found = {record.key: record.value for record in until_the_end(consumer)}
    kept = {key: value for key, value in found.items() if value and not key.startswith(MARKS_AND_SOURCES)}
    return dict(_in_any_order(topic, key, decode(value)) for key, value in kept.items())


def _in_any_order(topic: str, key: bytes, value: Any) -> tuple[bytes, Any]:
    """Key and value without what depends on which partition was read first: the revision, the place in a ring."""
    if topic == "cti.intervals":
        value[-1].pop()
    elif key.startswith(b"i|"):
        value.pop()
    elif key.startswith(b"v|"):
        kind, _, scope = key.split(b"|", 2)
        key, value = b"|".join((kind, value[1].encode(), scope)), value[1:]
    return key, value


async def the_same_state(run: StreamRun, events: list[Event], folder: Path, partitions: int | None = None) -> None:
    """Half of the events, a rebuild while nobody runs, then the other half: nothing shows that there was one."""
    more = [] if partitions is None else ["--partitions", str(partitions)]
    half = len(events) // 2
    worker = run.start_worker()
    await run.send([record(event) for event in events[:half]])
    await run.settle()
    assert await stop_scenarios.stop(run, worker) == 0
    before = {topic: latest(run.bootstrap, topic) for topic in ("cti.state", "cti.intervals")}
    # the embedded broker never forgets a member that has left, so there another group goes on
    group = ["--application-id", "floorwalker-2" if run.embedded else "floorwalker"]
    code, error = rebuild(run.bootstrap, "--yes", *group, *more)
    assert (code, error) == (0, ""), error
    assert not latest(run.bootstrap, "cti.state")
    assert not any(report.deviations for report in describe_topics(run.bootstrap))
    await run.read_anew()
    run.start_worker(*group)
    await run.settle()
    for topic, values in before.items():
        now = latest(run.bootstrap, topic)
        different = [key for key in values.keys() | now.keys() if values.get(key) != now.get(key)]
        assert not different, [(key, values.get(key), now.get(key)) for key in sorted(different)[:3]]
    await run.send([record(event) for event in events[half:]])
    await run.settle()
    for attribution in ("outcome", "arrival"):
        assert await run.differences(recording(events, folder), attribution) == []
