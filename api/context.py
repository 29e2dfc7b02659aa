"""What every route works on."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from api.live import Hub
from api.security import Doorkeeper
from api.settings import ApiSettings
from api.views import Views
from service.config_feed import ConfigFeed
from service.config_version import ConfigVersions
from service.domain.events import Event
from service.domain.settings import Floor
from service.floor_state import FloorState

Send = Callable[[Event], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Context:
    """State, configuration and the views on them."""

    state: FloorState
    floor: Floor
    settings: ApiSettings
    views: Views
    hub: Hub
    versions: ConfigVersions
    keeper: Doorkeeper
    configs: ConfigFeed
    send: Send | None
    """Sends an event to `cti.events`; None: this process cannot."""
