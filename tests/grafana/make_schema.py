"""Writes the JSON Schema of the dashboards anew from Grafana's types: `make grafana-schema` (needs Node.js and npm).

Grafana publishes the types of its dashboards and panels as the npm package @grafana/schema (Apache-2.0). The type of a
query for Prometheus was last in version 10.4; it moved into a package under the AGPL, from which we take nothing.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

HERE: Final = Path(__file__).parent
SCHEMA: Final = HERE / "grafana-11.6.schema.json"
INPUT: Final = ("package.json", "types.ts")
STEPS: Final = (
    ("npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--silent"),
    (
        "npx",
        "ts-json-schema-generator",
        "--path",
        "types.ts",
        "--type",
        "Board",
        "--expose",
        "all",
        "--out",
        "made.json",
    ),
)
PROSE: Final = ("description", "deprecated")


def without_prose(part: Any) -> Any:
    """The schema without what is only for readers; a property may be called like it, and is an object."""
    if isinstance(part, dict):
        kept = {name: inner for name, inner in part.items() if name not in PROSE or isinstance(inner, dict)}
        return {name: without_prose(inner) for name, inner in kept.items()}
    return [without_prose(inner) for inner in part] if isinstance(part, list) else part


def origin(versions: dict[str, str]) -> str:
    """Where the schema is from, and by what licence."""
    return (
        "Made by `make grafana-schema` with tests/grafana/types.ts from the TypeScript types of npm @grafana/schema "
        f"{versions['@grafana/schema']}, Prometheus queries from {versions['grafana-schema-10'].rpartition('@')[2]}; "
        "Copyright Grafana Labs, licensed under the Apache License 2.0. Changed: types to JSON Schema, prose left out."
    )


def as_text(schema: dict[str, Any], versions: dict[str, str]) -> str:
    """The file: its origin, then each definition on a line of its own."""
    top = {"$comment": origin(versions), "$schema": schema["$schema"], "$ref": schema["$ref"]}
    definitions = ",\n".join(
        f"{json.dumps(name)}: {json.dumps(inner, sort_keys=True)}"
        for name, inner in sorted(without_prose(schema["definitions"]).items())
    )
    return f'{json.dumps(top)[:-1]}, "definitions": {{\n{definitions}\n}}}}\n'


def main() -> int:
    """Write the schema; 1 if npm or the generator fails."""
    with tempfile.TemporaryDirectory() as folder:
        for name in INPUT:
            shutil.copy(HERE / name, folder)
        for step in STEPS:
            try:
                subprocess.run(step, cwd=folder, check=True)
            except (OSError, subprocess.CalledProcessError) as error:
                sys.stderr.write(f"the schema was not made, `{step[0]} {step[1]}` failed: {error}\n")
                return 1
        made = json.loads((Path(folder) / "made.json").read_text("utf-8"))
    versions = json.loads((HERE / "package.json").read_text("utf-8"))["dependencies"]
    SCHEMA.write_text(as_text(made, versions), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
