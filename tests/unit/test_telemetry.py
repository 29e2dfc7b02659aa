"""A worker's own metrics."""

from __future__ import annotations

import pytest

from streams.telemetry import Telemetry

SOMEBODY_ELSE = "192.0.2.1"  # of a network that is for documents only


def test_metrics_are_served_on_the_address_that_is_asked_for_and_no_other() -> None:
    with pytest.raises(OSError):
        Telemetry().serve(SOMEBODY_ELSE, 9101)
