"""From the records of `cti.events` to facts: lateness, redelivery, forgetting, and replays that say the same again."""

from collections.abc import Iterator
from itertools import pairwise

import pytest

from service.domain.codec import encode_event
from service.domain.contacts import Contact
from service.domain.correlate import LINGER_MS, MAX_SKEW_MS, CorrelateStore
from service.domain.errors import InvalidEvent
from service.domain.events import Event
from service.domain.facts import AgentInput, AnyFact
from service.domain.settings import Floor
from service.domain.watchdog import FORGOTTEN_MS
from tests.unit.domain.build import event, ms, net, take

LINGER_S = LINGER_MS / 1000
CALL = [
    event("visit.queued", 0),
    event("visit.answered", 10, agent_id="1001"),
    event("leg.ended", 70),
    event("leg.wrapup_ended", 90),
    event("contact.ended", 70),
]


def store_after(*events: Event) -> CorrelateStore:
    store = CorrelateStore(Floor())
    for offset, told in enumerate(events):
        take(store, told, offset)
    return store


def counts(store: CorrelateStore, source: str = "") -> dict[str, int]:
    found = store.mark.sources[source].counts
    return {word: count for word, count in found.items() if "." not in word}


def clock(seconds: float, source: str = "") -> Event:
    """Another contact, over at once, that moves the source's event time on."""
    return event("visit.refused", seconds, contact_id=f"at {seconds}", source=source)


def test_a_call_is_counted_by_type_and_leaves_no_finding() -> None:
    store = store_after(*CALL)
    assert store.mark.sources[""].counts == {
        "visit.queued": 1, "visit.answered": 1, "leg.ended": 1, "leg.wrapup_ended": 1, "contact.ended": 1,
    }  # fmt: skip
    assert store.mark.next_offset == len(CALL)


@pytest.mark.parametrize("again", CALL, ids=[told.event_id.partition("@")[0] for told in CALL])
def test_an_event_delivered_again_is_a_duplicate_without_facts(again: Event) -> None:
    store = store_after(*CALL)
    assert take(store, again, 9) == []
    assert counts(store) == {"duplicates": 1}


def test_a_contact_met_again_after_it_was_forgotten_does_not_count_its_past_again() -> None:
    store = store_after(*CALL, event("callback.connected", 100 + 2 * LINGER_S))
    with pytest.raises(InvalidEvent, match="late: contact c"):
        take(store, CALL[0], 9)
    recovered = CorrelateStore(Floor())
    recovered.load(store.drain())
    with pytest.raises(InvalidEvent, match="late: contact c"):
        take(recovered, CALL[0], 9)


def test_a_conflict_delivered_again_is_one_conflict_and_one_duplicate() -> None:
    abandoned = event("visit.abandoned", 12)
    store = store_after(*CALL[:2], abandoned, abandoned)
    assert counts(store) == {"conflicts": 1, "duplicates": 1}


def test_an_ending_without_its_queueing_is_unmatched_until_told() -> None:
    assert counts(store_after(CALL[1], CALL[0])) == {"unmatched": 1}


@pytest.mark.parametrize(
    ("behind_s", "late"),
    [
        pytest.param(LINGER_S, False, id="as old as contacts linger"),
        pytest.param(LINGER_S + 0.001, True, id="a millisecond older"),
    ],
)
def test_an_event_of_an_unknown_contact_is_late_when_older_than_contacts_linger(behind_s: float, late: bool) -> None:
    store = store_after(clock(10_000))
    told = event("visit.queued", 10_000 - behind_s)
    if late:
        with pytest.raises(InvalidEvent, match="late: contact c"):
            take(store, told, 1)
        assert counts(store) == {"late": 1}
    else:
        assert take(store, told, 1)


def test_a_contact_in_flight_takes_events_however_old() -> None:
    store = store_after(CALL[0], clock(10_000))
    assert take(store, CALL[1], 2)
    assert counts(store) == {}


def test_a_ten_hour_call_is_still_a_call() -> None:
    store = store_after(*CALL[:2], clock(36_000))
    facts = take(store, event("leg.ended", 36_010), 3)
    assert [fact.talk_ms for fact in net(facts) if type(fact).__name__ == "Handled"] == [36_000_000] * 2


def test_after_call_work_longer_than_contacts_linger_still_belongs_to_its_contact() -> None:
    store = store_after(CALL[0], CALL[1], event("leg.wrapup_started", 70), event("contact.ended", 70), clock(5_000))
    facts = take(store, event("leg.wrapup_ended", 5_070), 5)
    assert [fact.acw_ms for fact in net(facts) if type(fact).__name__ == "AfterCall"] == [5_000_000] * 2


def test_a_closed_contact_is_forgotten_once_its_source_has_moved_on() -> None:
    store = store_after(*CALL)
    store.drain()
    take(store, clock(90 + LINGER_S), 5)
    assert "c" in store.contacts
    take(store, clock(90 + LINGER_S + 1), 6)
    assert "c" not in store.contacts
    assert (b"cc", None) in store.drain()


def test_an_open_contact_is_not_forgotten_before_it_is_closed() -> None:
    store = store_after(*CALL[:2], clock(2 * FORGOTTEN_MS / 1000))
    assert "c" in store.contacts


def test_an_id_met_again_weeks_later_is_a_new_contact() -> None:
    store = store_after(*CALL)
    later_s = FORGOTTEN_MS / 1000 + 100
    again = event("visit.queued", later_s)
    assert [type(fact).__name__ for fact in take(store, again, 9)] == ["Offered"]
    assert b"cc" in dict(store.drain())


def test_a_closed_contact_becomes_bytes_once_it_is_quiet_and_still_knows_what_was_said() -> None:
    store = store_after(*CALL, clock(120), clock(130))
    assert isinstance(store.contacts["c"], Contact)
    take(store, clock(220), 7)
    assert isinstance(store.contacts["c"], bytes)
    assert take(store, event("leg.held", 80), 8) != []
    assert take(store, CALL[2], 9) == []


def test_a_contact_whose_after_call_work_is_over_is_bytes_from_its_next_flush_on() -> None:
    store = store_after(*CALL[:2], event("leg.ended", 70))
    store.drain()
    assert isinstance(store.contacts["c"], Contact)
    take(store, event("leg.wrapup_ended", 75), 4)
    written = dict(store.drain())
    assert store.contacts["c"] == written[b"cc"]
    earlier, never_bytes = event("leg.wrapup_ended", 73), store_after(*CALL[:2], event("leg.ended", 70))
    take(never_bytes, event("leg.wrapup_ended", 75), 4)
    assert take(store, earlier, 5) == take(never_bytes, earlier, 5) != []
    take(store, clock(75 + LINGER_S + 1), 6)
    assert "c" not in store.contacts


def test_an_abandoned_contact_is_bytes_once_its_end_is_written() -> None:
    store = store_after(CALL[0], event("visit.abandoned", 20))
    store.drain()
    assert isinstance(store.contacts["c"], Contact)
    take(store, event("contact.ended", 20), 3)
    store.drain()
    assert isinstance(store.contacts["c"], bytes)


def test_a_contact_that_opens_again_is_not_packed_until_it_closes() -> None:
    store = store_after(*CALL[:2], event("leg.ended", 70), event("leg.wrapup_started", 75), clock(200), clock(400))
    assert isinstance(store.contacts["c"], Contact)
    for offset, told in enumerate([event("leg.wrapup_ended", 401), clock(470), clock(540)], 6):
        take(store, told, offset)
    assert isinstance(store.contacts["c"], bytes)


def test_silence_of_one_source_keeps_its_contacts() -> None:
    store = store_after(*CALL, clock(90_000, source="another"))
    assert take(store, CALL[0], 9) == []
    assert counts(store) == {"duplicates": 1}


def test_a_contact_told_by_two_sources_follows_the_one_that_told_of_it_first() -> None:
    there = event("contact.ended", 70, source="b", event_id="b")
    before = store_after(*CALL[:3], there)
    after = CorrelateStore(Floor())
    after.load(before.drain())
    late = event("leg.held", 20, event_id="late")
    facts = []
    for store in (before, after):
        take(store, clock(5_000, source="b"), 4)
        take(store, event("visit.refused", 5_001, contact_id="more", source="b"), 5)
        facts.append(take(store, late, 6))
    assert facts[0] == facts[1]


def test_a_time_ahead_of_the_clock_is_clamped_and_flagged() -> None:
    store = CorrelateStore(Floor())
    ahead = event("visit.queued", MAX_SKEW_MS / 1000 + 5)
    facts = take(store, ahead, received_s=0)
    assert [fact.at_ms for fact in net(facts)] == [ms(0) + MAX_SKEW_MS]
    assert counts(store) == {"clock_skew": 1}


def test_a_time_ahead_within_the_allowed_skew_stands() -> None:
    store = CorrelateStore(Floor())
    facts = take(store, event("visit.queued", MAX_SKEW_MS / 1000), received_s=0)
    assert [fact.at_ms for fact in net(facts)] == [ms(0) + MAX_SKEW_MS]
    assert counts(store) == {}


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        pytest.param(b"\xff", "bad_json", id="not JSON"),
        pytest.param(b'{"type": "visit.vanished"}', "unknown_type", id="an unknown type"),
        pytest.param(encode_event(CALL[0]).replace(b'"queue_id"', b'"cue_id"'), "missing_field", id="no queue"),
        pytest.param(encode_event(CALL[0]).replace(b'"sales"', b"7"), "bad_field", id="a number for a queue"),
        pytest.param(
            encode_event(CALL[0]).replace(str(ms(0)).encode(), b'"noon"'), "bad_timestamp", id="time in words"
        ),
        pytest.param(encode_event(CALL[0]).replace(str(ms(0)).encode(), b"7"), "bad_timestamp", id="1970"),
        pytest.param(b'"' + b"x" * 300_000 + b'"', "too_large", id="300 kB"),
    ],
)
def test_what_cannot_be_applied_is_counted_with_its_reason_and_passed(raw: bytes, reason: str) -> None:
    store = CorrelateStore(Floor())
    with pytest.raises(InvalidEvent) as raised:
        store.take(raw, ms(0), 7)
    assert raised.value.reason == reason
    assert counts(store) == {"rejected:" + reason: 1}
    assert store.mark.next_offset == 8


def test_an_agents_event_goes_to_the_agent() -> None:
    told = event("agent.state_changed", 5, state="not_ready", reason="break", seq=3, source="s")
    (fact,) = take(CorrelateStore(Floor()), told)
    assert isinstance(fact, AgentInput)
    assert (fact.scope, fact.at_ms, fact.kind, fact.state, fact.reason) == (
        "agent:1001", ms(5), "state_changed", "not_ready", "break",
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["quality.scored", "incident.opened", "source.gap"])
def test_events_whose_kpis_are_to_come_are_counted_only(kind: str) -> None:
    fields = {"quality.scored": {"score": 90.0}, "incident.opened": {"incident_id": "i"}}.get(kind, {})
    store = CorrelateStore(Floor())
    assert take(store, event(kind, 0, **fields)) == []
    assert store.mark.sources[""].counts == {kind: 1}


DAY = [
    *CALL,
    event("visit.abandoned", 65, contact_id="d", wait_ms=5_000),
    event("leg.held", 30, event_id="late hold"),
    clock(2_000),
    event("leg.retrieved", 40, event_id="late retrieval"),
    clock(4_000),
    event("visit.queued", 3_999, contact_id="e"),
]


def parts(cuts: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    return pairwise((0, *cuts, len(DAY)))


@pytest.mark.parametrize("cuts", [(), (1,), (4,), (7,), (10,), (2, 6), (1, 2, 3, 4, 5, 6, 7, 8, 9, 10)])
def test_a_restart_between_any_two_records_changes_no_fact(cuts: tuple[int, ...]) -> None:
    whole = CorrelateStore(Floor())
    expected = [facts_of(whole, told, offset) for offset, told in enumerate(DAY)]
    found: list[list[AnyFact]] = []
    kept: list[tuple[bytes, bytes | None]] = []
    for start, end in parts(cuts):
        store = CorrelateStore(Floor())
        store.load(kept)
        assert store.mark.next_offset == start
        found += [facts_of(store, DAY[offset], offset) for offset in range(start, end)]
        kept += store.drain()
    assert found == expected


def facts_of(store: CorrelateStore, told: Event, offset: int) -> list[AnyFact]:
    try:
        return take(store, told, offset)
    except InvalidEvent as error:
        assert error.reason == "late"
        return []


def test_a_drained_store_has_nothing_more_to_say() -> None:
    store = store_after(*CALL)
    assert store.pending_keys() >= 1
    assert len(store.drain()) == 2
    assert (store.drain(), store.pending_keys()) == ([], 0)


def test_state_of_another_schema_is_refused() -> None:
    store = store_after(*CALL)
    store.mark.schema += 1
    with pytest.raises(ValueError, match="schema"):
        CorrelateStore(Floor()).load(store.drain())


def test_touched_keys_are_written_again_and_those_unknown_as_gone() -> None:
    store = store_after(*CALL)
    store.drain()
    store.touch([b"cc", b"cnobody"])
    records = dict(store.drain())
    assert records[b"cc"] == store.contacts["c"]
    assert records[b"cnobody"] is None


def test_running_counts_of_sources_are_told_once_after_each_change() -> None:
    store = store_after(*CALL)
    (seen,) = store.source_facts()
    assert (seen.scope, seen.newest_ms, seen.counts["visit.queued"]) == ("source:", ms(90), 1)
    assert store.source_facts() == []
