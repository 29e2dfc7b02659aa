from pathlib import Path
from typing import Any

import pytest

from service.recordings import Recording, read_recording
from tests.unit.adapters.reading import NOW_MS, Read, adapter


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def read(content: str | bytes, format_name: str = "asterisk-queue-log", **settings: Any) -> Recording:
        file = tmp_path / "recording"
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return read_recording([file], adapter(format_name, **settings), NOW_MS)

    return read
