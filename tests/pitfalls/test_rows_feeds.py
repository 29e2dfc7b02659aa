"""Rows 12, 15, 19 and 21: what feeds leave out, say twice, or call by the wrong name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from service.main import main
from tests.pitfalls.scenes import report_of_log

T = 1_795_334_400
"""2026-11-22T08:00:00Z in seconds."""

ENTER = f"{T}|c1|sales|NONE|ENTERQUEUE||49301|1"
CONNECT = f"{T + 10}|c1|sales|SIP/8007|CONNECT|10|{T}.2|4"
HANDED_ON = f"{T + 70}|c1|sales|SIP/8007|ATTENDEDTRANSFER|BRIDGE|b-1|10|60|1"
AGAIN = (f"{T + 100}|c2|sales|NONE|ENTERQUEUE||49302|1", f"{T + 130}|c2|sales|NONE|ABANDON|1|1|30")


def row(line: str) -> dict[str, str]:
    """The line as the database table has it."""
    at, callid, queue, agent, name, *data = line.split("|")
    return {
        "time": f"2026-11-22 08:{(int(at) - T) // 60:02}:{(int(at) - T) % 60:02}.250", "callid": callid,
        "queuename": queue, "agent": agent, "event": name, **{f"data{n}": text for n, text in enumerate(data, 1)},
    }  # fmt: skip


def compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], in_table: tuple[str, ...], *more: str
) -> tuple[int, str]:
    """Exit code and output of `floorwalker compare` of a log with its table."""
    log, table = tmp_path / "queue_log", tmp_path / "table.json"
    log.write_text("".join(line + "\n" for line in (ENTER, CONNECT, HANDED_ON, *AGAIN)))
    table.write_text(json.dumps([row(line) for line in in_table], indent=0).replace("\n", "").replace("},", "},\n"))
    code = main(["compare", str(log), str(table), "--format", "asterisk-queue-log", "--timezone", "UTC", *more])
    return code, capsys.readouterr().out


def test_row_12_a_table_that_lost_what_the_file_has_is_found_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out = compared(tmp_path, capsys, (ENTER, CONNECT, *AGAIN), "--json")
    assert code == 1
    body = json.loads(out)
    assert (body["missing_in_second"], body["missing_in_first"]) == (["leg.transferred"], [])
    lost = body["types"]["leg.transferred"]
    assert (lost["first"], lost["second"], lost["only_first"]) == (1, 0, 1)
    assert lost["examples_only_first"] == [{"subject": "c1", "occurred_at_ms": (T + 70) * 1000}]
    assert list(body["types"]) == ["leg.transferred"]


def test_row_12_people_are_told_in_words_and_by_the_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out = compared(tmp_path, capsys, (ENTER, CONNECT, *AGAIN))
    assert (code, out.splitlines()[-1]) == (1, "table.json has no leg.transferred at all")
    assert "c1 2026-11-22T08:01:10Z" in out
    code, out = compared(tmp_path, capsys, (ENTER, CONNECT, HANDED_ON, *AGAIN))
    assert (code, out) == (0, "the same 5 events in both\n")


def test_row_15_an_agent_who_never_logged_in_answers_all_the_same(tmp_path: Path) -> None:
    ended = f"{T + 70}|c1|sales|Agent/1240|COMPLETECALLER|10|60|1"
    found = report_of_log(tmp_path, ENTER, CONNECT.replace("SIP/8007", "Agent/1240"), ended)
    queue, agent = found["queues"]["sales"]["total"], found["agents"]["Agent/1240"]["total"]
    assert (queue["answered"], queue["abandoned"], queue["answer_ratio"]) == (1, 0, 1)
    assert (agent["answered"], agent["handled"], agent["talk_seconds"]) == (1, 1, 60)


def test_row_19_a_pause_of_all_queues_lasts_as_long_as_it_lasted(tmp_path: Path) -> None:
    queues = ("sales", "service", "billing", "claims", "vip")
    joined = [f"{T}|MANAGER|{queue}|SIP/8007|ADDMEMBER|" for queue in queues]
    paused = [f"{T + 60}|NONE|{queue}|SIP/8007|{name}|lunch"
              for queue, name in [("NONE", "PAUSEALL"), *((queue, "PAUSE") for queue in queues)]]  # fmt: skip
    back = [line.replace("PAUSE", "UNPAUSE").replace(f"{T + 60}|", f"{T + 660}|") for line in paused]
    end = f"{T + 720}|MANAGER|sales|SIP/8007|REMOVEMEMBER|"
    agent = report_of_log(tmp_path, *joined, *paused, *back, end)["agents"]["SIP/8007"]["total"]
    assert (agent["not_ready_seconds"], agent["available_seconds"], agent["login_seconds"]) == (600, 120, 720)


@pytest.mark.parametrize("name", ["EXITWITHTIMEOUT", "EXITEMPTY", "EXITWITHKEY|1", "WITHDRAW"])
def test_row_21_who_is_sent_away_did_not_abandon(tmp_path: Path, name: str) -> None:
    queue = report_of_log(tmp_path, ENTER, f"{T + 30}|c1|sales|NONE|{name}|1|1|30")["queues"]["sales"]["total"]
    assert (queue["flowed_out"], queue["abandoned"], queue["abandonment_ratio"]) == (1, 0, 0)
