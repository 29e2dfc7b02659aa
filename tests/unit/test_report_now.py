"""What a report says of the moment at which its recording ends."""

from service.domain.settings import Floor
from service.recordings import Recording
from service.report import build_report
from service.report_options import ReportOptions
from tests.unit.domain.build import event, ms


def test_after_call_work_planned_beyond_the_end_has_lasted_until_the_end() -> None:
    events = [
        event("leg.answered", 0),
        event("leg.ended", 50),
        event("leg.wrapup_started", 50, acw_ms=30_000),
        event("agent.heartbeat", 60),
    ]
    report = build_report(Recording(events), Floor(), ReportOptions())
    assert report["agents"]["1001"]["total"]["state_seconds"] == 10


def test_who_came_before_the_range_waits_in_the_total_and_in_none_of_its_intervals() -> None:
    events = [event("visit.queued", 0), event("visit.queued", 70, contact_id="d")]
    report = build_report(Recording(events), Floor(), ReportOptions(from_ms=ms(60)))
    sales = report["queues"]["sales"]
    assert (sales["total"]["offered"], sales["total"]["waiting"]) == (1, 2)
    assert [(row["offered"], row["waiting"]) for row in sales["intervals"]] == [(1, 1)]
