"""Asks the API over one kept connection, with the standard library only."""

import http.client
import json
import time
from types import TracebackType
from typing import Any, Final, Self

TIMEOUT_SECONDS: Final = 10


class Asker:
    """One HTTP connection to an API on this machine, as a context manager."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self._connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def get(self, path: str) -> tuple[int, bytes]:
        """Status and body. Raises OSError or HTTPException when nobody answers."""
        try:
            self._connection.request("GET", path)
            with self._connection.getresponse() as answer:
                return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()  # the next request connects anew
            raise

    def json(self, path: str) -> Any:
        """The body of a 200 answer; None when nobody answers or the status is another."""
        try:
            status, body = self.get(path)
        except (OSError, http.client.HTTPException):
            return None
        return json.loads(body) if status == 200 else None

    def seconds(self, path: str, times: int) -> list[float]:
        """How long each of so many requests took."""
        taken = []
        for _ in range(times):
            started = time.perf_counter()
            self.get(path)
            taken.append(time.perf_counter() - started)
        return taken


def quantile(values: list[float], q: float) -> float:
    """The q-quantile (0 to 1) of at least one value, the next higher one between two."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))]


def p50_p99(values: list[float]) -> dict[str, float]:
    """The two quantiles that are reported."""
    return {"p50": quantile(values, 0.5), "p99": quantile(values, 0.99)}
