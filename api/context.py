"""What every route works on."""

from dataclasses import dataclass

from api.live import Hub
from api.security import Doorkeeper
from api.settings import ApiSettings
from api.views import Views
from service.config_version import ConfigVersions
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
    versions: ConfigVersions
    keeper: Doorkeeper
