import pytest

from service.adapters.clock import Clock
from service.domain.errors import InvalidEvent
from service.errors import UsageError


def utc(text: str) -> int:
    return Clock("test", None).text_ms(text + "Z")


@pytest.mark.parametrize(
    ("local", "expected"),
    [
        ("2026-03-29 01:59:59", "2026-03-29T00:59:59"),
        ("2026-03-29 02:00:00", "2026-03-29T01:00:00"),
        ("2026-03-29 02:30:00", "2026-03-29T01:30:00"),
        ("2026-03-29 03:30:00", "2026-03-29T01:30:00"),
        ("2026-10-25 01:59:59", "2026-10-24T23:59:59"),
        ("2026-10-25 02:30:00", "2026-10-25T00:30:00"),
        ("2026-10-25 03:00:00", "2026-10-25T02:00:00"),
    ],
)
def test_a_skipped_local_time_moves_forward_and_an_ambiguous_one_is_the_first(local: str, expected: str) -> None:
    assert Clock("test", "Europe/Berlin").text_ms(local) == utc(expected)


def test_an_offset_in_the_text_wins_over_the_zone() -> None:
    assert Clock("test", "Europe/Berlin").text_ms("2026-11-22T08:00:00-05:00") == utc("2026-11-22T13:00:00")


@pytest.mark.parametrize("text", ["", "now", "2026-13-01", "-5", "1e9", "١٢٣", "2026-11-22 25:00:00", "1." * 9])
def test_what_is_no_time_is_a_bad_timestamp(text: str) -> None:
    with pytest.raises(InvalidEvent) as caught:
        Clock("test", "UTC").text_ms(text)
    assert caught.value.reason == "bad_timestamp"


def test_a_time_without_zone_names_what_to_give() -> None:
    with pytest.raises(UsageError, match=r"pbx has times without a time zone.*--input-timezone"):
        Clock("pbx", None).text_ms("2026-11-22 08:00:00")
