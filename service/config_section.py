"""What every part of the configuration file has in common."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A part of the file: exact types, and no key that we do not know."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)
