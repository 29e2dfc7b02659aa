"""What a contact's events come to."""

from collections.abc import Iterable
from dataclasses import dataclass

from tests.oracle.house import House
from tests.oracle.legs import Legs, Stint
from tests.oracle.stays import Stay, Told, is_about, stay_of


@dataclass
class Life:
    """One contact."""

    stays: list[Stay]
    stints: list[Stint]
    ended: bool

    @property
    def closed(self) -> bool:
        """Nothing waits, rings, is connected or in after-call work whose end is to come."""
        if self.ended:
            return not any(stint.wrapping for stint in self.stints)
        return not any(stay.told_open for stay in self.stays) and not any(stint.open for stint in self.stints)


def live(told: Iterable[Told], house: House) -> Life:
    """What the events come to, in whatever order they were told."""
    events = sorted(told, key=lambda one: (one[0], one[1]["event_id"]))
    ends = [one for one in events if one[1]["type"] == "contact.ended"]
    names = dict.fromkeys(event["visit_id"] for _, event in events if event["type"].startswith("visit."))
    stays = [stay_of([one for one in events if is_about(one, name)], ends[:1], house) for name in names]
    stints = Legs(events, stays, ends[0][0] if ends else None).stints()
    return Life(stays, stints, bool(ends))
