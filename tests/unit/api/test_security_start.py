"""What the API wants before it listens, and limits of connections: over real sockets, without a broker."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path

import httpx
import pytest
import trustme
import uvicorn

from api import security_connections
from api.security_connections import MOST_REQUEST_BYTES, bounded
from api.security_start import is_loopback
from service.cli import run_command_line
from service.embedded import dying_with_parent, free_port
from service.main import GROUPS, all_commands
from service.settings import ProcessSettings
from service.tokens import new_token
from tests.unit.api.floors import Centre

ROOT = Path(__file__).parents[3]
NO_BROKER = "127.0.0.1:1"


@pytest.mark.parametrize(("host", "only_this_machine"), [
    ("127.0.0.1", True), ("127.8.9.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False),
    ("192.0.2.7", False), ("localhost.example.com", False), ("", False), ("::ffff:192.0.2.7", False),
])  # fmt: skip
def test_loopback_is_what_only_this_machine_reaches(host: str, only_this_machine: bool):
    assert is_loopback(host) is only_this_machine


def test_by_default_the_api_listens_on_loopback():
    assert is_loopback(ProcessSettings().host)


def refused(capsys: pytest.CaptureFixture[str], folder: Path, *words: str) -> str:
    """The sentence with which `floorwalker api` refuses to start."""
    common = ["api", "--bootstrap", NO_BROKER, "--data-dir", str(folder)]
    assert run_command_line([*common, *words], all_commands(), GROUPS) == 2
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1
    return error


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7"])
def test_elsewhere_it_does_not_start_without_tokens(capsys, tmp_path: Path, host: str):
    assert "--tokens" in refused(capsys, tmp_path, "--host", host)


def test_it_does_not_start_with_a_token_file_that_is_wrong_or_missing(capsys, tmp_path: Path):
    file = tmp_path / "tokens.yaml"
    assert f"{file}: there is no such" in refused(capsys, tmp_path, "--tokens", str(file))
    file.write_text("wall: {role: vewer}", "utf-8")
    assert f"{file}, line 1: wall.role" in refused(capsys, tmp_path, "--tokens", str(file))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """Certificate, its key, and the authority that clients trust."""
    folder, authority = tmp_path_factory.mktemp("tls"), trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    cert, key, ca = folder / "cert.pem", folder / "key.pem", folder / "ca.pem"
    cert.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    issued.private_key_pem.write_to_path(str(key))
    authority.cert_pem.write_to_path(str(ca))
    return cert, key, ca


def test_it_does_not_start_with_half_a_certificate(capsys, tmp_path: Path, certificate):
    cert, key, ca = map(str, certificate)
    assert "belong together" in refused(capsys, tmp_path, "--tls-cert", cert)
    assert "belong together" in refused(capsys, tmp_path, "--tls-key", key)
    assert "there is no such file" in refused(capsys, tmp_path, "--tls-cert", cert, "--tls-key", str(tmp_path / "none"))
    assert "not a certificate" in refused(capsys, tmp_path, "--tls-cert", ca, "--tls-key", key), "of another key"
    assert "not a certificate" in refused(capsys, tmp_path, "--tls-cert", key, "--tls-key", cert)


@pytest.fixture
def process(tmp_path: Path, certificate) -> Iterator[tuple[int, str, Path]]:
    """Port, an admin's token and the log of an API with TLS and tokens, whose broker is away."""
    token, line = new_token("admin", None, [], None, None)
    (tmp_path / "tokens.yaml").write_text(line, "utf-8")
    port, log = free_port(), tmp_path / "log"
    with log.open("wb") as output:
        words = ["--bootstrap", NO_BROKER, "--data-dir", str(tmp_path), "--port", str(port), "--log-level", "debug",
                 "--tokens", str(tmp_path / "tokens.yaml"),
                 "--tls-cert", str(certificate[0]), "--tls-key", str(certificate[1])]  # fmt: skip
        command = dying_with_parent([sys.executable, "-m", "service.main", "api", *words])
        child = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output)
    try:
        yield port, token, log
    finally:
        child.terminate()
        try:
            child.wait(15)
        finally:
            child.kill()
            child.wait()


async def test_over_tls_tokens_work_and_stay_out_of_the_log(process: tuple[int, str, Path], certificate):
    port, token, log = process
    trust = ssl.create_default_context(cafile=str(certificate[2]))
    async with httpx.AsyncClient(base_url=f"https://127.0.0.1:{port}", verify=trust, trust_env=False) as client:
        async with asyncio.timeout(30):
            while True:
                try:
                    answer = await client.get("/healthz")
                    break
                except httpx.ConnectError:
                    await asyncio.sleep(0.05)
        assert answer.status_code == 200
        mine = await client.get("/session", headers={"Authorization": f"Bearer {token}"})
        assert mine.json()["role"] == "admin"
        assert (await client.get(f"/session?token={token}")).status_code == 401
        begun = await client.post("/session", headers={"Authorization": f"Bearer {token}"})
        assert "Secure" in begun.headers["set-cookie"]
    with pytest.raises(httpx.HTTPError):
        httpx.get(f"http://127.0.0.1:{port}/healthz", trust_env=False)
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.load_verify_locations(certificate[2])
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with (
        socket.create_connection(("127.0.0.1", port)) as plain,
        old.wrap_socket(plain, server_hostname="127.0.0.1") as tls,
    ):
        assert tls.version() == "TLSv1.2"
    text = log.read_text("utf-8")
    assert token.partition(".")[2] not in text
    assert begun.headers["set-cookie"].partition(";")[0].rpartition(".")[2] not in text


@asynccontextmanager
async def served(most_connections: int) -> AsyncIterator[int]:
    """The port of the application, served in this process."""
    centre = Centre()
    centre.flush()
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        centre.app(), http=bounded(most_connections), lifespan="off", ws="none", log_config=None, access_log=False
    )
    server = uvicorn.Server(config)
    server.capture_signals = nullcontext  # type: ignore[assignment]
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        await asyncio.wait_for(task, 10)


class Wire:
    """One connection, byte by byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def to(cls, port: int) -> Wire:
        """Connect."""
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def send(self, data: bytes) -> None:
        """Send, as far as the other side takes it."""
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self) -> bytes:
        """The head and the body of one answer; less where the connection ends."""
        async with asyncio.timeout(10):
            try:
                head = await self.reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError as error:
                return error.partial
            length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            return head + await self.reader.readexactly(length)

    async def ended(self) -> bool:
        """Wait until the other side has closed."""
        async with asyncio.timeout(10):
            return await self.reader.read() == b""

    def close(self) -> None:
        """Leave."""
        self.writer.close()


HEALTH = b"GET /healthz HTTP/1.1\r\nHost: api\r\n"


async def test_a_connection_too_many_is_told_so_and_the_others_go_on():
    async with served(most_connections=2) as port:
        first, second = await Wire.to(port), await Wire.to(port)
        for wire in (first, second):
            await wire.send(HEALTH + b"\r\n")
            assert b"200 OK" in await wire.answer()
        third = await Wire.to(port)
        refused = await third.answer()
        assert b"503" in refused and b"application/problem+json" in refused and b"2 connections" in refused
        assert await third.ended()
        third.close()
        second.close()
        await second.writer.wait_closed()
        async with asyncio.timeout(10):
            while b"200 OK" not in (again := await _once(port)):
                assert b"503" in again
        await first.send(HEALTH + b"\r\n")
        assert b"200 OK" in await first.answer()
        first.close()


async def _once(port: int) -> bytes:
    wire = await Wire.to(port)
    try:
        await wire.send(HEALTH + b"Connection: close\r\n\r\n")
        return await wire.answer()
    except ConnectionError:
        return b"503"
    finally:
        wire.close()


@pytest.mark.parametrize("endless", [b"a: " + b"x" * 65_536, b"a: b\r\n" * 10_000])
async def test_a_head_without_end_is_cut_off(endless: bytes):
    async with served(most_connections=5) as port:
        wire = await Wire.to(port)
        await wire.send(HEALTH)
        try:
            for _ in range(10 * MOST_REQUEST_BYTES // len(endless)):
                await wire.send(endless)
            answer = await wire.answer()
            assert b"431" in answer and b"application/problem+json" in answer
        except ConnectionError:
            pass  # it was cut off before we had read why
        finally:
            wire.close()
        assert b"200 OK" in await _once(port)


async def test_a_head_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(security_connections, "HEAD_SECONDS", 1.5)
    async with served(most_connections=5) as port:
        silent, slow = await Wire.to(port), await Wire.to(port)
        await slow.send(HEALTH)
        assert await silent.ended() and await slow.ended()
        patient = await Wire.to(port)
        for _ in range(2):
            await patient.send(HEALTH + b"\r\n")
            assert b"200 OK" in await patient.answer()
        await patient.send(HEALTH)
        assert await patient.ended(), "also of a later request on the same connection"
        for wire in (silent, slow, patient):
            wire.close()


async def test_many_requests_on_one_connection_are_not_one_large_one():
    async with served(most_connections=5) as port:
        wire = await Wire.to(port)
        padded = HEALTH + b"X-Padding: " + b"x" * 20_000 + b"\r\n\r\n"
        for _ in range(MOST_REQUEST_BYTES // len(padded) + 2):
            await wire.send(padded)
            assert b"200 OK" in await wire.answer()
        wire.close()
