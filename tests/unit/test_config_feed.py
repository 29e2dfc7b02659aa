"""Configurations that are applied: which one holds, what follows it, and who did it."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from service.alert_office import Office
from service.config import Config
from service.config_feed import ConfigFeed, record_of
from service.domain.alert_record import decode_alert
from service.floor_state import Record
from service.main import main
from tests.unit.api.floors import NOON_MS, Centre, get

HOUR_MS = 3_600_000
RULE = {
    "id": "busy", "scopes": {"kind": "queue"}, "when": {"kpi": "waiting", "op": ">=", "value": 2},
}  # fmt: skip


def config(level: int = 2, target: float = 0.8) -> dict[str, Any]:
    rule = RULE | {"when": {"kpi": "waiting", "op": ">=", "value": level}}
    return {
        "default_rules": False, "rules": [rule], "sites": {"berlin": {"timezone": "Europe/Berlin"}},
        "queues": {"sales": {"name": "Verkauf", "service_level": {"target_ratio": target}}},
    }  # fmt: skip


def put(feed: ConfigFeed, values: dict[str, Any], from_ms: int = NOON_MS, at_ms: int = NOON_MS) -> str:
    record = record_of(values, from_ms, at_ms, "ann", "busier than we thought")
    feed.apply([(record.key, msgspec.json.encode(record))])
    return record.version


def test_the_one_that_came_into_force_last_holds() -> None:
    feed = ConfigFeed()
    assert feed.at(NOON_MS) is None
    first, later = put(feed, config(2)), put(feed, config(3), from_ms=NOON_MS + HOUR_MS)
    again = put(feed, config(4), at_ms=NOON_MS + 1)
    versions = [found.record.version for ms in (0, HOUR_MS - 1, HOUR_MS) if (found := feed.at(NOON_MS + ms))]
    assert versions == [again, again, later]
    assert len({first, later, again}) == 3


def test_the_same_values_are_the_same_version_whatever_a_process_needs_for_itself() -> None:
    one = record_of(config() | {"settings": {"port": 1}}, 0, 0, "ann")
    other = record_of(config(), 9, 9, "bob")
    assert one.version == other.version
    assert "settings" not in one.config


def test_one_that_cannot_be_used_leaves_the_one_before_in_force(caplog: pytest.LogCaptureFixture) -> None:
    feed = ConfigFeed()
    version = put(feed, config())
    with caplog.at_level(logging.CRITICAL):
        put(feed, {"rules": [{"id": "later version"}]}, at_ms=NOON_MS + 1)
        feed.apply([(b"x", b"not JSON")])
    found = feed.at(NOON_MS)
    assert found is not None
    assert (found.record.version, feed.unreadable) == (version, 2)


async def test_targets_and_names_follow_and_thresholds_do_not() -> None:
    centre, feed = Centre(), ConfigFeed()
    centre.flush()
    put(feed, config(target=0.9) | {"defaults": {"queue": {"service_level": {"threshold_seconds": 60}}}})
    assert feed.follow(centre.state)
    shown = (await get(centre.app(), "/v1/queues/sales")).json()
    assert shown["name"] == "Verkauf"
    assert shown["service_level"] == {"threshold_seconds": 20.0, "target_ratio": 0.9, "variant": "abandon_ignored"}
    assert not feed.follow(centre.state), "nothing new"


async def test_a_later_one_is_followed_when_its_time_comes() -> None:
    centre, feed = Centre(), ConfigFeed()
    centre.flush()
    put(feed, config(target=0.9), from_ms=centre.now_ms + HOUR_MS)
    assert not feed.follow(centre.state)
    centre.now_ms += HOUR_MS
    assert feed.follow(centre.state)


def test_targets_that_change_later_change_when_the_applied_configuration_says_so() -> None:
    day_ms = 24 * HOUR_MS
    centre, feed = Centre(), ConfigFeed()
    sales = centre.floor.queues["sales"]
    stricter = replace(sales.service_level, threshold_ms=10_000)
    centre.floor.queues["sales"] = replace(sales, later_levels=((NOON_MS + 2 * day_ms, stricter),))

    def levels() -> list[tuple[int | None, float]]:
        found = [centre.floor.queues["sales"].level_at(NOON_MS + days * day_ms) for days in range(4)]
        return [(level.threshold_ms, level.target_ratio) for level in found]

    values = config(target=0.7)
    values["queues"]["sales"]["service_level_from"] = {
        "2026-11-23": {"target_ratio": 0.9}, "2026-11-25": {"target_ratio": 0.95},
    }  # fmt: skip
    put(feed, values)
    assert feed.follow(centre.state)
    assert levels() == [(20_000, 0.7), (20_000, 0.9), (10_000, 0.9), (10_000, 0.95)]
    put(feed, config(target=0.75), at_ms=NOON_MS + 1)
    assert feed.follow(centre.state)
    assert levels() == [(20_000, 0.75), (20_000, 0.75), (10_000, 0.75), (10_000, 0.75)]
    assert [at_ms for at_ms, _ in centre.floor.queues["sales"].later_levels] == [NOON_MS + 2 * day_ms]


async def test_the_audit_trail_says_who_when_and_what() -> None:
    centre, feed = Centre(), ConfigFeed()
    centre.flush()
    version = put(feed, config())
    app = centre.app(configs=feed)
    (item,) = (await get(app, "/v1/config")).json()["items"]
    assert (item["version"], item["who"], item["note"], item["in_force"]) == (
        version, "ann", "busier than we thought", True,
    )  # fmt: skip
    assert item["config"]["rules"][0]["id"] == "busy"


async def test_the_evaluator_goes_on_with_other_rules_at_its_next_tick() -> None:
    centre, feed, written = Centre(), ConfigFeed(), list[Record]()

    async def write(records: list[Record]) -> None:
        written.extend(records)

    office = Office(centre.state, Config.model_validate(config(level=2)), feed, write)  # type: ignore[arg-type]

    async def states() -> list[tuple[str, str]]:
        centre.now_ms += 1_000
        written.clear()
        assert await office.turn([])
        return [(found.state, found.config_version) for _, value in written if value and (found := decode_alert(value))]

    centre.queued("c1")
    centre.queued("c2")
    centre.flush()
    ((state, own),) = await states()
    assert state == "firing"
    version = put(feed, config(level=3))
    assert await states() == [("resolved", version)]
    assert own != version


async def test_another_configuration_does_not_make_the_evaluator_forget_how_often_sources_usually_send() -> None:
    centre, feed, written = Centre(), ConfigFeed(), list[Record]()

    async def write(records: list[Record]) -> None:
        written.extend(records)

    office = Office(centre.state, Config(), feed, write)  # type: ignore[arg-type]
    centre.agent_state("1001", "on_contact")
    for _ in range(30):
        centre.now_ms += 4_000
        centre.event("agent.heartbeat", agent_id="1001")
        centre.flush()
        assert await office.turn([])
    put(feed, config() | {"default_rules": True})
    for _ in range(24):
        centre.now_ms += 10_000
        assert await office.turn([])
    told = [found for _, value in written if value and (found := decode_alert(value)).rule == "feed_stale"]
    assert [found.state for found in told] == ["firing"]


@pytest.mark.parametrize("more", [(), ("--valid-from", "tomorrow")])
def test_a_wrong_configuration_is_refused_and_nothing_is_sent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: tuple[str, ...]
) -> None:
    path = tmp_path / "floor.yaml"
    path.write_text("queues: {}\n" if more else "rules:\n  - {id: slow}\n")
    assert main(["config", "apply", str(path), "--bootstrap", "127.0.0.1:1", *more]) == 2
    told = capsys.readouterr().err
    assert ("--valid-from" in told) if more else (f"{path}, line 2: " in told and "nothing was applied" in told)
