"""Rules about the sources themselves: who may import whom, and what must not be written down."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
DOMAIN = sorted((ROOT / "service" / "domain").rglob("*.py"))
ORACLE = sorted((ROOT / "tests" / "oracle").rglob("*.py"))
DOMAIN_MAY_IMPORT = {"msgspec", "__future__"} | sys.stdlib_module_names
# The domain is told the time and does no I/O: these would let it find out by itself.
CLOCK_AND_IO = {"time", "logging", "socket", "subprocess", "os", "pathlib", "asyncio", "threading", "random"}

# Where packages come from is each machine's own setting; only what installs something could name it.
INSTALLING = ("requirements.lock", "pyproject.toml", "Makefile", ".ci/run", "Dockerfile", "deploy/kafka/pom.xml")
LOCAL_OR_NAMESPACE = re.compile(r"https?://(127\.0\.0\.1|localhost|maven\.apache\.org/POM/)")


def imports_of(path: Path) -> Iterator[str]:
    """The modules that a file imports, also inside functions."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module or ""


def calls_of(path: Path) -> set[str]:
    """What a file calls by a plain or a dotted name, such as `open` or `datetime.now`."""
    calls = (node.func for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call))
    return {ast.unparse(called) for called in calls}


def tracked_texts() -> Iterator[tuple[str, str]]:
    """Name and text of every tracked file; those that are not text are left out."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: which files belong to the project is not known")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        path = ROOT / name
        data = path.read_bytes() if path.is_file() else b""
        if b"\0" not in data:
            yield name, data.decode("utf-8", errors="replace")


@pytest.fixture(scope="module")
def texts() -> list[tuple[str, str]]:
    return list(tracked_texts())


def test_the_import_contracts_hold() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_domain_has_files() -> None:
    assert DOMAIN, "the rules about service/domain would pass without checking anything"


@pytest.mark.parametrize("path", DOMAIN, ids=lambda path: path.stem)
def test_the_domain_imports_only_itself_the_standard_library_and_msgspec(path: Path) -> None:
    foreign = {
        name
        for name in imports_of(path)
        if name.split(".")[0] not in DOMAIN_MAY_IMPORT and not name.startswith("service.domain")
    }
    assert not foreign


@pytest.mark.parametrize("path", DOMAIN, ids=lambda path: path.stem)
def test_the_domain_reads_no_clock_and_does_no_io(path: Path) -> None:
    assert not {name.split(".")[0] for name in imports_of(path)} & CLOCK_AND_IO
    assert not calls_of(path) & {"open", "print", "datetime.now", "datetime.utcnow", "date.today"}


def test_the_oracle_shares_nothing_with_what_it_judges() -> None:
    assert len(ORACLE) > 1
    imported = {name for path in ORACLE for name in imports_of(path)}
    assert {name for name in imported if name.split(".")[0] not in sys.stdlib_module_names} == {
        name for name in imported if name.startswith("tests.oracle")
    }


def test_nothing_that_installs_names_a_host_to_install_from(texts: list[tuple[str, str]]) -> None:
    urls = re.compile(r"https?://\S+")
    found = [(name, url) for name, text in texts if name in INSTALLING for url in urls.findall(text)]
    assert not [(name, url) for name, url in found if not LOCAL_OR_NAMESPACE.match(url)]


def test_no_tracked_file_names_this_checkouts_own_path(texts: list[tuple[str, str]]) -> None:
    assert not [name for name, text in texts if f"{ROOT}/" in text]


def test_no_test_waits_by_sleeping(texts: list[tuple[str, str]]) -> None:
    sleeping = re.compile(r"^\s*(time\.)?sleep\(", re.MULTILINE)
    assert not [
        name for name, text in texts if name.startswith("tests/") and name.endswith(".py") and sleeping.search(text)
    ]


def test_the_lock_satisfies_every_declared_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    declared = [*project["dependencies"], *chain(*project["optional-dependencies"].values())]
    lines = (line.partition(";")[0].strip() for line in (ROOT / "requirements.lock").read_text("utf-8").splitlines())
    locked = dict(line.split("==") for line in lines if "==" in line)
    unmet = [
        text
        for text, wanted in ((text, Requirement(text)) for text in declared)
        if not wanted.specifier.contains(locked.get(canonicalize_name(wanted.name), "0.dev0"))
    ]
    assert not unmet
