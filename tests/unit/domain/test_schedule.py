"""What an agent's plan is, whatever of it was told in which order."""

from itertools import permutations

import msgspec
import pytest

from service.domain.codec import decode_event
from service.domain.errors import InvalidEvent
from service.domain.events import Event
from service.domain.settings import Floor, Site
from tests.unit.domain.build import T0
from tests.unit.domain.schedules import Shift, activity, changed, excepted, published

DAY = 24 * 60
EARLY = published(activity(0, 240), activity(240, 270, "break"), activity(270, 480))


def test_a_published_plan_is_the_plan() -> None:
    assert Shift(EARLY).planned() == [(0, 240, "work", None), (240, 270, "break", None), (270, 480, "work", None)]


@pytest.mark.parametrize(
    ("events", "plan"),
    [
        pytest.param(
            [EARLY, published(activity(0, 300), version=2)], [(0, 300, "work", None)], id="a higher version takes all"
        ),
        pytest.param(
            [EARLY, published(activity(600, 700), version=2, minutes=-90)], [(600, 700, "work", None)],
            id="even if it was told earlier, and of another time of the day",
        ),
        pytest.param(
            [published(activity(0, 300)), published(activity(60, 300), minutes=-59)], [(60, 300, "work", None)],
            id="of the same version the newer one",
        ),
        pytest.param(
            [published(activity(0, 60)), published(activity(DAY, DAY + 60))],
            [(0, 60, "work", None), (DAY, DAY + 60, "work", None)], id="each day has its own",
        ),
        pytest.param(
            [published(activity(0, 60), activity(DAY, DAY + 60)), published(activity(10, 60), version=2)],
            [(10, 60, "work", None), (DAY, DAY + 60, "work", None)], id="a week told at once is told anew day by day",
        ),
        pytest.param(
            [EARLY, changed(activity(60, 90, "training"))],
            [(0, 60, "work", None), (60, 90, "training", None), (90, 240, "work", None), (240, 270, "break", None),
             (270, 480, "work", None)], id="a change replaces its own span",
        ),
        pytest.param(
            [published(activity(0, 60)), changed(from_ms=T0 + 1_800_000, to_ms=T0 + 3_600_000)],
            [(0, 30, "work", None)], id="a change may take something away",
        ),
        pytest.param(
            [published(activity(0, 60), version=3), changed(activity(0, 30, "training"), version=2)],
            [(0, 60, "work", None)], id="a higher publication takes back a change",
        ),
        pytest.param(
            [published(activity(0, 60)), excepted(30, 90)],
            [(0, 30, "work", None), (30, 60, "work", "training")], id="an exception excuses what is planned",
        ),
        pytest.param(
            [published(activity(0, 60)), excepted(0, 60, event_id="x"),
             excepted(30, 40, minutes=-30, corrects="x")],
            [(0, 30, "work", None), (30, 40, "work", "training"), (40, 60, "work", None)],
            id="a corrected exception is no more",
        ),
        pytest.param(
            [EARLY, published(version=2, from_ms=T0 - 10 * 3_600_000, to_ms=T0 + 10 * 3_600_000)], [],
            id="a day may be taken back",
        ),
        pytest.param(
            [published(activity(0, 120), activity(60, 80, "meeting"))],
            [(0, 60, "work", None), (60, 80, "meeting", None), (80, 120, "work", None)],
            id="what begins later cuts off what it overlaps",
        ),
    ],
)  # fmt: skip
def test_the_plan_does_not_depend_on_the_order_of_telling(
    events: list[Event], plan: list[tuple[float, float, str, str | None]]
) -> None:
    for order in permutations(events):
        assert Shift(*order, *order).planned() == plan


def test_a_night_shift_belongs_to_the_day_on_which_it_begins() -> None:
    floor = Floor(default_site=Site("default", "Europe/Berlin"))
    night = 12 * 60  # 22:00 in Berlin
    first = published(activity(night, night + 240), activity(night + 240, night + 270, "break"),
                      activity(night + 270, night + 480))  # fmt: skip
    second = published(activity(night + DAY, night + DAY + 480), version=2)
    shift = Shift(first, second, floor=floor)
    assert [piece[:2] for piece in shift.planned()] == [
        (night, night + 240), (night + 240, night + 270), (night + 270, night + 480), (night + DAY, night + DAY + 480),
    ]  # fmt: skip
    shift.tell(published(activity(night, night + 60), version=3))
    assert [piece[:2] for piece in shift.planned()] == [(night, night + 60), (night + DAY, night + DAY + 480)]


def test_what_was_told_before_is_a_duplicate() -> None:
    shift = Shift(EARLY, EARLY, excepted(0, 5), excepted(0, 5), changed(activity(0, 9)), changed(activity(0, 9)))
    assert shift.aggregate.scopes.sources["source:", -1].counts == {"duplicates": 3}


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("schedule.published", {"intervals": [{"start_ms": T0, "end_ms": T0 - 1, "activity": "work"}]}),
        ("schedule.published", {"intervals": [{"start_ms": 5, "end_ms": 6, "activity": "work"}]}),
        ("schedule.published", {"intervals": [{"start_ms": T0, "end_ms": T0 + 10**10, "activity": "work"}]}),
        ("schedule.changed", {"intervals": [], "from_ms": T0}),
        ("schedule.changed", {"intervals": [], "from_ms": T0, "to_ms": T0 - 1}),
        ("activity.exception", {"start_ms": T0, "end_ms": T0 - 1, "activity": "sick"}),
    ],
)
def test_an_impossible_plan_is_rejected(kind: str, fields: dict[str, object]) -> None:
    told = {"type": kind, "event_id": "e", "occurred_at_ms": T0, "agent_id": "1001", **fields}
    with pytest.raises(InvalidEvent) as raised:
        decode_event(msgspec.json.encode(told))
    assert raised.value.reason == "bad_field"
