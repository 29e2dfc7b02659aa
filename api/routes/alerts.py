"""Alerts: those there are, and taking one in hand."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from api.alerts import alert_view, sees
from api.context import Context
from api.problems import Problem
from api.respond import conditional_json, json_response
from api.security import grant_of
from service.domain.alert_record import Alert, Severity
from service.domain.business_events import AlertAcknowledged
from service.event_sender import NotSent

SOURCE = "floorwalker"
"""The source of the events that the service itself makes on somebody's behalf."""

Text = Annotated[str | None, Query()]


class Acknowledgement(BaseModel):
    """Who takes the alert in hand, and what they have to say about it."""

    model_config = ConfigDict(extra="forbid")

    who: Annotated[str, Field(min_length=1, max_length=200)]
    note: Annotated[str, Field(max_length=2_000)] | None = None


def find_alert(context: Context, request: Request, fingerprint: str) -> Alert:
    """The alert. Raises Problem(404), also for one that the client's token does not show."""
    found = context.state.alerts.alerts.get(fingerprint)
    if found is None or not sees(grant_of(request), found):
        raise Problem(404, f"there is no alert {fingerprint!r}")
    return found


def router(context: Context) -> APIRouter:
    """The routes under /v1/alerts."""
    routes = APIRouter(prefix="/v1/alerts", tags=["alerts"])
    state, views = context.state, context.views

    @routes.get("", summary="Alerts, the most urgent first")
    async def list_alerts(
        request: Request,
        status: Annotated[
            Literal["pending", "firing", "inhibited", "resolved"] | None,
            Query(alias="state", description="inhibited: it fires, and another alert explains it"),
        ] = None,
        severity: Severity | None = None,
        scope: Annotated[str | None, Query(description="as queue:sales; includes what belongs to it")] = None,
    ) -> Response:
        grant = grant_of(request)
        items = [alert_view(alert) for alert in state.alerts.found(status, severity, scope) if sees(grant, alert)]
        return conditional_json(request, views.head(state.view()), items)

    @routes.get("/{fingerprint}", summary="One alert")
    async def one_alert(request: Request, fingerprint: str) -> Response:
        return json_response({**views.head(state.view()), **alert_view(find_alert(context, request, fingerprint))})

    @routes.post("/{fingerprint}/ack", summary="Take a firing alert in hand", status_code=202)
    async def acknowledge(request: Request, fingerprint: str, body: Acknowledgement) -> Response:
        alert = find_alert(context, request, fingerprint)
        if alert.acknowledged is not None:
            return json_response(alert_view(alert))
        if alert.state != "firing":
            raise Problem(409, f"alert {fingerprint!r} does not fire, it is {alert.state}: there is nothing to take")
        event = AlertAcknowledged(
            event_id=f"{fingerprint}-{alert.episode}-ack", occurred_at_ms=state.wall_ms(), source=SOURCE,
            fingerprint=fingerprint, who=body.who, note=body.note,
        )  # fmt: skip
        if context.send is None:
            raise Problem(503, "this process has no connection that could take an acknowledgement")
        try:
            await context.send(event)
        except NotSent as error:
            raise Problem(503, f"the acknowledgement was not taken: {error}", {"Retry-After": "2"}) from None
        said = {"by": body.who, "note": body.note}
        response = json_response({"fingerprint": fingerprint, "episode": alert.episode, "acknowledged": said})
        response.status_code = 202
        return response

    return routes
