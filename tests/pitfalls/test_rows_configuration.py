"""Rows 28 and 29: a changed threshold changes what comes, not what was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from service.config import load_config
from service.domain.settings import Floor
from tests.pitfalls.scenes import HOUR_MS, MINUTE_MS, ask, at_ms, report
from tests.unit.api.floors import Centre, get
from tests.unit.domain.build import T0, event

BEFORE = """
sites: {berlin: {timezone: Europe/Berlin}}
queues:
  sales:
    service_level: {threshold_seconds: 20, variant: abandon_negative}
"""
CHANGED = (
    BEFORE
    + """
    service_level_from:
      "2026-11-22T13:00:00+01:00": {threshold_seconds: 60}
      "2026-11-23": {variant: answered_only}
"""
)


def floor(tmp_path: Path, text: str) -> Floor:
    file = tmp_path / "floor.yaml"
    file.write_text(text)
    return load_config(file).floor()


def two_calls(floor: Floor) -> Centre:
    """Two calls, each answered after 40 s: one at 11:05 in UTC, one at 12:05."""
    centre = Centre(floor)
    centre.now_ms += 5 * MINUTE_MS
    centre.call("c1", wait_ms=40_000, agent="1001", ago_ms=HOUR_MS)
    centre.call("c2", wait_ms=40_000, agent="1001")
    centre.flush()
    return centre


async def rows(centre: Centre) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await ask(centre, "/v1/queues/sales/intervals"))["items"]
    return found


async def test_row_28_a_number_is_made_with_the_threshold_of_its_time_and_says_which(tmp_path: Path) -> None:
    centre = two_calls(floor(tmp_path, CHANGED))
    first, second = await rows(centre)
    assert (first["threshold_seconds"], first["answered_in_threshold"], first["service_level_ratio"]) == (20, 0, 0)
    assert (second["threshold_seconds"], second["answered_in_threshold"], second["service_level_ratio"]) == (60, 1, 1)
    assert first["config_version"] != second["config_version"]
    assert (await ask(centre, "/v1/queues/sales"))["service_level"]["threshold_seconds"] == 60
    text = (await get(centre.app(), "/v1/queues/sales/intervals?format=csv")).text.splitlines()
    assert {"threshold_seconds", "variant", "config_version"} <= set(text[0].split(","))


def test_row_28_the_report_uses_the_same_thresholds(tmp_path: Path) -> None:
    here = floor(tmp_path, CHANGED)
    noon_s = (at_ms("2026-11-22T12:00+00:00") - T0) // 1000
    calls = [
        told
        for number, at_s in enumerate((noon_s - 3300, noon_s + 300))
        for told in (event("visit.queued", at_s - 40, contact_id=f"c{number}"),
                     event("visit.answered", at_s, contact_id=f"c{number}", agent_id="1001"))
    ]  # fmt: skip
    found = report(calls, here, "Europe/Berlin")["queues"]["sales"]["intervals"]
    assert [(row["answered"], row["service_level_ratio"]) for row in found] == [(1, 0), (1, 1)]


async def test_row_29_a_change_from_a_moment_on_leaves_what_was_before_as_it_was(tmp_path: Path) -> None:
    was = await rows(two_calls(floor(tmp_path, BEFORE)))
    now = await rows(two_calls(floor(tmp_path, CHANGED)))
    assert now[0] == was[0]
    assert now[1] != was[1]


async def test_row_29_a_threshold_changed_in_place_does_not_touch_what_was_counted_and_shows(tmp_path: Path) -> None:
    centre = two_calls(floor(tmp_path, BEFORE))
    before = await rows(centre)
    edited = Centre(floor(tmp_path, BEFORE.replace("20", "60")))
    edited.now_ms = centre.now_ms
    edited.state.apply(centre.records)
    edited.flush()
    after = await rows(edited)
    assert [row["answered_in_threshold"] for row in after] == [row["answered_in_threshold"] for row in before] == [0, 0]
    assert {row["config_version"] for row in after}.isdisjoint(row["config_version"] for row in before)
    # computing anew is another command, and either value stays to be had
    assert await rows(two_calls(floor(tmp_path, BEFORE.replace("20", "60")))) != before


@pytest.mark.parametrize("at", ["2026-11-23T00:00+01:00", "2026-11-24T12:00+01:00"])
async def test_row_29_the_value_by_the_old_variant_can_still_be_had(tmp_path: Path, at: str) -> None:
    centre = Centre(floor(tmp_path, CHANGED))
    centre.now_ms = at_ms(at) + MINUTE_MS
    centre.call("c1", wait_ms=5_000, agent="1001")
    centre.call("c2", wait_ms=70_000)
    centre.flush()
    day = (await ask(centre, "/v1/queues/sales"))["windows"]["15m"]
    assert (day["service_level_ratio"], day["service_level_abandon_negative_ratio"]) == (1, 0.5)
