"""Two recordings of the same floor, such as a log file and its database table: what does one have that the other lacks?

An event is recognised by its type, its subject and its second: event ids differ between representations of a line, and
databases often keep fractions of a second that files do not.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from service.domain.codec import TYPE_OF
from service.domain.events import Event

EXAMPLES: Final = 20
"""How many of the events that one recording lacks are listed for each type."""

Key = tuple[str, str, int]
"""(type, subject, second)."""


@dataclass(frozen=True, slots=True)
class TypeDifference:
    """One event type that the recordings do not agree on: how many each has, and what only one of them has."""

    type: str
    first: int
    second: int
    only_first: list[Key]
    only_second: list[Key]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two recordings have in common and what not. `types` are those that differ, by name."""

    first: int
    second: int
    types: list[TypeDifference]

    @property
    def missing_in_first(self) -> list[str]:
        """Types that only the second recording has."""
        return [found.type for found in self.types if not found.first]

    @property
    def missing_in_second(self) -> list[str]:
        """Types that only the first recording has."""
        return [found.type for found in self.types if not found.second]


def compare(first: Iterable[Event], second: Iterable[Event]) -> Comparison:
    """Compare two recordings event by event."""
    ours, theirs = Counter(map(_key, first)), Counter(map(_key, second))
    types = [
        TypeDifference(
            kind, _count(ours, kind), _count(theirs, kind), _of(ours - theirs, kind), _of(theirs - ours, kind)
        )
        for kind in sorted({key[0] for key in (ours - theirs) + (theirs - ours)})
    ]
    return Comparison(ours.total(), theirs.total(), types)


def as_object(found: Comparison) -> dict[str, Any]:
    """The comparison for JSON; of what only one recording has, some examples."""

    def examples(keys: list[Key]) -> list[dict[str, Any]]:
        return [{"subject": subject, "occurred_at_ms": second * 1000} for _, subject, second in keys[:EXAMPLES]]

    return {
        "events": {"first": found.first, "second": found.second},
        "missing_in_first": found.missing_in_first,
        "missing_in_second": found.missing_in_second,
        "types": {
            one.type: {
                "first": one.first, "second": one.second,
                "only_first": len(one.only_first), "only_second": len(one.only_second),
                "examples_only_first": examples(one.only_first), "examples_only_second": examples(one.only_second),
            }
            for one in found.types
        },
    }  # fmt: skip


def _key(event: Event) -> Key:
    subject = getattr(event, "contact_id", None) or getattr(event, "agent_id", None) or event.source
    return TYPE_OF[type(event)], str(subject), event.occurred_at_ms // 1000


def _count(keys: Counter[Key], kind: str) -> int:
    return sum(count for key, count in keys.items() if key[0] == kind)


def _of(keys: Counter[Key], kind: str) -> list[Key]:
    """The keys of one type in order of time, each as often as it is there."""
    return sorted((key for key in keys.elements() if key[0] == kind), key=lambda key: (key[2], key[1]))
