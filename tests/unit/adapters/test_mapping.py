from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from service.adapters.mapping import CallRecordsMapping

LEAST: dict[str, Any] = {"queue_id": "q", "enqueue": ["at"], "answered": "answered"}
EXAMPLES = Path(__file__).parents[3] / "deploy" / "examples"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"queue_id": None}, "either queue"),
        ({"queue": "q"}, "either queue"),
        ({"answered": None}, "outcome or answered"),
        ({"answered": None, "outcome": "o"}, "answered or wait"),
        ({"enqueue": []}, "at least 1 item"),
        ({"delimiter": "\t\t"}, "at most 1 character"),
        ({"time_format": "HH:MM"}, "not a time pattern"),
        ({"time_format": "%Q"}, "not a time pattern"),
        ({"date": {"column": "d", "format": "%y%m%d", "clock": "at"}}, "time of day"),
        ({"skip": [{}]}, "at least one column"),
        ({"columns": {"o": {"reject": {"X": "bad reason"}}}}, "not a usable reason"),
        ({"columns": {"o": {"reject": {"X": "bad_json"}}}}, "not a usable reason"),
        ({"quue": "x"}, "Extra inputs"),
        ({"wait": 3}, "valid string"),
    ],
)
def test_a_wrong_mapping_is_refused_with_what_is_wrong(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        CallRecordsMapping(**LEAST | change)


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*.yaml")), ids=lambda file: file.stem)
def test_the_ready_mappings_are_valid(file: Path) -> None:
    for source in yaml.safe_load(file.read_text()).get("sources", {}).values():
        if source["format"] == "call-records":
            assert CallRecordsMapping(**source["mapping"]).used_columns()
