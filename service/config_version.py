"""A short name for the configuration in force at a moment, so that a number can tell which one it was made with."""

import hashlib
from bisect import bisect_right
from dataclasses import replace

from service.domain.settings import Floor, Queue


class ConfigVersions:
    """The versions of one configuration: it changes by itself at the moments from which later service levels hold.

    The same settings have the same version on every replica. What holds from later on does not change the version of
    what was before.
    """

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._moments = sorted({at_ms for queue in floor.queues.values() for at_ms, _ in queue.later_levels})
        self._found: dict[int, str] = {}

    def at(self, at_ms: int) -> str:
        """The version in force at a moment."""
        number = bisect_right(self._moments, at_ms)
        found = self._found.get(number)
        if found is None:
            found = self._found[number] = _version(self._floor, self._moments[number - 1] if number else 0)
        return found


def _version(floor: Floor, at_ms: int) -> str:
    def then(queue: Queue) -> str:
        return repr(replace(queue, service_level=queue.level_at(at_ms), later_levels=()))

    queues = sorted(then(queue) for queue in floor.queues.values() if queue.configured)
    agents = sorted(repr(agent) for agent in floor.agents.values() if agent.configured)
    sites = sorted(repr(site) for site in floor.sites.values())
    rest = [then(floor.default_queue), repr(floor.default_agent), repr(floor.default_site), str(floor.interval_ms)]
    return hashlib.sha256("\n".join([*sites, *queues, *agents, *rest]).encode()).hexdigest()[:12]
