"""What an Asterisk queue_log says about calls: its lines name call and queue, which visit and leg is found out here."""

from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple

from service.adapters.base import LONGEST_DURATION_MS, Envelope
from service.domain import events as ev
from service.domain.errors import InvalidEvent
from service.domain.events import Event

FORGET_AFTER_MS: Final = 48 * 3_600_000
"""A call without any line for so long is over, whatever became of it."""

_FORGET_EVERY: Final = 10_000


class LogLine(NamedTuple):
    """One line. `callid`, `queue` and `agent` are "" where the log says NONE; `data` follows the event's name."""

    at_ms: int
    callid: str
    queue: str
    agent: str
    event: str
    data: tuple[str, ...]

    def text(self, number: int) -> str:
        """Data field by its number from 1; "" if absent."""
        return self.data[number - 1]

    def seconds(self, number: int) -> int | None:
        """A duration in whole seconds, as milliseconds; None if the line states none. Raises InvalidEvent."""
        return self._duration(number, 1000)

    def milliseconds(self, number: int) -> int | None:
        """A duration that Asterisk writes in milliseconds (ringing); None if the line states none."""
        return self._duration(number, 1)

    def _duration(self, number: int, unit_ms: int) -> int | None:
        text = self.data[number - 1].rstrip("\\")  # text exports leave a backslash on the last column
        if not text:
            return None
        if not (text.isascii() and text.isdigit() and len(text) < 12) or int(text) * unit_ms > LONGEST_DURATION_MS:
            raise InvalidEvent("bad_field", f"{self.event} data{number} {text[:60]!r} is no duration")
        return int(text) * unit_ms

    def needs_agent(self) -> str:
        """The agent. Raises InvalidEvent for nobody."""
        return self.agent or self._missing("agent")

    def needs_queue(self) -> str:
        """The queue. Raises InvalidEvent for none."""
        return self.queue or self._missing("queue")

    def needs_call(self) -> str:
        """The call id. Raises InvalidEvent for none."""
        return self.callid or self._missing("callid")

    def _missing(self, name: str) -> str:
        raise InvalidEvent("missing_field", f"{self.event} without {name}")


@dataclass(slots=True)
class Leg:
    """An answered offer."""

    contact_id: str
    visit_id: str
    queue_id: str
    agent_id: str
    leg_id: str

    def fields(self) -> dict[str, Any]:
        """What every event of the leg says."""
        return {
            "contact_id": self.contact_id, "visit_id": self.visit_id, "queue_id": self.queue_id,
            "agent_id": self.agent_id, "leg_id": self.leg_id,
        }  # fmt: skip


@dataclass(slots=True, eq=False)
class Visit:
    """One stay in a queue. `entered_ms` None: the log does not tell, it may begin in the middle of a call."""

    contact_id: str
    visit_id: str
    queue_id: str
    seen_ms: int
    entered_ms: int | None = None
    leg: Leg | None = None
    offers: dict[str, int] = field(default_factory=dict)
    over: bool = False

    def fields(self) -> dict[str, Any]:
        """What every event of the visit says."""
        return {"contact_id": self.contact_id, "visit_id": self.visit_id, "queue_id": self.queue_id}

    def offer(self, agent_id: str) -> Leg:
        """The next offer of this visit to the agent."""
        number = self.offers[agent_id] = self.offers.get(agent_id, 0) + 1
        leg_id = f"{self.visit_id}/{agent_id}/{number}"
        return Leg(self.contact_id, self.visit_id, self.queue_id, agent_id, leg_id)


class Calls:
    """The calls of a log so far. Lines come roughly in order of time; what they imply but the log lacks is added."""

    def __init__(self) -> None:
        self._visits: dict[str, list[Visit]] = {}
        self._last_leg: dict[str, Leg] = {}
        self._lines = 0

    def enter(self, line: LogLine, envelope: Envelope) -> list[Event]:
        """ENTERQUEUE: offered. A second one under the same call id is a new visit, unless it is the same line again."""
        queue_id = line.needs_queue()
        visit = self._known(line)
        again = visit is not None and visit.entered_ms == line.at_ms
        belated = visit is not None and visit.entered_ms is None and visit.seen_ms >= line.at_ms
        if visit is None or not (again or belated):
            visit = self._new(line)
        visit.entered_ms = line.at_ms
        before = self._before(visit)
        initiation: Literal["inbound", "transfer"] = "transfer" if before is not None and before.leg else "inbound"
        from_queue_id = before.queue_id if before is not None else None
        return [
            ev.VisitQueued(
                **envelope(line.at_ms), contact_id=visit.contact_id, visit_id=visit.visit_id, queue_id=queue_id,
                initiation=initiation, from_queue_id=from_queue_id, position=_position(line.text(3)),
            )
        ]  # fmt: skip

    def connect(self, line: LogLine, envelope: Envelope) -> list[Event]:
        """CONNECT(hold, channel, ring): answered; the stated hold and ring times win over the clock."""
        visit = self._visit(line)
        visit.leg = self._offer(visit, line.needs_agent())
        visit.over = True
        return [
            ev.VisitAnswered(
                **envelope(line.at_ms), **visit.fields(), agent_id=visit.leg.agent_id, leg_id=visit.leg.leg_id,
                wait_ms=line.seconds(1), ring_ms=line.seconds(3),
            )
        ]  # fmt: skip

    def complete(self, line: LogLine, envelope: Envelope, releasing_party: Literal["agent", "customer"]) -> list[Event]:
        """COMPLETEAGENT, COMPLETECALLER(hold, talk, position): the agent's leg ends."""
        hold_ms, talk_ms = line.seconds(1), line.seconds(2)
        events, leg = self._answered(line, envelope, hold_ms, talk_ms)
        if leg is not None:
            events.append(
                ev.LegEnded(**envelope(line.at_ms), **leg.fields(), talk_ms=talk_ms, releasing_party=releasing_party)
            )
        return events

    def transfer(self, line: LogLine, envelope: Envelope, kind: Literal["blind", "attended"]) -> list[Event]:
        """The TRANSFER events: hold and talk stand behind the target, which LINK and THREEWAY write as two fields."""
        first = 4 if line.event == "ATTENDEDTRANSFER" and line.text(1).upper() in ("LINK", "THREEWAY") else 3
        hold_ms, talk_ms = line.seconds(first), line.seconds(first + 1)
        events, leg = self._answered(line, envelope, hold_ms, talk_ms)
        if leg is not None:
            events.append(
                ev.LegTransferred(**envelope(line.at_ms), **leg.fields(), transfer_kind=kind, talk_ms=talk_ms)
            )
        return events

    def abandon(self, line: LogLine, envelope: Envelope) -> list[Event]:
        """ABANDON(position, original position, wait). An agent named here was about to be bridged, but was not."""
        visit = self._visit(line)
        visit.over = True
        position = _position(line.text(1))
        return [ev.VisitAbandoned(**envelope(line.at_ms), **visit.fields(), wait_ms=line.seconds(3), position=position)]

    def flow_out(self, line: LogLine, envelope: Envelope, reason: str, wait_field: int) -> list[Event]:
        """The EXIT events: the caller went on without an agent and without hanging up."""
        visit = self._visit(line)
        visit.over = True
        wait_ms = line.seconds(wait_field)
        return [ev.VisitFlowedOut(**envelope(line.at_ms), **visit.fields(), wait_ms=wait_ms, outcome_reason=reason)]

    def refuse(self, line: LogLine, envelope: Envelope, reason: str) -> list[Event]:
        """FULL, CLOSED, JOINEMPTY: never let in, hence refused; one who was already queued flowed out."""
        line.needs_queue()
        visit = self._known(line)
        if visit is not None and visit.entered_ms is not None and not visit.over:
            visit.over = True
            return [ev.VisitFlowedOut(**envelope(line.at_ms), **visit.fields(), outcome_reason=reason)]
        visit = self._new(line)
        visit.over = True
        return [ev.VisitRefused(**envelope(line.at_ms), **visit.fields(), outcome_reason=reason)]

    def miss(self, line: LogLine, envelope: Envelope, reason: str) -> list[Event]:
        """RINGNOANSWER, RINGCANCELED(milliseconds): the agent did not take the offer."""
        leg = self._visit(line).offer(line.needs_agent())
        ring_ms = line.milliseconds(1)
        return [ev.LegMissed(**envelope(line.at_ms), **leg.fields(), ring_ms=ring_ms, reason=reason)]

    def fail(self, line: LogLine, envelope: Envelope, leaves_queue: bool) -> list[Event]:
        """AGENTDUMP: the agent hung up early, the caller waits on. SYSCOMPAT: no common codec, the caller is out."""
        visit = self._visit(line)
        events: list[Event] = []
        if line.agent:
            leg = visit.leg if visit.leg is not None and visit.leg.agent_id == line.agent else visit.offer(line.agent)
            events.append(ev.LegEnded(**envelope(line.at_ms), **leg.fields(), disposition="failed"))
        if leaves_queue and not visit.over:
            visit.over = True
            events.append(ev.VisitFlowedOut(**envelope(line.at_ms), **visit.fields(), outcome_reason="system"))
        return events

    def wrap_up(self, line: LogLine, envelope: Envelope) -> list[Event]:
        """WRAPUPSTART(seconds): names the agent only; it belongs to the agent's last call and ends by itself."""
        leg = self._last_leg.get(line.needs_agent())
        if leg is None:
            raise InvalidEvent("bad_line", f"WRAPUPSTART of {line.agent} without a call before it")
        return [ev.LegWrapupStarted(**envelope(line.at_ms), **leg.fields(), acw_ms=line.seconds(1))]

    def _answered(
        self, line: LogLine, envelope: Envelope, hold_ms: int | None, talk_ms: int | None
    ) -> tuple[list[Event], Leg | None]:
        """The leg that a line ends; the answer itself if the log lacks CONNECT: the stated talk time earlier."""
        visit = self._visit(line)
        if visit.leg is not None:
            return [], visit.leg
        answered_ms = line.at_ms - (talk_ms or 0)
        if visit.entered_ms is not None:
            answered_ms = max(answered_ms, visit.entered_ms)
        visit.over = True
        visit.leg = self._offer(visit, line.agent) if line.agent else None
        answered = ev.VisitAnswered(
            **envelope(answered_ms), **visit.fields(), wait_ms=hold_ms,
            agent_id=line.agent or None, leg_id=visit.leg.leg_id if visit.leg else None,
        )  # fmt: skip
        return [answered], visit.leg

    def _offer(self, visit: Visit, agent_id: str) -> Leg:
        leg = self._last_leg[agent_id] = visit.offer(agent_id)
        return leg

    def _known(self, line: LogLine) -> Visit | None:
        """The call's last visit to the line's queue; to any queue if the line names none."""
        visits = self._visits.get(line.needs_call(), [])
        return next((visit for visit in reversed(visits) if line.queue in ("", visit.queue_id)), None)

    def _visit(self, line: LogLine) -> Visit:
        return self._known(line) or self._new(line)

    def _new(self, line: LogLine) -> Visit:
        visits = self._visits.setdefault(line.callid, [])
        visit = Visit(line.callid, f"{line.callid}/{len(visits) + 1}", line.needs_queue(), line.at_ms)
        visits.append(visit)
        self._lines += 1
        if self._lines % _FORGET_EVERY == 0:
            self._forget(line.at_ms - FORGET_AFTER_MS)
        return visit

    def _before(self, visit: Visit) -> Visit | None:
        visits = self._visits[visit.contact_id]
        place = visits.index(visit)
        return visits[place - 1] if place else None

    def _forget(self, before_ms: int) -> None:
        """Drop old calls, so that a native topic can be read for years."""
        old = [callid for callid, visits in self._visits.items() if visits[-1].seen_ms < before_ms]
        for callid in old:
            del self._visits[callid]


def _position(text: str) -> int | None:
    """A place in the queue; None where the field holds something else, as in old versions."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else None
