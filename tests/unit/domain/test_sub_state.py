"""An agent who is on a contact by their own state alone, with no contact to be seen, is dead in the line."""

import pytest

from service.domain.events import Event
from service.domain.view import sub_state_of
from tests.unit.domain.build import event, ms
from tests.unit.domain.watched import Watched

BUSY = event("agent.state_changed", 100, state="on_contact")
CALL = [event("visit.queued", 0), event("visit.answered", 100, agent_id="1001")]


@pytest.mark.parametrize(
    ("events", "now_s", "found"),
    [
        pytest.param([BUSY], 109.999, None, id="not before ten seconds"),
        pytest.param([BUSY], 110, "dead", id="from ten seconds on"),
        pytest.param([BUSY, *CALL], 300, None, id="not while a call is connected"),
        pytest.param([BUSY, *CALL, event("leg.ended", 200)], 209, None, id="not right after the call"),
        pytest.param([BUSY, *CALL, event("leg.ended", 200)], 210, "dead", id="ten seconds after the call"),
        pytest.param([BUSY, event("leg.alerting", 105)], 300, None, id="not while a call rings"),
        pytest.param([BUSY, event("agent.state_changed", 105, state="ready")], 300, None, id="not when ready again"),
        pytest.param([BUSY, event("agent.state_changed", 305, state="ready")], 300, "dead", id="as of an earlier time"),
        pytest.param(CALL, 300, None, id="not by a call alone"),
        pytest.param([], 300, None, id="not an agent nobody knows"),
    ],
)
def test_dead(events: list[Event], now_s: float, found: str | None) -> None:
    agent = Watched(*events).aggregate.scopes.agent("agent:1001")
    assert sub_state_of(agent, ms(now_s)) == found
