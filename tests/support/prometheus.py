"""Prometheus itself (Debian's package) as a process on loopback, with a configuration of deploy/ pointed at a test."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import yaml

from service.embedded import dying_with_parent, free_port

ROOT = Path(__file__).parents[2]
SERVER = shutil.which("prometheus")
MISSING = "" if SERVER else "prometheus is not installed (Debian: apt-get install prometheus)"


class PrometheusProcess:
    """A server that scrapes every second; stopped, by force if need be, at the end of the `with` block."""

    def __init__(self, folder: Path, targets: Mapping[str, str], *, interval: str = "1s") -> None:
        """`targets`: addresses by the name of the job in deploy/prometheus/prometheus.yml; other jobs are left out."""
        shipped = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text("utf-8"))
        shipped["global"] = {"scrape_interval": interval, "scrape_timeout": interval, "evaluation_interval": interval}
        jobs = [job for job in shipped["scrape_configs"] if job["job_name"] in targets]
        for job in jobs:
            job["static_configs"] = [{"targets": [targets[job["job_name"]]]}]
        shipped["scrape_configs"] = jobs
        shipped["rule_files"] = [str(ROOT / "deploy/prometheus" / name) for name in shipped.get("rule_files", [])]
        shipped.pop("alerting", None)
        config = folder / "prometheus.yml"
        config.write_text(yaml.safe_dump(shipped), "utf-8")
        self.address = f"127.0.0.1:{free_port()}"
        command = [
            SERVER or "prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder / 'tsdb'}",
            f"--web.listen-address={self.address}", "--log.level=warn",
        ]  # fmt: skip
        self._log = (folder / "prometheus.log").open("wb")
        self._process = subprocess.Popen(dying_with_parent(command), stdout=self._log, stderr=self._log)
        self.client = httpx.Client(base_url=f"http://{self.address}", timeout=10)

    def __enter__(self) -> Self:
        try:
            self.until(lambda: self.client.get("/-/ready").status_code == 200)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.client.close()
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)
        self._log.close()

    def until(self, holds: Callable[[], bool], timeout_s: float = 60) -> None:
        """Wait until something holds. Raises AssertionError with the log's end."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                if holds():
                    return
            except httpx.TransportError:
                pass  # not listening yet
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(0.1)
        raise AssertionError(f"still not so: {holds}; log: {Path(self._log.name).read_text('utf-8')[-2000:]}")

    def ask(self, expr: str, at: float | None = None) -> list[tuple[dict[str, str], float]]:
        """The instant vector of an expression: labels and value. Raises AssertionError if Prometheus refuses it."""
        data = {"query": expr} | ({} if at is None else {"time": str(at)})
        answer: dict[str, Any] = self.client.post("/api/v1/query", data=data).json()
        assert answer["status"] == "success", (expr, answer)
        return [(each["metric"], float(each["value"][1])) for each in answer["data"]["result"]]
