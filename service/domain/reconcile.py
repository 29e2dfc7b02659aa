"""What the source's own list of what is open, or an agent who moved on, proves about contacts; and the synthetic events
that follow.
"""

from collections.abc import Callable, Iterable
from typing import Any

from service.domain import events as ev
from service.domain.business_events import AgentMovedOn, ConnectedLeg, SourceSnapshot, WaitingVisit
from service.domain.contact_record import ContactRecord
from service.domain.forced import CONNECTED, SNAPSHOT, WAITING
from service.domain.settings import ONE_AT_A_TIME, Floor
from service.domain.visits import Visit
from service.domain.watchdog import channel_of, closing, connected_since_ms, synthetic_id


def left_behind(record: ContactRecord, moved_on: AgentMovedOn, floor: Floor) -> list[ev.ContactEvent]:
    """Close the legs that the agent was connected to before, on channels where this agent has one contact at a time.

    A contact that the agent came back to at that moment or later is not left behind.
    """
    at_ms, made = moved_on.occurred_at_ms, []
    for leg in record.legs:
        if leg.agent_id != moved_on.agent_id or (since_ms := connected_since_ms(record, leg)) is None:
            continue
        if since_ms >= at_ms:
            return []
        channel = channel_of(record.visit_of(leg), record.queue_of(leg), floor)
        if channel in ONE_AT_A_TIME and floor.agent(moved_on.agent_id).capacity.get(channel, 1) == 1:
            made.append(closing(record, leg, CONNECTED, at_ms, moved_on.synthetic_reason or SNAPSHOT))
    return made


class Reconciliation:
    """One snapshot compared with the contacts of one partition.

    `is_home` says which contacts belong to this partition: only those are opened here.
    """

    def __init__(self, snapshot: SourceSnapshot, is_home: Callable[[str], bool]) -> None:
        self._snapshot, self._is_home = snapshot, is_home
        waiting, connected = snapshot.waiting, snapshot.connected
        self._waiting = _ids(waiting, snapshot.waiting_contact_ids)
        self._connected = _ids(connected, snapshot.connected_contact_ids)
        self._by = {leg.contact_id: leg for leg in connected or ()}
        self._queues = None if snapshot.queues is None else frozenset(snapshot.queues)

    def closures(self, record: ContactRecord) -> list[ev.ContactEvent]:
        """Close what this contact of the source's had open before the snapshot and the snapshot does not list."""
        snapshot, made = self._snapshot, []
        if record.source != snapshot.source or record.ended_ms is not None:
            return []
        at_ms, contact_id = snapshot.occurred_at_ms, record.contact_id
        if self._waiting is not None and contact_id not in self._waiting:
            for visit in record.visits:
                if visit.end_ms is None and visit.arrival_ms() < at_ms and self._covers(visit.queue_id):
                    by = self._by.get(contact_id)
                    made.append(
                        closing(record, visit, WAITING, at_ms, SNAPSHOT) if by is None else self._taken(visit, by)
                    )
        if self._connected is not None and contact_id not in self._connected:
            for leg in record.legs:
                since_ms = connected_since_ms(record, leg)
                if since_ms is not None and since_ms < at_ms and self._covers(record.queue_of(leg)):
                    made.append(closing(record, leg, CONNECTED, at_ms, SNAPSHOT))
        return made

    def openings(self, known: Callable[[str], ContactRecord | None]) -> list[ev.ContactEvent]:
        """Open what the snapshot lists and nothing was told of; `known` finds a contact in flight."""
        made: list[ev.ContactEvent] = []
        for waits in self._snapshot.waiting or ():
            if self._is_home(waits.contact_id) and not _is_known(known(waits.contact_id), waits):
                made.append(self._queued(waits))
        for connected in self._snapshot.connected or ():
            if self._is_home(connected.contact_id) and not _has_leg(known(connected.contact_id), connected):
                made.append(self._answered(connected))
        return made

    def _covers(self, queue_id: str | None) -> bool:
        return self._queues is None or queue_id in self._queues

    def _queued(self, waits: WaitingVisit) -> ev.VisitQueued:
        visit_id = waits.visit_id or f"{waits.contact_id}/{waits.queue_id}"[:256]
        about = self._about(waits.contact_id, visit_id, waits.since_ms)
        return ev.VisitQueued(**about, visit_id=visit_id, queue_id=waits.queue_id)

    def _answered(self, leg: ConnectedLeg) -> ev.LegAnswered:
        about = self._about(leg.contact_id, leg.leg_id or leg.agent_id, leg.since_ms)
        return ev.LegAnswered(
            **about, agent_id=leg.agent_id, visit_id=leg.visit_id, leg_id=leg.leg_id, queue_id=leg.queue_id
        )

    def _taken(self, visit: Visit, by: ConnectedLeg) -> ev.VisitAnswered:
        """The visit waited and its contact is connected: the answer was not told."""
        about = self._about(by.contact_id, visit.visit_id, by.since_ms)
        return ev.VisitAnswered(**about, visit_id=visit.visit_id, agent_id=by.agent_id, leg_id=by.leg_id)

    def _about(self, contact_id: str, what: str, since_ms: int | None) -> dict[str, Any]:
        snapshot = self._snapshot
        at_ms = snapshot.occurred_at_ms if since_ms is None else min(since_ms, snapshot.occurred_at_ms)
        return {
            "event_id": synthetic_id(contact_id, what, at_ms, SNAPSHOT), "occurred_at_ms": at_ms,
            "source": snapshot.source, "site": snapshot.site, "contact_id": contact_id, "synthetic": True,
            "synthetic_reason": SNAPSHOT,
        }  # fmt: skip


def forwarded(snapshot: SourceSnapshot) -> SourceSnapshot:
    """The snapshot as every partition gets it from the one that it came to."""
    made: dict[str, Any] = {name: getattr(snapshot, name) for name in snapshot.__struct_fields__}
    made |= {"event_id": synthetic_id(snapshot.event_id, SNAPSHOT), "agents": None, "corrects": None}
    return SourceSnapshot(**made | {"synthetic": True, "synthetic_reason": SNAPSHOT})


def agent_snapshots(snapshot: SourceSnapshot) -> list[ev.AgentSnapshot]:
    """What the snapshot says of each agent, as that agent's own snapshot. Of who is connected it says so elsewhere."""
    connected = {leg.agent_id for leg in snapshot.connected or ()}
    return [
        ev.AgentSnapshot(
            event_id=synthetic_id(snapshot.event_id, agent.agent_id), occurred_at_ms=snapshot.occurred_at_ms,
            source=snapshot.source, site=snapshot.site, synthetic=True, synthetic_reason=SNAPSHOT,
            agent_id=agent.agent_id, state=agent.state, reason=agent.reason, queues=agent.queues,
        )
        for agent in snapshot.agents or ()
        if agent.agent_id not in connected
    ]  # fmt: skip


def _ids(
    listed: Iterable[WaitingVisit] | Iterable[ConnectedLeg] | None, more: Iterable[str] | None
) -> frozenset[str] | None:
    """The contacts of a list; None if the snapshot says nothing about them."""
    if listed is None and more is None:
        return None
    return frozenset(entry.contact_id for entry in listed or ()) | frozenset(more or ())


def _is_known(record: ContactRecord | None, waits: WaitingVisit) -> bool:
    """Whether the visit is known, open or over; without an id: whether the contact was in that queue."""
    return record is not None and any(_is_visit(visit, waits) for visit in record.visits)


def _is_visit(visit: Visit, waits: WaitingVisit) -> bool:
    return visit.queue_id == waits.queue_id if waits.visit_id is None else visit.visit_id == waits.visit_id


def _has_leg(record: ContactRecord | None, connected: ConnectedLeg) -> bool:
    """Whether the agent is or was connected in that contact; one who only rings was connected unnoticed."""
    if record is None:
        return False
    return any(
        leg.agent_id == connected.agent_id and connected.leg_id in (None, leg.named, None)
        and (connected_since_ms(record, leg) is not None or leg.end_ms() is not None)
        for leg in record.legs
    )  # fmt: skip
