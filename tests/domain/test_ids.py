"""Ids: their alphabet, their order, and streams that never meet."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memos_gov.domain import ids
from memos_gov.domain.facts import facts_type

RAW = st.binary(min_size=16, max_size=16)


@pytest.mark.parametrize("name", ["a", "acme", "a-b", "0", "a" * 63])
def test_name_that_may_be_a_tenants(name: str) -> None:
    """Small letters, digits and hyphens."""
    assert ids.is_tenant(name)


@pytest.mark.parametrize("name", ["", "-a", "A", "a_b", "a/b", "_instance", "a" * 64, "a\n", "ä"])
def test_name_that_may_not_be_a_tenants(name: str) -> None:
    """It would break a stream's name, or be the instance's."""
    assert not ids.is_tenant(name)


@pytest.mark.parametrize(
    "text", ["", "c", "c_", "cc_x", "C_x", "c_X", "c_x\n", "c_x/y", "c_" + "x" * 41]
)
def test_text_that_is_no_opaque_id(text: str) -> None:
    """So it never stands in a header."""
    assert not ids.is_opaque(text)


@given(RAW, RAW)
def test_short_form_sorts_like_its_bytes(one: bytes, two: bytes) -> None:
    """Ids made later sort later, since command ids do."""
    assert (one < two) == (ids.short(one) < ids.short(two))
    assert (one == two) == (ids.short(one) == ids.short(two))


@given(RAW)
def test_id_made_by_us_is_opaque(raw: bytes) -> None:
    """Of every kind."""
    assert all(ids.is_opaque(ids.opaque_id(kind, raw)) for kind in ids.PREFIXES)


@given(st.uuids())
def test_cube_and_case_of_a_command_are_always_the_same(command_id: object) -> None:
    """Every retry of a command makes the same cube."""
    text = str(command_id)

    assert ids.cube_id_of(text) == ids.cube_id_of(text)
    assert ids.cube_id_of(text)[2:] == ids.case_id_of(text)[2:]
    assert ids.is_opaque(ids.cube_id_of(text))
    assert ids.is_opaque(ids.case_id_of(text))


def test_streams_of_one_id_are_all_different_and_have_facts() -> None:
    """No two kinds of thing share a stream, and each begins with its tenant."""
    makers = (
        ids.content_stream,
        ids.governance_stream,
        ids.subject_stream,
        ids.principal_stream,
        ids.matter_stream,
        ids.case_stream,
    )
    streams = [make("acme", "x_1") for make in makers] + list(ids.guard_streams("acme"))

    assert len(streams) == len(set(streams))
    assert all(stream.startswith("acme/") for stream in streams)
    assert all(facts_type(stream) for stream in streams)
