"""Customer classes: what customers were moved to, whose contacts are in flight, and what counts for a class.

A visit has the class that its customer was last moved to (`customer.class_changed`) up to the visit's end; before any
move, the class its own events state. So a move takes effect at once on what waits, on every channel, and on what
comes later; what has ended keeps its class. A leg has the class of its visit.

Whatever a visit or leg with a class means for its queue is said once more for the class in that queue
(`class_scope`). Moves come in any order: the class is a function of all of them, and what changes is said as a
difference.
"""

from bisect import bisect_right, insort
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct, field

from service.domain.facts import Additive
from service.domain.state_keys import class_scope

MOVES_KEPT: Final = 8
"""Of more moves of one customer the oldest are forgotten."""

KEPT_MS: Final = 400 * 86_400_000
"""A move is forgotten so long after; the customer's contacts then have the class their own events state."""

SWEPT_EVERY: Final = 4096

ClassMove = tuple[int, str]
"""(when, the class moved to)"""


class ContactCustomer(Struct, array_like=True, gc=False):
    """What a contact knows of its customer. `moved` has, by visit, the class that a move gave it."""

    ref: str | None = None
    stated_class: str | None = None
    moved: dict[str, str] = field(default_factory=dict)


_encode = msgspec.msgpack.Encoder().encode
_decode_moves = msgspec.msgpack.Decoder(list[ClassMove]).decode


class Customers:
    """The customers of one source partition that were moved to a class, and the contacts in flight by customer."""

    def __init__(self) -> None:
        self.moves: dict[str, list[ClassMove]] = {}
        self.changed: set[str] = set()
        self._contacts: dict[str, list[str]] = {}
        self._newest_ms = 0
        self._until_sweep = SWEPT_EVERY

    def move(self, ref: str, at_ms: int, customer_class: str) -> bool:
        """Move a customer to a class; False if that is known already."""
        moves = self.moves.setdefault(ref, [])
        if (at_ms, customer_class) in moves:
            return False
        insort(moves, (at_ms, customer_class))
        del moves[:-MOVES_KEPT]
        self._newest_ms = max(self._newest_ms, at_ms)
        self.changed.add(ref)
        self._expire()
        return True

    def class_of(self, ref: str, arrived_ms: int, until_ms: int | None) -> str | None:
        """The class that a visit has by a move: the newest one up to `until_ms`, None for a visit that still waits."""
        moves = self.moves.get(ref)
        if not moves:
            return None
        index = len(moves) if until_ms is None else bisect_right(moves, until_ms, key=_when)
        if not index or moves[index - 1][0] <= arrived_ms - KEPT_MS:
            return None
        return moves[index - 1][1]

    def _expire(self) -> None:
        """Forget, once in a while, the customers whose moves are all too old to matter."""
        self._until_sweep -= 1
        if self._until_sweep > 0:
            return
        self._until_sweep = SWEPT_EVERY
        for ref in [ref for ref, moves in self.moves.items() if moves[-1][0] < self._newest_ms - 2 * KEPT_MS]:
            del self.moves[ref]
            self.changed.add(ref)

    def load(self, ref: str, value: bytes | None) -> None:
        """Take over what is stored of one customer; None: nothing any more."""
        if value is None:
            self.moves.pop(ref, None)
        else:
            self.moves[ref] = _decode_moves(value)
            self._newest_ms = max(self._newest_ms, self.moves[ref][-1][0])

    def drain(self) -> list[tuple[str, bytes | None]]:
        """What is to be stored of the customers that changed since the last call."""
        found = [(ref, _encode(self.moves[ref]) if ref in self.moves else None) for ref in self.changed]
        self.changed.clear()
        return found

    def join(self, ref: str, contact_id: str, alive: Collection[str]) -> None:
        """Remember that a contact in flight is the customer's. `alive` has all contacts in flight."""
        known = self._contacts.get(ref)
        if known is None:
            if len(self._contacts) > 2 * len(alive) + SWEPT_EVERY:
                self._contacts = {
                    r: kept for r, ids in self._contacts.items() if (kept := [i for i in ids if i in alive])
                }
            self._contacts[ref] = [contact_id]
        elif contact_id not in known:
            known[:] = [i for i in known if i in alive]
            known.append(contact_id)

    def contacts(self, ref: str) -> list[str]:
        """The customer's contacts, some of which may have been forgotten."""
        return sorted(self._contacts.get(ref, ()))


def _when(move: ClassMove) -> int:
    return move[0]


def for_class(facts: Iterable[Additive], customer_class: str | None) -> list[Additive]:
    """What facts about queues mean for a class; those about agents mean nothing, nor do any without a class."""
    if customer_class is None:
        return []
    return [
        msgspec.structs.replace(fact, scope=class_scope(customer_class, fact.scope.partition(":")[2]))
        for fact in facts
        if fact.scope.startswith("queue:")
    ]


def changed(before: Sequence[Additive], after: Sequence[Additive]) -> list[Additive]:
    """What to say when facts change from `before` to `after`: what is taken back first."""
    if before == after:
        return []
    was, now = Counter[Any](before), Counter[Any](after)
    gone = [msgspec.structs.replace(fact, sign=-1) for fact in (was - now).elements()]
    return gone + list((now - was).elements())
