"""The dashboards: which panels each has."""

from dataclasses import dataclass
from typing import Final

from grafana.panels import GREEN, RED, WHERE_AGENT, WHERE_QUEUE, Panel, Query, Words, agent_kpi
from grafana.parts import AGE, HEADLINES, LEVEL, QUEUES, SOME, STAFF_PANEL, number, one, table_of


@dataclass(frozen=True, slots=True)
class Board:
    """One dashboard. `variables` are names of `grafana.build.VARIABLES`; a TV board has neither them nor menus."""

    uid: str
    title: Words
    variables: tuple[str, ...]
    rows: tuple[tuple[Words, tuple[Panel, ...]], ...]
    tv: bool = False


FLOOR: Final = Board(
    "floorwalker-floor",
    Words("Floor overview", "现场总览"),
    ("site", "channel", "queue"),
    (
        (Words("Now", "当前"), (*HEADLINES, QUEUES)),
        (
            Words("Course of the day", "当日走势"),
            (one("service_level_ratio", "15m", steps=LEVEL), one("waiting", None), STAFF_PANEL, one("offered", "15m")),
        ),
    ),
)

QUEUE: Final = Board(
    "floorwalker-queue",
    Words("Queue", "队列详情"),
    ("site", "channel", "queue"),
    (
        (
            Words("Service", "服务"),
            (
                one("service_level_ratio", "15m", "stat", 6, 5, steps=LEVEL),
                one("service_level_ratio", "day", "stat", 6, 5, steps=LEVEL),
                one("waiting", None, "stat", 6, 5, steps=SOME),
                one("oldest_wait_seconds", None, "stat", 6, 5, steps=AGE),
                one("service_level_ratio", "15m", steps=LEVEL),
                one("service_level_ratio", "day", steps=LEVEL),
                one("abandonment_ratio", "15m"),
                one("answer_ratio", "15m"),
            ),
        ),
        (
            Words("Waiting", "排队"),
            (
                one("waiting", None),
                one("oldest_wait_seconds", None),
                one("asa_seconds", "15m"),
                one("wait_p90_seconds", "15m"),
                Panel(
                    "heatmap",
                    Words("Waits of answered contacts", "接通等待分布"),
                    (
                        Query(
                            "sum by (le) (max by (le, queue) "
                            f"(increase(floorwalker_queue_wait_seconds_bucket{{{WHERE_QUEUE}}}[$__rate_interval])))"
                        ),
                    ),
                    width=24,
                ),
            ),
        ),
        (
            Words("Contacts and handling", "联络与处理"),
            (
                one("offered", "15m"),
                one("aht_seconds", "15m"),
                one("average_talk_seconds", "15m"),
                one("average_acw_seconds", "15m"),
                one("transfer_ratio", "day"),
                one("repeat_ratio", "day"),
            ),
        ),
        (Words("Staff", "人员"), (STAFF_PANEL, one("missed", "15m"))),
    ),
)

AGENTS: Final = Board(
    "floorwalker-agents",
    Words("Agents and teams", "坐席与班组"),
    ("team", "agent"),
    (
        (
            Words("States", "状态"),
            (
                Panel(
                    "bars",
                    Words("Agents by state", "各状态坐席数"),
                    (
                        Query(
                            f"count by (state) (max by (agent, state) (floorwalker_agent_state{{{WHERE_AGENT}}}))",
                            "{{state}}",
                        ),
                    ),
                    width=8,
                ),
                Panel(
                    "table",
                    Words("Who is in which state", "坐席当前状态"),
                    (Query(f"max by (agent, team, state) (floorwalker_agent_state{{{WHERE_AGENT}}})"),),
                    width=16,
                ),
            ),
        ),
        (
            Words("Today", "今日"),
            (
                table_of(
                    Words("Agents today", "坐席今日指标"),
                    (
                        ("handled", "day"),
                        ("aht_seconds", "day"),
                        ("occupancy_ratio", "day"),
                        ("utilisation_ratio", "day"),
                        ("contacts_per_hour", "day"),
                        ("transfer_ratio", "day"),
                        ("missed", "day"),
                        ("shrinkage_ratio", "day"),
                    ),
                    agent_kpi,
                    14,
                ),
            ),
        ),
    ),
)


def _alerts(where: str) -> str:
    return f"sum(max by (rule, severity, state) (floorwalker_alerts{{{where}}})) or vector(0)"


ALERTS: Final = Board(
    "floorwalker-alerts",
    Words("Alerts", "告警"),
    (),
    (
        (
            Words("Now", "当前"),
            (
                number(
                    Words("Firing", "告警中"),
                    _alerts('state="firing"'),
                    width=8,
                    steps=SOME,
                ),
                number(
                    Words("Pages", "紧急"),
                    _alerts('state="firing",severity="page"'),
                    width=8,
                    steps=SOME,
                ),
                number(
                    Words("Pending", "待确认"),
                    _alerts('state="pending"'),
                    width=8,
                ),
                Panel(
                    "table",
                    Words("By rule", "按规则"),
                    (Query("max by (rule, severity, state) (floorwalker_alerts) > 0"),),
                    width=24,
                ),
            ),
        ),
        (
            Words("Course of the day", "当日走势"),
            (
                Panel(
                    "stack",
                    Words("Firing by rule", "按规则告警数"),
                    (Query('max by (rule) (floorwalker_alerts{state="firing"})', "{{rule}}"),),
                    width=24,
                ),
            ),
        ),
    ),
)


def _rate(metric: str, by: str) -> str:
    return f"sum by ({by}) (max by (source, {by}) (rate({metric}[$__rate_interval])))"


PIPELINE: Final = Board(
    "floorwalker-pipeline",
    Words("Pipeline health", "数据管道"),
    (),
    (
        (
            Words("Freshness", "时效"),
            (
                Panel(
                    "lines",
                    Words("Age of the newest event by source", "各来源最新事件距今"),
                    (Query("max by (source) (floorwalker_source_staleness_seconds)", "{{source}}"),),
                    "s",
                    steps=AGE,
                ),
                Panel(
                    "lines",
                    Words("From Kafka to the API, p50 and p99", "端到端延迟"),
                    tuple(
                        Query(
                            f"histogram_quantile({q}, sum by (le) "
                            "(rate(floorwalker_end_to_end_latency_seconds_bucket[$__rate_interval])))",
                            f"p{int(q * 100)}",
                        )
                        for q in (0.5, 0.99)
                    ),
                    "s",
                ),
                Panel(
                    "lines",
                    Words("Records not read yet", "积压记录数"),
                    (
                        Query(
                            "sum by (topic) (max by (topic, partition) (floorwalker_consumer_lag_records))", "{{topic}}"
                        ),
                    ),
                ),
                Panel(
                    "lines",
                    Words("Records a worker takes in", "工作进程处理速率"),
                    (Query("sum by (topic) (rate(floorwalker_worker_records_total[$__rate_interval]))", "{{topic}}"),),
                    "ops",
                ),
            ),
        ),
        (
            Words("Data quality", "数据质量"),
            (
                Panel(
                    "lines",
                    Words("Events by type", "事件速率（按类型）"),
                    (Query(_rate("floorwalker_events_total", "type"), "{{type}}"),),
                    "ops",
                ),
                Panel(
                    "lines",
                    Words("Rejected events by reason", "拒收事件（按原因）"),
                    (Query(_rate("floorwalker_events_rejected_total", "reason"), "{{reason}}"),),
                    "ops",
                ),
                Panel(
                    "lines",
                    Words("Late, duplicate, unmatched", "迟到、重复、无法匹配"),
                    tuple(
                        Query(f"sum(max by (source) (rate(floorwalker_events_{kind}_total[$__rate_interval])))", kind)
                        for kind in ("late", "duplicate", "unmatched")
                    ),
                    "ops",
                ),
                number(
                    Words("Poison records: a fault to report", "异常记录（请报告）"),
                    "sum(floorwalker_poison_total) or vector(0)",
                    width=12,
                    steps=((None, GREEN), (1.0, RED)),
                ),
            ),
        ),
    ),
)

TV: Final = Board(
    "floorwalker-tv",
    Words("Floor, for a TV", "现场大屏"),
    (),
    (
        (
            Words("Now", "当前"),
            (
                *(
                    Panel(
                        p.kind,
                        p.title,
                        tuple(Query(q.expr.replace(WHERE_QUEUE, 'queue=~".+"')) for q in p.queries),
                        p.unit,
                        8,
                        7,
                        p.steps,
                    )
                    for p in HEADLINES
                ),
                Panel(
                    "bars",
                    Words("Service level, last 15 min", "服务水平（近15分钟）"),
                    (Query('max by (queue) (floorwalker_queue_service_level_ratio{window="15m"})', "{{queue}}"),),
                    "percentunit",
                    24,
                    12,
                    LEVEL,
                ),
            ),
        ),
    ),
    tv=True,
)

BOARDS: Final = (FLOOR, QUEUE, AGENTS, ALERTS, PIPELINE, TV)
