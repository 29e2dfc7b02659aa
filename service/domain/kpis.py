"""The KPI registry: one row per KPI. API fields, Prometheus metrics, reports and documents are generated from it."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

import msgspec

from service.domain.adherence import ABSENT, EXCUSED, LOST, ON_QUEUE_TIME, OUT, PAID, PLANNED_ON_QUEUE, SCHEDULED
from service.domain.service_level import VARIANTS, closed, ratio, service_level
from service.domain.settings import ReasonKind, ServiceLevel, Variant
from service.domain.totals import Totals, quantile_ms

Unit = Literal["count", "seconds", "ratio", "per_hour"]
Kind = Literal["queue", "agent"]
Better = Literal["higher", "lower", "neither"]

_LEVEL: Final = ServiceLevel()
_NO_KINDS: Final[Mapping[str, ReasonKind]] = MappingProxyType({})
STAFF_STATES: Final = ("available", "reserved", "on_contact", "acw", "not_ready")


class Reading(msgspec.Struct):
    """What a KPI is computed from: the totals of a bucket and, for what is true now, the state beside them.

    The fields after `totals` are None (or 0) where the bucket has no "now": closed intervals, and agents' share of a
    queue's state. `closed_with_abandonment` counts, of several queues together, the visits that left those in which
    customers can abandon; None: they all can, or none. `judged` has the totals of those that have a threshold, of which
    a service level is made; None: they all have one, or none.
    """

    totals: Totals
    level: ServiceLevel = _LEVEL
    waiting: int | None = None
    over_threshold: int = 0
    oldest_wait_ms: int | None = None
    staff: dict[str, int] | None = None
    expected_wait_ms: float | None = None
    closed_with_abandonment: float | None = None
    login_seen: bool = True
    state_ms: int | None = None
    reason_kinds: Mapping[str, ReasonKind] = _NO_KINDS
    judged: Totals | None = None


@dataclass(frozen=True, slots=True)
class Kpi:
    """One KPI. `name` ends with its unit; `value` returns None while undefined; `exported` ones become Prometheus
    series.
    """

    name: str
    chinese: str
    unit: Unit
    scopes: tuple[Kind, ...]
    better: Better
    help: str
    value: Callable[[Reading], float | int | None]
    exported: bool = True


QUEUE: Final[tuple[Kind, ...]] = ("queue",)
AGENT: Final[tuple[Kind, ...]] = ("agent",)
BOTH: Final[tuple[Kind, ...]] = ("queue", "agent")


def _count(name: str, chinese: str, help_: str, scopes: tuple[Kind, ...] = QUEUE, better: Better = "neither") -> Kpi:
    return Kpi(name, chinese, "count", scopes, better, help_, lambda r: getattr(r.totals, name))


def _sum(name: str, chinese: str, help_: str, scopes: tuple[Kind, ...] = BOTH) -> Kpi:
    total = name.removesuffix("_seconds") + "_ms"
    return Kpi(name, chinese, "seconds", scopes, "neither", help_, lambda r: getattr(r.totals, total) / 1000, False)


def _mean(name: str, chinese: str, help_: str, total: str, count: str, scopes: tuple[Kind, ...], better: Better) -> Kpi:
    def value(r: Reading) -> float | None:
        return ratio(getattr(r.totals, total) / 1000, getattr(r.totals, count))

    return Kpi(name, chinese, "seconds", scopes, better, help_, value)


def _wait_quantile(percent: int, chinese: str) -> Kpi:
    help_ = f"{percent} % of answered visits waited no longer, within 1 % of the true value."
    return Kpi(
        f"wait_p{percent}_seconds", chinese, "seconds", QUEUE, "lower", help_,
        lambda r: _seconds(quantile_ms(r.totals.wait_sketch, percent / 100)),
    )  # fmt: skip


def _handle_quantile(percent: int, chinese: str) -> Kpi:
    help_ = f"{percent} % of handled legs took no longer (talk + hold + after-call work), within 1 % of the true value."
    return Kpi(
        f"handle_p{percent}_seconds", chinese, "seconds", QUEUE, "neither", help_,
        lambda r: _seconds(quantile_ms(r.totals.handle_sketch, percent / 100)), False,
    )  # fmt: skip


def _judged_level(r: Reading, variant: Variant | None = None) -> float | None:
    return service_level(r.totals if r.judged is None else r.judged, r.over_threshold, r.level, variant)


def _level(variant: Variant, chinese: str) -> Kpi:
    help_ = (VARIANTS[variant].__doc__ or "").strip()
    name = f"service_level_{variant}_ratio"
    return Kpi(
        name, chinese, "ratio", QUEUE, "higher", help_,
        lambda r: _judged_level(r, variant), False,
    )  # fmt: skip


def _staff(state: str, chinese: str, help_: str) -> Kpi:
    def value(r: Reading) -> int | None:
        if r.staff is None:
            return None
        return sum(r.staff.get(s, 0) for s in STAFF_STATES) if state == "staffed" else r.staff.get(state, 0)

    return Kpi(f"agents_{state}", chinese, "count", QUEUE, "neither", help_, value)


def _planned_staff(what: str, chinese: str, help_: str) -> Kpi:
    help_ += " null where nobody has a schedule."
    return Kpi(f"agents_{what}", chinese, "count", QUEUE, "neither", help_, lambda r: (r.staff or {}).get(what))


def _longest(name: str, chinese: str, help_: str, attribute: str) -> Kpi:
    def value(r: Reading) -> float | None:
        longest = getattr(r.totals, attribute)
        return max(longest) / 1000 if longest else None

    return Kpi(name, chinese, "seconds", QUEUE, "lower", help_, value)


def _state(name: str, chinese: str, help_: str) -> Kpi:
    return _sum(name, chinese, help_, AGENT)


def _busy_ms(t: Totals) -> int:
    return t.reserved_ms + t.on_contact_ms + t.acw_state_ms


def _paid_ms(t: Totals) -> int:
    """Paid time: by the schedule on days that are planned, else login time."""
    return t.login_ms + t.adherence_ms.get(PAID, 0)


def _lost_ms(r: Reading) -> tuple[int, int]:
    """Paid time lost for internal and for external reasons. What goes beyond the paid time is not paid: what is
    external is cut off first.
    """
    by_reason = Counter(r.totals.not_ready_by_reason)
    for key, time_ms in r.totals.adherence_ms.items():
        if key.startswith(LOST):
            by_reason[key.removeprefix(LOST)] += time_ms
    lost = Counter[ReasonKind]()
    for reason, time_ms in by_reason.items():
        lost[r.reason_kinds.get(reason, "external" if reason == ABSENT else "internal")] += time_ms
    paid_ms = max(0, _paid_ms(r.totals))
    internal_ms = min(lost["internal"], paid_ms)
    return internal_ms, min(lost["external"], paid_ms - internal_ms)


def _adherence(name: str, chinese: str, help_: str, key: str) -> Kpi:
    return Kpi(
        name, chinese, "seconds", AGENT, "neither", help_, lambda r: r.totals.adherence_ms.get(key, 0) / 1000, False
    )


def _adhered(t: Totals, excused: bool) -> float | None:
    """1 - time out of adherence / scheduled time that counts."""
    sums = t.adherence_ms
    scheduled_ms = sums.get(SCHEDULED, 0)
    return ratio(scheduled_ms - sums.get(OUT, 0) + (sums.get(EXCUSED, 0) if excused else 0), scheduled_ms)


def _contact_wait_ms(t: Totals) -> int:
    return t.wait_ms + t.waited_before_ms


def _login_seconds(r: Reading) -> float | None:
    return r.totals.login_ms / 1000 if r.login_seen else None


def _abandonment(r: Reading) -> float | None:
    if not r.level.abandonment:
        return None
    left = closed(r.totals) if r.closed_with_abandonment is None else r.closed_with_abandonment
    return ratio(r.totals.abandoned - r.totals.short_abandoned, left - r.totals.short_abandoned)


def _seconds(value_ms: float | None) -> float | None:
    return None if value_ms is None else value_ms / 1000


KPIS: Final[tuple[Kpi, ...]] = (
    _count("offered", "呼入量", "Visits that entered the queue."),
    Kpi("offered_contacts", "呼入联络数", "count", QUEUE, "neither",
        "Distinct contacts among the offered: each counts in the queue it entered first, hence once in a roll-up.",
        lambda r: r.totals.offered - r.totals.offered_again),
    _count("answered", "接听量", "Visits answered by an agent; for an agent, contacts answered.", BOTH, "higher"),
    _count("abandoned", "放弃量", "Visits whose customer left while queued or ringing.", QUEUE, "lower"),
    _count("short_abandoned", "短放弃量", "Abandoned within the short-abandon limit.", QUEUE),
    _count("flowed_out", "溢出量", "Visits that left without abandon and without agent.", QUEUE, "lower"),
    _count("callback_requested", "回呼请求量", "Visits whose customer accepted a callback."),
    _count("cancelled", "取消量", "Visits taken back by the system."),
    _count("refused", "拒绝进线量", "Contacts the queue did not let in; not offered.", QUEUE, "lower"),
    _count("answered_in_threshold", "阈值内接听量", "Answered after at most the threshold.", QUEUE, "higher"),
    _count("abandoned_in_threshold", "阈值内放弃量", "Abandoned after at most the threshold."),
    Kpi("waiting", "当前排队数", "count", QUEUE, "lower", "Visits waiting now.", lambda r: r.waiting),
    Kpi("waiting_over_threshold", "超时排队数", "count", QUEUE, "lower",
        "Visits waiting longer than the threshold now.",
        lambda r: None if r.waiting is None else r.over_threshold),
    _count("handled", "处理量", "Agent legs that ended; a transferred contact counts once per agent.", BOTH),
    _count("handled_contacts", "处理联络数",
        "Distinct contacts among the handled, counted where the first leg ended.", BOTH),
    _count("missed", "振铃未接", "Offers to an agent that were not taken.", BOTH, "lower"),
    _count("transferred_out", "转出量", "Handled legs that the agent transferred.", BOTH),
    _count("transferred_in", "转入量", "Contacts that came by transfer.", BOTH),
    _count("consulted", "咨询量", "Consultation legs; neither offered nor handled.", BOTH),
    _count("conferenced", "会议量", "Parties added to handled legs.", BOTH),
    _count("holds", "保持次数", "Times a customer was put on hold, of handled legs.", BOTH),
    Kpi("oldest_wait_seconds", "最长等待", "seconds", QUEUE, "lower", "How long the longest waiting visit has waited.",
        lambda r: _seconds(r.oldest_wait_ms)),
    _mean("asa_seconds", "平均应答速度", "Mean wait of answered visits.", "wait_ms", "answered", QUEUE, "lower"),
    Kpi("average_contact_wait_seconds", "联络平均等待", "seconds", QUEUE, "lower",
        "Mean time from the contact's entry into its first queue to the answer; a transfer does not start it anew.",
        lambda r: ratio(_contact_wait_ms(r.totals) / 1000, r.totals.answered)),
    _longest("max_wait_seconds", "最长应答等待", "Longest wait of an answered visit.", "longest_waits_ms"),
    _mean("average_abandon_seconds", "平均放弃时长", "Mean wait of abandoned visits.", "abandon_wait_ms",
        "abandoned", QUEUE, "neither"),
    _longest("max_abandon_wait_seconds", "最长放弃等待", "Longest wait of an abandoned visit.",
        "longest_abandon_waits_ms"),
    _wait_quantile(50, "等待中位数"),
    _wait_quantile(90, "等待九十分位"),
    _wait_quantile(95, "等待九十五分位"),
    _handle_quantile(50, "处理时间中位数"),
    _handle_quantile(90, "处理时间九十分位"),
    _handle_quantile(95, "处理时间九十五分位"),
    Kpi("expected_wait_seconds", "预计等待", "seconds", QUEUE, "lower",
        "Oldest wait + mean handle time of the last hour / contacts the agents serving can have; null without staff.",
        lambda r: _seconds(r.expected_wait_ms)),
    _mean("average_talk_seconds", "平均谈话时间", "Mean talk, hold excluded, of handled legs.", "talk_ms",
        "handled", BOTH, "neither"),
    _mean("average_hold_seconds", "平均保持时长", "Mean hold of legs that were held.", "hold_ms",
        "held", BOTH, "lower"),
    _mean("average_acw_seconds", "平均话后处理时长", "After-call work per handled leg.", "acw_ms",
        "handled", BOTH, "neither"),
    Kpi("aht_seconds", "平均处理时间", "seconds", BOTH, "neither", "(Talk + hold + after-call work) / handled legs.",
        lambda r: ratio((r.totals.talk_ms + r.totals.hold_ms + r.totals.acw_ms) / 1000, r.totals.handled)),
    _mean("average_ring_seconds", "平均振铃时长", "Mean ring time of offers answered or missed.", "ring_ms",
        "rung", BOTH, "lower"),
    _sum("talk_seconds", "谈话时间", "Talk, hold excluded, of handled legs."),
    _sum("hold_seconds", "保持时长", "Hold of handled legs."),
    _sum("acw_seconds", "话后处理时长", "After-call work of handled legs, counted where the leg ended."),
    _sum("ring_seconds", "振铃时长", "Ring time of offers answered or missed."),
    _sum("wait_seconds", "等待时长", "Wait of answered visits.", QUEUE),
    Kpi("contact_wait_seconds", "联络等待时长", "seconds", QUEUE, "neither",
        "From the contact's entry into its first queue to the answer, of answered visits.",
        lambda r: _contact_wait_ms(r.totals) / 1000, False),
    _sum("abandon_wait_seconds", "放弃等待时长", "Wait of abandoned visits.", QUEUE),
    _sum("flowed_out_wait_seconds", "溢出等待时长", "Wait of visits that flowed out.", QUEUE),
    Kpi("login_seconds", "登录时长", "seconds", AGENT, "neither",
        "Time signed in or member of a queue; null if neither was ever seen.", _login_seconds, False),
    _state("available_seconds", "空闲时长", "Time ready for a contact."),
    _state("reserved_seconds", "预留时长", "Time being offered a contact and not connected."),
    _state("on_contact_seconds", "通话状态时长", "Time connected to at least one contact, after-call work excluded."),
    _state("acw_state_seconds", "话后状态时长", "Time in after-call work and not connected."),
    _state("not_ready_seconds", "未就绪时长", "Time not ready."),
    _adherence("scheduled_seconds", "排班时长",
        "Scheduled time that counts for adherence: not excused by an exception, and with a known state.", SCHEDULED),
    _adherence("exception_seconds", "违反排班时长", "Scheduled time in a state that does not fit the activity.", OUT),
    _adherence("excused_seconds", "豁免时长",
        "Part of `exception_seconds` that grace or an overlong contact excuses.", EXCUSED),
    _adherence("scheduled_on_queue_seconds", "排班接待时长",
        "Time scheduled for contacts and not excused by an exception.", PLANNED_ON_QUEUE),
    Kpi("paid_seconds", "计薪时长", "seconds", AGENT, "neither",
        "Paid time: by the schedule on days for which there is one, else login time.",
        lambda r: _paid_ms(r.totals) / 1000, False),
    Kpi("state_seconds", "当前状态时长", "seconds", AGENT, "neither", "Time in the present state.",
        lambda r: _seconds(r.state_ms)),
    Kpi("service_level_ratio", "服务水平", "ratio", QUEUE, "higher",
        "Service level by the queue's own variant and threshold.",
        _judged_level),
    _level("answered_only", "服务水平(仅接听)"),
    _level("abandon_negative", "服务水平(放弃计负)"),
    _level("abandon_ignored", "服务水平(忽略放弃)"),
    _level("abandon_positive", "服务水平(放弃计正)"),
    _level("short_positive", "服务水平(短放弃计正)"),
    _level("genesys", "服务水平(Genesys)"),
    _level("dequeued", "服务水平(出队)"),
    Kpi("answer_ratio", "接通率", "ratio", QUEUE, "higher", "Answered / visits that left the queue.",
        lambda r: ratio(r.totals.answered, closed(r.totals))),
    Kpi("abandonment_ratio", "放弃率", "ratio", QUEUE, "lower",
        "(Abandoned - short abandons) / (visits that left the queue - short abandons); null where nobody can abandon.",
        _abandonment),
    Kpi("callback_ratio", "回呼率", "ratio", QUEUE, "neither", "Callbacks accepted / visits that left the queue.",
        lambda r: ratio(r.totals.callback_requested, closed(r.totals))),
    Kpi("repeat_ratio", "重复来电率", "ratio", QUEUE, "lower",
        "Contacts whose customer had been in contact within the return window before (after an abandon as well as "
        "after an answer) / contacts of known customers; a contact counts in its first queue, when it arrived.",
        lambda r: ratio(r.totals.returned, r.totals.identified)),
    Kpi("fcr_ratio", "一次解决率", "ratio", QUEUE, "higher",
        "First-contact resolution: 1 - contacts that another of the same customer followed within the return window "
        "/ contacts of known customers. Final only when the window is over.",
        lambda r: ratio(r.totals.identified - r.totals.followed, r.totals.identified)),
    Kpi("transfer_ratio", "转接率", "ratio", BOTH, "lower", "Transferred out / handled legs.",
        lambda r: ratio(r.totals.transferred_out, r.totals.handled)),
    Kpi("occupancy_ratio", "占用率", "ratio", AGENT, "neither",
        "(Reserved + on contact + after-call work) / (the same + available).",
        lambda r: ratio(_busy_ms(r.totals), _busy_ms(r.totals) + r.totals.available_ms)),
    Kpi("utilisation_ratio", "工时利用率", "ratio", AGENT, "higher",
        "(Busy + available) / paid time; paid time is login time on days without a schedule.",
        lambda r: ratio(min(_busy_ms(r.totals) + r.totals.available_ms, _paid_ms(r.totals)), _paid_ms(r.totals))),
    Kpi("shrinkage_ratio", "缩减率", "ratio", AGENT, "neither",
        "Paid time lost, not ready or away, for reasons that count as shrinkage / paid time: internal + external. Paid "
        "time is login time on days without a schedule.", lambda r: ratio(sum(_lost_ms(r)), _paid_ms(r.totals))),
    Kpi("shrinkage_internal_ratio", "内部缩减率", "ratio", AGENT, "neither",
        "Paid time lost for internal reasons (break, training, meeting; also any reason the configuration does not "
        "name) / paid time.", lambda r: ratio(_lost_ms(r)[0], _paid_ms(r.totals))),
    Kpi("shrinkage_external_ratio", "外部缩减率", "ratio", AGENT, "neither",
        "Paid time lost for reasons that the configuration calls external (leave), or absent from work / paid time.",
        lambda r: ratio(_lost_ms(r)[1], _paid_ms(r.totals))),
    Kpi("adherence_ratio", "排班遵守率", "ratio", AGENT, "higher",
        "1 - exception time / scheduled time; null without a schedule.", lambda r: _adhered(r.totals, False)),
    Kpi("adherence_excused_ratio", "排班遵守率(豁免后)", "ratio", AGENT, "higher",
        "The same with grace and overlong contacts excused as configured.", lambda r: _adhered(r.totals, True)),
    Kpi("conformance_ratio", "工时符合率", "ratio", AGENT, "neither",
        "Time available or busy on scheduled days / time scheduled for contacts, whenever it was; may exceed 1.",
        lambda r: ratio(r.totals.adherence_ms.get(ON_QUEUE_TIME, 0), r.totals.adherence_ms.get(PLANNED_ON_QUEUE, 0))),
    Kpi("contacts_per_hour", "每小时处理量", "per_hour", AGENT, "higher", "Handled legs / hours signed in.",
        lambda r: ratio(r.totals.handled * 3_600_000, r.totals.login_ms)),
    _staff("staffed", "在岗座席", "Agents serving the queue in any state but offline."),
    _staff("available", "空闲座席", "Agents ready for the queue."),
    _staff("reserved", "振铃座席", "Agents being offered a contact."),
    _staff("on_contact", "通话座席", "Agents connected."),
    _staff("acw", "话后座席", "Agents in after-call work."),
    _staff("not_ready", "未就绪座席", "Agents not ready for the queue."),
    _planned_staff("scheduled", "排班座席", "Agents who serve the queue and are scheduled for contacts now."),
    _planned_staff("absent", "缺勤座席", "Of these, agents who are out of adherence beyond what is excused."),
)  # fmt: skip

KPIS_OF: Final[dict[Kind, tuple[Kpi, ...]]] = {
    kind: tuple(kpi for kpi in KPIS if kind in kpi.scopes) for kind in ("queue", "agent")
}


def not_ready_seconds_by_reason(totals: Totals) -> dict[str, float]:
    """What `not_ready_seconds` is made of: seconds by reason."""
    return {reason: time_ms / 1000 for reason, time_ms in sorted(totals.not_ready_by_reason.items())}


def read_kpis(kind: Kind, reading: Reading) -> dict[str, float | int | None]:
    """Every KPI of the kind of scope, by name."""
    return {kpi.name: kpi.value(reading) for kpi in KPIS_OF[kind]}
