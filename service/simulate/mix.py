"""The load mix of the bench: five consistent events a contact in time order, generated faster than consumed."""

import random
from collections.abc import Iterator
from typing import Final

Record = tuple[bytes, bytes]
_Timed = tuple[int, int, bytes, bytes]

EVENTS_PER_CONTACT: Final = 5
_LONGEST_TURN_MS: Final = 300_000
_SHORTEST_TURN_MS: Final = 20
_HEAD: Final = b'{"type":"%s","event_id":"%s-%d","occurred_at_ms":%d,"source":"bench",'
_QUEUED: Final = _HEAD + b'"contact_id":"%s","visit_id":"%s/1","queue_id":"%s","channel":"voice"}'
_ANSWERED: Final = _HEAD + b'"contact_id":"%s","visit_id":"%s/1","queue_id":"%s","agent_id":"%s","leg_id":"%s/1/1"}'
_STATE: Final = _HEAD + b'"agent_id":"%s","state":"ready","queues":[%s]}'


def five_event_mix(
    n_contacts: int, queues: int, agents: int, seed: int, start_ms: int, events_per_second: float
) -> Iterator[Record]:
    """Yield (key, value) of `n_contacts` contacts by event time: queued, answered, ended, wrap-up ended, agent ready.

    Agents take turns, so none ever serves two contacts at once; a turn is as long as the rate leaves room for, at
    most five minutes. Raises ValueError where the agents cannot carry the rate or a size is not positive.
    """
    if min(n_contacts, queues, agents) < 1 or events_per_second <= 0:
        raise ValueError(f"the mix needs positive sizes, not {n_contacts=} {queues=} {agents=} {events_per_second=}")
    gap_ms = 1000 * EVENTS_PER_CONTACT / events_per_second
    turn_ms = min(agents * gap_ms - 1, _LONGEST_TURN_MS)
    if turn_ms < _SHORTEST_TURN_MS:
        raise ValueError(f"{agents} agents cannot carry {events_per_second} events a second")
    chunk = max(agents, 2_000)
    pending: list[_Timed] = []
    rng = random.Random(seed)
    crew = _crew(queues, agents)
    for first in range(0, n_contacts, chunk):
        for number in range(first, min(first + chunk, n_contacts)):
            pending += _contact(number, seed, crew, start_ms + int(number * gap_ms), turn_ms, rng)
        pending.sort()
        border_ms = start_ms + int((first + chunk) * gap_ms)
        ready = len(pending) if first + chunk >= n_contacts else _position(pending, border_ms)
        for at in range(ready):
            yield pending[at][2:]
        del pending[:ready]


def _crew(queues: int, agents: int) -> list[tuple[bytes, list[bytes], bytes]]:
    """Each agent's id, queues, and queues as JSON; every queue has an agent."""
    crew = []
    for agent in range(agents):
        mine = [b"q%02d" % (q + 1) for q in range(agent % queues, queues, agents)]
        crew.append((b"%d" % (1001 + agent), mine, b",".join(b'"%s"' % q for q in mine)))
    return crew


def _contact(
    number: int, seed: int, crew: list[tuple[bytes, list[bytes], bytes]], at_ms: int, turn_ms: float, rng: random.Random
) -> tuple[_Timed, ...]:
    """The five events of one contact, all within one turn of its agent."""
    turn, place = divmod(number, len(crew))
    agent, mine, queues = crew[place]
    queue = mine[turn % len(mine)]
    contact = b"b%d-%d" % (seed, number)
    answered_ms = at_ms + int(turn_ms * 0.2 * rng.random() ** 2)
    ended_ms = answered_ms + int(turn_ms * (0.2 + 0.4 * rng.random()))
    ready_ms = ended_ms + int(turn_ms * 0.2 * rng.random())
    leg = (contact, contact, queue, agent, contact)
    n = number * EVENTS_PER_CONTACT
    return (
        (at_ms, n, contact, _QUEUED % (b"visit.queued", contact, 1, at_ms, contact, contact, queue)),
        (answered_ms, n + 1, contact, _ANSWERED % (b"visit.answered", contact, 2, answered_ms, *leg)),
        (ended_ms, n + 2, contact, _ANSWERED % (b"leg.ended", contact, 3, ended_ms, *leg)),
        (ready_ms, n + 3, contact, _ANSWERED % (b"leg.wrapup_ended", contact, 4, ready_ms, *leg)),
        (ready_ms, n + 4, agent, _STATE % (b"agent.state_changed", contact, 5, ready_ms, agent, queues)),
    )


def _position(pending: list[_Timed], border_ms: int) -> int:
    """How many of the sorted events lie before the border: nothing generated later can be earlier than it."""
    low, high = 0, len(pending)
    while low < high:
        middle = (low + high) // 2
        if pending[middle][0] < border_ms:
            low = middle + 1
        else:
            high = middle
    return low
