"""
Events by chance and by heart: strategies for every type, and one fixed sample a version.

`python -m tests.domain.samples` writes the golden files of versions that have
none. A golden file that exists is never written again: a released event must
decode for ever.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec
from hypothesis import strategies as st

from memos_gov.domain import codec
from memos_gov.domain.events import EVENT_TYPES, EVENT_VERSIONS, Event
from memos_gov.domain.facts import Facts
from memos_gov.domain.verdicts import INTEGER_MAX

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "events"
REGENERATE = "make the missing ones with: .venv/bin/python -m tests.domain.samples"
TENANT, FEW = "acme", 3
WORDS = st.text(st.characters(codec="utf-8"), max_size=12)
NUMBERS = st.integers(-INTEGER_MAX, INTEGER_MAX)
OPAQUE = st.sampled_from([f"{letter}_{n}" for letter in "cspmr" for n in range(3)])
_NAMED = {
    "case",
    "cube",
    "cubes",
    "erasure",
    "id",
    "matter",
    "principal",
    "sources",
    "subject",
    "subjects",
    "target",
}


def values(kind: Any, name: str = "") -> st.SearchStrategy[Any]:
    """Return a strategy for the values of a field; fields that name something share few ids."""
    origin, parts = get_origin(kind), get_args(kind)
    if name in _NAMED and kind is str:
        return OPAQUE
    if origin is Literal:
        return st.sampled_from(parts)
    if origin is tuple:
        return st.lists(values(parts[0], name), max_size=FEW).map(tuple)
    if origin is dict:
        return st.dictionaries(
            st.text("abc_", min_size=1, max_size=4), values(parts[1]), max_size=FEW
        )
    if len(parts) > 1 and type(None) in parts:
        return st.one_of(*(values(part, name) for part in parts))
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return structs(kind)
    return {str: WORDS, int: NUMBERS, bool: st.booleans(), type(None): st.none()}[kind]


def structs(kind: type[Any]) -> st.SearchStrategy[Any]:
    """Return a strategy for a struct, field by field."""
    hints = get_type_hints(kind)
    return st.builds(kind, **{f: values(hints[f], f) for f in kind.__struct_fields__})


def events() -> st.SearchStrategy[Event]:
    """Return a strategy for events of every type."""
    return st.one_of(*(structs(kind) for kind in EVENT_TYPES.values()))


def facts_of(stream: str, kind: type[Facts]) -> st.SearchStrategy[tuple[str, Facts]]:
    """Return a strategy for a stream and its facts."""
    return st.tuples(st.just(stream), structs(kind))


def sample(kind: Any, name: str = "") -> Any:
    """Return a fixed value of a type, every field filled."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Literal:
        return parts[0]
    if origin is tuple:
        return (sample(parts[0], name),)
    if origin is dict:
        return {name: sample(parts[1], name)}
    if len(parts) > 1 and type(None) in parts:
        return sample(parts[0], name)
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        hints = get_type_hints(kind)
        return kind(**{f: sample(hints[f], f) for f in kind.__struct_fields__})
    return {str: f"{name}_1", int: 1_795_000_000, bool: True}[kind]


def golden_text(event: Event) -> bytes:
    """Return what a golden file holds: the stream, and the header as it stands in a record."""
    envelope = codec.envelope(event, TENANT, None, None)
    return codec.canonical(envelope) + b"\n"


def golden_file(kind: type[Event]) -> Path:
    """Return the golden file of a version of a type."""
    return GOLDEN / f"{kind.__name__}.v{kind.VERSION}.json"


def write_missing() -> None:
    """Write the golden files that are not there yet."""
    GOLDEN.mkdir(parents=True, exist_ok=True)
    for kind in EVENT_VERSIONS.values():
        if not golden_file(kind).exists():
            golden_file(kind).write_bytes(golden_text(sample(kind)))


if __name__ == "__main__":
    write_missing()
