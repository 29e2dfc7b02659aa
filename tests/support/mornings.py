"""Three hours of a simulated centre as canonical events, for tests that change what arrives."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from service.domain.codec import decode_event, record_key
from tests.support.stream_run import ROOT, Record, Source

CONFIG = ROOT / "tests" / "golden" / "reports" / "canonical.yaml"

Event = dict[str, Any]

ID_FIELDS = (
    "event_id", "source", "contact_id", "visit_id", "leg_id", "agent_id", "queue_id", "to_queue_id", "from_queue_id",
    "parent_contact_id", "customer_ref",
)  # fmt: skip


def simulated(seed: int = 7, *, contacts_per_hour: int = 80) -> list[Event]:
    """With logins, pauses, holds, after-call work, transfers and callbacks."""
    command = [sys.executable, "-m", "service.main", "simulate", "--queues", "3", "--agents", "10", "--rate"]
    command += [str(contacts_per_hour), "--seed", str(seed), "--start", "2025-11-17T08:00", "--duration", "3h"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, timeout=60)
    return [json.loads(line) for line in done.stdout.splitlines()]


def named(event: Event, name: str) -> Event:
    """The event in a world of its own: every id begins with the name."""
    changed: Event = {field: f"{name}-{event[field]}" for field in ID_FIELDS if field in event}
    if "customer_ref" in event:
        changed["customer_ref"] = f"{event['customer_ref']}-{name}"  # a hash remains one
    if "queues" in event:
        changed["queues"] = [f"{name}-{queue}" for queue in event["queues"]]
    return event | changed


def record(event: Event) -> Record:
    """The record of `cti.events` that carries the event."""
    raw = json.dumps(event).encode()
    return record_key(decode_event(raw)).encode(), raw


def recording(events: list[Event], folder: Path) -> Source:
    """The events as a file that commands read."""
    file = folder / "recording.jsonl"
    file.write_text("".join(json.dumps(event) + "\n" for event in events))
    return Source([file], "canonical", CONFIG)
