import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.adapters import ADAPTERS, Adapter, Rejected, make_adapter
from service.adapters.base import AdapterSettings
from service.domain.codec import decode_event, encode_event
from service.domain.events import Event
from service.errors import FailedError, UsageError
from service.recordings import Keys, decode_line, decode_lines, read_bytes, read_recording
from tests.unit.adapters.reading import NOW_MS, Read, adapter, reasons, types
from tests.unit.adapters.test_call_records import HEADING, PLAIN

BASE = {"type": "contact.ended", "contact_id": "c"}


def line(event_id: str, at_ms: int, **more: object) -> str:
    return json.dumps(BASE | {"event_id": event_id, "occurred_at_ms": at_ms} | more) + "\n"


def test_events_are_sorted_by_time_then_causes_first_then_as_in_the_file(read: Read) -> None:
    at = 1_795_334_400_000
    text = (
        line("4", at)
        + line("5", at)
        + line("3", at, type="visit.answered", visit_id="v")
        + line("2", at, type="visit.queued", visit_id="v", queue_id="q")
        + line("1", at - 1)
        + line("6", at + 1)
    )
    assert [e.event_id for e in read(text, "canonical").events] == ["1", "2", "3", "4", "5", "6"]


def test_several_files_become_one_recording(tmp_path: Path) -> None:
    (tmp_path / "new").write_text(line("2", 1_795_334_400_001))
    (tmp_path / "old").write_text(line("1", 1_795_334_400_000) + "{")
    recording = read_recording([tmp_path / "new", tmp_path / "old"], adapter("canonical"), NOW_MS)
    assert [e.event_id for e in recording.events] == ["1", "2"]
    assert [(Path(bad.path).name, bad.line_no) for bad in recording.rejected] == [("old", 2)]


def test_standard_input_is_a_recording_too(monkeypatch: pytest.MonkeyPatch) -> None:
    stdin = io.TextIOWrapper(io.BytesIO(line("1", 1_795_334_400_000).encode()))
    monkeypatch.setattr("sys.stdin", stdin)
    assert len(read_recording(["-"], adapter("canonical"), NOW_MS).events) == 1


@pytest.mark.parametrize("content", ["", "\n\n", "\ufeff", "  \r\n"])
def test_an_empty_recording_has_no_events_and_nothing_rejected(read: Read, content: str) -> None:
    for format_name in ("canonical", "asterisk-queue-log"):
        recording = read(content, format_name)
        assert (recording.events, recording.rejected) == ([], [])


def test_an_empty_csv_has_no_events(read: Read) -> None:
    assert read("", "call-records", mapping=PLAIN).events == []


def test_a_truncated_last_line_is_rejected_and_the_rest_stands(read: Read) -> None:
    recording = read(line("1", 1_795_334_400_000) + line("2", 1_795_334_400_000)[:30], "canonical")
    assert reasons(recording) == [(2, "bad_json")]
    assert len(recording.events) == 1


def test_an_undecodable_line_is_rejected_and_the_file_goes_on(read: Read) -> None:
    text = b"1795334400|c1|Vertrieb-S\xfcd|NONE|ENTERQUEUE||1|1\n1795334401|c2|sales|NONE|ENTERQUEUE||1|1\n"
    recording = read(text)
    assert reasons(recording) == [(1, "bad_encoding")]
    assert types(recording) == ["visit.queued"]


def test_a_huge_line_is_rejected_as_too_large(read: Read) -> None:
    recording = read("x" * 5_000_000 + "\n" + line("1", 1_795_334_400_000), "canonical")
    assert reasons(recording) == [(1, "too_large")]
    assert len(recording.events) == 1


def test_byte_order_mark_and_windows_line_ends_do_not_matter(read: Read) -> None:
    plain = HEADING + "2026-11-22T08:00:00Z,sales,7,NULL,NULL,NULL\n"
    windows = b"\xef\xbb\xbf" + plain.replace("\n", "\r\n").encode()
    first, second = (read(content, "call-records", mapping=PLAIN).events for content in (plain, windows))
    assert first == second
    assert len(first) == 1


@pytest.mark.parametrize(("at_ms", "accepted"), [(631_151_999_999, 0), (631_152_000_000, 1), (NOW_MS * 2, 0)])
def test_times_before_1990_and_in_the_far_future_are_bad(read: Read, at_ms: int, accepted: int) -> None:
    recording = read(line("1", at_ms), "canonical")
    assert len(recording.events) == accepted
    assert [reason for _, reason in reasons(recording)] == ["bad_timestamp"] * (1 - accepted)


def test_a_missing_file_and_a_folder_are_wrong_usage_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such recording"):
        read_bytes(tmp_path / "missing")
    with pytest.raises(UsageError, match="directory"):
        read_bytes(tmp_path)
    with pytest.raises(UsageError, match="not the name"):
        read_bytes("nul\0byte")


def test_an_unreadable_file_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(FailedError, match="cannot be read: Permission denied"):
        read_bytes(tmp_path / "secret")


def test_a_wrong_heading_names_the_file(read: Read, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=str(tmp_path)):
        read("a,b\n", "call-records", mapping=PLAIN)


def test_an_unknown_format_names_the_known_ones() -> None:
    with pytest.raises(UsageError, match="canonical, asterisk-queue-log, call-records"):
        make_adapter("morse", AdapterSettings())


def test_a_followed_recording_gives_events_and_rejections_as_they_come() -> None:
    lines = [b"1795334401|c1|sales|NONE|ENTERQUEUE||1|1\n", b"broken\n", b"1795334400|c2|sales|NONE|ENTERQUEUE||1|1\n"]
    seen = list(decode_lines(iter(lines), adapter("asterisk-queue-log"), lambda: NOW_MS))
    assert [getattr(item, "occurred_at_ms", None) for item in seen] == [1795334401_000, None, 1795334400_000]
    assert isinstance(seen[1], Rejected)
    assert (seen[1].line_no, seen[1].reason) == (2, "bad_line")


def test_a_followed_recording_has_the_same_ids_as_the_finished_one(read: Read) -> None:
    row = "2026-11-22T08:00:00Z,sales,7,NULL,NULL,NULL\n"
    lines = [HEADING.encode(), row.encode(), row.encode()]
    followed = [e for e in decode_lines(lines, adapter("call-records", PLAIN), lambda: NOW_MS) if isinstance(e, Event)]
    assert followed == read(HEADING + row + row, "call-records", mapping=PLAIN).events


def test_a_record_of_a_native_topic_delivered_twice_has_the_same_ids() -> None:
    raw, queue_log = b"1795334401|c1|sales|NONE|ENTERQUEUE||1|1", adapter("asterisk-queue-log")
    keys = Keys(queue_log.name, remembered=0)
    assert decode_line(queue_log, raw, keys, NOW_MS) == decode_line(queue_log, raw, keys, NOW_MS)


def test_identical_lines_are_told_apart_over_the_lines_remembered() -> None:
    keys = Keys("f", remembered=2)
    same = [keys.of(raw) for raw in (b"a", b"b", b"a", b"c", b"a")]
    assert len(set(same)) == 5


def adapters() -> list[Adapter]:
    named = PLAIN | {"header": HEADING.strip().split(",")}
    return [adapter(name, named if name == "call-records" else None, timezone="Europe/Berlin") for name in ADAPTERS]


NATIVE_EVENTS = """ENTERQUEUE CONNECT ABANDON COMPLETEAGENT BLINDTRANSFER ATTENDEDTRANSFER TRANSFER EXITWITHKEY FULL
RINGNOANSWER AGENTDUMP SYSCOMPAT WRAPUPSTART ADDMEMBER PAUSE PAUSEALL AGENTLOGOFF QUEUESTART LINK"""
NATIVE = st.sampled_from(NATIVE_EVENTS.split())
FIELD = st.one_of(st.sampled_from(["", "NONE", "c1", "sales", "A/1", "LINK", "3", "-1", "NULL"]), st.text(max_size=8))
TIME = st.one_of(st.sampled_from(["1795334400", "1795334400.5", "2026-11-22 08:00:00", "0"]), FIELD)
LOG_LINE = st.tuples(TIME, FIELD, FIELD, FIELD, NATIVE, st.lists(FIELD, max_size=7)).map(
    lambda parts: "|".join([*parts[:5], *parts[5]]).encode("utf-8", "surrogatepass")
)
CSV_LINE = st.lists(TIME, min_size=6, max_size=6).map(lambda fields: ",".join(fields).encode("utf-8", "surrogatepass"))


@given(st.lists(st.one_of(st.binary(max_size=80), LOG_LINE, CSV_LINE), max_size=12))
def test_whatever_the_bytes_each_line_becomes_valid_events_or_a_rejection(lines: list[bytes]) -> None:
    for reader in adapters():
        for item in decode_lines(lines, reader, lambda: NOW_MS):
            if isinstance(item, Rejected):
                assert item.reason
            else:
                assert decode_event(encode_event(item)) == item
