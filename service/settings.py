"""Settings of one process: where the broker is, which port to serve. What is watched is in `service.config`.

The command line wins over FLOORWALKER_* variables, which win over the section `settings` of the configuration.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from service.errors import UsageError
from service.sealing import Keeping

PREFIX = "FLOORWALKER_"
Port = Annotated[int, Field(ge=1, le=65_535)]


def default_data_dir() -> Path:
    """Return the user's folder for what a program remembers between runs."""
    base = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(base).expanduser() / "floorwalker"


KAFKA = (
    "kafka_security_protocol", "kafka_sasl_mechanism", "kafka_user", "kafka_password_file", "kafka_ca", "kafka_cert",
    "kafka_key",
)  # fmt: skip
"""The settings of how Kafka is spoken to."""


class ProcessSettings(BaseModel):
    """What a process needs besides the floor.

    `clock`: what KPIs take as now, the wall clock or the newest event (`stream`, for replays).
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    bootstrap: str = Field(default="127.0.0.1:9092", min_length=1, description="Kafka brokers, host:port[,host:port]")
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT", description="how Kafka is spoken to: PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL"
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        default="SCRAM-SHA-512", description="how the password is proven: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512"
    )
    kafka_user: str | None = Field(default=None, min_length=1, description="name for SASL")
    kafka_password_file: Path | None = Field(default=None, strict=False, description="file with the password for SASL")
    kafka_ca: Path | None = Field(
        default=None, strict=False, description="certificates (PEM) that sign the brokers', instead of the system's"
    )
    kafka_cert: Path | None = Field(default=None, strict=False, description="our own certificate (PEM) for mutual TLS")
    kafka_key: Path | None = Field(default=None, strict=False, description="its private key (PEM, not encrypted)")
    application_id: str = Field(default="floorwalker", min_length=1, description="name of the workers' consumer groups")
    data_dir: Path = Field(default_factory=default_data_dir, strict=False, description="where processes keep files")
    partitions: int = Field(default=8, ge=1, le=10_000, description="partitions of the topics that are created")
    replication: int = Field(default=1, ge=1, le=10, description="replicas of the topics that are created")
    host: str = Field(default="127.0.0.1", min_length=1, description="address the API listens on")
    port: Port = Field(default=8080, description="port the API listens on")
    embedded: bool = Field(default=False, description="the broker is the embedded one, which has no producer ids")
    session_timeout_seconds: float = Field(
        default=6.0, ge=2, le=300, description="a worker silent for this long is replaced"
    )
    metrics_host: str = Field(default="127.0.0.1", min_length=1, description="address of --metrics-port")
    metrics_port: Port | None = Field(default=None, description="port on which a worker serves its own metrics")
    tokens: Path | None = Field(default=None, strict=False, description="file of the hashes of the API's access tokens")
    tls_cert: Path | None = Field(
        default=None, strict=False, description="certificate (PEM, its chain included) of the API"
    )
    tls_key: Path | None = Field(default=None, strict=False, description="private key (PEM) of the certificate")
    customer_key_file: Path | None = Field(
        default=None, strict=False, description="keys that hash customers' numbers; without it they are dropped"
    )
    dead_letters: Keeping = Field(
        default="masked", description="what is kept of rejected records: masked, encrypted or original"
    )
    dead_letter_key_file: Path | None = Field(
        default=None, strict=False, description="keys that encrypt rejected records, and decrypt them to be read"
    )
    clock: Literal["wall", "stream"] = Field(default="wall", description="what KPIs take as now")
    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="how much is logged")


class _Environment(ProcessSettings, BaseSettings):
    """The same fields from FLOORWALKER_* variables, where numbers are text."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, strict=False, extra="ignore", frozen=True)


def load_settings(given: Mapping[str, Any], below: ProcessSettings | None = None) -> ProcessSettings:
    """Merge settings: `given` (command line; None means not given) over the environment over `below` (configuration).

    Raises UsageError that names the variable or the option.
    """
    flags = {name: value for name, value in given.items() if value is not None and name in ProcessSettings.model_fields}
    try:
        found = _Environment(**flags)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        where = f"--{name.replace('_', '-')}" if name in flags else f"{PREFIX}{name.upper()}"
        raise UsageError(f"{where} is {first['input']!r}: {first['msg'][0].lower()}{first['msg'][1:]}") from None
    said = {name: getattr(found, name) for name in found.model_fields_set}
    lowest = below.model_dump(exclude_unset=True) if below is not None else {}
    return ProcessSettings.model_validate({**lowest, **said})


def aggregate_group(application_id: str) -> str:
    """The consumer group of AGGREGATE's processes; that of CORRELATE's has the application id as its name."""
    return application_id + "-state"
