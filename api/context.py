"""What every route works on."""

import hashlib
from dataclasses import dataclass

from api.live import Hub
from api.settings import ApiSettings
from api.views import Views
from service.domain.settings import Floor
from service.floor_state import FloorState


@dataclass(frozen=True, slots=True)
class Context:
    """State, configuration and the views on them."""

    state: FloorState
    floor: Floor
    settings: ApiSettings
    views: Views
    hub: Hub
    config_version: str


def config_version(floor: Floor) -> str:
    """A short name of the configuration in force; the same settings have the same name on every replica."""
    queues = sorted(repr(queue) for queue in floor.queues.values() if queue.configured)
    agents = sorted(repr(agent) for agent in floor.agents.values() if agent.configured)
    sites = sorted(repr(site) for site in floor.sites.values())
    rest = [repr(floor.default_queue), repr(floor.default_agent), repr(floor.default_site), str(floor.interval_ms)]
    return hashlib.sha256("\n".join([*sites, *queues, *agents, *rest]).encode()).hexdigest()[:12]
