"""Records as bytes: one form, that of RFC 8785, and everything else is invalid."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from memos_gov.certify import parse
from memos_gov.domain import codec
from memos_gov.domain import events as e
from memos_gov.domain.events import (
    EVENT_TYPES,
    EVENT_VERSIONS,
    OLDER_VERSIONS,
    Event,
    type_name,
)
from memos_gov.domain.history import LogRecord
from memos_gov.domain.verdicts import INTEGER_MAX
from tests.domain.given import CUBE, NOW, remembered
from tests.domain.samples import (
    GOLDEN,
    REGENERATE,
    TENANT,
    WORDS,
    events,
    golden_file,
    golden_text,
    sample,
)
from tests.records import KEY, a_record

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-INTEGER_MAX, INTEGER_MAX) | WORDS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text("abcXYZ_-/", max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)


def problem(body: bytes) -> str:
    """Return why certification sees no record in these bytes; never an exception."""
    return parse(LogRecord(0, 1, TENANT, body)).problem


@given(events())
def test_event_encoded_and_decoded_is_the_same(event: Event) -> None:
    """decode(encode(e)) == e, for every type."""
    assert event == codec.decode_header(codec.envelope(event, TENANT, None, None))


@given(JSON)
def test_canonical_form_is_that_of_rfc_8785(value: Any) -> None:
    """The oracle prints the same bytes."""
    assert rfc8785.dumps(value) == codec.canonical(value)


@given(events())
def test_header_is_canonical_to_the_oracle(event: Event) -> None:
    """So anybody can check a header with a library of their own."""
    header = codec.canonical(event)

    assert rfc8785.dumps(json.loads(header)) == header


@pytest.mark.parametrize("kind", EVENT_VERSIONS.values(), ids=type_name)
def test_golden_event_decodes_for_ever(kind: type[Event]) -> None:
    """A released version is never edited: its first golden file still decodes to its bytes."""
    path = golden_file(kind)
    assert path.exists(), f"{path.name} is missing; {REGENERATE}"
    kept = path.read_bytes()
    envelope = msgspec.json.decode(kept, type=codec.Envelope)

    written = msgspec.json.decode(envelope.header, type=kind)

    assert type(codec.decode_header(envelope)) is EVENT_TYPES[kind.__name__]
    assert kept == golden_text(written), f"{path.name}: add a version instead; {REGENERATE}"


def test_golden_file_is_there_for_every_version_that_ever_was() -> None:
    """A version that is no longer known could not be decoded any more."""
    kept = {path.stem for path in GOLDEN.iterdir()}

    assert {type_name(kind) for kind in EVENT_VERSIONS.values()} == kept


@pytest.mark.parametrize("older", OLDER_VERSIONS, ids=type_name)
def test_older_version_becomes_the_newest_on_the_same_stream(older: type[Event]) -> None:
    """What was written is read in today's words, about the same thing."""
    written = sample(older)

    event = codec.decode_header(codec.envelope(written, TENANT, None, None))

    assert type(event) is EVENT_TYPES[older.__name__]
    assert event == codec.decode_stored_header(
        older.__name__, older.VERSION, codec.canonical(written)
    )
    assert (older.VERSION < event.VERSION, written.stream(TENANT)) == (True, event.stream(TENANT))


def test_header_of_a_version_under_another_number_is_invalid() -> None:
    """The version says the shape."""
    newest = codec.envelope(e.CubeRelabelled(cube=CUBE, label="internal"), TENANT, None, None)

    with pytest.raises(msgspec.ValidationError):
        codec.decode_header(replace(newest, version=1))
    with pytest.raises(KeyError):
        codec.decode_header(replace(newest, version=99))


def test_record_decoded_and_signed_again_has_the_same_bytes() -> None:
    """One record, one form."""
    body = a_record(remembered())

    assert body == codec.sign(codec.decode(body), KEY)
    assert rfc8785.dumps(json.loads(body)) == body


def test_record_with_another_key_or_a_changed_field_has_no_valid_mac() -> None:
    """The MAC covers every field but itself."""
    body = a_record(remembered())
    record = codec.decode(body)
    other = replace(record, id="0" * 36)
    unsigned = replace(record, data=replace(record.data, mac=msgspec.UNSET))

    assert codec.has_valid_mac(record, body, KEY)
    assert not codec.has_valid_mac(record, body, b"x" * 32)
    assert not codec.has_valid_mac(other, codec.canonical(other), KEY)
    assert not codec.has_valid_mac(unsigned, codec.canonical(unsigned), KEY)


@pytest.mark.parametrize("mac", ["", "0", "x" * 64, '","via":"', "A" * 64])
def test_record_with_a_mac_of_another_form_has_no_valid_mac(mac: str) -> None:
    """Nothing but 64 hex digits is cut out of a record's bytes."""
    record = codec.decode(a_record(remembered()))
    other = replace(record, data=replace(record.data, mac=mac))

    assert not codec.has_valid_mac(other, codec.canonical(other), KEY)


def _changed(change: Any) -> bytes:
    """Return a good record with its JSON changed and printed canonically again."""
    tree = json.loads(a_record(remembered()))
    change(tree)
    return rfc8785.dumps(tree)


def _nested(tree: Any) -> None:
    inner: Any = []
    for _ in range(200):
        inner = [inner]
    tree["data"]["events"][0]["header"]["findings"] = inner


GOOD = a_record(remembered())
HEADER = b'"header":{'
DEFECTS: dict[str, bytes] = {
    "empty": b"",
    "no JSON": b"not JSON",
    "another JSON": b"[]",
    "NUL byte": GOOD.replace(b"memos-gov", b"memos\x00gov", 1),
    "bad UTF-8": GOOD.replace(b"memos-gov", b"memos\xffgov", 1),
    "bad UTF-8 in a header": GOOD.replace(b'"owner":"p_owner"', b'"owner":"p_\xff"'),
    "lone surrogate": GOOD.replace(b"memos-gov", b"memos\\ud800gov", 1),
    "lone surrogate in a header": GOOD.replace(b'"owner":"p_owner"', b'"owner":"\\ud800"'),
    "white space": GOOD.replace(b'{"data"', b'{ "data"'),
    "line feed at the end": GOOD + b"\n",
    "two records": GOOD + GOOD,
    "truncated": GOOD[:-1],
    "byte order mark": b"\xef\xbb\xbf" + GOOD,
    "escaped letter": GOOD.replace(b"memos-gov", b"memos\\u002dgov", 1),
    "white space in a header": GOOD.replace(HEADER, b'"header":{ ', 1),
    "duplicate key": GOOD.replace(b'{"data"', b'{"source":"x","data"', 1),
    "duplicate key in a header": GOOD.replace(HEADER, HEADER + b'"basis":"x",', 1),
    "float": GOOD.replace(b'"size_bytes":5', b'"size_bytes":5.0'),
    "exponent": GOOD.replace(b'"size_bytes":5', b'"size_bytes":5e0'),
    "minus zero": GOOD.replace(b'"size_bytes":5', b'"size_bytes":-0'),
    "number beyond 2**53": GOOD.replace(b'"size_bytes":5', b'"size_bytes":9007199254740993'),
    "number beyond 2**64": GOOD.replace(b'"size_bytes":5', b'"size_bytes":1' + b"0" * 40),
    "version beyond 2**53": _changed(
        lambda t: t["data"]["relied_on"].update({"acme/guard/policy": 0})
    ).replace(b'"acme/guard/policy":0', b'"acme/guard/policy":9007199254740993'),
    "unknown field": _changed(lambda t: t.update(extra=1)),
    "unknown field in data": _changed(lambda t: t["data"].update(extra=1)),
    "unknown field in a header": _changed(lambda t: t["data"]["events"][0]["header"].update(x=1)),
    "missing field": _changed(lambda t: t.pop("source")),
    "missing field in data": _changed(lambda t: t["data"].pop("via")),
    "missing field in a header": _changed(lambda t: t["data"]["events"][0]["header"].pop("owner")),
    "null where a word is due": _changed(
        lambda t: t["data"]["events"][0]["header"].update(owner=None)
    ),
    "deep nesting in a header": _changed(_nested),
    "deep nesting": b"[" * 100_000 + b"]" * 100_000,
    "deep nesting in a field": GOOD.replace(HEADER, b'"header":' + b"[" * 100_000, 1),
    "another version of CloudEvents": _changed(lambda t: t.update(specversion="0.3")),
    "id that is none": _changed(lambda t: t.update(id="1")),
    "id in capitals": _changed(lambda t: t.update(id="01A20996-A52E-7333-90D2-0B5B494901A1")),
    "salt that is short": _changed(lambda t: t["data"].update(salt="00")),
    "salt in capitals": _changed(lambda t: t["data"].update(salt="AB" * 16)),
    "salt with a space": _changed(lambda t: t["data"].update(salt="ab " + "ab" * 15)),
    "time without a zone": _changed(lambda t: t.update(time="2026-11-23T17:20:00.0000")),
    "time by weeks": _changed(lambda t: t.update(time="2026-W48-1T17:20:00.000Z")),
    "time with a comma": _changed(lambda t: t.update(time="2026-11-23T17:20:00,000Z")),
    "time with a space": _changed(lambda t: t.update(time="2026-11-23 17:20:00.000Z")),
    "time that never was": _changed(lambda t: t.update(time="2026-02-30T17:20:00.000Z")),
    "time before the epoch": _changed(lambda t: t.update(time="1969-12-31T23:59:59.999Z")),
    "time of no kind": _changed(lambda t: t.update(time="now")),
}


@pytest.mark.parametrize("name", DEFECTS)
def test_bytes_that_are_no_record_are_invalid(name: str) -> None:
    """An outcome, never an exception."""
    assert DEFECTS[name] != GOOD
    assert "invalid" == problem(DEFECTS[name])


@given(st.binary(max_size=200), st.integers(0, len(GOOD)), st.integers(0, 40))
def test_bytes_changed_anywhere_never_raise(noise: bytes, place: int, cut: int) -> None:
    """Whatever stands in the log, certification goes on."""
    body = GOOD[:place] + noise + GOOD[place + cut :]

    assert problem(body) in ({""} if body == GOOD else {"", "invalid", "unknown_type"})


def test_good_record_has_no_problem() -> None:
    """What the defects above are made of is right."""
    assert "" == problem(GOOD)


def test_event_type_that_is_unknown_is_named_so() -> None:
    """A newer writer's event is not called invalid."""
    body = _changed(lambda t: t["data"]["events"][0].update(type="CubeDreamed"))

    assert "unknown_type" == problem(body)


@given(st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 30), timezones=st.just(UTC)))  # noqa: DTZ001
def test_time_printed_and_read_is_the_same_millisecond(moment: datetime) -> None:
    """Times have milliseconds, cut and never rounded up."""
    text = codec.timestamp(moment)

    assert codec.timestamp(moment) == text
    whole = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    assert whole == datetime(1970, 1, 1, tzinfo=UTC) + timedelta(
        milliseconds=codec.milliseconds(text)
    )


def test_time_of_another_zone_is_printed_in_utc() -> None:
    """One zone in the log."""
    moment = datetime(2026, 11, 23, 18, 20, tzinfo=timezone(timedelta(hours=1)))

    assert "2026-11-23T17:20:00.000Z" == codec.timestamp(moment)
    assert NOW == codec.milliseconds(codec.timestamp(datetime.fromtimestamp(NOW, UTC))) // 1000


def test_leaf_hashes_can_be_made_after_the_ciphertext_is_gone() -> None:
    """The header hash takes each payload by its digest; another payload gives other hashes."""
    one, two = (codec.decode(a_record(remembered(), sealed=text)) for text in ("AAAA", "BBBB"))

    first, second = codec.header_hash(one), codec.header_hash(two)

    assert first[0] != second[0]
    assert first[1] != second[1]
    assert codec.header_hash(codec.decode(codec.canonical(one))) == first
