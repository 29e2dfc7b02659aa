"""What an alert is called and how it travels."""

from __future__ import annotations

import msgspec
import pytest

from service.domain.alert_record import Acknowledged, Alert, CausePart, decode_alert, encode_alert, fingerprint_of


def alert(state: str = "firing", inhibited_by: str | None = None) -> Alert:
    return Alert(
        fingerprint=fingerprint_of("oldest_wait", "queue:sales"), rule="oldest_wait", kind="threshold", severity="page",
        scope="queue:sales", state=state, since_ms=1000, updated_ms=2000, inhibited_by=inhibited_by,  # type: ignore[arg-type]
        cause=[CausePart("volume", 3.5, 7.0)], acknowledged=Acknowledged("ann", 3000, "on it"),
    )  # fmt: skip


def test_a_fingerprint_is_the_same_everywhere_and_differs_by_rule_and_scope() -> None:
    assert fingerprint_of("oldest_wait", "queue:sales") == "2cffdf1353bc7571"
    assert len({fingerprint_of(rule, scope) for rule in ("a", "b") for scope in ("queue:x", "queue:y", "")}) == 6


def test_an_alert_survives_the_topic() -> None:
    assert decode_alert(encode_alert(alert())) == alert()


def test_a_record_that_is_no_alert_is_refused() -> None:
    with pytest.raises(msgspec.DecodeError):
        decode_alert(b'{"rule": "x"}')


@pytest.mark.parametrize(
    ("state", "inhibited_by", "told"),
    [("firing", None, True), ("firing", "ab", False), ("pending", None, False), ("resolved", None, False)],
)
def test_a_person_is_told_of_what_fires_and_is_not_explained(state: str, inhibited_by: str | None, told: bool) -> None:
    assert alert(state, inhibited_by).told is told
