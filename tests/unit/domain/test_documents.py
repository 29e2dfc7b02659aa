"""The generated documents are those that the code would write now."""

from pathlib import Path

import pytest

from service.docs_events import documents
from service.domain.codec import EVENT_TYPES
from service.domain.kpis import KPIS

DOCS = Path(__file__).parents[3] / "docs"


@pytest.mark.parametrize("name", documents())
def test_a_committed_document_is_current(name: str) -> None:
    found = (DOCS / name).read_text(encoding="utf-8")
    assert found == documents()[name], "run `python -m service.docs_events`"


def test_every_event_type_and_kpi_is_documented() -> None:
    texts = documents()
    assert all(f"### `{name}`\n" in texts["events.md"] for name in EVENT_TYPES)
    assert all(f"| `{kpi.name}` |" in texts["kpis.md"] for kpi in KPIS)
    assert all(
        f'"const": "{name}"' in texts["events.schema.json"] or f'"{name}"' in texts["events.schema.json"]
        for name in EVENT_TYPES
    )
