"""KPIs by their definitions, from what happened: no running sums, each figure counts the things it is about."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import floor
from typing import Any, Final

from tests.oracle.agents import Agent
from tests.oracle.house import Level
from tests.oracle.legs import Stint
from tests.oracle.stays import Stay

Figures = dict[str, Any]
"""Name -> value: a number, None where undefined, or seconds by reason."""


@dataclass
class Happened:
    """What falls into one bucket. Each list has the things that are counted there."""

    offered: list[Stay] = field(default_factory=list)
    left: list[Stay] = field(default_factory=list)
    refused: list[Stay] = field(default_factory=list)
    rang: list[Stint] = field(default_factory=list)
    over: list[Stint] = field(default_factory=list)


def happened(stays: Sequence[Stay], stints: Sequence[Stint], since_ms: int, until_ms: int, arrival: bool) -> Happened:
    """What falls into [since, until): each thing at its own moment, or by arrival at the visit's enqueueing."""

    def within(at_ms: int | None, arrival_ms: int) -> bool:
        at_ms = arrival_ms if arrival and at_ms is not None else at_ms
        return at_ms is not None and since_ms <= at_ms < until_ms

    visits = [stay for stay in stays if stay.outcome != "refused"]
    return Happened(
        [stay for stay in visits if within(stay.arrival_ms, stay.arrival_ms)],
        [stay for stay in visits if stay.outcome and within(stay.end_ms, stay.arrival_ms)],
        [stay for stay in stays if stay.outcome == "refused" and within(stay.end_ms, stay.end_ms)],
        [s for s in stints if (s.missed or not s.consult) and within(s.over_ms, s.arrival_ms)],
        [s for s in stints if s.handled and within(s.end_ms, s.arrival_ms)],
    )


def ratio(part: float, whole: float) -> float | None:
    """Part of whole; undefined of nothing."""
    return part / whole if whole else None


def mean_s(values: Sequence[int], count: int | None = None) -> float | None:
    """Mean in seconds; undefined of nothing."""
    return ratio(sum(values) / 1000, len(values) if count is None else count)


def quantile_s(values: Sequence[int], q: float) -> float | None:
    """The value of rank floor(q (n - 1)) in seconds."""
    return sorted(values)[floor(q * (len(values) - 1))] / 1000 if values else None


def leg_figures(it: Happened, of_queue: bool) -> Figures:
    """What queues and agents have in common."""
    done = [stint for stint in it.over if not stint.consult]
    rings = [stint.ring_ms for stint in it.rang if stint.ring_ms is not None]
    talk, hold = sum(stint.talk_ms for stint in done), sum(stint.hold_ms for stint in done)
    acw = sum(stint.acw_ms or 0 for stint in done)
    held = [stint for stint in done if stint.hold_ms or stint.holds]
    return {
        "missed": sum(stint.missed for stint in it.rang),
        "handled": len(done),
        "handled_contacts": sum(s.first_in_queue if of_queue else s.first_of_agent for s in done),
        "transferred_out": sum(stint.transferred_out for stint in done),
        "consulted": len(it.over) - len(done),
        "conferenced": sum(stint.conferenced for stint in done),
        "holds": sum(stint.holds for stint in done),
        "average_talk_seconds": ratio(talk / 1000, len(done)),
        "average_hold_seconds": mean_s([stint.hold_ms for stint in held]),
        "average_acw_seconds": ratio(acw / 1000, len(done)),
        "aht_seconds": ratio((talk + hold + acw) / 1000, len(done)),
        "average_ring_seconds": mean_s(rings),
        "talk_seconds": talk / 1000,
        "hold_seconds": hold / 1000,
        "acw_seconds": acw / 1000,
        "ring_seconds": sum(rings) / 1000,
        "transfer_ratio": ratio(sum(stint.transferred_out for stint in done), len(done)),
    }


def queue_figures(it: Happened, level: Level, over: int = 0) -> Figures:
    """KPIs of a queue. `over`: visits waiting beyond their threshold now, for open windows."""
    by = {way: [stay for stay in it.left if stay.outcome == way] for way in OUTCOMES}
    waits = [stay.wait_ms for stay in by["answered"]]
    whole = [stay.wait_ms + stay.before_ms for stay in by["answered"]]
    gone = [stay.wait_ms for stay in by["abandoned"]]
    short = sum(stay.wait_ms <= stay.level.short_ms for stay in by["abandoned"])
    spent = [stint.talk_ms + stint.hold_ms + (stint.acw_ms or 0) for stint in it.over if not stint.consult]
    known = [stay for stay in it.offered if stay.returned is not None]
    return leg_figures(it, True) | service_levels(by, level, over) | {
        "offered": len(it.offered),
        "offered_contacts": sum(stay.first for stay in it.offered),
        **{way: len(stays) for way, stays in by.items()},
        "refused": len(it.refused),
        "short_abandoned": short,
        "answered_in_threshold": sum(map(in_time, by["answered"])),
        "abandoned_in_threshold": sum(map(in_time, by["abandoned"])),
        "transferred_in": sum(stay.transferred_in for stay in it.offered),
        "asa_seconds": mean_s(waits),
        "contact_wait_seconds": sum(whole) / 1000,
        "average_contact_wait_seconds": mean_s(whole),
        "max_wait_seconds": max(waits, default=0) / 1000 if waits else None,
        "average_abandon_seconds": mean_s(gone),
        "max_abandon_wait_seconds": max(gone) / 1000 if gone else None,
        "wait_p50_seconds": quantile_s(waits, 0.50),
        "wait_p90_seconds": quantile_s(waits, 0.90),
        "wait_p95_seconds": quantile_s(waits, 0.95),
        "handle_p50_seconds": quantile_s(spent, 0.50),
        "handle_p90_seconds": quantile_s(spent, 0.90),
        "handle_p95_seconds": quantile_s(spent, 0.95),
        "wait_seconds": sum(waits) / 1000,
        "abandon_wait_seconds": sum(gone) / 1000,
        "flowed_out_wait_seconds": sum(stay.wait_ms for stay in by["flowed_out"]) / 1000,
        "answer_ratio": ratio(len(waits), len(it.left)),
        "abandonment_ratio": ratio(len(gone) - short, sum(stay.level.abandonment for stay in it.left) - short),
        "callback_ratio": ratio(len(by["callback_requested"]), len(it.left)),
        "repeat_ratio": ratio(sum(bool(stay.returned) for stay in known), len(known)),
        "fcr_ratio": ratio(sum(not stay.followed for stay in known), len(known)),
    }  # fmt: skip


OUTCOMES = ("answered", "abandoned", "flowed_out", "callback_requested", "cancelled")


def in_time(stay: Stay) -> bool:
    """Within the threshold, the boundary included; without a threshold nothing is."""
    return stay.level.threshold_ms is not None and stay.wait_ms <= stay.level.threshold_ms


def service_levels(by: dict[str, list[Stay]], level: Level, over: int) -> Figures:
    """All variants of domain.md 2.1; visits waiting beyond the threshold count against all but `answered_only`."""
    ans, ans_t = len(by["answered"]), sum(map(in_time, by["answered"]))
    abn, abn_t = len(by["abandoned"]), sum(map(in_time, by["abandoned"]))
    abn_s = sum(stay.wait_ms <= stay.level.short_ms for stay in by["abandoned"])
    cb_t = sum(map(in_time, by["callback_requested"]))
    abandons, shorts, flow_outs = level.genesys
    against = abn * abandons - abn_s * (not shorts) + len(by["flowed_out"]) * flow_outs
    if level.threshold_ms is None:
        parts: dict[str, tuple[int, int]] = dict.fromkeys(VARIANTS, (0, 0))
    else:
        parts = {
            "answered_only": (ans_t, ans),
            "abandon_negative": (ans_t, ans + abn + over),
            "abandon_ignored": (ans_t, ans + abn - abn_t + over),
            "abandon_positive": (ans_t + abn_t, ans + abn + over),
            "short_positive": (ans_t + abn_s, ans + abn + over),
            "genesys": (ans_t, max(ans, ans + against) + over),
            "dequeued": (ans_t + abn_t + cb_t, sum(map(len, by.values())) + over),
        }
    ratios = {f"service_level_{name}_ratio": ratio(*part) for name, part in parts.items()}
    return {**ratios, "service_level_ratio": ratio(*parts[level.variant])}


VARIANTS = (
    "answered_only", "abandon_negative", "abandon_ignored", "abandon_positive", "short_positive", "genesys", "dequeued",
)  # fmt: skip
STATE_FIGURES = {
    "ready": "available_seconds", "on_contact": "on_contact_seconds", "acw": "acw_state_seconds",
    "not_ready": "not_ready_seconds", "reserved": "reserved_seconds",
}  # fmt: skip


def not_ready(agent: Agent, since_ms: int, until_ms: int) -> dict[str, int]:
    """Reason -> milliseconds not ready for it in [since, until); `unstated` if none was told."""
    found: dict[str, int] = {}
    for length, stretch in agent.spans(since_ms, until_ms):
        if stretch.state == "not_ready":
            found[stretch.reason or "unstated"] = found.get(stretch.reason or "unstated", 0) + length
    return found


def shrinkage(by_reason: Mapping[str, int], kinds: Mapping[str, str], login_ms: int) -> Figures:
    """Unavailable paid time over paid time, which is login time; what goes beyond it is left out, external first."""
    lost = {"internal": 0, "external": 0, "productive": 0}
    for reason, length in by_reason.items():
        lost[kinds.get(reason, "internal")] += length
    internal = min(lost["internal"], login_ms)
    external = min(lost["external"], login_ms - internal)
    return {
        "shrinkage_ratio": ratio(internal + external, login_ms),
        "shrinkage_internal_ratio": ratio(internal, login_ms),
        "shrinkage_external_ratio": ratio(external, login_ms),
    }


UNSCHEDULED_NOW: Final[Figures] = {"agents_scheduled": None, "agents_absent": None}
UNSCHEDULED: Final[Figures] = {
    **dict.fromkeys(("scheduled_seconds", "exception_seconds", "excused_seconds", "scheduled_on_queue_seconds"), 0),
    **dict.fromkeys(("adherence_ratio", "adherence_excused_ratio", "conformance_ratio")),
}
"""Of agents without a schedule and their queues, as all are here; test_adherence.py has those with one."""


def agent_figures(it: Happened, agent: Agent, since_ms: int, until_ms: int, kinds: Mapping[str, str]) -> Figures:
    """KPIs of an agent: what falls into the bucket, and the states in [since, until)."""
    spans = agent.spans(since_ms, until_ms)
    spent = {
        name: sum(length for length, stretch in spans if stretch.state == state) / 1000
        for state, name in STATE_FIGURES.items()
    }
    login = sum(length for length, stretch in spans if stretch.logged_in) / 1000
    busy = spent["reserved_seconds"] + spent["on_contact_seconds"] + spent["acw_state_seconds"]
    handled = sum(not stint.consult for stint in it.over)
    by_reason = not_ready(agent, since_ms, until_ms)
    return leg_figures(it, False) | spent | UNSCHEDULED | shrinkage(by_reason, kinds, round(login * 1000)) | {
        "not_ready_seconds_by_reason": {reason: length / 1000 for reason, length in by_reason.items()},
        "answered": sum(not stint.missed for stint in it.rang),
        "transferred_in": sum(stint.transferred_in and not stint.consult for stint in it.over),
        "login_seconds": login if agent.own.seen else None,
        "paid_seconds": login,
        "occupancy_ratio": ratio(busy, busy + spent["available_seconds"]),
        "utilisation_ratio": ratio(min(busy + spent["available_seconds"], login), login),
        "contacts_per_hour": ratio(handled * 3600, login),
    }  # fmt: skip
