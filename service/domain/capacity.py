"""How many contacts an agent has and can still take, by channel.

An agent takes one contact at a time unless the configuration gives more for a channel. A contact of a channel with
room for one takes the agent whole. Contacts of channels with room for several share the agent, each channel up to its
own number. A contact takes its room from the offer until the end of its after-call work; after-call work of a stated
length does not.
"""

from collections.abc import Callable, Iterable, Mapping

from service.domain.agents import AgentRecord, AgentTimeline
from service.domain.facts import LegMoved, Move
from service.domain.steps import Change
from service.domain.totals import bump


def count_contacts(contacts: dict[str, int], channel: str, moves: Iterable[Move]) -> None:
    """Count a leg's moves, in any order: what enters a phase and does not leave it is one contact more."""
    amount = sum(sign for _, _, sign in moves)
    if amount:
        bump(contacts, channel, amount)


def free_capacity(channel: str, capacity: Mapping[str, int], contacts: Mapping[str, int]) -> int:
    """How many contacts of the channel fit beside those the agent has. `capacity` names channels with room for
    several.
    """
    most = capacity.get(channel, 1)
    busy = [other for other, count in contacts.items() if count > 0]
    if most == 1:
        return 0 if busy else 1
    if any(capacity.get(other, 1) == 1 for other in busy):
        return 0
    return max(0, most - contacts.get(channel, 0))


class SharedTimeline(AgentTimeline):
    """The timeline of an agent with room for several contacts, which are counted by channel beside it."""

    __slots__ = ("_channel_of",)

    def __init__(self, record: AgentRecord, channel_of: Callable[[str | None], str]) -> None:
        super().__init__(record)
        self._channel_of = channel_of

    def take_leg(self, moved: LegMoved, change: Change) -> None:
        """Count one leg in and out of its phases, and of its channel."""
        super().take_leg(moved, change)
        count_contacts(self.record.contacts, self._channel_of(moved.queue_id), moved.moves)
        change.record = True
