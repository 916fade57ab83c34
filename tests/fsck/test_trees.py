"""Trees and leaves by definition: others' numbers, and what the certifier made by other means."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memos_gov.backends.sqlite.log import SqliteEventLog
from memos_gov.bootstrap import fsck
from memos_gov.domain import codec
from memos_gov.domain.history import LogRecord, Outcome
from memos_gov.fsck import tree
from memos_gov.transparency import merkle
from memos_gov.transparency.leaf import CODES
from tests.architecture.source import files
from tests.certify.cases import REFUSED
from tests.records import History, a_record, refusing, tenant_founded
from tests.test_merkle import INPUTS, ROOTS

HASHES = st.lists(st.binary(min_size=32, max_size=32), max_size=70)


@pytest.mark.parametrize("size", range(9))
def test_root_of_the_known_tree_is_the_published_one(size: int) -> None:
    """The vectors of Certificate Transparency, by our definition."""
    leaves = [merkle.leaf_hash(bytes.fromhex(text)) for text in INPUTS[:size]]

    assert ROOTS[size] == tree.root_of(leaves, size).hex()


@given(HASHES)
def test_tree_by_definition_is_the_certifiers_by_appending(leaves: list[bytes]) -> None:
    """Two ways that share no line give one root and one frontier."""
    frontier: merkle.Frontier = ()
    for size, leaf in enumerate(leaves):
        frontier = merkle.append(frontier, size, leaf)

    subtrees = tree.subtrees_of(leaves, len(leaves))

    assert list(frontier) == subtrees
    assert merkle.root(frontier) == tree.root_over(subtrees) == tree.root_of(leaves, len(leaves))


@given(HASHES, st.integers(-1, 1).filter(bool))
def test_tree_of_another_size_than_its_leaves_is_refused(leaves: list[bytes], by: int) -> None:
    """A leaf too many or too few is no smaller tree."""
    size = max(len(leaves) + by, 0)
    if size == len(leaves):
        return

    with pytest.raises(ValueError, match="leaves than the tree has"):
        tree.root_of(leaves, size)
    with pytest.raises(ValueError, match="leaves than the tree has"):
        tree.subtrees_of(leaves, size)


def test_tree_of_many_leaves_is_as_deep_as_its_height() -> None:
    """A hundred thousand leaves are streamed, with a stack of seventeen."""
    size = 100_000
    leaves = (number.to_bytes(32, "big") for number in range(size))

    assert merkle.root_of(n.to_bytes(32, "big") for n in range(size)) == tree.root_of(leaves, size)


def test_source_of_fsck_imports_no_tree_of_the_certifiers() -> None:
    """An examiner that computed with the same code would share its mistakes."""
    shared = ("memos_gov.transparency.merkle", "memos_gov.transparency.leaf")

    assert [] == [
        f"{file.place}:{found.line} imports {found.name}"
        for file in files("memos_gov/fsck")
        for found in file.imports
        if found.name.startswith(shared) or found.name == "memos_gov.transparency"
    ]


def test_codes_of_outcomes_are_those_that_are_published() -> None:
    """They are written down twice, so that neither can drift."""
    assert list(CODES) == list(tree._CODES)
    assert list(CODES.values()) == list(range(len(CODES)))


def test_leaf_of_every_kind_of_record_is_the_certifiers() -> None:
    """Accepted, refused and rejected, with a name and without one."""
    history = History()
    history.append(b"no record")
    history.append(a_record(tenant_founded(), verdict=None, key=b"x" * 32))
    history.append(a_record(tenant_founded()))
    history.append(a_record(REFUSED, verdict=refusing()))

    derived = [
        tree.leaf_of(record, rows.by_offset[record.offset])
        for record, rows in zip(history.records, history.rows, strict=True)
    ]

    decided = [
        rows.by_offset[r.offset] for r, rows in zip(history.records, history.rows, strict=True)
    ]
    assert [outcome.leaf for outcome in decided] == derived
    assert {"accepted", "refused", "invalid", "forged"} == {outcome.code for outcome in decided}


def test_leaf_of_every_record_of_a_life_is_the_certifiers(lived: Path) -> None:
    """Sealed payloads, verdicts and refusals as they really are."""
    assert [] == [f for f in fsck(lived, parts=["log"]).findings if f.kind in {"leaf", "outcome"}]


class _NoClock:
    def now(self) -> None:
        raise AssertionError


def test_leaf_changes_with_any_member_of_a_record(lived: Path) -> None:
    """Whatever the record's JSON says is under the leaf, ciphertext and salt too."""
    log = SqliteEventLog(lived / "log.db", _NoClock(), read_only=True)  # type: ignore[arg-type]
    record = next(r for r in log.read(0, 0, 50) if b'"CubeRevised"' in r.body)
    log.close()
    outcome = Outcome(
        tenant=record.tenant, index=1, code="accepted", detail={}, command_id="x", actor="",
        command="", leaf=b"",
    )  # fmt: skip
    whole = tree.leaf_of(record, outcome)
    document = json.loads(record.body)
    places = [
        (document, "id", "018f0000-0000-7000-8000-000000000000"),
        (document, "time", "2026-01-01T00:00:00.000Z"),
        (document, "type", "x"),
        (document["data"], "salt", "00" * 16),
        (document["data"], "actor", "x"),
        (document["data"]["events"][0], "sealed", "AAAA"),
        (document["data"]["events"][0], "key_id", "x"),
    ]

    for holder, name, value in places:
        before, holder[name] = holder[name], value
        changed = tree.leaf_of(LogRecord(0, 0, "", json.dumps(document).encode()), outcome)
        holder[name] = before
        assert whole != changed != b"", name
    assert whole == tree.leaf_of(LogRecord(0, 0, "", json.dumps(document).encode()), outcome)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"data":1}', b"\xff", b'{"data":{"events":[1]}}', b"[" * 9999]
)
def test_leaf_of_no_record_is_none(body: bytes) -> None:
    """What cannot be read has no leaf, and is no error."""
    outcome = Outcome(
        tenant="acme", index=1, code="accepted", detail={}, command_id="x", actor="",
        command="", leaf=b"",
    )  # fmt: skip

    assert b"" == tree.leaf_of(LogRecord(0, 0, "acme", body), outcome)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.text(st.characters(codec="ascii")), inner)
        ),
        max_leaves=20,
    )
)
def test_canonical_form_is_the_one_that_records_are_written_in(document: object) -> None:
    """Another encoder, the same bytes."""
    assert codec.canonical(document) == tree._canonical(msgspec.to_builtins(document))
