"""An API process of its own over a broker, for tests over a real socket."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from service.embedded import dying_with_parent, free_port

ROOT = Path(__file__).parents[2]
_RUN = """
import sys
from pathlib import Path
from api.server import run
from service.cli import Command, run_command_line
from service.config import load_config
from service.settings import load_settings

def serve(args):
    config = load_config(Path(sys.argv[3]) if sys.argv[3] else None)
    return run(load_settings({"bootstrap": sys.argv[1], "port": int(sys.argv[2])}, config.settings), config)

sys.exit(run_command_line(["api"], [Command("api", "serve", lambda parser: None, serve)], {}))
"""


class ApiProcess:
    """The API as a child process; stopped, by force if need be, at the end of the `with` block."""

    def __init__(
        self, bootstrap: str, log: Path, config: Path | None = None, port: int | None = None, **env: str
    ) -> None:
        self.port = port or free_port()
        self.log = log
        arguments = [bootstrap, str(self.port), str(config or "")]
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                dying_with_parent([sys.executable, "-c", _RUN, *arguments]), cwd=ROOT, stdout=output, stderr=output,
                env={**os.environ, "PYTHONPATH": str(ROOT), **env},
            )  # fmt: skip
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=10)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.client.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)

    def until(self, path: str, status: int = 200, timeout_s: float = 20, **wanted: Any) -> httpx.Response:
        """Ask until the answer has the status and the wanted values at its top level. Raises AssertionError."""
        deadline = time.monotonic() + timeout_s
        seen = "no answer"
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                answer = self.client.get(path)
            except httpx.TransportError as error:
                seen = repr(error)
            else:
                seen = f"{answer.status_code} {answer.text[:300]}"
                if answer.status_code == status and (not wanted or wanted.items() <= answer.json().items()):
                    return answer
            self._pause()
        raise AssertionError(f"{path}: {seen}\n{self.log.read_text(errors='replace')[-3000:]}")

    def _pause(self) -> None:
        """Leave the processor to the process for a moment, or until it has ended."""
        try:
            self.process.wait(0.05)
        except subprocess.TimeoutExpired:
            return
