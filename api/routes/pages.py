"""The wallboard, the page that shows the interface, and their files."""

from pathlib import Path
from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from api.context import Context
from api.problems import Problem
from api.security_headers import PAGE_POLICY

FOLDER: Final = Path(__file__).parents[1] / "wallboard"
TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
HEADERS: Final = {
    "Content-Security-Policy": PAGE_POLICY,
    "Cache-Control": "no-cache",
}


def router(context: Context) -> APIRouter:
    """The routes /, /docs and /wallboard/FILE."""
    routes = APIRouter(include_in_schema=False)
    files = {path.name: path.read_bytes() for path in sorted(FOLDER.iterdir()) if path.suffix in TYPES}

    def page(name: str) -> Response:
        return Response(files[name], media_type=TYPES[Path(name).suffix], headers=HEADERS)

    @routes.get("/")
    async def wallboard() -> Response:
        return page("index.html")

    @routes.get("/docs")
    async def docs() -> Response:
        return page("docs.html")

    @routes.get("/wallboard/{name}")
    async def file(name: str) -> Response:
        if name not in files:
            raise Problem(404, f"the wallboard has no file {name!r}")
        return page(name)

    return routes
