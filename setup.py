"""Compiles the modules of `service.compiled` when the project is installed; all else is in pyproject.toml.

Where there is no C compiler, a warning is all there is of it. FLOORWALKER_COMPILED=0 leaves it out.
"""

import os
import shutil
import sys
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

ROOT = Path(__file__).parent
sys.path.insert(0, str(ROOT))

from service.compiled import MODULES, folder, is_wanted, search_path  # noqa: E402

DIRECTIVES = {
    "language_level": "3",
    "annotation_typing": False,  # annotations are mypy's: an int of ours is any int, no C long
    "binding": False,
}
C_OPTIONS = {"extra_compile_args": ["-O2", "-g0"]}


def extensions() -> list[Extension]:
    """The modules, which have their own names for Cython, and for setuptools those of the folder they go to."""
    named = [Extension(f"service.domain.{name}", [f"service/domain/{name}.py"], **C_OPTIONS) for name in MODULES]
    made = cythonize(named, build_dir="build/cython", compiler_directives=DIRECTIVES, quiet=True)
    target = folder()
    for extension in made:
        extension.optional = True  # Cython would not pass it on
        extension.name = ".".join((*target.relative_to(ROOT).parts, extension.name.rpartition(".")[2]))
    target.mkdir(parents=True, exist_ok=True)
    for old in target.parent.iterdir():
        if old != target:
            shutil.rmtree(old)
    return made


def is_there() -> bool:
    """Whether an editable install finds what an earlier one compiled of the same sources."""
    return "editable_wheel" in sys.argv and bool(search_path())


setup(
    ext_modules=extensions() if is_wanted() and not is_there() else [],
    options={"build_ext": {"parallel": os.cpu_count()}},
)
