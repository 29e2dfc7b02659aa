"""The domain compiled: what runs is always what the sources say."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

from service import compiled
from service.compiled import DOMAIN, MODULES, SWITCH

ROOT = Path(__file__).parents[2]


@pytest.fixture
def domain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the sources, as if all of them had been compiled."""
    for path in (*DOMAIN.glob("*.py"), *DOMAIN.glob("*.pxd")):
        shutil.copy(path, tmp_path)
    monkeypatch.setattr(compiled, "DOMAIN", tmp_path)
    monkeypatch.delenv(SWITCH, raising=False)
    found = compiled.folder()
    found.mkdir(parents=True)
    for name in MODULES:
        (found / f"{name}{EXTENSION_SUFFIXES[0]}").touch()
    assert compiled.search_path() == [str(found)]
    yield tmp_path


@pytest.mark.parametrize("name", ["contacts.py", "contacts.pxd"])
def test_what_was_compiled_of_other_sources_is_not_used(domain: Path, name: str) -> None:
    with (domain / name).open("a") as source:
        source.write("\n")
    assert compiled.search_path() == []


def test_modules_import_each_other_compiled_so_some_alone_are_not_used(domain: Path) -> None:
    next(domain.glob("_compiled/*/steps.*")).unlink()
    assert compiled.search_path() == []


def test_an_installation_without_sources_runs_what_it_has(domain: Path) -> None:
    (domain / "contacts.py").unlink()
    assert compiled.search_path() == []


def test_it_can_be_switched_off(domain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SWITCH, "0")
    assert compiled.search_path() == []


def test_a_source_that_changes_only_what_is_not_compiled_changes_nothing(domain: Path) -> None:
    with (domain / "view.py").open("a") as source:
        source.write("\n")
    assert compiled.search_path() != []


def test_every_module_whose_classes_become_structs_is_compiled() -> None:
    assert {path.stem for path in DOMAIN.glob("*.pxd")} <= set(MODULES)
    assert all((DOMAIN / f"{name}.py").exists() for name in MODULES)


@pytest.mark.skipif(os.environ.get(SWITCH) == "0", reason=f"{SWITCH} is 0")
def test_these_tests_run_what_users_run() -> None:
    """Where there is a C compiler, `make install` compiles, and a domain that is not would be tested in vain."""
    if shutil.which("cc") is None and shutil.which("gcc") is None:
        pytest.skip("no C compiler")
    folders = {Path(importlib.import_module(f"service.domain.{name}").__file__ or "").parent for name in MODULES}
    assert folders == {compiled.folder()}, "the sources have changed: `make compiled`"


def test_python_runs_the_same_sources_when_nothing_is_compiled() -> None:
    said = subprocess.run(
        [sys.executable, "-c", "import service.domain.contacts as c; print(c.__file__)"],
        cwd=ROOT, env={**os.environ, SWITCH: "0"}, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert Path(said.strip()) == DOMAIN / "contacts.py"
