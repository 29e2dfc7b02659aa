from typing import Any

import pytest

from service.domain import events as ev
from service.errors import UsageError
from tests.unit.adapters.reading import Read, adapter, one, reasons, types

PLAIN: dict[str, Any] = {
    "none": ["", "NULL"],
    "queue": "queue",
    "agent": "agent",
    "enqueue": ["arrived"],
    "answered": "answered",
    "transfer": "moved",
    "hangup": "over",
}
HEADING = "arrived,queue,agent,answered,moved,over\n"


def test_an_answer_time_means_answered(read: Read) -> None:
    row = "2026-11-22 09:00:00,sales,7,2026-11-22 09:00:10,NULL,2026-11-22 09:01:00\n"
    recording = read(HEADING + row, "call-records", mapping=PLAIN, timezone="Europe/Berlin")
    assert types(recording) == ["visit.queued", "visit.answered", "leg.ended", "contact.ended"]
    assert [e.occurred_at_ms - 1795334400_000 for e in recording.events] == [0, 10_000, 60_000, 60_000]
    assert one(recording, ev.VisitAnswered).agent_id == "7"


def test_without_an_answer_time_the_call_was_abandoned_and_an_agent_is_ignored(read: Read) -> None:
    row = "2026-11-22T08:00:00Z,sales,7,NULL,NULL,2026-11-22T08:00:30Z\n"
    recording = read(HEADING + row, "call-records", mapping=PLAIN)
    assert types(recording) == ["visit.queued", "visit.abandoned", "contact.ended"]


def test_without_answer_and_hang_up_the_call_still_waits(read: Read) -> None:
    row = "2026-11-22T08:00:00Z,sales,NULL,NULL,NULL,NULL\n"
    assert types(read(HEADING + row, "call-records", mapping=PLAIN)) == ["visit.queued"]


def test_without_a_hang_up_an_answered_call_goes_on(read: Read) -> None:
    row = "2026-11-22T08:00:00Z,sales,7,2026-11-22T08:00:10Z,NULL,NULL\n"
    assert types(read(HEADING + row, "call-records", mapping=PLAIN)) == ["visit.queued", "visit.answered"]


def test_the_agent_is_free_at_the_transfer_and_the_customer_at_hang_up(read: Read) -> None:
    row = "2026-11-22T08:00:00Z,sales,7,2026-11-22T08:00:10Z,2026-11-22T08:01:00Z,2026-11-22T08:09:00Z\n"
    recording = read(HEADING + row, "call-records", mapping=PLAIN)
    assert one(recording, ev.LegTransferred).occurred_at_ms == 1795334460_000
    assert one(recording, ev.ContactEnded).occurred_at_ms == 1795334940_000


def test_agent_end_may_be_named(read: Read) -> None:
    row = "2026-11-22T08:00:00Z,sales,7,2026-11-22T08:00:10Z,2026-11-22T08:01:00Z,2026-11-22T08:09:00Z\n"
    mapping = PLAIN | {"transfer": None, "agent_end": ["moved"]}
    assert one(read(HEADING + row, "call-records", mapping=mapping), ev.LegEnded).occurred_at_ms == 1795334460_000


def test_stated_wait_and_talk_are_carried_and_imply_missing_times(read: Read) -> None:
    mapping = {
        "queue_id": "calls", "agent": "who", "enqueue": ["at"], "wait": "w", "talk": "t", "outcome": "o",
    }  # fmt: skip
    text = "at,who,w,t,o\n2026-11-22T08:00:00Z,7,12,30.5,answered\n2026-11-22T09:00:00Z,,4,0,abandoned\n"
    recording = read(text, "call-records", mapping=mapping)
    answered, ended = one(recording, ev.VisitAnswered), one(recording, ev.LegEnded)
    assert (answered.occurred_at_ms, answered.wait_ms) == (1795334412_000, 12_000)
    assert (ended.occurred_at_ms, ended.talk_ms) == (1795334442_500, 30_500)
    assert one(recording, ev.VisitAbandoned).wait_ms == 4_000


def test_durations_may_be_milliseconds(read: Read) -> None:
    mapping = {"queue_id": "q", "enqueue": ["at"], "wait": "w", "outcome": "o", "duration_unit": "ms"}
    recording = read("at,w,o\n2026-11-22T08:00:00Z,1250,answered\n", "call-records", mapping=mapping)
    assert one(recording, ev.VisitAnswered).wait_ms == 1_250


def test_with_a_stated_wait_the_answer_is_not_before_the_queue(read: Read) -> None:
    mapping = PLAIN | {"wait": "w"}
    text = HEADING.strip() + ",w\n2026-11-22T08:00:00Z,sales,7,2026-11-22T07:59:59Z,NULL,2026-11-22T08:01:00Z,0\n"
    assert one(read(text, "call-records", mapping=mapping), ev.VisitAnswered).occurred_at_ms == 1795334400_000


@pytest.mark.parametrize("outcome", ["flowed_out", "callback_requested", "cancelled"])
def test_every_outcome_word_ends_the_visit_its_way(read: Read, outcome: str) -> None:
    mapping = {"queue_id": "q", "enqueue": ["at"], "wait": "w", "outcome": "o"}
    recording = read(f"at,w,o\n2026-11-22T08:00:00Z,5,{outcome}\n", "call-records", mapping=mapping)
    assert types(recording) == ["visit.queued", f"visit.{outcome}", "contact.ended"]


def test_a_refused_row_is_not_offered(read: Read) -> None:
    mapping = {"queue_id": "q", "enqueue": ["at"], "wait": "w", "outcome": "o"}
    text = "at,w,o\n2026-11-22T08:00:00Z,0,refused\n"
    assert types(read(text, "call-records", mapping=mapping)) == ["visit.refused"]


def test_values_can_be_renamed_skipped_and_rejected_with_a_reason(read: Read) -> None:
    mapping = {
        "queue": "q", "enqueue": ["at"], "wait": "w", "outcome": "o",
        "columns": {
            "q": {"values": {"PS": "private"}, "skip": ["TEST"]},
            "o": {"values": {"HANG": "abandoned"}, "reject": {"PHANTOM": "phantom"}},
        },
    }  # fmt: skip
    at = "2026-11-22T08:00:00Z"
    text = f"at,q,w,o\n{at},PS,5,HANG\n{at},TEST,5,HANG\n{at},PS,5,PHANTOM\n{at},PS,5,LOST\n"
    recording = read(text, "call-records", mapping=mapping)
    assert one(recording, ev.VisitQueued).queue_id == "private"
    assert recording.skipped == 1
    assert reasons(recording) == [(4, "phantom"), (5, "bad_field")]


def test_a_condition_over_columns_leaves_rows_out(read: Read) -> None:
    mapping = PLAIN | {"skip": [{"queue": "sales", "agent": None}]}
    end = "NULL,NULL,2026-11-22T08:01:00Z"
    text = HEADING + "".join(f"2026-11-22T08:00:00Z,{who},{end}\n" for who in ("sales,NULL", "sales,7", "help,NULL"))
    recording = read(text, "call-records", mapping=mapping)
    assert recording.skipped == 1
    assert types(recording).count("visit.queued") == 2


def test_identical_rows_are_different_calls_but_the_same_in_another_copy_of_the_file(read: Read) -> None:
    row = "2026-11-22T08:00:00Z,sales,7,NULL,NULL,2026-11-22T08:00:30Z\n"
    first, second = (read(HEADING + row + row, "call-records", mapping=PLAIN).events for _ in range(2))
    ids = [e.event_id for e in first]
    assert len(set(ids)) == len(ids) == 6
    assert len({e.contact_id for e in first if isinstance(e, ev.VisitQueued)}) == 2
    assert ids == [e.event_id for e in second]


def test_the_contact_id_is_the_configured_columns_joined(read: Read) -> None:
    text = HEADING + "2026-11-22T08:00:00Z,sales,7,NULL,NULL,NULL\n"
    recording = read(text, "call-records", mapping=PLAIN | {"contact": ["queue", "agent"]})
    assert one(recording, ev.VisitQueued).contact_id == "sales/7"


def test_customers_and_priorities_are_what_their_columns_say(read: Read) -> None:
    mapping = {
        "queue_id": "q", "enqueue": ["at"], "wait": "w", "outcome": "o", "customer_ref": "c", "priority": "p",
        "customer_class": "k",
    }  # fmt: skip
    at = "2026-11-22T08:00:00Z"
    text = f"at,w,o,c,p,k\n{at},1,abandoned,4930111,2,vip\n{at},1,abandoned,,high,\n"
    recording = read(text, "call-records", mapping=mapping)
    queued = one(recording, ev.VisitQueued)
    assert (queued.customer_ref, queued.priority, queued.customer_class) == ("4930111", 2, "vip")
    assert reasons(recording) == [(3, "bad_field")]


CLOCKS: dict[str, Any] = {
    "queue_id": "q",
    "time_format": "%H:%M:%S",
    "date": {"column": "day", "format": "%y%m%d", "clock": "start"},
    "enqueue": ["q_start", "start"],
    "answered": "ans",
    "hangup": "over",
    "wait": "w",
    "columns": {"q_start": {"none": ["0:00:00"], "paired_duration": "w"}},
}
CLOCK_HEADING = "day,start,q_start,ans,over,w\n"


def seconds_after_midnight(read: Read, row: str) -> list[float]:
    """When the row's events happened, in seconds after 2026-11-22T00:00:00Z."""
    events = read(CLOCK_HEADING + row + "\n", "call-records", mapping=CLOCKS, timezone="UTC").events
    return [(e.occurred_at_ms - 1795305600_000) / 1000 for e in events]


def test_clocks_that_run_over_midnight_belong_to_the_next_day(read: Read) -> None:
    assert seconds_after_midnight(read, "261122,23:59:50,23:59:55,0:00:20,0:02:00,25") == [86395, 86420, 86520, 86520]


def test_midnight_is_a_time_where_the_duration_beside_it_is_not_zero(read: Read) -> None:
    assert seconds_after_midnight(read, "261122,23:59:54,0:00:00,0:00:26,0:01:33,27") == [86400, 86426, 86493, 86493]


def test_midnight_means_none_where_the_duration_beside_it_is_zero(read: Read) -> None:
    assert seconds_after_midnight(read, "261122,9:00:00,0:00:00,9:00:00,9:01:00,0") == [32400, 32400, 32460, 32460]


def test_clocks_that_disagree_by_minutes_do_not_jump_a_day(read: Read) -> None:
    assert seconds_after_midnight(read, "261122,9:02:00,9:00:00,9:00:30,9:01:00,30") == [32400, 32430, 32460, 32460]


@pytest.mark.parametrize(("clock", "hour"), [("12:00:00 AM", 0), ("12:00:00 PM", 12), ("1:00:00 PM", 13)])
def test_twelve_hour_clocks_know_noon_and_midnight(read: Read, clock: str, hour: int) -> None:
    mapping = CLOCKS | {"time_format": "%I:%M:%S %p", "columns": {}, "enqueue": ["start"]}
    text = f"{CLOCK_HEADING}261122,{clock},,,,1\n"
    mapping |= {"outcome": None, "answered": "ans", "wait": None}
    queued = one(read(text, "call-records", mapping=mapping, timezone="UTC"), ev.VisitQueued)
    assert queued.occurred_at_ms == 1795305600_000 + hour * 3_600_000


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("2026-11-22T08:00:00Z,sales", "bad_line"),
        ("2026-11-22T08:00:00Z,sales,7,NULL,NULL,NULL,extra", "bad_line"),
        ('2026-11-22T08:00:00Z,"sales,7,NULL,NULL,NULL', "bad_line"),
        ("NULL,sales,7,NULL,NULL,NULL", "missing_field"),
        ("2026-11-22T08:00:00Z,NULL,7,NULL,NULL,NULL", "missing_field"),
        ("22.11.2026 08:00,sales,7,NULL,NULL,NULL", "bad_timestamp"),
        ("1970-11-22T08:00:00Z,sales,7,NULL,NULL,NULL", "bad_timestamp"),
        ("2026-11-22T08:00:00Z,sales,7,2926-11-22T08:00:00Z,NULL,NULL", "bad_timestamp"),
        (f"2026-11-22T08:00:00Z,{'s' * 81},7,NULL,NULL,NULL", "bad_field"),
    ],
)
def test_a_bad_row_is_rejected_whole_and_the_others_stand(read: Read, row: str, reason: str) -> None:
    good = "2026-11-22T08:00:00Z,sales,7,NULL,NULL,NULL\n"
    recording = read(f"{HEADING}{good}{row}\n{good}", "call-records", mapping=PLAIN)
    assert reasons(recording) == [(3, reason)]
    assert types(recording) == ["visit.queued", "visit.queued"]


@pytest.mark.parametrize("wait", ["soon", "-1", "nan", "inf", "1e12"])
def test_an_impossible_duration_rejects_the_row(read: Read, wait: str) -> None:
    mapping = {"queue_id": "q", "enqueue": ["at"], "wait": "w", "outcome": "o"}
    text = f"at,w,o\n2026-11-22T08:00:00Z,{wait},answered\n"
    assert reasons(read(text, "call-records", mapping=mapping)) == [(2, "bad_field")]


def test_quoted_fields_may_hold_the_delimiter(read: Read) -> None:
    text = HEADING + '2026-11-22T08:00:00Z,"sales, north",7,NULL,NULL,NULL\n'
    assert one(read(text, "call-records", mapping=PLAIN), ev.VisitQueued).queue_id == "sales, north"


def test_a_heading_without_a_mapped_column_ends_the_command_and_names_it(read: Read) -> None:
    with pytest.raises(UsageError, match="no column moved, over"):
        read("arrived,queue,agent,answered\n", "call-records", mapping=PLAIN)


def test_columns_may_be_named_in_the_mapping_and_a_heading_is_then_optional(read: Read) -> None:
    mapping = PLAIN | {"header": HEADING.strip().split(",")}
    row = "2026-11-22T08:00:00Z,sales,7,NULL,NULL,NULL\n"
    for text in (row, HEADING + row):
        assert types(read(text, "call-records", mapping=mapping)) == ["visit.queued"]


def test_single_rows_without_named_columns_end_the_command() -> None:
    with pytest.raises(UsageError, match="header"):
        adapter("call-records", PLAIN).parse(b"2026-11-22T08:00:00Z,sales,7,NULL,NULL,NULL")


def test_the_format_needs_a_mapping() -> None:
    with pytest.raises(UsageError, match="column mapping"):
        adapter("call-records")
