"""
Columns of rows in Postgres' binary formats, packed in one step.

As arrays for `INSERT ... SELECT * FROM unnest(...)`: dimensions, a flag for
NULLs, the element's type, length and lower bound, then each element behind its
length, -1 for NULL (`array_recv`). One statement with one array a column writes
any number of rows, and packed by hand it costs a fraction of what a value at a
time does. And as the rows of `COPY ... (FORMAT BINARY)`, of the same elements.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Sequence
from functools import cache
from itertools import chain, repeat
from typing import Any, Self

from sqlalchemy import BigInteger, Boolean, Integer, LargeBinary, Table, Text
from sqlalchemy.types import TypeEngine
from sqlmodel import AutoString

_HEADER = struct.Struct(">iiIii")
_LENGTH = struct.Struct(">i")
_BIGINT = struct.Struct(">iq")
_INTEGER = struct.Struct(">ii")
_NULL = _LENGTH.pack(-1)
_COPY_BEGIN = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_COPY_END = b"\xff\xff"


class Packed(bytes):
    """An array in binary; each subclass is of one type, by its numbers in every Postgres."""

    array_oid = 0
    element_oid = 0

    @staticmethod
    def element(value: Any) -> bytes:
        """Return a value behind its length."""
        raise TypeError(value)

    @classmethod
    def elements(cls, values: Collection[Any]) -> list[bytes]:
        """Return each value behind its length."""
        if None in values:
            return [_NULL if value is None else cls.element(value) for value in values]
        return list(map(cls.element, values))

    @classmethod
    def of(cls, values: Collection[Any]) -> Self:
        """Pack values, None among them or not."""
        if not values:
            return cls(struct.pack(">iiI", 0, 0, cls.element_oid))
        header = _HEADER.pack(1, int(None in values), cls.element_oid, len(values), 1)
        return cls(header + b"".join(cls.elements(values)))


class Texts(Packed):
    """text[]."""

    array_oid, element_oid = 1009, 25

    @staticmethod
    def element(value: str) -> bytes:
        """Return a text as UTF-8 behind its length."""
        raw = value.encode()
        return _LENGTH.pack(len(raw)) + raw

    @classmethod
    def elements(cls, values: Collection[Any]) -> list[bytes]:
        """Return each text behind its length; columns repeat few words, so each is made once."""
        made = {value: _NULL if value is None else cls.element(value) for value in set(values)}
        return list(map(made.__getitem__, values))


class Binaries(Packed):
    """bytea[]."""

    array_oid, element_oid = 1001, 17

    @staticmethod
    def element(value: bytes) -> bytes:
        """Return bytes behind their length."""
        return _LENGTH.pack(len(value)) + value


class Bigints(Packed):
    """bigint[]."""

    array_oid, element_oid = 1016, 20

    @staticmethod
    def element(value: int) -> bytes:
        """Return a number of 8 bytes."""
        return _BIGINT.pack(8, value)


class Integers(Packed):
    """integer[]."""

    array_oid, element_oid = 1007, 23

    @staticmethod
    def element(value: int) -> bytes:
        """Return a number of 4 bytes."""
        return _INTEGER.pack(4, value)


class Truths(Packed):
    """boolean[]."""

    array_oid, element_oid = 1000, 16

    @staticmethod
    def element(value: object) -> bytes:
        """Return a truth value of 1 byte."""
        return b"\0\0\0\1\1" if value else b"\0\0\0\1\0"


_KINDS: dict[type[TypeEngine[Any]], type[Packed]] = {
    AutoString: Texts,
    Text: Texts,
    LargeBinary: Binaries,
    BigInteger: Bigints,
    Integer: Integers,
    Boolean: Truths,
}


@cache
def _kinds(table: Table) -> list[type[Packed]]:
    return [_KINDS[type(column.type)] for column in table.columns]


def packed(table: Table, rows: Sequence[Sequence[Any]]) -> list[Packed]:
    """Return rows, at least one, whose values are in the columns' order, as an array a column."""
    columns = zip(*rows, strict=True)
    return [kind.of(column) for kind, column in zip(_kinds(table), columns, strict=True)]


def copied(table: Table, rows: Sequence[Sequence[Any]]) -> bytes:
    """Return the same rows as what COPY reads."""
    kinds, columns = _kinds(table), zip(*rows, strict=True)
    values = [kind.elements(column) for kind, column in zip(kinds, columns, strict=True)]
    fields = repeat(struct.pack(">h", len(kinds)), len(rows))
    lines = zip(fields, *values, strict=True)
    return b"".join((_COPY_BEGIN, *chain.from_iterable(lines), _COPY_END))
