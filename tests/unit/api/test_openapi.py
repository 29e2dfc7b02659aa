"""Whatever a request looks like, as the interface describes it or not, the answer is no fault of the service."""

from __future__ import annotations

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st
from schemathesis import APIOperation, Case, GenerationMode

from tests.unit.api.floors import ODD_ID, Centre

KNOWN = {"id": ("sales", "mail", "1001", "bob", "front", "berlin", "blue", "voice", ODD_ID)}
"""Ids that there are: drawn at random, an id would always be unknown."""

EXAMPLES = 12


@pytest.fixture
def app(centre: Centre) -> FastAPI:
    """The application, whose live streams end as soon as they have begun."""
    app = centre.app()
    app.state.context.hub.close()
    return app


def check(case: Case) -> None:
    """Send the request and look at the answer."""
    answer = case.call()
    note(f"{case.as_curl_command()}\n{answer.status_code} {answer.text[:500]}")
    assert answer.status_code < 500
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == ["application/problem+json"]
        assert answer.json().keys() == {"type", "title", "status", "detail"}
        assert answer.json()["status"] == answer.status_code
    assert "content-security-policy" in answer.headers


def requests(operation: APIOperation) -> st.SearchStrategy[Case]:
    """Requests as described and, where something is described that can be wrong, not as described."""
    modes = GenerationMode if operation.query else [GenerationMode.POSITIVE]
    return st.one_of([operation.as_strategy(generation_mode=mode) for mode in modes])


def test_no_request_fails_by_a_fault_of_the_service(app: FastAPI, subtests: pytest.Subtests) -> None:
    schema = schemathesis.openapi.from_asgi("/openapi.json", app)
    tried = set()
    for result in schema.get_all_operations():
        operation = result.ok()
        tried.add(operation.path)

        @settings(
            max_examples=EXAMPLES, deadline=None, database=None, phases=[Phase.generate],
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        )  # fmt: skip
        @given(case=requests(operation), data=st.data())
        def attempt(case: Case, data: st.DataObject) -> None:
            for name, known in KNOWN.items():
                if name in case.path_parameters and data.draw(st.booleans()):
                    case.path_parameters[name] = data.draw(st.sampled_from(known))
            check(case)

        with subtests.test(operation.label):
            attempt()
    assert tried >= {"/v1/queues", "/v1/agents/{id}/timeline", "/v1/stream", "/session"}
