"""Apache Kafka as child processes: one node or three on loopback ports, each broker and controller at once (KRaft)."""

from __future__ import annotations

import base64
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from pathlib import Path
from string import Template
from types import TracebackType
from typing import Self

import trustme
from cryptography.hazmat.primitives import serialization

from deploy.topology.apache_kafka import KAFKA_DIR, ensure_jars, java_command, known_brokers
from service.embedded import HOST, dying_with_parent, free_port


class KafkaFailed(Exception):
    """Apache Kafka was started and did not work; the text ends with the last lines of its log."""


class Guard:
    """Two more listeners of a node: SASL_SSL for a name and a password, SSL for certificates of the same authority.

    The files are in `folder`: `ca.pem`, `client.pem` with `client.key`, and `stranger.pem` with `stranger.key`, which
    another authority signed.
    """

    user, password = "floorwalker", "tell-nobody-7351"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        authority, other = trustme.CA(), trustme.CA()
        authority.cert_pem.write_to_path(folder / "ca.pem")
        server = authority.issue_cert(HOST)
        for name, issued in (("client", authority.issue_cert("client")), ("stranger", other.issue_cert("stranger"))):
            (folder / f"{name}.pem").write_bytes(b"".join(part.bytes() for part in issued.cert_chain_pems))
            issued.private_key_pem.write_to_path(folder / f"{name}.key")
        # Kafka wants the key in PKCS#8, in one file with the chain
        key = serialization.load_pem_private_key(server.private_key_pem.bytes(), None)
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        (folder / "server.pem").write_bytes(pem + b"".join(part.bytes() for part in server.cert_chain_pems))

    def properties(self, node: KafkaNode) -> str:
        """What a node's configuration needs besides the template; later lines win."""
        open_to = {"PLAINTEXT": node.port, "SASL_SSL": node.password_port, "SSL": node.certificate_port}
        told = ",".join(f"{name}://{HOST}:{port}" for name, port in open_to.items())
        lines = [
            f"listeners={told},CONTROLLER://{HOST}:{node.controller_port}",
            f"advertised.listeners={told}",
            "listener.security.protocol.map=CONTROLLER:PLAINTEXT," + ",".join(f"{name}:{name}" for name in open_to),
            "sasl.enabled.mechanisms=SCRAM-SHA-512",
            "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config="
            "org.apache.kafka.common.security.scram.ScramLoginModule required;",
            "ssl.keystore.type=PEM",
            f"ssl.keystore.location={self.folder / 'server.pem'}",
            "ssl.truststore.type=PEM",
            f"ssl.truststore.location={self.folder / 'ca.pem'}",
            "listener.name.ssl.ssl.client.auth=required",
        ]
        return "\n" + "\n".join(lines) + "\n"


class KafkaNode:
    """One broker with its own ports, data directory and log; what it stored survives `kill` and `stop`."""

    def __init__(self, node_id: int, directory: Path, guard: Guard | None = None) -> None:
        self.node_id = node_id
        self.guard = guard
        self.password_port, self.certificate_port = free_port(), free_port()
        self.port = free_port()
        self.controller_port = free_port()
        self.detour_port, self.proxy_port = free_port(), free_port()
        self.log_file = directory / f"node-{node_id}.log"
        self.data_dir = directory / f"data-{node_id}"
        self._properties = directory / f"node-{node_id}.properties"
        self.wanted = False  # started, and neither stopped nor killed on purpose since
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        """The address of this node for Kafka clients."""
        return f"{HOST}:{self.port}"

    @property
    def pid(self) -> int | None:
        """The process id; None while it does not run."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def format(self, cluster_id: str, voters: str, nodes: int) -> subprocess.Popen[bytes]:
        """Write the configuration and start the storage tool that prepares the data directory."""
        replication, min_insync = (3, 2) if nodes >= 3 else (1, 1)
        values = {"node_id": self.node_id, "voters": voters, "port": self.port, "data_dir": self.data_dir}
        values |= {"detour_port": self.detour_port, "proxy_port": self.proxy_port}
        values |= {"controller_port": self.controller_port, "replication": replication, "min_insync": min_insync}
        template = Template((KAFKA_DIR / "server.properties").read_text("utf-8"))
        text, users = template.substitute(values), []
        if self.guard is not None:
            text += self.guard.properties(self)
            users = ["--add-scram", f"SCRAM-SHA-512=[name={self.guard.user},password={self.guard.password}]"]
        self._properties.write_text(text, "utf-8")
        return self._java("kafka.tools.StorageTool", "format", "-t", cluster_id, "-c", str(self._properties), *users)

    def start(self) -> None:
        """Start the broker's process and return at once."""
        self.wanted = True
        if self.pid is None:
            self._process = self._java("kafka.Kafka", str(self._properties))

    def stop(self, timeout_ms: int = 30_000) -> None:
        """Stop in an orderly way, by force when that takes too long."""
        self.wanted = False
        if self._process is None:
            return
        self._process.send_signal(signal.SIGCONT)  # a frozen one could not obey
        self._process.terminate()
        try:
            self._process.wait(timeout_ms / 1000)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """Kill -9."""
        self.wanted = False
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def freeze(self) -> None:
        """Stop the process in its tracks (SIGSTOP): its sockets stay open and nobody answers."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen process run on."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    def ended(self, wait_ms: int) -> bool:
        """Give it `wait_ms` to end and tell whether it did."""
        if self._process is None:
            return True
        try:
            self._process.wait(wait_ms / 1000)
        except subprocess.TimeoutExpired:
            return False
        return True

    def log_tail(self, lines: int = 30) -> str:
        """The last lines of its log."""
        text = self.log_file.read_text("utf-8", errors="replace") if self.log_file.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def _java(self, *arguments: str) -> subprocess.Popen[bytes]:
        command = dying_with_parent(java_command(*arguments))
        with self.log_file.open("ab") as log:
            return subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )


class KafkaProcess:
    """A cluster of one or three nodes, as a context manager; its data is deleted when it stops.

    Raises KafkaUnavailable where Kafka cannot run, KafkaFailed when it did not come up.
    """

    def __init__(self, nodes: int = 1, guard: Guard | None = None) -> None:
        """`guard` None: only the listener that asks for nothing."""
        self._directory = Path(tempfile.mkdtemp(prefix="floorwalker-kafka-"))
        self.nodes = [KafkaNode(number, self._directory, guard) for number in range(1, nodes + 1)]

    @property
    def bootstrap(self) -> str:
        """The addresses of all nodes for Kafka clients, comma-separated."""
        return ",".join(node.bootstrap for node in self.nodes)

    @property
    def replication(self) -> int:
        """How many copies a topic should have here."""
        return 3 if len(self.nodes) >= 3 else 1

    def start(self, timeout_ms: int = 90_000) -> Self:
        """Prepare the data directories, start every node, return when all answer and know each other."""
        # the first byte is set, since an id that begins with "-" (one in 64) would be taken for an option
        cluster_id = base64.urlsafe_b64encode(b"F" + uuid.uuid4().bytes[1:]).decode().rstrip("=")
        voters = ",".join(f"{node.node_id}@{HOST}:{node.controller_port}" for node in self.nodes)
        try:
            ensure_jars()
            tools = [node.format(cluster_id, voters, len(self.nodes)) for node in self.nodes]
            for node, tool in zip(self.nodes, tools, strict=True):
                if tool.wait(timeout_ms / 1000) != 0:
                    raise KafkaFailed(f"formatting node {node.node_id} failed:\n{node.log_tail()}")
            for node in self.nodes:
                node.start()
            self.wait_ready(timeout_ms)
        except BaseException:
            self.stop()
            raise
        return self

    def wait_ready(self, timeout_ms: int = 90_000) -> None:
        """Return when every node that should run answers a metadata request listing all of them. Raises KafkaFailed."""
        deadline = time.monotonic() + timeout_ms / 1000
        wanted = [node for node in self.nodes if node.wanted]
        for node in wanted:
            while known_brokers(node.bootstrap) < len(wanted):
                late = time.monotonic() > deadline
                if node.ended(wait_ms=100) or late:
                    why = f"not ready within {timeout_ms} ms" if late else "ended"
                    raise KafkaFailed(f"Apache Kafka, node {node.node_id}: {why}\n{node.log_tail()}")

    def kill(self, node: int = 1) -> None:
        """Kill -9 one node."""
        self.nodes[node - 1].kill()

    def restart(self, node: int = 1, timeout_ms: int = 90_000) -> None:
        """Stop one node (if it runs), start it again on its data, return when it is back in the cluster."""
        self.nodes[node - 1].stop()
        self.nodes[node - 1].start()
        self.wait_ready(timeout_ms)

    def stop(self) -> None:
        """End all nodes and delete their data; by force, as nothing of it is needed any more."""
        for node in self.nodes:
            node.kill()
        shutil.rmtree(self._directory, ignore_errors=True)

    def log(self) -> str:
        """The last lines of every node's log."""
        return "\n".join(f"--- node {node.node_id}\n{node.log_tail()}" for node in self.nodes)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
