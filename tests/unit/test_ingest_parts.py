"""What ingest is made of: moving in time, progress that survives, lines as they are written, rejected records."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.adapters import Rejected
from service.domain.business_events import Activity, SchedulePublished
from service.domain.events import VisitCallbackRequested, VisitQueued
from service.errors import FailedError, UsageError
from service.follow import follow_lines
from service.ingest import Pace
from service.ingest_state import IngestState, StateFile, default_state_file, mark_files
from service.rejects import DEAD_LETTER_LIMIT, RAW_LIMIT, dead_letter, rejected_json
from service.sealing import Sealer
from service.shift import shift_to_now_ms, shifted

HOUR_MS = 3_600_000
ASKED: dict[str, str | None] = {"format": "canonical", "timezone": None}


def queued(at_ms: int) -> VisitQueued:
    return VisitQueued(event_id="e", occurred_at_ms=at_ms, contact_id="c", visit_id="v", queue_id="q", wait_ms=7)


def test_a_shift_moves_moments_and_leaves_durations():
    moved = shifted(queued(1_000), 500)
    assert (moved.occurred_at_ms, moved.wait_ms, moved.received_at_ms) == (1_500, 7, None)


def test_a_shift_moves_promises_and_plans_too():
    callback = VisitCallbackRequested(event_id="e", occurred_at_ms=1, contact_id="c", visit_id="v", due_at_ms=10)
    plan = SchedulePublished(
        event_id="e", occurred_at_ms=1, agent_id="a", intervals=[Activity(start_ms=5, end_ms=9, activity="work")]
    )
    assert shifted(callback, 100).due_at_ms == 110
    assert [(part.start_ms, part.end_ms) for part in shifted(plan, 100).intervals] == [(105, 109)]


@pytest.mark.parametrize(
    ("speed", "first_sent_late_ms", "last_is_ms"),
    [
        pytest.param(None, 2 * HOUR_MS, 0, id="at once: the last event is now"),
        pytest.param(1, 0, 2 * HOUR_MS, id="in real time: the first event is now"),
        pytest.param(60, 2 * HOUR_MS - 120_000, 120_000, id="60 times as fast: the last is now when it is sent"),
        pytest.param(0.5, 0, 2 * HOUR_MS, id="slower than the clock: the first event is now"),
    ],
)
def test_a_replay_never_sends_an_event_of_the_future(speed, first_sent_late_ms, last_is_ms):
    first_ms, last_ms, now_ms = 1_000, 1_000 + 2 * HOUR_MS, 50 * HOUR_MS
    shift_ms = shift_to_now_ms(first_ms, last_ms, now_ms, speed)
    assert now_ms - (first_ms + shift_ms) == first_sent_late_ms
    assert last_ms + shift_ms - now_ms == last_is_ms


def test_at_a_high_speed_events_are_due_at_once_and_nothing_is_announced():
    pace = Pace(None)
    pace.wait_for(10**15, before_waiting=lambda: pytest.fail("there is nothing to wait for"))


def test_before_a_wait_progress_is_saved():
    pace, saved = Pace(1_000_000), []
    pace.wait_for(0, lambda: saved.append("first"))
    pace.wait_for(20_000_000, lambda: saved.append("second"))
    assert saved == ["second"]


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"one\ntwo\n")
    return path


@pytest.fixture
def state_file(tmp_path: Path, recording: Path) -> StateFile:
    file = StateFile(tmp_path / "deep" / "state.json")
    file.save(IngestState(ASKED, mark_files([recording]), acknowledged=17, shift_ms=5))
    return file


def test_progress_is_found_again(state_file, recording):
    found = state_file.load(ASKED, mark_files([recording]), growing=False)
    assert (found.acknowledged, found.shift_ms) == (17, 5)


def test_progress_of_a_finished_ingest_is_gone(state_file, recording):
    state_file.remove()
    state_file.remove()
    assert state_file.load(ASKED, mark_files([recording]), growing=False) is None


def test_progress_of_other_options_does_not_count(state_file, recording):
    assert state_file.load({**ASKED, "timezone": "UTC"}, mark_files([recording]), growing=False) is None


@pytest.mark.parametrize("text", [b"one\ntwo\nthree\n", b"one\n", b"two\none\n"])
def test_progress_of_a_file_that_is_another_now_does_not_count(state_file, recording, text):
    recording.write_bytes(text)
    assert state_file.load(ASKED, mark_files([recording]), growing=False) is None


@pytest.mark.parametrize(
    ("text", "same"), [(b"one\ntwo\nthree\n", True), (b"one\n", False), (b"six\ntwo\nten\n", False)]
)
def test_a_followed_file_may_have_grown(state_file, recording, text, same):
    recording.write_bytes(text)
    assert (state_file.load(ASKED, mark_files([recording]), growing=True) is not None) is same


def test_a_file_that_is_no_progress_is_not_overwritten(tmp_path, recording):
    path = tmp_path / "precious.json"
    path.write_text('{"mine": 1}')
    with pytest.raises(UsageError, match="is not the state of an ingest"):
        StateFile(path).load(ASKED, mark_files([recording]), growing=False)


def test_progress_that_cannot_be_saved_is_an_error(tmp_path, recording):
    with pytest.raises(FailedError, match="name another --state"):
        StateFile(recording / "state.json").save(IngestState(ASKED, {}))


def test_standard_input_leaves_no_progress():
    file = StateFile(None)
    file.save(IngestState(ASKED, {}))
    assert file.load(ASKED, {}, growing=False) is None


def test_progress_is_kept_apart_by_file_topic_and_broker(tmp_path):
    names = {
        default_state_file(tmp_path, [Path(name)], topic, broker)
        for name in ("a", "b")
        for topic in ("t", "u")
        for broker in ("x:1", "x:2")
    }
    assert len(names) == 8


def test_following_yields_whole_lines_as_they_are_completed(recording):
    lines = follow_lines(recording)
    assert [next(lines), next(lines)] == [b"one\n", b"two\n"]
    with recording.open("ab") as file:
        file.write(b"thr")
        file.flush()
        file.write(b"ee\nfour\n")
    assert [next(lines), next(lines)] == [b"three\n", b"four\n"]


def test_following_goes_on_with_the_file_that_took_the_place_of_the_old_one(recording):
    lines: Iterator[bytes] = follow_lines(recording)
    next(lines), next(lines)
    recording.rename(recording.with_suffix(".1"))
    recording.write_bytes(b"new\n")
    assert next(lines) == b"new\n"


def test_following_reads_an_emptied_file_from_its_start(recording):
    lines = follow_lines(recording)
    next(lines), next(lines)
    recording.write_bytes(b"x\n")
    assert next(lines) == b"x\n"


def test_a_rejected_record_keeps_its_line_its_reason_and_its_text():
    row = json.loads(rejected_json(Rejected(3, b'{"a": "\xff"', "bad_json", "cut off", "a.log")))
    assert row == {
        "line": 3, "reason": "bad_json", "detail": "cut off", "raw": '{"a": "\\xff"', "file": "a.log",
    }  # fmt: skip


def test_a_dead_letter_is_the_record_as_it_came_with_the_reason_beside_it():
    value, headers = dead_letter(Rejected(3, b"\xff", "bad_encoding", "byte 0", "a.log"), "pbx", Sealer())
    assert value == b"\xff"
    assert dict(headers) == {
        "reason": b"bad_encoding", "detail": b"byte 0", "source": b"pbx", "file": b"a.log", "line": b"3",
    }  # fmt: skip


def test_a_dead_letter_fits_its_topic():
    value, headers = dead_letter(Rejected(None, b"x" * 5_000_000, "too_large", "y" * 9_000), "pbx", Sealer())
    assert len(value) == DEAD_LETTER_LIMIT
    assert (len(dict(headers)["detail"]), "line" in dict(headers)) == (1024, False)


def test_of_a_huge_rejected_record_only_the_beginning_is_kept():
    row = json.loads(rejected_json(Rejected(1, b"x" * 5_000_000, "too_large", "")))
    assert (len(row["raw"]), row["raw_bytes"]) == (RAW_LIMIT, 5_000_000)
