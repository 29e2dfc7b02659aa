"""The KPI registry: every row can be read, on nothing as on much, and is named as users know it."""

from collections import Counter

import pytest

from service.domain.kpis import KPIS, KPIS_OF, Kind, Kpi, Reading, not_ready_seconds_by_reason, read_kpis
from service.domain.settings import ReasonKind
from service.domain.totals import COUNTERS, Totals, sketch_bin

PROMISED: dict[Kind, set[str]] = {
    "queue": set(
        """offered offered_contacts answered abandoned short_abandoned flowed_out callback_requested cancelled refused
        answered_in_threshold abandoned_in_threshold waiting waiting_over_threshold handled
        handled_contacts missed transferred_out transferred_in consulted conferenced holds
        oldest_wait_seconds asa_seconds max_wait_seconds average_abandon_seconds max_abandon_wait_seconds
        wait_p50_seconds wait_p90_seconds wait_p95_seconds handle_p50_seconds handle_p90_seconds
        handle_p95_seconds expected_wait_seconds average_talk_seconds
        average_hold_seconds average_acw_seconds aht_seconds average_ring_seconds talk_seconds
        hold_seconds acw_seconds ring_seconds wait_seconds contact_wait_seconds average_contact_wait_seconds
        abandon_wait_seconds flowed_out_wait_seconds
        service_level_ratio
        service_level_answered_only_ratio service_level_abandon_negative_ratio
        service_level_abandon_ignored_ratio service_level_abandon_positive_ratio
        service_level_short_positive_ratio service_level_genesys_ratio service_level_dequeued_ratio
        answer_ratio abandonment_ratio callback_ratio repeat_ratio fcr_ratio transfer_ratio
        agents_staffed agents_available
        agents_reserved agents_on_contact agents_acw agents_not_ready agents_scheduled agents_absent""".split()  # noqa: SIM905
    ),
    "agent": set(
        """answered handled handled_contacts missed transferred_out transferred_in consulted conferenced holds
        average_talk_seconds average_hold_seconds average_acw_seconds aht_seconds average_ring_seconds talk_seconds
        hold_seconds acw_seconds ring_seconds login_seconds available_seconds reserved_seconds on_contact_seconds
        acw_state_seconds not_ready_seconds state_seconds transfer_ratio occupancy_ratio
        utilisation_ratio shrinkage_ratio shrinkage_internal_ratio shrinkage_external_ratio contacts_per_hour
        scheduled_seconds exception_seconds excused_seconds scheduled_on_queue_seconds paid_seconds adherence_ratio
        adherence_excused_ratio conformance_ratio""".split()  # noqa: SIM905
    ),
}
KINDS = pytest.mark.parametrize("kind", ["queue", "agent"])
BUSY = Totals(
    offered=100, answered=80, abandoned=12, short_abandoned=4, flowed_out=3, callback_requested=2, cancelled=1,
    answered_in_threshold=60, abandoned_in_threshold=6, wait_ms=1_600_000, abandon_wait_ms=360_000, missed=5, rung=85,
    ring_ms=425_000, handled=80, handled_contacts=75, held=10, holds=15, transferred_out=8, talk_ms=16_000_000,
    hold_ms=600_000, acw_ms=2_400_000, available_ms=4_000_000, reserved_ms=500_000, on_contact_ms=17_000_000,
    acw_state_ms=2_500_000, not_ready_ms=1_000_000, login_ms=25_000_000, flowed_out_wait_ms=45_000,
    longest_waits_ms=[20_000, 95_500], longest_abandon_waits_ms=[61_000],
    wait_sketch=Counter(sketch_bin(second * 1000) for second in range(1, 102)),
    handle_sketch=Counter(sketch_bin(minute * 60_000) for minute in range(1, 102)),
    not_ready_by_reason={"break": 400_000, "unstated": 100_000, "sick": 300_000, "outbound": 200_000},
    offered_again=7, waited_before_ms=800_000, identified=80, returned=20, followed=16,
    adherence_ms={
        "scheduled": 20_000_000, "out": 2_000_000, "excused": 500_000, "planned_on_queue": 25_000_000,
        "on_queue": 24_000_000,
    },
)  # fmt: skip
NOW = Reading(
    BUSY, waiting=4, over_threshold=2, oldest_wait_ms=33_500,
    staff={"available": 2, "acw": 1, "scheduled": 5, "absent": 2}, state_ms=4_000,
    reason_kinds={"sick": "external", "outbound": "productive"},
)  # fmt: skip


@KINDS
def test_the_names_are_those_promised(kind: Kind) -> None:
    assert {kpi.name for kpi in KPIS_OF[kind]} == PROMISED[kind]


def test_no_name_is_given_twice() -> None:
    assert len({kpi.name for kpi in KPIS}) == len(KPIS)


@pytest.mark.parametrize("kpi", KPIS, ids=[kpi.name for kpi in KPIS])
def test_a_row_is_complete_and_its_name_tells_its_unit(kpi: Kpi) -> None:
    assert kpi.help.endswith(".") and kpi.chinese and kpi.scopes
    assert (kpi.unit == "seconds") == kpi.name.endswith("_seconds")
    assert (kpi.unit == "ratio") == kpi.name.endswith("_ratio")


@KINDS
def test_of_nothing_counts_and_sums_are_zero_and_the_rest_is_undefined(kind: Kind) -> None:
    found = read_kpis(kind, Reading(Totals()))
    combined = {"offered_contacts", "contact_wait_seconds", "scheduled_seconds", "exception_seconds", "paid_seconds"}
    combined |= {"excused_seconds", "scheduled_on_queue_seconds"}
    for kpi in KPIS_OF[kind]:
        summed = f"{kpi.name.removesuffix('_seconds')}_ms" in COUNTERS or kpi.name in COUNTERS or kpi.name in combined
        assert found[kpi.name] == (0 if summed else None), kpi.name


@KINDS
def test_on_a_busy_floor_everything_is_defined_but_what_needs_a_moment(kind: Kind) -> None:
    undefined = {name for name, value in read_kpis(kind, NOW).items() if value is None}
    assert undefined == ({"expected_wait_seconds"} if kind == "queue" else set())


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        ("queue", "offered_contacts", 93),
        ("queue", "asa_seconds", 20.0),
        ("queue", "repeat_ratio", 0.25),
        ("queue", "fcr_ratio", 0.8),
        ("queue", "contact_wait_seconds", 2_400.0),
        ("queue", "average_contact_wait_seconds", 30.0),
        ("queue", "average_abandon_seconds", 30.0),
        ("queue", "max_wait_seconds", 95.5),
        ("queue", "max_abandon_wait_seconds", 61.0),
        ("queue", "oldest_wait_seconds", 33.5),
        ("queue", "aht_seconds", 237.5),
        ("queue", "average_hold_seconds", 60.0),
        ("queue", "average_ring_seconds", 5.0),
        ("queue", "answer_ratio", 80 / 98),
        ("queue", "abandonment_ratio", 8 / 94),
        ("queue", "callback_ratio", 2 / 98),
        ("queue", "transfer_ratio", 0.1),
        ("queue", "service_level_ratio", 60 / (80 + 12 - 6 + 2)),
        ("queue", "agents_staffed", 3),
        ("queue", "agents_available", 2),
        ("queue", "agents_on_contact", 0),
        ("queue", "agents_scheduled", 5),
        ("queue", "agents_absent", 2),
        ("agent", "occupancy_ratio", 20 / 24),
        ("agent", "utilisation_ratio", 24 / 25),
        ("agent", "contacts_per_hour", 80 * 3600 / 25_000),
        ("agent", "state_seconds", 4.0),
        ("queue", "talk_seconds", 16_000),
        ("queue", "hold_seconds", 600),
        ("queue", "acw_seconds", 2_400),
        ("queue", "ring_seconds", 425),
        ("queue", "wait_seconds", 1_600),
        ("queue", "abandon_wait_seconds", 360),
        ("queue", "flowed_out_wait_seconds", 45),
        ("agent", "login_seconds", 25_000),
        ("agent", "available_seconds", 4_000),
        ("agent", "reserved_seconds", 500),
        ("agent", "on_contact_seconds", 17_000),
        ("agent", "acw_state_seconds", 2_500),
        ("agent", "not_ready_seconds", 1_000),
        ("agent", "scheduled_seconds", 20_000),
        ("agent", "exception_seconds", 2_000),
        ("agent", "excused_seconds", 500),
        ("agent", "scheduled_on_queue_seconds", 25_000),
        ("agent", "adherence_ratio", 18 / 20),
        ("agent", "adherence_excused_ratio", 18.5 / 20),
        ("agent", "conformance_ratio", 24 / 25),
        ("agent", "paid_seconds", 25_000),
        ("agent", "shrinkage_ratio", 800 / 25_000),
        ("agent", "shrinkage_internal_ratio", 500 / 25_000),
        ("agent", "shrinkage_external_ratio", 300 / 25_000),
    ],
)
def test_worked_examples(kind: Kind, name: str, value: float) -> None:
    assert read_kpis(kind, NOW)[name] == pytest.approx(value, rel=1e-9)


@pytest.mark.parametrize("kind", ["wait", "handle"])
@pytest.mark.parametrize(("percent", "seconds"), [(50, 51), (90, 91), (95, 96)])
def test_percentiles_of_one_to_a_hundred_and_one(kind: str, percent: int, seconds: int) -> None:
    unit = 1 if kind == "wait" else 60
    assert read_kpis("queue", NOW)[f"{kind}_p{percent}_seconds"] == pytest.approx(seconds * unit, rel=0.01)


def test_time_not_ready_is_told_by_reason() -> None:
    told = {"break": 400.0, "outbound": 200.0, "sick": 300.0, "unstated": 100.0}
    assert not_ready_seconds_by_reason(BUSY) == told
    assert sum(told.values()) == BUSY.not_ready_ms / 1000


def shrinkage(login_ms: int, by_reason: dict[str, int], **kinds: ReasonKind) -> list[float | int | None]:
    found = read_kpis("agent", Reading(Totals(login_ms=login_ms, not_ready_by_reason=by_reason), reason_kinds=kinds))
    return [found[f"shrinkage_{part}ratio"] for part in ("", "internal_", "external_")]


def test_a_reason_that_nobody_sorted_is_internal_shrinkage() -> None:
    assert shrinkage(1_000, {"lunch": 250}) == [0.25, 0.25, 0.0]


def test_productive_work_away_from_the_queue_is_no_shrinkage() -> None:
    assert shrinkage(1_000, {"outbound": 250}, outbound="productive") == [0.0, 0.0, 0.0]


def test_unpaid_time_not_ready_is_cut_off_external_reasons_first() -> None:
    assert shrinkage(1_000, {"break": 700, "sick": 500}, sick="external") == [1.0, 0.7, 0.3]
    assert shrinkage(1_000, {"break": 1_200, "sick": 500}, sick="external") == [1.0, 1.0, 0.0]


def test_without_paid_time_there_is_no_shrinkage() -> None:
    assert shrinkage(0, {"break": 700}) == [None, None, None]


def test_more_busy_time_than_login_time_is_a_utilisation_of_one() -> None:
    assert read_kpis("agent", Reading(Totals(login_ms=1_000, on_contact_ms=3_000)))["utilisation_ratio"] == 1.0


def test_login_time_is_undefined_when_no_login_was_ever_seen() -> None:
    assert read_kpis("agent", Reading(Totals(), login_seen=False))["login_seconds"] is None
    assert read_kpis("agent", Reading(Totals()))["login_seconds"] == 0


def test_who_serves_a_queue_is_unknown_where_there_is_no_present() -> None:
    found = read_kpis("queue", Reading(Totals()))
    assert {name for name, value in found.items() if name.startswith("agents_") and value is not None} == set()


@KINDS
def test_ratios_stay_between_zero_and_one(kind: Kind) -> None:
    for name, value in read_kpis(kind, NOW).items():
        if name.endswith("_ratio"):
            assert value is not None and 0 <= value <= 1


def test_prometheus_has_no_series_of_times_that_its_own_rates_give_of_variants_and_of_long_quantiles():
    hidden = {kpi.name for kpi in KPIS if not kpi.exported}
    sums = {name for name in hidden if name.endswith("_seconds") and not name.startswith("handle_p")}
    assert sums == {
        f"{name}_seconds" for name in (
            "abandon_wait", "acw", "acw_state", "available", "contact_wait", "exception", "excused", "flowed_out_wait",
            "hold", "login", "not_ready", "on_contact", "paid", "reserved", "ring", "scheduled", "scheduled_on_queue",
            "talk", "wait",
        )
    }  # fmt: skip
    assert hidden - sums == {
        *(kpi.name for kpi in KPIS if kpi.name.startswith("service_level_") and kpi.name != "service_level_ratio"),
        *(f"handle_p{percent}_seconds" for percent in (50, 90, 95)),
    }


def test_adherence_of_who_keeps_to_the_schedule_is_one_and_nothing_is_excused():
    kept = Totals(adherence_ms={"scheduled": 1_000})
    values = {kpi.name: kpi.value(Reading(kept)) for kpi in KPIS_OF["agent"]}
    assert (values["adherence_ratio"], values["adherence_excused_ratio"]) == (1.0, 1.0)
    assert (values["exception_seconds"], values["excused_seconds"], values["conformance_ratio"]) == (0, 0, None)
