"""Debian's Alertmanager as a process of a test, with deploy's configuration."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import yaml

from service.embedded import free_port
from service.processes import Child

CONFIG = Path(__file__).parents[2] / "deploy/alertmanager/alertmanager.yml"
SERVER, TOOL = "prometheus-alertmanager", "amtool"
_ARRIVED, _LOOKS = "alertmanager_notification_latency_seconds_count", "alertmanager_nflog_queries_total"
_SHORT = {"group_wait": "200ms", "group_interval": "500ms"}


def missing() -> str | None:
    """What lacks, as a reason to skip; None if all is there."""
    lacking = [name for name in (SERVER, TOOL) if shutil.which(name) is None]
    return f"not installed: {', '.join(lacking)} (Debian package {SERVER})" if lacking else None


def shortened(receiver_url: str) -> dict[str, Any]:
    """Deploy's configuration with addresses at the test's own server and without waiting for company."""
    config: dict[str, Any] = yaml.safe_load(CONFIG.read_text("utf-8"))
    for route in (config["route"], *config["route"]["routes"]):
        route |= {key: value for key, value in _SHORT.items() if key in route}
    for receiver in config["receivers"]:
        for webhook in receiver.get("webhook_configs", []):
            webhook["url"] = f"{receiver_url}/{webhook['url'].rpartition('/')[2]}"
    return config


class AlertmanagerProcess:
    """One Alertmanager on a free port of this machine; it keeps port and memory over `stop` and `start`."""

    def __init__(self, folder: Path, receiver_url: str) -> None:
        self.folder = folder
        self.url = f"http://127.0.0.1:{free_port()}"
        self._child: Child | None = None
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "alertmanager.yml").write_text(yaml.safe_dump(shortened(receiver_url)), "utf-8")

    async def start(self) -> None:
        """Start it and wait until it is ready."""
        command = [
            shutil.which(SERVER) or SERVER, f"--config.file={self.folder}/alertmanager.yml",
            f"--storage.path={self.folder}/data", f"--web.listen-address={self.url.removeprefix('http://')}",
            "--cluster.listen-address=",
        ]  # fmt: skip
        self._child = Child("alertmanager", command, self.folder / "alertmanager.log")
        deadline = time.monotonic() + 30
        try:
            async with httpx.AsyncClient() as client:
                while not await self._ready(client):
                    assert time.monotonic() < deadline and self._child.exit_code is None, self._log()
                    await asyncio.sleep(0.05)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End it in order: it writes down whom it has told."""
        if self._child is not None:
            await asyncio.to_thread(self._child.stop, 20_000)
            self._child = None

    async def alerts(self) -> dict[str, dict[str, Any]]:
        """Its alerts by rule and scope."""
        async with httpx.AsyncClient(base_url=self.url) as client:
            found = (await client.get("/api/v2/alerts")).raise_for_status().json()
        return {f"{alert['labels']['alertname']} {alert['labels']['scope']}": alert for alert in found}

    async def until(self, condition: Callable[[dict[str, dict[str, Any]]], bool], what: str) -> None:
        """Wait until it holds of its alerts."""
        deadline = time.monotonic() + 20
        while not condition(alerts := await self.alerts()):
            assert time.monotonic() < deadline, f"{what}: {alerts}\n{self._log()}"
            await asyncio.sleep(0.05)

    async def written_down(self, notices: int) -> None:
        """Wait until it has noted for itself that so many notices since its start arrived.

        Whoever it tells knows earlier than it does that they were told: stopped in between, it would tell them again.
        A group is looked at again only after what was noted of it, and each look asks the log of notices once.
        """
        arrived = f'{_ARRIVED}{{integration="webhook"}}'
        numbers = await self._until_counted(lambda now: now[arrived] >= notices)
        looks = numbers[_LOOKS] + 2 * notices
        await self._until_counted(lambda now: now[_LOOKS] >= looks)

    async def _until_counted(self, condition: Callable[[dict[str, float]], bool]) -> dict[str, float]:
        deadline = time.monotonic() + 20
        async with httpx.AsyncClient(base_url=self.url) as client:
            while True:
                lines = (await client.get("/metrics")).raise_for_status().text.splitlines()
                parts = (line.rpartition(" ") for line in lines if not line.startswith("#"))
                numbers = {name: float(value) for name, _, value in parts}
                if condition(numbers):
                    return numbers
                assert time.monotonic() < deadline, self._log()
                await asyncio.sleep(0.05)

    async def tool(self, *arguments: str) -> str:
        """What amtool says."""
        command = [TOOL, *arguments, f"--alertmanager.url={self.url}"]
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    async def _ready(self, client: httpx.AsyncClient) -> bool:
        try:
            return (await client.get(f"{self.url}/-/ready")).status_code == 200
        except httpx.TransportError:
            return False

    def _log(self) -> str:
        return "it does not run" if self._child is None else self._child.log_text()[-3000:]
