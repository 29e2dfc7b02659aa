"""What the pitfalls share: centres to break, restarts, and reports on events made on the spot."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from service.domain.events import Event
from service.domain.settings import Agent, Floor, Queue, ServiceLevel, Site
from service.recordings import Recording, read_recording
from service.report import build_report
from service.report_options import ReportOptions
from tests.unit.adapters.reading import NOW_MS, adapter
from tests.unit.api.floors import Centre, get

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
SITES = {"berlin": Site("berlin", "Europe/Berlin"), "montreal": Site("montreal", "America/Montreal", 240)}


def two_sites() -> Floor:
    """A queue and an agent in Berlin, whose day begins at midnight, and in Montreal, where it begins at four."""
    return Floor(
        sites=dict(SITES),
        queues={
            name: Queue(name, name.title(), site, "voice", None, ServiceLevel(20_000), True)
            for name, site in (("sales", "berlin"), ("ventes", "montreal"))
        },
        agents={
            "1001": Agent("1001", "Ann", "blue", "berlin", True),
            "2001": Agent("2001", "Luc", "bleu", "montreal", True),
        },
        default_queue=Queue("", site="berlin"),
        default_agent=Agent("", site="berlin"),
        default_site=SITES["berlin"],
    )


def at_ms(text: str) -> int:
    """Milliseconds of a moment such as 2026-11-21T22:00+01:00."""
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def restarted(centre: Centre) -> Centre:
    """Worker and API after a restart: they know what was flushed, and nothing else."""
    centre.flush()
    again = Centre(centre.floor)
    again.now_ms, again.offset = centre.now_ms, centre.offset
    again.correlate.load(centre.correlate.drain())
    again.aggregate.load(centre.records)
    again.records, again.closed = list(centre.records), list(centre.closed)
    again.state.apply(again.records)
    again.state.history.apply(again.closed)
    again.flush()
    return again


async def ask(centre: Centre, path: str) -> Any:
    """The body of an answer of the API."""
    answer = await get(centre.app(), path)
    assert answer.status_code == 200, answer.text
    return answer.json()


def report(
    events: Iterable[Event], floor: Floor | None = None, timezone: str = "UTC", minutes: int = 15, **options: Any
) -> dict[str, Any]:
    """The report on events in order of time."""
    recording = Recording(sorted(events, key=lambda event: event.occurred_at_ms))
    return build_report(
        recording, floor or Floor(), ReportOptions(timezone, interval_ms=minutes * MINUTE_MS, **options)
    )


def report_of_log(tmp_path: Any, *lines: str) -> dict[str, Any]:
    """The report on an Asterisk queue_log."""
    file = tmp_path / "queue_log"
    file.write_text("".join(line + "\n" for line in lines))
    recording = read_recording([file], adapter("asterisk-queue-log"), NOW_MS)
    assert not recording.rejected
    return build_report(recording, Floor(), ReportOptions())
