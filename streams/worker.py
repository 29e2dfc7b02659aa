"""`floorwalker worker`: one member of the group that turns events into state."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable
from functools import partial

import mode.loop

from service.adapters import ADAPTERS, AdapterSettings
from service.adapters.base import Adapter
from service.collector import tune_collector
from service.config import Config
from service.domain.aggregate import AggregateStore
from service.domain.correlate import CorrelateStore
from service.errors import FailedError, UsageError
from service.kafka_security import kafka_client
from service.notify.receivers import build_receivers
from service.privacy import customer_keys
from service.settings import ProcessSettings
from service.state_schema import check_schema
from service.topics import TOPICS, Topic, describe_topics
from streams.batch_app import FloorwalkerApp
from streams.evaluator_process import EvaluatorProcess
from streams.misrouted import EVENTS
from streams.processors import CONTACTS, STATE, add_processors
from streams.router import FACTS
from streams.settings import app_of
from streams.shutdown import run_app
from streams.telemetry import Telemetry

log = logging.getLogger(__name__)


def build_app(settings: ProcessSettings, config: Config, telemetry: Telemetry) -> FloorwalkerApp:
    """The configured Faust app with all tables and agents. `settings.partitions` must be the topics' own number."""
    app = app_of(settings, settings.application_id)
    floor = config.floor()
    add_processors(
        app,
        settings.partitions,
        partial(
            CorrelateStore, floor, round(config.contact_linger_seconds * 1000), round(config.max_skew_seconds * 1000)
        ),
        partial(AggregateStore, floor, partitions=settings.partitions),
        native_adapters(config),
        telemetry,
        customer_keys(settings),
    )
    return app


def native_adapters(config: Config) -> dict[str, Adapter]:
    """Topic of native records -> its adapter, for the sources that name one."""
    found = {}
    for name, source in config.sources.items():
        if source.topic is not None:
            settings = AdapterSettings(name, source.timezone, source.agent_pattern, source.mapping)
            found[source.topic] = ADAPTERS[source.format](settings)
    return found


def check_topics(settings: ProcessSettings, native: Iterable[str]) -> ProcessSettings:
    """Return the settings with the partition count that the topics have. Raises FailedError if one is missing.

    `native` are the topics of the sources, which others create: without one its agent would wait for ever and say so
    nowhere.
    """
    wanted = [*TOPICS, *(Topic(name, "native records", {}) for name in native)]
    reports = {
        report.name: report
        for report in describe_topics(settings.bootstrap, client=kafka_client(settings), topics=wanted)
    }
    missing = {name for name, report in reports.items() if report.status == "missing"}
    if own := [topic.name for topic in TOPICS if topic.name in missing]:
        raise FailedError(f"topics {', '.join(own)} are missing: run `floorwalker topics create` first")
    if missing:
        raise FailedError(
            f"topics {', '.join(sorted(missing))} of the configured sources are missing: create them, or correct the "
            "sources' `topic`"
        )
    counts = {name: reports[name].partitions for name in (EVENTS, FACTS, CONTACTS, STATE)}
    if len(set(counts.values())) != 1:
        raise FailedError(
            f"topics must have equally many partitions, found {counts}: run `floorwalker rebuild`, or see "
            "`floorwalker topics describe`"
        )
    return settings.model_copy(update={"partitions": counts[EVENTS]})


def run(settings: ProcessSettings, config: Config) -> int:
    """Run until SIGTERM or Ctrl-C. Raises UsageError, FailedError before the start."""
    if sys.platform == "win32":
        raise UsageError("a worker needs Linux or macOS: signals and event loops of Windows are not supported")
    settings = check_topics(settings, native_adapters(config))
    check_schema(settings.bootstrap, settings.partitions, kafka_client(settings))
    build_receivers(config.notify)  # whoever cannot be told is named now, not by another process later
    evaluator = EvaluatorProcess(settings, config)
    try:
        _work(settings, config, evaluator)
    finally:
        evaluator.stop()
    return 0


def _work(settings: ProcessSettings, config: Config, evaluator: EvaluatorProcess) -> None:
    telemetry = Telemetry()
    telemetry.registry.register(evaluator)
    host, port = settings.metrics_host, settings.metrics_port
    if port is not None:
        try:
            telemetry.serve(host, port)
        except OSError as error:
            raise FailedError(f"cannot serve metrics on port {port} of {host}: {error.strerror}") from None
    tune_collector()
    mode.loop.use("uvloop")
    app = build_app(settings, config, telemetry)
    evaluator.attach(app)
    log.info("worker starts on %s with %d partitions", settings.bootstrap, settings.partitions)
    run_app(app, settings.log_level)
