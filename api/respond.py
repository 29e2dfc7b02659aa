"""JSON, CSV and conditional responses."""

import csv
import hashlib
import io
from collections.abc import Sequence
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from service.csvtext import cell

JSON = "application/json"


def json_response(body: Any) -> Response:
    """The body as JSON; numbers as keys and the like are bugs."""
    return Response(orjson.dumps(body), media_type=JSON, headers={"Cache-Control": "no-store"})


def conditional_json(
    request: Request, head: dict[str, Any], content: dict[str, Any] | list[dict[str, Any]]
) -> Response:
    """JSON of one object, or of a list as `items`, each with the head in it; 304 where the client has it already.

    The weak ETag is of the content alone: `as_of` and `staleness_seconds`, which always differ, belong in the head, and
    stand in headers, too: a 304 says of when what the client has is true, and how fresh.
    """
    parts = [orjson.dumps(part) for part in (content if isinstance(content, list) else [content])]
    tag = f'W/"{hashlib.blake2b(b"".join(parts), digest_size=12).hexdigest()}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache", **_freshness(head)}
    known = request.headers.get("if-none-match")
    if known is not None and (known.strip() == "*" or tag in [part.strip() for part in known.split(",")]):
        return Response(status_code=304, headers=headers)
    start = orjson.dumps(head)[:-1] + b","
    bodies = [start + part[1:] for part in parts]
    body = start + b'"items":[' + b",".join(bodies) + b"]}" if isinstance(content, list) else bodies[0]
    return Response(body, media_type=JSON, headers=headers)


def _freshness(head: dict[str, Any]) -> dict[str, str]:
    """The head as headers; nothing of what is not known or does not apply."""
    names = {"as_of": "Floorwalker-As-Of", "staleness_seconds": "Floorwalker-Staleness-Seconds"}
    return {header: str(head[name]) for name, header in names.items() if head.get(name) is not None}


def csv_response(rows: Sequence[dict[str, Any]], columns: Sequence[str], name: str) -> Response:
    """Rows as CSV with a heading; null is an empty cell."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([cell(row[column]) for column in columns])
    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"', "Cache-Control": "no-store"}
    return Response(text.getvalue(), media_type="text/csv; charset=utf-8", headers=headers)


def wants_csv(request: Request, format_: str | None) -> bool:
    """Whether CSV is asked for, by `format=csv` or by the Accept header."""
    if format_ is not None:
        return format_ == "csv"
    return "text/csv" in request.headers.get("accept", "")
