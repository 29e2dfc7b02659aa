"""What only the API needs to know; everything else is in `service.settings`."""

from typing import Annotated

from pydantic import Field
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
