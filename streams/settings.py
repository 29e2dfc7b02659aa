"""The Faust app, configured for batches: every setting that differs from Faust's default, and why."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import faust
from faust.auth import Credentials
from faust.transport.drivers.aiokafka import credentials_to_aiokafka_auth

from service.kafka_security import kafka_client
from service.privacy import sealer
from service.sealing import Sealer
from service.settings import ProcessSettings
from streams import transport
from streams.batch_app import FloorwalkerApp, PromptTables
from streams.dead_letters import DeadLetters
from streams.lease import Lease
from streams.producer import BatchProducer

FETCH_BYTES = 1 << 20
GATHER_MS = 30
GATHERED_BYTES = 1 << 16
"""So long, or until so much is there, Kafka lets records gather: each fetch has its price here and there. At 1,000
events a second, 40 ms saved CORRELATE and AGGREGATE half of their processor time, and cost 30 ms of median delay.
"""


def credentials(client: Mapping[str, Any]) -> Credentials | None:
    """What Faust wants to have of a Kafka client's settings; None: it speaks in the clear."""
    if not client:
        return None
    context = client.get("ssl_context")
    if "sasl_mechanism" not in client:
        return faust.SSLCredentials(context=context)
    return faust.SASLCredentials(
        username=client["sasl_plain_username"], password=client["sasl_plain_password"],
        mechanism=client["sasl_mechanism"], ssl_context=context,
    )  # fmt: skip


def floorwalker_app(
    bootstrap: str,
    app_id: str,
    data_dir: Path,
    *,
    idempotent: bool = True,
    fetch_max_wait_ms: int = 100,
    fetch_min_bytes: int = 1,
    linger_ms: int = 0,
    session_timeout_s: float = 4.0,
    max_poll_records: int = 2000,
    client_id: str = "floorwalker",
    credentials: Credentials | None = None,
    sealer: Sealer | None = None,
    **more: Any,
) -> FloorwalkerApp:
    """Return the configured app; `bootstrap` is `host:port[,host:port...]`.

    `idempotent` must be off on the embedded broker, which has no producer ids. `credentials` are Faust's (SASL or TLS).
    `sealer` decides what is kept of rejected records; None: it masks them.
    `more` goes to faust.App as it is.
    """
    transport.register()
    app = FloorwalkerApp(
        app_id,
        broker=";".join(f"{transport.SCHEME}://{server}" for server in bootstrap.split(",")),
        broker_client_id=client_id,
        broker_credentials=credentials,
        datadir=data_dir,
        web_enabled=False,
        autodiscover=False,
        worker_redirect_stdouts=False,
        topic_disable_leader=True,
        topic_allow_declare=False,  # `floorwalker topics create` makes them, with the right retention
        broker_max_poll_records=max_poll_records,
        consumer_max_fetch_size=FETCH_BYTES,
        stream_buffer_maxsize=8,  # batches, not records
        # short ones: a dead worker's partitions are taken over after the session timeout
        broker_session_timeout=session_timeout_s,
        broker_rebalance_timeout=session_timeout_s,
        broker_heartbeat_interval=session_timeout_s / 4,
        broker_request_timeout=max(90.0, session_timeout_s + 30.0),  # who joins is answered when all have, or are late
        broker_commit_interval=1.0,
        # standbys lose records that Faust clears from the queue; a full recovery reads half a million a second
        table_standby_replicas=0,
        TableManager=PromptTables,
        **more,
    )
    app.lease = Lease(session_timeout_s, session_timeout_s)
    app.fetch_max_wait_ms = fetch_max_wait_ms
    app.fetch_min_bytes = fetch_min_bytes
    connection = {
        "bootstrap_servers": bootstrap,
        "client_id": client_id,
        **credentials_to_aiokafka_auth(app.conf.broker_credentials, app.conf.ssl_context),
    }
    app.batch_producer = BatchProducer(connection, app.lease, idempotent=idempotent, linger_ms=linger_ms)
    app.dead_letters = DeadLetters(app.batch_producer, sealer or Sealer())
    return app


def app_of(settings: ProcessSettings, app_id: str) -> FloorwalkerApp:
    """The app of that name, and of that consumer group, as the process's settings want it."""
    return floorwalker_app(
        settings.bootstrap,
        app_id,
        settings.data_dir / app_id,
        idempotent=not settings.embedded,
        fetch_max_wait_ms=20 if settings.embedded else GATHER_MS,
        fetch_min_bytes=1 if settings.embedded else GATHERED_BYTES,
        linger_ms=5 if settings.embedded else 0,
        session_timeout_s=settings.session_timeout_seconds,
        sealer=sealer(settings),
        credentials=credentials(kafka_client(settings)),
    )
