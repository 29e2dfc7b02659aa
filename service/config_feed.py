"""Configurations as they were applied (`cti.config`), and what of them running processes take over.

A configuration that holds from now or from a later moment on is published by `floorwalker config apply`. Alert rules,
business hours of rules, targets, names and groups follow at once. What decides facts or state (thresholds, sites,
zones, agents, sources, intervals) is read from the process's own file when it starts, so that all workers agree.
"""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec
from msgspec import Struct
from pydantic import ValidationError

from service.config import Config
from service.domain.settings import Floor, Queue, ServiceLevel
from service.floor_state import FloorState

TOPIC: Final = "cti.config"
LEFT_OUT: Final = ("settings",)
"""Sections of a file that belong to single processes."""

log = logging.getLogger(__name__)


class ConfigRecord(Struct, frozen=True, kw_only=True):
    """One applied configuration: its values as in the file, who applied it and when, and from when on it holds."""

    version: str
    valid_from_ms: int
    applied_at_ms: int
    who: str
    note: str | None = None
    config: dict[str, Any]

    @property
    def key(self) -> bytes:
        """The record's key: each application is kept, in the order in which they come into force."""
        return f"{self.valid_from_ms:015d}-{self.applied_at_ms:015d}".encode()


def record_of(
    values: dict[str, Any], valid_from_ms: int, applied_at_ms: int, who: str, note: str | None = None
) -> ConfigRecord:
    """The record of a configuration whose values have been checked. The same values have the same version."""
    kept = {name: value for name, value in values.items() if name not in LEFT_OUT}
    version = hashlib.sha256(msgspec.json.encode(kept, order="deterministic")).hexdigest()[:12]
    return ConfigRecord(
        version=version, valid_from_ms=valid_from_ms, applied_at_ms=applied_at_ms, who=who, note=note, config=kept
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Applied:
    """A configuration that was applied, ready to be used."""

    record: ConfigRecord
    config: Config


class ConfigFeed:
    """Every configuration that was ever applied, and which one holds."""

    def __init__(self) -> None:
        self.applied: dict[bytes, Applied] = {}
        self.unreadable = 0
        self.current: Applied | None = None
        """The one that is followed; None: the process's own."""

    def apply(self, records: Sequence[tuple[bytes, bytes | None]]) -> None:
        """Take over records of the topic. One that this version cannot use is logged, counted, and changes nothing."""
        for key, value in records:
            if value is None:
                self.applied.pop(key, None)
                continue
            try:
                record = _decode(value)
                self.applied[key] = Applied(record, Config.model_validate(record.config))
            except (msgspec.DecodeError, UnicodeDecodeError, ValidationError) as error:
                self.unreadable += 1
                log.error("the configuration %r cannot be used, the one before stays in force: %s", key, error)

    def at(self, now_ms: int) -> Applied | None:
        """The configuration in force at a moment; None: the process's own."""
        begun = [key for key, found in self.applied.items() if found.record.valid_from_ms <= now_ms]
        return self.applied[max(begun)] if begun else None

    def follow(self, state: FloorState) -> bool:
        """Have the floor follow the one that holds now; whether that is another one than before."""
        found = self.at(state.wall_ms())
        if found is None or found is self.current:
            return False
        self.current = found
        take_over(state.floor, found.config)
        for queue_id in state.queue_ids():
            state.touch("queue:" + queue_id)
        log.info("configuration %s of %s is in force", found.record.version, found.record.who)
        return True


_decode = msgspec.json.Decoder(ConfigRecord).decode


def take_over(floor: Floor, config: Config) -> None:
    """Have the floor follow the configuration's targets, names and groups."""
    other = config.floor()
    for queue_id, queue in list(floor.queues.items()):
        named = other.queues.get(queue_id)
        floor.queues[queue_id] = _like(queue, named or replace(other.default_queue, name=queue.name))
    floor.default_queue = _like(floor.default_queue, other.default_queue)


def _like(queue: Queue, other: Queue) -> Queue:
    level = latest = _aimed(queue.service_level, other.service_level.target_ratio)
    later = []
    for from_ms in sorted({at_ms for at_ms, _ in (*queue.later_levels, *other.later_levels)}):
        then = _aimed(queue.level_at(from_ms), other.level_at(from_ms).target_ratio)
        if then != latest:
            later.append((from_ms, then))
            latest = then
    return replace(queue, name=other.name, group=other.group, service_level=level, later_levels=tuple(later))


def _aimed(level: ServiceLevel, target_ratio: float) -> ServiceLevel:
    return level if level.target_ratio == target_ratio else replace(level, target_ratio=target_ratio)
