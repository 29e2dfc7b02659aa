"""The simulated centre as a whole: arrivals, staff and contacts on one clock."""

from collections.abc import Iterator

from service.domain.business_events import (
    CampaignAnnounced,
    CampaignEnded,
    CampaignStarted,
    IncidentClosed,
    IncidentOpened,
)
from service.domain.events import Event
from service.simulate.arrivals import Arrivals
from service.simulate.contacts import Contacts
from service.simulate.engine import Engine
from service.simulate.options import HOUR_MS, SimulationOptions
from service.simulate.plan import Plan, QueuePlan, build_plan
from service.simulate.scenarios import CAMPAIGN_ID, INCIDENT_ID, Label, is_withheld, labels_of


def simulate(options: SimulationOptions) -> Iterator[Event]:
    """Yield the events in order of time; the same options give the same events. Raises ValueError from the plan."""
    plan = build_plan(options)
    return _run(options, plan, labels_of(options, plan))


def labels(options: SimulationOptions) -> list[Label]:
    """What the scenario injects into these options' floor. Raises ValueError from the plan."""
    return labels_of(options, build_plan(options))


def _run(options: SimulationOptions, plan: Plan, injected: list[Label]) -> Iterator[Event]:
    engine = Engine(options)
    contacts = Contacts(engine, plan, injected)
    _announce(engine, contacts, injected)
    for queue in plan.queues:
        arrivals = Arrivals(queue.queue_id, queue.share * plan.contacts_per_hour, options, injected)
        _Door(engine, contacts, queue, arrivals).wait(options.start_ms)
    while engine.step():
        for event in engine.emitted:
            if not is_withheld(injected, event.occurred_at_ms):
                yield event
        engine.emitted.clear()


class _Door:
    """Where one queue's customers come in, one after the other."""

    def __init__(self, engine: Engine, contacts: Contacts, queue: QueuePlan, arrivals: Arrivals) -> None:
        self._engine = engine
        self._contacts = contacts
        self._queue = queue
        self._arrivals = arrivals

    def wait(self, after_ms: float) -> None:
        """Plan the next arrival; the fraction of a millisecond is kept, or many arrivals would drift."""
        at_ms = self._arrivals.next_after(after_ms)
        if at_ms is not None:
            self._engine.at(int(at_ms), self._open, at_ms)

    def _open(self, at_ms: float) -> None:
        self._contacts.arrive(self._queue)
        self.wait(at_ms)


def _announce(engine: Engine, contacts: Contacts, injected: list[Label]) -> None:
    """Plan what the injected faults themselves do and say."""
    for label in injected:
        if label.kind in ("outage", "absence"):
            engine.at(label.from_ms, contacts.staff.drop_out, label)
        elif label.kind == "campaign":
            about = {"campaign_id": CAMPAIGN_ID, "department": "marketing", "audience_size": 20_000, "reviewed": True}
            announced_ms = max(engine.now_ms, label.from_ms - 2 * HOUR_MS)
            for at_ms, kind in (
                (announced_ms, CampaignAnnounced),
                (label.from_ms, CampaignStarted),
                (label.to_ms, CampaignEnded),
            ):
                engine.at(at_ms, _say, engine, kind, about)
        elif label.kind == "fault":
            about = {"incident_id": INCIDENT_ID, "title": "Customers cannot sign in"}
            engine.at(label.from_ms, _say, engine, IncidentOpened, about)
            engine.at(label.to_ms, _say, engine, IncidentClosed, {"incident_id": INCIDENT_ID})


def _say(engine: Engine, kind: type[Event], about: dict[str, object]) -> None:
    engine.emit(kind, None, **about)
