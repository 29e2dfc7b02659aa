"""What only the API needs to know; everything else is in `service.settings`."""

from typing import Annotated

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from service.floor_state import DEFAULT_HISTORY_DAYS


class ApiSettings(BaseSettings):
    """Settings from FLOORWALKER_* variables."""

    model_config = SettingsConfigDict(env_prefix="FLOORWALKER_", extra="ignore", frozen=True)

    history_days: Annotated[int, Field(ge=2, le=400)] = DEFAULT_HISTORY_DAYS
    """Days of closed intervals held in memory."""
    agent_series: bool = False
    """Whether /metrics has series per agent."""
    stream_clients: Annotated[int, Field(ge=1, le=10_000)] = 200
    """Connections to /v1/stream at the same time."""
    stream_clients_per_token: Annotated[int, Field(ge=1, le=10_000)] = 50
    """Those of one token."""
    requests_per_second: Annotated[float, Field(gt=0, le=1_000_000)] = 2_000.0
    """Requests of one token, or of one address without tokens, on average over two seconds."""
    connections: Annotated[int, Field(ge=10, le=100_000)] = 1_000
    """Connections of all clients at the same time."""
    session_key: Annotated[SecretStr, Field(min_length=32)] | None = None
    """What sessions of the page are signed with; None: by each process with its own, so that they end with it."""
