"""Which contacts of a partition the watchdog looks at, and when: a while after they begin, then when things are due."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from heapq import heappop, heappush
from typing import Final

from service.domain.contact_record import ContactRecord
from service.domain.contacts import Contact
from service.domain.contacts_kept import KeptContacts
from service.domain.events import ContactEvent, Event
from service.domain.settings import Floor
from service.domain.watchdog import LOOK_AGAIN_MS, Stuck

CONTACTS_OF_AGENT: Final = 16
"""An agent's contacts that are kept before it is looked which of them are still open."""


class ContactWatch:
    """The open contacts, by when to look at them next and by agent. Looking changes no contact."""

    def __init__(self, kept: KeptContacts, floor: Floor) -> None:
        self._kept, self._floor = kept, floor
        self._every_ms = floor.watchdog.shortest_ms if floor.watchdog is not None else LOOK_AGAIN_MS
        self._watched: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
        self._of_agent: defaultdict[str, dict[str, None]] = defaultdict(dict)
        self._most_of: dict[str, int] = {}

    def begin_again(self) -> None:
        """Note the agents of what is open after a recovery."""
        for contact in self._kept.contacts.values():
            if isinstance(contact, Contact):
                self._note_legs(contact.record)

    def heard(self, event: ContactEvent, record: ContactRecord) -> None:
        """Note whom the event tells to be with the contact; after a correction, anybody may be."""
        agent_id: str | None = getattr(event, "agent_id", None)
        if agent_id is not None:
            self._note(agent_id, record.contact_id)
        if record.amends is not None:
            self._note_legs(record)

    def _note_legs(self, record: ContactRecord) -> None:
        for leg in record.legs:
            if leg.agent_id is not None:
                self._note(leg.agent_id, record.contact_id)

    def _note(self, agent_id: str, contact_id: str) -> None:
        contacts = self._of_agent[agent_id]
        contacts[contact_id] = None
        if len(contacts) > self._most_of.get(agent_id, CONTACTS_OF_AGENT):
            self._most_of[agent_id] = CONTACTS_OF_AGENT + 2 * len(self.open_of(agent_id))

    def open_of(self, agent_id: str) -> list[ContactRecord]:
        """The open contacts that are, or were, with the agent."""
        found = list(self._open(self._of_agent.get(agent_id, ())))
        self._of_agent[agent_id] = {record.contact_id: None for record in found}
        return found

    def stuck(self, now_ms: Callable[[str, int], int]) -> list[Event]:
        """Events that close what has been open for too long; `now_ms` is the present by source and its newest time."""
        made: list[Event] = []
        for name, source in self._kept.sources.items():
            opened, watched = self._kept.opened[name], self._watched[name]
            if opened or watched:
                here_ms = now_ms(name, source.newest_ms)
                while opened and opened[0][0] + self._every_ms <= here_ms:
                    self._look(opened.popleft()[1], here_ms, watched, made)
                while watched and watched[0][0] <= here_ms:
                    self._look(heappop(watched)[1], here_ms, watched, made)
        return made

    def open_records(self) -> Iterator[ContactRecord]:
        """Every contact that is open, once."""
        lines = (*self._kept.opened.values(), *self._watched.values())
        return self._open({entry[1]: None for line in lines for entry in line})

    def _open(self, contact_ids: Iterable[str]) -> Iterator[ContactRecord]:
        for contact_id in contact_ids:
            contact = self._kept.contacts.get(contact_id)
            if isinstance(contact, Contact) and not contact.record.closed:
                yield contact.record

    def _look(self, contact_id: str, now_ms: int, watched: list[tuple[int, str]], made: list[Event]) -> None:
        contact = self._kept.contacts.get(contact_id)
        if isinstance(contact, Contact):  # else it is forgotten, or closed and packed until it is heard of again
            look = Stuck(contact.record, self._floor, now_ms)
            made += look.events
            again_ms = now_ms + self._every_ms
            heappush(watched, (again_ms if look.due_ms is None else min(look.due_ms, again_ms), contact_id))
