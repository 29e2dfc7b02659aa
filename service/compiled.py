"""The hot modules of the domain as C, where `setup.py` found a compiler: the same sources, the same numbers, faster.

A `.pxd` file beside a module says which of its classes become C structs. What was compiled lies in a folder named by a
digest of the sources it was made of. Sources that have changed since find no such folder: then, as on a machine
without a compiler, Python runs them as they are.
"""

import os
from hashlib import blake2b
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Final

MODULES: Final = (
    "agent_inputs", "agent_watch", "agents", "aggregate", "buckets", "calendar", "codec", "contact_record",
    "contact_watch", "contacts", "contacts_kept", "correlate", "facts", "leg_context", "leg_events", "leg_facts",
    "legs", "mark", "own_side", "recent", "scopes", "settling", "state_feed", "steps", "totals", "visits",
)  # fmt: skip
"""What each event passes through, and the base classes of that."""

DOMAIN: Final = Path(__file__).parent / "domain"
SWITCH: Final = "FLOORWALKER_COMPILED"
"""The environment variable that, set to 0, has the sources installed or run as they are."""


def is_wanted() -> bool:
    """Whether nobody has switched it off."""
    return os.environ.get(SWITCH) != "0"


def folder() -> Path:
    """Where the modules are once these very sources are compiled."""
    digest = blake2b(digest_size=8)
    for path in sorted([*(DOMAIN / f"{name}.py" for name in MODULES), *DOMAIN.glob("*.pxd")]):
        text = path.read_bytes()
        digest.update(b"%s %d\n" % (path.name.encode(), len(text)) + text)
    return DOMAIN / "_compiled" / digest.hexdigest()


def search_path() -> list[str]:
    """Where Python is to look for the domain's modules first; empty unless all of them are compiled.

    They import each other's C structs, so some alone are of no use.
    """
    if not is_wanted():
        return []
    try:
        found = folder()
    except OSError:
        return []  # an installation without sources
    whole = all((found / f"{name}{EXTENSION_SUFFIXES[0]}").exists() for name in MODULES)
    return [str(found)] if whole else []
