"""
A row into a command: pure, so the same row under the same map is the same command.

What is wrong with a row raises `InvalidCommandError` naming the field of the
cube and the column, never what the column holds.
"""

from __future__ import annotations

import hmac
from datetime import UTC, datetime
from typing import Any

import msgspec

from memos_gov.domain import commands as c
from memos_gov.domain import ids
from memos_gov.domain.codec import canonical
from memos_gov.errors import InvalidCommandError
from memos_gov.ingest.mapping import PLURAL, TIMES, Mapping, Part, Source, Words
from memos_gov.ingest.rows import Row, Values

Made = str | tuple[str, ...] | datetime


class Defaults(msgspec.Struct, frozen=True, kw_only=True):
    """What a cube takes where its map says nothing."""

    label: str
    purposes: tuple[str, ...]
    basis: str
    retention_class: str
    region: str


def make_command(row: Row, mapping: Mapping, defaults: Defaults) -> c.RememberCube:
    """
    Return the command that a row stands for.

    Raises:
        InvalidCommandError: Names the field at fault.
    """
    fields: dict[str, Any] = {"origin": "import"}
    fields.update(msgspec.structs.asdict(defaults))
    fields["content"] = _content(row.values, mapping)
    for field, source in mapping.cube.sources():
        made = _made(field, source, row.values, mapping)
        if made is not None:
            fields[field] = made
    fields["metadata"] = _metadata(row.values, mapping)
    fields["consents"] = _consents(row.values, mapping)
    return c.make(c.RememberCube, **fields)


def row_key(row: Row, mapping: Mapping) -> bytes:
    """
    Return what identifies a row under its map: its key columns, or all of them.

    Raises:
        InvalidCommandError: Every key column is empty.
    """
    if mapping.row_key is None:
        return canonical([mapping.map, "row", sorted(row.values.items())])
    key = [row.values[column] for column in mapping.row_key]
    if not any(key):
        raise _invalid("row_key", "is empty")
    return canonical([mapping.map, "key", key])


def command_id(secret: bytes, principal: str, key: bytes, attempt: int) -> str:
    """
    Return a row's command id: UUIDv8 (RFC 9562) of HMAC-SHA256, the same for every run.

    It is the principal's own, so that nobody learns which rows others added.
    """
    text = b"%d\0%s\0%s" % (attempt, principal.encode(), key)
    return ids.uuid8(hmac.digest(secret, text, "sha256"))


def _content(values: Values, mapping: Mapping) -> str:
    if not any(values[column] for column in mapping.content.columns):
        return ""
    lines = (_line(line, values) for line in mapping.content.lines)
    return "\n".join(line for line in lines if line is not None)


def _line(parts: tuple[Part, ...], values: Values) -> str | None:
    """Return a line of the template, None where all its columns are empty."""
    texts = [_text("content", values, p.text) if p.is_column else p.text for p in parts]
    columns = [text for part, text in zip(parts, texts, strict=True) if part.is_column]
    return "".join(texts) if any(columns) or not columns else None


def _text(field: str, values: Values, column: str) -> str:
    value = values[column]
    if not isinstance(value, str):
        raise _invalid(field, f"column {column!r} holds several texts")
    return value


def _made(field: str, source: Source, values: Values, mapping: Mapping) -> Made | None:
    """Return the field's value, None where the row says nothing."""
    words = _words(field, source, values)
    if words is None:
        return None
    if field in TIMES:
        assert isinstance(words, str)
        return _moment(field, words, source, mapping)
    if field in PLURAL and isinstance(words, str):
        return (words,)
    return words


def _words(field: str, source: Source, values: Values) -> Words | None:
    for rule in source.when:
        if rule.holds(_text(field, values, rule.column)):
            return rule.then
    if source.column is None:
        return source.value
    if field in PLURAL:
        return _several(field, source, values[source.column])
    return _translated(field, source, _text(field, values, source.column))


def _several(field: str, source: Source, value: Words) -> tuple[str, ...] | None:
    """Return the words of a column that may hold several, each once, in their order."""
    texts = (value,) if isinstance(value, str) else value
    if source.split:
        texts = tuple(piece.strip() for text in texts for piece in text.split(source.split))
    words: dict[str, None] = {}
    for text in texts if any(texts) else ("",):
        found = _translated(field, source, text)
        words.update(dict.fromkeys((found,) if isinstance(found, str) else found or ()))
    return tuple(words) or None


def _translated(field: str, source: Source, text: str) -> Words | None:
    if source.map is not None and text in source.map:
        return source.map[text]
    if text and source.map is None:
        return text
    if text and source.otherwise is None:
        raise _invalid(field, f"the map has no word for what column {source.column!r} holds")
    return source.otherwise


def _moment(field: str, text: str, source: Source, mapping: Mapping) -> datetime:
    """Return a date or time as aware UTC; without a zone it is read in the map's."""
    try:
        if mapping.date_format:
            moment = datetime.strptime(text, mapping.date_format)  # noqa: DTZ007 (below)
        else:
            moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=mapping.zone)
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        form = mapping.date_format or "ISO 8601"
        raise _invalid(field, f"{_origin(source)} holds no date ({form})") from None


def _origin(source: Source) -> str:
    return f"column {source.column!r}" if source.column else "the map"


def _metadata(values: Values, mapping: Mapping) -> dict[str, str]:
    made = {name: _words(name, source, values) for name, source in mapping.metadata.items()}
    return {name: text for name, text in made.items() if isinstance(text, str) and text}


def _consents(values: Values, mapping: Mapping) -> tuple[c.Consent, ...]:
    return tuple(
        c.Consent(purpose=rule.purpose, given=rule.given)
        for rule in mapping.consents
        if rule.when is None or rule.when.holds(_text("consents", values, rule.when.column))
    )


def _invalid(field: str, message: str) -> InvalidCommandError:
    return InvalidCommandError(f"{field}: {message}", field=field)
