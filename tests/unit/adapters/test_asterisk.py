from collections.abc import Callable

import pytest

from service.domain import events as ev
from service.domain.business_events import SourceGap
from service.domain.events import Event
from service.errors import UsageError
from tests.unit.adapters.reading import NOW_MS, Read, adapter, one, reasons, types

ENTER = "1795334400|c1|sales|NONE|ENTERQUEUE||49301|1\n"
CONNECT = "1795334410|c1|sales|SIP/8007|CONNECT|10|1795334406.2|4\n"


def test_a_connect_states_wait_ring_and_agent(read: Read) -> None:
    answered = one(read(ENTER + CONNECT), ev.VisitAnswered)
    assert (answered.wait_ms, answered.ring_ms, answered.agent_id) == (10_000, 4_000, "SIP/8007")
    assert answered.visit_id == "c1/1"


@pytest.mark.parametrize(
    ("line", "kind", "talk_ms"),
    [
        ("COMPLETEAGENT|10|60|1", ev.LegEnded, 60_000),
        ("COMPLETECALLER|10|60|1", ev.LegEnded, 60_000),
        ("TRANSFER|200|default|10|60", ev.LegTransferred, 60_000),
        ("BLINDTRANSFER|200|default|10|60|1", ev.LegTransferred, 60_000),
        ("ATTENDEDTRANSFER|BRIDGE|b-1|10|60|1", ev.LegTransferred, 60_000),
        ("ATTENDEDTRANSFER|APP|Queue|10|60|1", ev.LegTransferred, 60_000),
        ("ATTENDEDTRANSFER|LINK|SIP/a|SIP/b|10|60|1", ev.LegTransferred, 60_000),
        ("ATTENDEDTRANSFER|THREEWAY|SIP/a|b-1|10|60|1", ev.LegTransferred, 60_000),
        ("ATTENDEDTRANSFER|LINK|SIP/a|SIP/b|10|60\\", ev.LegTransferred, 60_000),
        ("COMPLETEAGENT", ev.LegEnded, None),
    ],
)
def test_the_stated_talk_time_is_found_in_its_field(read: Read, line: str, kind: type[Event], talk_ms: int) -> None:
    ended = one(read(f"{ENTER}{CONNECT}1795334470|c1|sales|SIP/8007|{line}\n"), kind)
    assert ended.talk_ms == talk_ms
    assert ended.leg_id == "c1/1/SIP/8007/1"


def test_who_hung_up_is_told(read: Read) -> None:
    by_agent = read(ENTER + CONNECT + "1795334470|c1|sales|SIP/8007|COMPLETEAGENT|10|60|1\n")
    by_caller = read(ENTER + CONNECT + "1795334470|c1|sales|SIP/8007|COMPLETECALLER|10|60|1\n")
    assert one(by_agent, ev.LegEnded).releasing_party == "agent"
    assert one(by_caller, ev.LegEnded).releasing_party == "customer"


def test_a_complete_without_connect_implies_the_answer(read: Read) -> None:
    recording = read(ENTER + "1795334470|c1|sales|SIP/8007|COMPLETEAGENT|10|60|1\n")
    answered = one(recording, ev.VisitAnswered)
    assert (answered.occurred_at_ms, answered.wait_ms) == (1795334410_000, 10_000)
    assert one(recording, ev.LegEnded).leg_id == answered.leg_id


def test_a_complete_without_connect_and_enterqueue_says_what_its_line_states(read: Read) -> None:
    recording = read("1795334470|c1|sales|SIP/8007|COMPLETEAGENT|10|60|1\n")
    assert types(recording) == ["visit.answered", "leg.ended"]
    assert one(recording, ev.VisitAnswered).queue_id == "sales"


def test_an_implied_answer_is_not_before_the_queue(read: Read) -> None:
    recording = read(ENTER + "1795334470|c1|sales|SIP/8007|COMPLETEAGENT|10|600|1\n")
    assert one(recording, ev.VisitAnswered).occurred_at_ms == 1795334400_000


def test_a_second_enterqueue_under_one_callid_is_a_new_visit(read: Read) -> None:
    transferred = "1795334470|c1|sales|SIP/8007|BLINDTRANSFER|200|x|10|60\n1795334471|c1|help|NONE|ENTERQUEUE||1|1\n"
    first, second = [e for e in read(ENTER + CONNECT + transferred).events if isinstance(e, ev.VisitQueued)]
    assert (first.visit_id, second.visit_id) == ("c1/1", "c1/2")
    assert (second.initiation, second.from_queue_id) == ("transfer", "sales")


def test_a_caller_who_queues_again_after_a_timeout_was_not_transferred(read: Read) -> None:
    again = "1795334430|c1|sales|NONE|EXITWITHTIMEOUT|1|1|30\n1795334431|c1|sales|NONE|ENTERQUEUE||1|1\n"
    events = read(ENTER + again).events
    assert [e.visit_id for e in events if isinstance(e, ev.VisitEvent)] == ["c1/1", "c1/1", "c1/2"]
    assert isinstance(events[-1], ev.VisitQueued)
    assert events[-1].initiation == "inbound"


def test_a_call_in_two_queues_keeps_its_legs_apart_in_any_order_of_the_same_second(read: Read) -> None:
    end = "1795334470|c1|sales|SIP/1|COMPLETECALLER|10|60|1\n"
    second = "1795334470|c1|help|NONE|ENTERQUEUE||1|1\n"
    for lines in (end + second, second + end):
        recording = read(ENTER + "1795334410|c1|sales|SIP/1|CONNECT|10|x|4\n" + lines)
        assert one(recording, ev.LegEnded).visit_id == "c1/1"


@pytest.mark.parametrize(
    ("line", "wait_ms", "reason"),
    [
        ("EXITWITHTIMEOUT|1|1|30", 30_000, "timeout"),
        ("EXITEMPTY|1|1|30", 30_000, "empty"),
        ("LEAVEEMPTY", None, "empty"),
        ("EXITWITHKEY|9|1|1|30", 30_000, "key"),
        ("EXITWITHKEY|9|1", None, "key"),
        ("WITHDRAW|1|1|30", 30_000, "withdraw"),
        ("FULL", None, "full"),
    ],
)
def test_a_caller_who_goes_on_flowed_out_with_the_reason(
    read: Read, line: str, wait_ms: int | None, reason: str
) -> None:
    out = one(read(f"{ENTER}1795334430|c1|sales|NONE|{line}\n"), ev.VisitFlowedOut)
    assert (out.wait_ms, out.outcome_reason) == (wait_ms, reason)


@pytest.mark.parametrize("native", ["FULL", "CLOSED", "JOINEMPTY"])
def test_a_caller_who_never_entered_was_refused(read: Read, native: str) -> None:
    recording = read(f"1795334430|c1|sales|NONE|{native}|\n")
    assert types(recording) == ["visit.refused"]
    assert one(recording, ev.VisitRefused).outcome_reason == native.lower()


def test_an_abandon_that_names_an_agent_is_still_an_abandon(read: Read) -> None:
    recording = read(ENTER + "1795334430|c1|sales|SIP/8007|ABANDON|2|3|30\n")
    assert types(recording) == ["visit.queued", "visit.abandoned"]
    assert one(recording, ev.VisitAbandoned).wait_ms == 30_000


def test_missed_offers_to_one_agent_are_different_legs_with_ring_times_in_milliseconds(read: Read) -> None:
    rings = "1795334405|c1|sales|SIP/8007|RINGNOANSWER|5000\n1795334409|c1|sales|SIP/8007|RINGCANCELED|700\n"
    first, second = [e for e in read(ENTER + rings + CONNECT).events if isinstance(e, ev.LegMissed)]
    assert (first.leg_id, first.ring_ms, first.reason) == ("c1/1/SIP/8007/1", 5_000, "no_answer")
    assert (second.leg_id, second.ring_ms, second.reason) == ("c1/1/SIP/8007/2", 700, "customer_left")


def test_an_agent_who_hangs_up_on_the_announcement_leaves_the_caller_waiting(read: Read) -> None:
    recording = read(ENTER + "1795334405|c1|sales|SIP/8|AGENTDUMP|\n" + CONNECT)
    assert types(recording) == ["visit.queued", "leg.ended", "visit.answered"]
    assert one(recording, ev.LegEnded).disposition == "failed"


def test_a_codec_mismatch_ends_the_visit_without_an_abandon(read: Read) -> None:
    recording = read(ENTER + "1795334405|c1|sales|SIP/8|SYSCOMPAT|\n")
    assert types(recording) == ["visit.queued", "leg.ended", "visit.flowed_out"]
    assert one(recording, ev.VisitFlowedOut).outcome_reason == "system"


def test_wrap_up_belongs_to_the_agents_last_call_and_states_its_length(read: Read) -> None:
    end = "1795334470|c1|sales|SIP/8007|COMPLETEAGENT|10|60|1\n1795334470|NONE|NONE|SIP/8007|WRAPUPSTART|15\n"
    wrap = one(read(ENTER + CONNECT + end), ev.LegWrapupStarted)
    assert (wrap.acw_ms, wrap.leg_id, wrap.queue_id) == (15_000, "c1/1/SIP/8007/1", "sales")


def test_wrap_up_without_any_call_is_rejected(read: Read) -> None:
    assert reasons(read("1795334470|NONE|NONE|SIP/8007|WRAPUPSTART|15\n")) == [(1, "bad_line")]


def test_a_pause_of_one_queue_names_it_and_a_pause_of_all_does_not(read: Read) -> None:
    recording = read("1795334400|NONE|NONE|A/1|PAUSEALL|lunch\n1795334401|NONE|sales|A/1|PAUSE|lunch\n")
    everywhere, sales = recording.events
    assert isinstance(everywhere, ev.AgentStateChanged)
    assert isinstance(sales, ev.AgentStateChanged)
    assert (everywhere.state, everywhere.reason, everywhere.queue_id) == ("not_ready", "lunch", None)
    assert (sales.state, sales.queue_id) == ("not_ready", "sales")


def test_the_end_of_a_pause_is_ready(read: Read) -> None:
    recording = read("1795334400|NONE|NONE|A/1|UNPAUSEALL|\n1795334401|NONE|sales|A/1|UNPAUSE|\n")
    assert [(e.state, e.queue_id) for e in recording.events if isinstance(e, ev.AgentStateChanged)] == [
        ("ready", None),
        ("ready", "sales"),
    ]


@pytest.mark.parametrize("native", ["AGENTLOGIN", "AGENTCALLBACKLOGIN"])
def test_both_kinds_of_login_are_logins(read: Read, native: str) -> None:
    assert types(read(f"1795334400|u|NONE|A/1|{native}|1001@default\n")) == ["agent.login"]


@pytest.mark.parametrize("native", ["AGENTLOGOFF", "AGENTCALLBACKLOGOFF"])
def test_a_logoff_states_how_long_the_agent_was_logged_in(read: Read, native: str) -> None:
    assert one(read(f"1795334400|u|NONE|A/1|{native}|1001@default|900|x\n"), ev.AgentLogout).login_ms == 900_000


def test_a_logoff_and_a_login_of_the_same_second_keep_the_order_of_the_log(read: Read) -> None:
    recording = read("1795334400|u|NONE|A/1|AGENTLOGOFF|x|9\n1795334400|u|NONE|A/1|AGENTLOGIN|x\n")
    assert types(recording) == ["agent.logout", "agent.login"]


def test_members_come_and_go_and_may_be_added_paused(read: Read) -> None:
    recording = read("1795334400|CLI|sales|A/1|ADDMEMBER|PAUSED\n1795334401|REALTIME|sales|A/1|REMOVEMEMBER|\n")
    assert types(recording) == ["agent.queue_joined", "agent.state_changed", "agent.queue_left"]


def test_a_restart_is_a_gap(read: Read) -> None:
    recording = read("1795334400|NONE|NONE|NONE|QUEUESTART|\n1795334401|NONE|NONE|NONE|CONFIGRELOAD|\n")
    assert [e.reason for e in recording.events if isinstance(e, SourceGap)] == ["queuestart", "configreload"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("1795334400|c1|sales", "bad_line"),
        ("yesterday|c1|sales|NONE|ENTERQUEUE", "bad_timestamp"),
        ("|c1|sales|NONE|ENTERQUEUE", "bad_timestamp"),
        ("100|c1|sales|NONE|ENTERQUEUE", "bad_timestamp"),
        ("9995334400|c1|sales|NONE|ENTERQUEUE", "bad_timestamp"),
        ("1795334400|c1|sales|NONE|FROBNICATE", "unknown_type"),
        ("1795334400|NONE|sales|NONE|ENTERQUEUE", "missing_field"),
        ("1795334400|c1|NONE|NONE|ENTERQUEUE", "missing_field"),
        ("1795334400|c1|sales|NONE|CONNECT|1", "missing_field"),
        ("1795334400|c1|sales|A/1|CONNECT|soon", "bad_field"),
        ("1795334400|c1|sales|A/1|CONNECT|-3", "bad_field"),
        ("1795334400|c1|sales|A/1|COMPLETEAGENT|1|99999999999", "bad_field"),
        (f"1795334400|{'c' * 81}|sales|NONE|ENTERQUEUE", "bad_field"),
    ],
)
def test_a_bad_line_is_rejected_with_its_reason_and_number_and_the_others_stand(
    read: Read, line: str, reason: str
) -> None:
    recording = read(f"{ENTER}{line}\n1795334430|c1|sales|NONE|ABANDON|1|1|30\n")
    assert reasons(recording) == [(2, reason)]
    assert types(recording) == ["visit.queued", "visit.abandoned"]


def test_events_that_no_kpi_depends_on_are_left_out_quietly(read: Read) -> None:
    recording = read("1795334400|c1|sales|NONE|DID|4930\n")
    assert (recording.events, recording.rejected) == ([], [])


def test_fractions_of_a_second_are_cut_off_not_rounded(read: Read) -> None:
    assert (
        one(read("1795334399.999999|c1|sales|NONE|ENTERQUEUE||1|1\n"), ev.VisitQueued).occurred_at_ms == 1795334399999
    )


ROW = '{"time": %s, "callid": "c1", "queuename": "sales", "agent": "NONE", "event": "ENTERQUEUE", "data3": 2}'


@pytest.mark.parametrize(
    ("time", "at_ms"),
    [
        ('"2026-11-22 09:00:00.250999"', 1795334400_250),
        ('"2026-11-22T09:00:00+01:00"', 1795334400_000),
        ('"2026-11-22T08:00:00Z"', 1795334400_000),
        ('"1795334400.5"', 1795334400_500),
        ("1795334400", 1795334400_000),
        ("1795334400.75", 1795334400_750),
    ],
)
def test_json_rows_may_have_local_times_offsets_or_seconds(read: Read, time: str, at_ms: int) -> None:
    queued = one(read(ROW % time, timezone="Europe/Berlin"), ev.VisitQueued)
    assert (queued.occurred_at_ms, queued.position) == (at_ms, 2)


def test_a_local_time_without_any_zone_ends_the_command(read: Read) -> None:
    with pytest.raises(UsageError, match="without a time zone"):
        read(ROW % '"2026-11-22 09:00:00"')


def test_rows_may_be_one_json_array_or_json_lines(read: Read) -> None:
    rows = [ROW % "1795334400", ROW.replace("c1", "c2") % "1795334401"]
    as_array = read("[" + ",\n ".join(rows) + "]\n")
    as_lines = read("\n".join(rows))
    assert [e.occurred_at_ms for e in as_array.events] == [e.occurred_at_ms for e in as_lines.events]
    assert len(as_array.events) == 2


def test_a_truncated_json_array_loses_only_its_last_row(read: Read) -> None:
    recording = read("[\n" + ROW % "1795334400" + ",\n" + (ROW % "1795334401")[:40])
    assert types(recording) == ["visit.queued"]
    assert reasons(recording) == [(3, "bad_json")]


def test_a_row_without_time_or_of_a_wrong_type_is_rejected(read: Read) -> None:
    recording = read('{"event": "ENTERQUEUE"}\n{"time": [], "event": "ENTERQUEUE"}\n{"time": 1, "event"\n')
    assert reasons(recording) == [(1, "missing_field"), (2, "bad_field"), (3, "bad_json")]


def test_a_file_written_newest_first_is_read_backwards(read: Read) -> None:
    newest_first = (
        "1795334402|u|NONE|A/1|PAUSEALL|\n1795334401|u|NONE|A/1|UNPAUSEALL|\n1795334401|u|NONE|A/1|PAUSEALL|\n"
    )
    states = [e.state for e in read(newest_first).events if isinstance(e, ev.AgentStateChanged)]
    assert states == ["not_ready", "ready", "not_ready"]


@pytest.mark.parametrize(
    ("pattern", "agent_id"),
    [
        (None, "Local/2001@from-internal/n"),
        (r"^Local/(\d+)@", "2001"),
        (r"\d+", "2001"),
        ("^SIP", "Local/2001@from-internal/n"),
    ],
)
def test_agents_keep_their_native_name_unless_a_pattern_renames_them(
    read: Read, pattern: str | None, agent_id: str
) -> None:
    line = "1795334400|u|NONE|Local/2001@from-internal/n|AGENTLOGIN|x\n"
    assert one(read(line, agent_pattern=pattern), ev.AgentLogin).agent_id == agent_id


def test_a_pattern_that_is_no_regular_expression_is_wrong_usage() -> None:
    with pytest.raises(UsageError, match="not a regular expression"):
        adapter("asterisk-queue-log", agent_pattern="(")


def single(native: str) -> Callable[[], list[Event]]:
    """Decodes single records, as from a native topic, with one adapter."""
    queue_log = adapter("asterisk-queue-log")
    return lambda: queue_log.parse(native.encode()).to_events("key")


def test_an_enterqueue_delivered_twice_is_the_same_visit() -> None:
    decode = single(ENTER.strip())
    assert decode() == decode()


def test_calls_without_a_line_for_two_days_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.adapters.asterisk_calls._FORGET_EVERY", 2)
    queue_log = adapter("asterisk-queue-log")
    for at_s, callid in ((NOW_MS // 1000, "old"), (NOW_MS // 1000 + 200_000, "new"), (NOW_MS // 1000 + 200_001, "old")):
        events = queue_log.parse(f"{at_s}|{callid}|sales|NONE|ENTERQUEUE||1|1".encode()).to_events("key")
    assert isinstance(events[0], ev.VisitQueued)
    assert events[0].visit_id == "old/1"
