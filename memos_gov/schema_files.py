"""
The committed JSON schemas, made from our models: one function a folder of `schemas/`.

`python -m memos_gov.schema_files schemas/` writes them; `make check` compares
the committed files. `events/` (headers, and the payloads sealed beside them)
and `commands/` are for readers and tools outside. In `policy/`, references are
written out in place and every object is closed, because OPA's type checker
knows neither `$ref` nor `anyOf` with null as we need them: that is what makes a
misspelt field an error for a policy's author.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from memos_gov.domain.commands import COMMAND_TYPES
from memos_gov.domain.events import EVENT_VERSIONS, CubeContent, ErasureReason, ReadDetail
from memos_gov.domain.policy_inputs import ENTRYPOINTS, Asked, Question

DRAFT = "https://json-schema.org/draft/2020-12/schema"
_KEPT = frozenset({"type", "description", "enum", "items", "minimum"})


def policy_schemas() -> dict[str, bytes]:
    """
    Return the schema of every policy question, by file name under `schemas/policy/`.

    `asked.json` is what every question about an act carries; the others are
    named after their entrypoint (`access_verdicts.json`).
    """
    models: dict[str, type[Question]] = {"asked": Asked}
    for entrypoint, model in ENTRYPOINTS.items():
        models["_".join(entrypoint.split("/")[1:])] = model
    return {f"{name}.json": _file(model) for name, model in models.items()}


def _file(model: type[Question]) -> bytes:
    schema = model.model_json_schema()
    plain = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": model.__name__,
        **_inlined(schema, schema.get("$defs", {})),
    }
    return _pretty(plain)


def _inlined(node: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema without references, titles and defaults, its objects closed."""
    if "$ref" in node:
        return _inlined(definitions[node["$ref"].rsplit("/", 1)[-1]], definitions)
    if "anyOf" in node:
        branches = [_inlined(branch, definitions) for branch in node["anyOf"]]
        return {**branches[0], "type": [branch["type"] for branch in branches]}
    plain = {key: value for key, value in node.items() if key in _KEPT}
    if "items" in plain:
        plain["items"] = _inlined(plain["items"], definitions)
    if "properties" in node:
        members = node["properties"].items()
        plain["properties"] = {name: _inlined(part, definitions) for name, part in members}
        plain["required"] = sorted(node["properties"])
        plain["additionalProperties"] = False
    return plain


def event_schemas() -> dict[str, bytes]:
    """Return the schema of every version of a header, and of every payload, by file name."""
    payloads = (CubeContent, ErasureReason, ReadDetail)
    shapes: tuple[type[msgspec.Struct], ...] = (*EVENT_VERSIONS.values(), *payloads)
    return {
        f"{shape.__name__}.v{getattr(shape, 'VERSION', 1)}.json": _pretty(
            {"$schema": DRAFT, **msgspec.json.schema(shape)}
        )
        for shape in shapes
    }


def command_schemas() -> dict[str, bytes]:
    """Return the schema of every command, by file name."""
    return {
        f"{command.__name__}.json": _pretty({"$schema": DRAFT, **command.model_json_schema()})
        for command in COMMAND_TYPES
    }


def _pretty(schema: Mapping[str, Any]) -> bytes:
    return (json.dumps(schema, indent=2, ensure_ascii=False) + "\n").encode()


def write(folder: Path) -> None:
    """Write every schema file below `folder`, replacing what is there."""
    rooms = {"policy": policy_schemas(), "events": event_schemas(), "commands": command_schemas()}
    for room, files in rooms.items():
        (folder / room).mkdir(parents=True, exist_ok=True)
        for name, body in files.items():
            (folder / room / name).write_bytes(body)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
