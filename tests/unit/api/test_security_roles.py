"""Who may see what: each role, what it is bound to, and everything it is not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from api.routes import ROUTERS
from api.security import AREAS, OPEN, WRITES, area_of, head_of
from api.settings import ApiSettings
from service.access import MAY, ROLES, Grant, Role
from service.domain.settings import Agent
from tests.unit.api.floors import Centre, small_floor
from tests.unit.api.keys import Keys, ask

ROOT = Path(__file__).parents[3]
BOUND: dict[Role, dict[str, object]] = {"agent": {"agent": "1001"}, "supervisor": {"teams": ("blue",)}}
PATHS = {
    "queues": ("/v1/queues", "/v1/queues/sales", "/v1/queues/sales/intervals", "/v1/queues/sales/visits",
               "/v1/queues/sales/reconciliation", "/v1/forecasts/sales"),
    "roll-ups": ("/v1/scopes/group/front", "/v1/scopes/site/berlin", "/v1/scopes/channel/voice"),
    "routing": ("/v1/routing/queues", "/v1/routing/queues?ids=sales"),
    "agents": ("/v1/agents", "/v1/agents/1001", "/v1/agents/1001/timeline", "/v1/agents/1001/intervals"),
    "sources": ("/v1/sources",),
    "metrics": ("/metrics",),
    "kpis": ("/v1/kpis",),
    "alerts": ("/v1/alerts", "/v1/alerts?state=firing"),
    "administration": ("/v1/config",),
}  # fmt: skip
SPELLINGS = (
    "/v1/queues/", "//v1/agents", "/V1/agents", "/v1/agents%2F1001", "/%76%31/agents", "/wallboard/../v1/agents", "/v1",
    "/wallboard/%2e%2e/v1/agents", "/v1//agents", "/metrics/", "/v1/agents/?id=1001", "/v1/agents?id=1001",
    "/v1/agents//timeline?id=1001", "/v1/nonsense", "/session/../v1/agents", "/session%2F..%2Fmetrics",
)  # fmt: skip
OF_ONE_AGENT = ("", "/timeline", "/intervals")


@pytest.fixture(scope="module")
def centre() -> Centre:
    """Ann is in the team blue, Zoe in red, Max in none; Bob is only seen in the stream."""
    floor = small_floor()
    floor.agents["zoe"] = Agent("zoe", "Zoe", "red", "berlin", True)
    floor.agents["max"] = Agent("max", "Max", None, "berlin", True)
    made = Centre(floor)
    for agent in ("1001", "zoe", "max", "bob"):
        made.agent_state(agent, "ready", ago_ms=60_000)
    made.queued("c1", ago_ms=5_000)
    made.flush()
    return made


@pytest.fixture(scope="module")
def keys(centre: Centre, tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return Keys(tmp_path_factory.mktemp("keys") / "tokens.yaml", centre)


@pytest.fixture(scope="module")
def tokens(keys: Keys) -> dict[Role, str]:
    """A token of each role; the agent is Ann, the supervisor has the team blue."""
    return {role: keys.give(role, **BOUND.get(role, {})) for role in ROLES}  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def app(centre: Centre, keys: Keys, tokens: dict[Role, str]) -> FastAPI:
    return centre.app(ApiSettings(agent_series=True), keys.tokens())


@pytest.mark.parametrize("area", PATHS)
@pytest.mark.parametrize("role", ROLES)
async def test_a_role_has_its_areas_and_no_other(app: FastAPI, tokens: dict[Role, str], role: Role, area: str):
    wanted = 200 if area in MAY[role] else 403
    for path in PATHS[area]:
        answer = await ask(app, path, tokens[role])
        assert answer.status_code == wanted, path
        if wanted == 403:
            assert answer.headers["content-type"] == "application/problem+json"
            assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]


def test_every_area_has_a_path_that_is_tried():
    untried = {
        (head, area) for head, area in AREAS.items() if head not in {head_of(path) for path in PATHS.get(area, ())}
    }
    assert untried == {("/v1/stream", "queues")}, "live push does not end by itself and has a test of its own"


@pytest.mark.parametrize("path", [path for paths in PATHS.values() for path in paths])
async def test_without_a_token_there_is_nothing(app: FastAPI, path: str):
    answer = await ask(app, path)
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"].startswith("Bearer ")


@pytest.mark.parametrize("path", ["/", "/docs", "/openapi.json", "/wallboard/main.js", "/healthz", "/readyz"])
async def test_the_page_and_health_are_there_for_everybody(app: FastAPI, path: str):
    assert (await ask(app, path)).status_code == 200
    assert (await ask(app, path, "fw_old.token")).status_code == 200, "an old token does not hide them"


@pytest.mark.parametrize("path", SPELLINGS)
async def test_no_spelling_of_a_path_leads_past_the_door(app: FastAPI, path: str):
    answer = await ask(app, path)
    assert answer.status_code in (401, 404), answer.text


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_what_changes_something_is_not_for_those_who_only_look(
    app: FastAPI, tokens: dict[Role, str], method: str
):
    assert (await ask(app, "/v1/queues", method=method)).status_code == 401
    assert (await ask(app, "/v1/queues", tokens["viewer"], method)).status_code == 403


def test_alerts_are_acknowledged_by_supervisors_and_the_admin():
    allowed = {role for role in ROLES if Grant("x", role).may(area_of("POST", "/v1/alerts/f1/ack") or "alerts")}
    assert allowed == {"supervisor", "admin"}
    assert {role for role in ROLES if Grant("x", role).may(area_of("GET", "/v1/alerts") or "acknowledge")} == {
        "viewer", "supervisor", "admin",
    }  # fmt: skip


async def test_the_list_of_agents_shows_a_supervisor_their_teams_and_an_agent_themselves(app, tokens):
    for role, seen in {"supervisor": ["1001"], "agent": ["1001"], "admin": ["1001", "zoe", "max", "bob"]}.items():
        items = (await ask(app, "/v1/agents?windows=day", tokens[role])).json()["items"]
        assert [item["id"] for item in items] == seen


async def test_a_supervisor_of_two_teams_sees_both(centre, keys):
    token = keys.give("supervisor", teams=("blue", "red"), name="two-teams")
    app = centre.app(tokens=keys.tokens())
    items = (await ask(app, "/v1/agents", token)).json()["items"]
    assert [item["id"] for item in items] == ["1001", "zoe"]


@pytest.mark.parametrize("role", ["agent", "supervisor"])
@pytest.mark.parametrize("rest", OF_ONE_AGENT)
async def test_a_stranger_is_forbidden_whether_or_not_there_is_one(app, tokens, role: Role, rest: str):
    for stranger in ("zoe", "max", "bob", "nobody-of-this-name"):
        answer = await ask(app, f"/v1/agents/{stranger}{rest}", tokens[role])
        by_query = await ask(app, f"/v1/agents{rest}?id={stranger}", tokens[role])
        assert answer.status_code == by_query.status_code == 403
        assert answer.json()["detail"] == f"this token does not show the agent {stranger!r}"


async def test_a_slash_in_the_path_makes_no_other_agent_of_a_stranger(app, tokens):
    for path in ("/v1/agents/1001/../zoe", "/v1/agents/1001/zoe", "/v1/agents/1001%2Fzoe", "/v1/agents/./zoe"):
        assert (await ask(app, path, tokens["agent"])).status_code in (403, 404), path


def test_every_route_about_one_agent_was_tried():
    known = {path for path in _all_paths() if path.startswith("/v1/agents/")}
    assert known == {"/v1/agents/{id:path}" + rest for rest in OF_ONE_AGENT}


async def test_a_team_is_shown_to_its_supervisor_and_the_admin_only(app, tokens):
    for role in ROLES:
        blue, red, none = [
            (await ask(app, f"/v1/scopes/team/{t}", tokens[role])).status_code for t in ("blue", "red", "x")
        ]
        assert blue == (200 if role in ("supervisor", "admin") else 403)
        assert (red, none) == ((200, 404) if role == "admin" else (403, 403))


@pytest.mark.parametrize(("role", "scope", "status"), [
    ("viewer", "agent:1001", 403), ("router", "agent:1001", 403), ("agent", "agent:zoe", 403),
    ("agent", "agent:nobody-of-this-name", 403), ("supervisor", "agent:zoe", 403), ("viewer", "queue:none", 404),
    ("admin", "agent:nobody-of-this-name", 404),
])  # fmt: skip
async def test_live_push_is_bound_as_the_rest_is(app, tokens, role: Role, scope: str, status: int):
    assert (await ask(app, f"/v1/stream?scopes=queue:sales,{scope}", tokens[role])).status_code == status


async def test_metrics_show_single_agents_to_the_admin_only(app, tokens):
    assert b"floorwalker_agent_" not in (await ask(app, "/metrics", tokens["viewer"])).content
    assert b'floorwalker_agent_state{agent="1001"' in (await ask(app, "/metrics", tokens["admin"])).content


async def test_what_a_viewer_may_see_names_no_agent(app, tokens):
    for path in (path for area in MAY["viewer"] for path in PATHS.get(area, ())):
        text = (await ask(app, path, tokens["viewer"])).text
        assert not re.search(r"1001|\bAnn\b|\bzoe\b|\bbob\b", text), path


def _all_paths() -> set[str]:
    found: set[str] = set()
    context = Centre().app().state.context
    for build in ROUTERS:
        found |= {route.path for route in build(context).routes if isinstance(route, APIRoute)}
    return found


def test_every_route_belongs_to_an_area_or_is_open():
    assert {head_of(path) for path in _all_paths()} <= OPEN | AREAS.keys() | WRITES.keys()


def test_the_document_has_the_table_of_roles():
    text = (ROOT / "docs" / "security.md").read_text("utf-8")
    header, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in _table(text)]
    told = {
        role: {row[0].strip("`") for row in rows if row[column]} for column, role in enumerate(header) if role in ROLES
    }
    assert told == {role: set(areas) for role, areas in MAY.items()}


def _table(text: str) -> list[str]:
    start = text.index("| area |")
    return text[start:].split("\n\n")[0].strip().splitlines()
