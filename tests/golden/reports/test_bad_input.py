"""Bad input to `report`: what cannot be read is counted with its reason and listed, the rest goes on."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.golden.reports.run import HERE, report_of, run

AT_MS = 1_777_881_600_000
"""4 May 2026, 08:00 UTC."""
LARGE_BYTES = 5 * 1024 * 1024


def queued(number: int, at_ms: int = AT_MS, **more: Any) -> bytes:
    visit = {"contact_id": f"k{number}", "visit_id": f"k{number}/1", "queue_id": "sales"}
    event = {"event_id": f"e{number}", "type": "visit.queued", "occurred_at_ms": at_ms, **visit, **more}
    return json.dumps({name: value for name, value in event.items() if value is not None}).encode()


BAD_LINES = {
    "bad_json": [b"{", b"not json at all", b'["an", "array"]', queued(9)[:40]],
    "missing_field": [queued(9, queue_id=None), queued(9, occurred_at_ms=None)],
    "bad_field": [queued(9, queue_id=17)],
    "unknown_type": [queued(9, type="visit.teleported")],
    "too_large": [queued(9, note="x" * LARGE_BYTES)],
    "bad_timestamp": [queued(9, at_ms=631_151_999_999), queued(9, at_ms=0), queued(9, at_ms=32_503_680_000_000)],
    "bad_encoding": [queued(9).replace(b"sales", b"s\xe4les")],
}
"""Reason -> lines that are rejected for it; the times are the last millisecond of 1989, 1970 and the year 3000."""


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A good line before, between and after the bad ones."""
    lines = [queued(0)]
    for place, bad in enumerate(BAD_LINES.values(), 1):
        lines += [*bad, queued(place, visit_id=f"k0/{place}")]
    path = tmp_path_factory.mktemp("bad") / "bad.jsonl"
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


@pytest.fixture(scope="module")
def report_and_rejects(recording: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    rejects = recording.with_name("rejects.jsonl")
    report = report_of(str(recording), "--format", "canonical", "--rejects", str(rejects))
    return report, [json.loads(line) for line in rejects.read_bytes().splitlines()]


def test_every_bad_line_is_counted_under_its_reason(
    report_and_rejects: tuple[dict[str, Any], list[dict[str, Any]]],
) -> None:
    report, _ = report_and_rejects
    assert report["quality"]["rejected"] == {reason: len(lines) for reason, lines in BAD_LINES.items()}


def test_every_good_line_is_counted(report_and_rejects: tuple[dict[str, Any], list[dict[str, Any]]]) -> None:
    report, _ = report_and_rejects
    assert report["queues"]["sales"]["total"]["offered"] == len(BAD_LINES) + 1


def test_rejects_lists_each_bad_line_with_its_number_and_reason(
    recording: Path, report_and_rejects: tuple[dict[str, Any], list[dict[str, Any]]]
) -> None:
    _, rejects = report_and_rejects
    lines = recording.read_bytes().splitlines()
    reason_of = {line: reason for reason, bad in BAD_LINES.items() for line in bad}
    expected = [(number, reason_of[line]) for number, line in enumerate(lines, 1) if line in reason_of]
    assert [(reject["line"], reject["reason"]) for reject in rejects] == expected
    assert {reject["file"] for reject in rejects} == {str(recording)}


def test_of_a_huge_line_rejects_keeps_the_beginning_and_the_length(
    report_and_rejects: tuple[dict[str, Any], list[dict[str, Any]]],
) -> None:
    _, rejects = report_and_rejects
    huge = next(reject for reject in rejects if reject["reason"] == "too_large")
    assert huge["raw_bytes"] == len(BAD_LINES["too_large"][0])
    assert len(huge["raw"]) < huge["raw_bytes"] / 10


def test_a_missing_field_is_named(report_and_rejects: tuple[dict[str, Any], list[dict[str, Any]]]) -> None:
    _, rejects = report_and_rejects
    details = [reject["detail"] for reject in rejects if reject["reason"] == "missing_field"]
    assert "queue_id" in details[0]
    assert "occurred_at_ms" in details[1]


def test_a_file_cut_off_in_its_last_line_loses_that_line_only(tmp_path: Path) -> None:
    whole = (HERE / "canonical.jsonl").read_bytes()
    path = tmp_path / "cut.jsonl"
    path.write_bytes(whole[:-20])
    report = report_of(str(path), "--format", "canonical")
    assert report["quality"]["rejected"] == {"bad_json": 1}
    assert report["quality"]["events"] == len(whole.splitlines()) - 1


@pytest.mark.parametrize("output", ["--json", "--csv", "--lang=en"])
@pytest.mark.parametrize("content", [b"", b"\n\n", b"nothing but this\n"], ids=["empty", "blank", "one bad line"])
def test_a_recording_without_a_single_event_is_no_failure(tmp_path: Path, content: bytes, output: str) -> None:
    path = tmp_path / "empty.jsonl"
    path.write_bytes(content)
    done = run(str(path), "--format", "canonical", output)
    assert (done.returncode, done.stderr) == (0, "")


def test_an_empty_recording_shows_configured_queues_with_zeros(tmp_path: Path) -> None:
    path = tmp_path / "empty.jsonl"
    path.touch()
    config = tmp_path / "floor.yaml"
    config.write_text("sites: {main: {timezone: UTC}}\nqueues: {sales: {site: main}}\n")
    report = report_of(str(path), "--format", "canonical", "--config", str(config))
    total = report["queues"]["sales"]["total"]
    assert (total["offered"], total["waiting"], total["service_level_ratio"]) == (0, 0, None)
    assert report["quality"]["duplicates"] == 0


QUEUE_LOG = b"""1767258000|c1|sales|NONE|ENTERQUEUE||100|1
1767258001|c1|sales
1767258002|c1|sales|NONE|TELEPORTED|1
yesterday|c1|sales|NONE|ABANDON|1|1|1
60|c1|sales|NONE|ABANDON|1|1|1
1767258003|c1|sales|SIP/1|RINGNOANSWER|long
1767258004|c1|sales|NONE|CONNECT|1|x|1
1767258005|c1|s\xe4les|NONE|ABANDON|1|1|1
1767258010|c1|sales|SIP/1|CONNECT|10|x|1
1767258020|c1|sales|SIP/1|COMPLETECAL"""


def test_a_damaged_queue_log(tmp_path: Path) -> None:
    path = tmp_path / "queue_log"
    path.write_bytes(QUEUE_LOG)
    report = report_of(str(path), "--format", "asterisk-queue-log")
    assert report["quality"]["rejected"] == {
        "bad_encoding": 1,
        "bad_field": 1,  # a ring time of "long"
        "bad_line": 1,
        "bad_timestamp": 2,
        "missing_field": 1,  # answered by nobody
        "unknown_type": 2,  # the last line is cut off
    }
    assert report["queues"]["sales"]["total"]["answered"] == 1


def test_damaged_call_records(tmp_path: Path) -> None:
    heading, first, *_ = (HERE / "call_records.csv").read_text().splitlines()
    rows = [
        first,
        "2026-03-29 09:00:00;support",
        "soon;support;anna;2026-03-29 09:00:30;-;2026-03-29 09:05:30;OK",
        "-;support;anna;2026-03-29 09:00:30;-;2026-03-29 09:05:30;OK",
        "1969-03-29 09:00:00;support;anna;1969-03-29 09:00:30;-;1969-03-29 09:05:30;OK",
        "2026-03-29 09:00:00;support;anna;2026-03-29 09:00:30;-;2026-03-29 09:05:30;PERHAPS",
    ]
    path = tmp_path / "calls.csv"
    path.write_text("\n".join([heading, *rows]))
    report = report_of(str(path), "--format", "call-records", "--config", str(HERE / "call_records.yaml"))
    assert report["quality"]["rejected"] == {"bad_field": 1, "bad_line": 1, "bad_timestamp": 2, "missing_field": 1}
    assert report["queues"]["support"]["total"]["answered"] == 1


CANONICAL = ["empty.jsonl", "--format", "canonical"]
RECORDS = ["--format", "call-records", "--config", str(HERE / "call_records.yaml")]
FILES = {
    "empty.jsonl": "",
    "naive.json": '[{"time": "2012-01-01 09:00:00", "callid": "1", "queuename": "q", "event": "ENTERQUEUE"}]',
    "columns.csv": "a;b\n1;2\n",
    "unknown.yaml": "sites: {main: {timezone: UTC}}\nqueus: {}\n",
    "no.yaml": "sites: {main: [\n",
    "folder/file": "",
}
WRONG_USES = {
    "no such recording": (2, ["none.jsonl", "--format", "canonical"], ["none.jsonl"]),
    "a folder": (2, ["folder", "--format", "canonical"], ["folder", "directory"]),
    "no format": (2, ["empty.jsonl"], ["--format"]),
    "an unknown format": (2, ["empty.jsonl", "--format", "carrier-pigeon"], ["carrier-pigeon", "canonical"]),
    "records without a mapping": (2, ["empty.jsonl", "--format", "call-records"], ["mapping", "--config"]),
    "records of other columns": (2, ["columns.csv", *RECORDS], ["columns.csv", "started", "a, b"]),
    "no such configuration": (2, [*CANONICAL, "--config", "none.yaml"], ["none.yaml"]),
    "an unknown key": (2, [*CANONICAL, "--config", "unknown.yaml"], ["unknown.yaml", "line 2", "queus", "queues"]),
    "a file that is no YAML": (2, [*CANONICAL, "--config", "no.yaml"], ["no.yaml", "line"]),
    "times without a zone": (2, ["naive.json", "--format", "asterisk-queue-log"], ["--timezone"]),
    "an unknown zone": (2, [*CANONICAL, "--timezone", "Mars/Base"], ["Mars/Base"]),
    "a wrong interval": (2, [*CANONICAL, "--interval", "7m"], ["7m"]),
    "a range backwards": (2, [*CANONICAL, "--from", "2026-01-02", "--to", "2026-01-01"], ["--from", "--to"]),
    "a date that is none": (2, [*CANONICAL, "--from", "yesterday"], ["--from", "yesterday"]),
    "two kinds of output": (2, [*CANONICAL, "--json", "--csv"], ["--csv", "--json"]),
    "rejects nowhere": (1, [*CANONICAL, "--rejects", "none/rejects.jsonl"], ["--rejects", "none/rejects.jsonl"]),
}
"""Case -> exit code, arguments, words that the sentence must have."""


@pytest.mark.parametrize("case", WRONG_USES)
def test_wrong_use_is_one_sentence_and_an_exit_code(tmp_path: Path, case: str) -> None:
    for name, content in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    code, arguments, words = WRONG_USES[case]
    done = run(*arguments, folder=tmp_path)
    assert done.returncode == code
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""
    assert not [word for word in words if word not in done.stderr]
