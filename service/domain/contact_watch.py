"""Which contacts of a partition the watchdog looks at, and when: a while after they begin, then when things are due."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from heapq import heappop, heappush

from service.domain.contact_record import ContactRecord
from service.domain.contacts import Contact
from service.domain.contacts_kept import KeptContacts
from service.domain.events import Event
from service.domain.settings import Floor
from service.domain.watchdog import LOOK_AGAIN_MS, Stuck


class ContactWatch:
    """The open contacts, by when to look at them next. Looking changes no contact."""

    def __init__(self, kept: KeptContacts, floor: Floor) -> None:
        self._kept, self._floor = kept, floor
        self._every_ms = floor.watchdog.shortest_ms if floor.watchdog is not None else LOOK_AGAIN_MS
        self._watched: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)

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
        ids = {entry[1]: None for line in (*self._kept.opened.values(), *self._watched.values()) for entry in line}
        for contact_id in ids:
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
