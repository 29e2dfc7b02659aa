"""Business hours, channels and capacities as people write them."""

from datetime import date
from pathlib import Path

import pytest

from service.config import Config, load_config
from service.config_source import ConfigError
from service.domain.business_hours import BusinessHours
from service.domain.settings import Queue

OFFICE = [[(480, 1080)]] * 5 + [[(540, 720), (780, 900)], []]


def load(folder: Path, text: str) -> Config:
    path = folder / "floor.yaml"
    path.write_text(text, encoding="utf-8")
    return load_config(path)


def queue(folder: Path, text: str, queue_id: str = "mail") -> Queue:
    return load(folder, text).floor().queue(queue_id)


SITE = """\
sites:
  berlin:
    timezone: Europe/Berlin
    business_hours:
      week: {mon-fri: "08:00-18:00", sat: "09:00-12:00, 13:00-15:00"}
      holidays: {2026-12-24: "08:00-12:00", 2026-12-25: closed}
"""


def test_a_queue_on_business_hours_has_those_of_its_site_in_the_sites_zone(tmp_path):
    mail = queue(tmp_path, SITE + "queues: {mail: {service_level: {threshold_seconds: 172800, clock: business_hours}}}")
    holidays = {date(2026, 12, 24): [(480, 720)], date(2026, 12, 25): []}
    assert mail.service_level.hours == BusinessHours("Europe/Berlin", OFFICE, holidays)
    assert mail.service_level.threshold_ms == 48 * 3_600_000


def test_a_queues_own_hours_replace_the_sites_holidays_and_all(tmp_path):
    text = SITE + "queues: {mail: {business_hours: {week: {sun: 10:00-24:00}}, service_level: {clock: business_hours}}}"
    assert queue(tmp_path, text).service_level.hours == BusinessHours("Europe/Berlin", [[]] * 6 + [[(600, 1440)]])


def test_hours_in_the_defaults_hold_as_a_whole_or_not_at_all(tmp_path):
    text = """
defaults: {queue: {service_level: {clock: business_hours}, business_hours: {week: {mon-sun: 10:00-20:00}}}}
queues: {mail: {business_hours: {week: {mon: 08:00-09:00}}}, fax: {}}
"""
    floor = load(tmp_path, text).floor()
    assert floor.queue("mail").service_level.hours == BusinessHours("UTC", [[(480, 540)], *[[]] * 6])
    assert floor.queue("fax").service_level.hours == BusinessHours("UTC", [[(600, 1200)]] * 7)
    assert floor.queue("first seen in the stream").service_level.hours == floor.queue("fax").service_level.hours


def test_without_the_clock_hours_change_nothing_and_on_a_queue_raise_a_doubt(tmp_path):
    config = load(tmp_path, SITE + "queues:\n  sales: {business_hours: {week: {mon: 08:00-09:00}}}\n")
    assert config.floor().queue("sales").service_level.hours is None
    (doubt,) = config.warnings
    assert "queue sales has business hours, which its clock elapsed ignores" in doubt


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        pytest.param("wed", [2], id="one day"),
        pytest.param("mon-fri", [0, 1, 2, 3, 4], id="a range"),
        pytest.param("sat-mon", [0, 5, 6], id="a range over the end of the week"),
        pytest.param("tue-mon", [0, 1, 2, 3, 4, 5, 6], id="the whole week"),
    ],
)
def test_days_are_named_one_by_one_or_as_a_range(tmp_path, days, expected):
    text = f"sites: {{b: {{business_hours: {{week: {{{days}: 08:00-09:00}}}}}}}}\n"
    mail = queue(tmp_path, text + "queues: {mail: {service_level: {clock: business_hours}}}")
    week = [[(480, 540)] if day in expected else [] for day in range(7)]
    assert mail.service_level.hours == BusinessHours("UTC", week)


@pytest.mark.parametrize(
    ("hours", "sentence"),
    [
        pytest.param("{week: {mo: 08:00-18:00}}", "'mo' is no day: use mon, tue", id="a day that is none"),
        pytest.param("{week: {mon-: 08:00-18:00}}", "'mon-' is no day", id="half a range"),
        pytest.param("{week: {mon: 8-18}}", "'8-18' is no opening", id="hours without minutes"),
        pytest.param("{week: {mon: 08:00-24:30}}", 'up to "24:00"', id="past the end of the day"),
        pytest.param("{week: {mon: 22:00-06:00}}", "write an opening over midnight as two", id="over midnight"),
        pytest.param("{week: {mon: 08:00-08:00}}", "ends before it begins", id="an opening without length"),
        pytest.param("{week: {mon: '08:00-12:00, 11:00-13:00'}}", "openings overlap", id="two at once"),
        pytest.param("{week: {mon-fri: 08:00-18:00, wed: closed}}", "wed is written twice", id="a day twice"),
        pytest.param("{week: {mon: closed}}", "no day has an opening", id="never open"),
        pytest.param("{week: {}}", "no day has an opening", id="nothing said"),
        pytest.param("{holidays: {2026-12-25: closed}}", "lacks the key 'week'", id="holidays only"),
        pytest.param("{week: {mon: 08:00-18:00}, holidays: {25.12.: closed}}", "'25.12.' is no date", id="no year"),
        pytest.param("{week: {mon: 08:00-18:00}, holidays: {2026-02-30: closed}}", "is no date", id="no such day"),
        pytest.param("{week: {mon: 08:00-18:00}, holidays: {2026-12-25: yes}}", "'yes' is no opening", id="no hours"),
    ],
)
def test_what_is_wrong_with_hours_is_said_in_one_sentence(tmp_path, hours, sentence):
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, f"sites:\n  b:\n    business_hours: {hours}\n")
    (found,) = caught.value.problems
    assert ", line 3: sites.b.business_hours" in found
    assert sentence in found


@pytest.mark.parametrize(
    ("channel", "expected"),
    [("voice", True), ("chat", True), ("email", False), ("fax", False), ("sms", False), ("wechat", False),
     ("weibo", False), ("callback", True)],
)  # fmt: skip
def test_nobody_abandons_a_message(tmp_path, channel, expected):
    found = queue(tmp_path, f"queues: {{q: {{channel: {channel}}}}}\n", "q")
    assert found.service_level.abandonment is expected


@pytest.mark.parametrize(
    ("queue_says", "expected"),
    [
        pytest.param("{channel: sms}", True, id="what the file says of the channel"),
        pytest.param("{channel: sms, abandonment: false}", False, id="what it says of the queue comes first"),
        pytest.param("{channel: email}", False, id="another channel stays as it is"),
    ],
)
def test_whether_customers_can_abandon_is_configured_by_channel_and_queue(tmp_path, queue_says, expected):
    text = f"channels: {{sms: {{abandonment: true}}}}\nqueues: {{q: {queue_says}}}\n"
    assert queue(tmp_path, text, "q").service_level.abandonment is expected


def test_an_agents_capacity_lies_over_the_default_channel_by_channel(tmp_path):
    text = "defaults: {agent: {capacity: {chat: 3}}}\nagents: {a: {capacity: {email: 5}}, b: {capacity: {chat: 1}}}\n"
    floor = load(tmp_path, text).floor()
    assert floor.agent("a").capacity == {"chat": 3, "email": 5}
    assert floor.agent("b").capacity == {}, "one at a time is what everybody takes"
    assert floor.agent("first seen in the stream").capacity == {"chat": 3}
