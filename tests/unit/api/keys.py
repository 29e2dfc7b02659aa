"""Token files for tests, and requests with a token."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

from service.access import Role
from service.tokens import Tokens, new_token
from tests.unit.api.floors import Centre

SECOND_MS = 1_000


class Keys:
    """A token file that can be changed while the service runs. Its clock is the centre's."""

    def __init__(self, path: Path, centre: Centre) -> None:
        self.path = path
        self.centre = centre
        self.lines: dict[str, str] = {}
        self.write()

    def give(
        self, role: Role, *, teams: tuple[str, ...] = (), agent: str | None = None, expires_ms: int | None = None,
        name: str | None = None,
    ) -> str:  # fmt: skip
        """Add a token (named like its role) to the file and return it."""
        token, line = new_token(role, name or role, list(teams), agent, expires_ms)
        self.lines[name or role] = line
        self.write()
        return token

    def take(self, name: str) -> None:
        """Remove a token from the file."""
        del self.lines[name]
        self.write()

    def write(self, text: str | None = None) -> None:
        """Write the file, as it is to be or as it must not; a second and more passes until it is looked at again."""
        self.path.write_text("".join(f"{line}\n" for line in self.lines.values()) if text is None else text, "utf-8")
        self.centre.now_ms += 2 * SECOND_MS

    def tokens(self) -> Tokens:
        """The tokens in force."""

        def now_ms() -> int:
            return self.centre.now_ms

        return Tokens(self.path, now_ms, now_ms)


async def ask(
    app: FastAPI, path: str, token: str | None = None, method: str = "GET", headers: Mapping[str, Any] | None = None,
    content: bytes | None = None, base_url: str = "http://api",
) -> httpx.Response:  # fmt: skip
    """One request without a network."""
    sent = {"Authorization": f"Bearer {token}"} if token is not None else {}
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=base_url) as client:
        return await client.request(method, path, headers={**sent, **(headers or {})}, content=content)
