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
from operator import add
from typing import Any, Self

from sqlalchemy import BigInteger, Boolean, Integer, LargeBinary, Table, Text
from sqlalchemy.types import TypeEngine
from sqlmodel import AutoString

_HEADER = struct.Struct(">iiIii")
_LENGTH = struct.Struct(">i")
_BIGINT = struct.Struct(">iq")
_INTEGER = struct.Struct(">ii")
_NULL = _LENGTH.pack(-1)
_TRUE, _FALSE = b"\0\0\0\1\1", b"\0\0\0\1\0"
_COPY_BEGIN = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_COPY_END = b"\xff\xff"


class Packed(bytes):
    """An array in binary; each subclass is of one type, by its numbers in every Postgres."""

    array_oid = 0
    element_oid = 0

    @staticmethod
    def known(values: Collection[Any]) -> list[bytes]:
        """Return each value behind its length; none is None. No step of it is one of Python."""
        raise TypeError(values)

    @classmethod
    def elements(cls, values: Collection[Any]) -> list[bytes]:
        """Return each value behind its length."""
        if None not in values:
            return cls.known(values)
        known = iter(cls.known([value for value in values if value is not None]))
        return [_NULL if value is None else next(known) for value in values]

    @classmethod
    def of(cls, values: Collection[Any]) -> Self:
        """Pack values, None among them or not."""
        if not values:
            return cls(struct.pack(">iiI", 0, 0, cls.element_oid))
        header = _HEADER.pack(1, int(None in values), cls.element_oid, len(values), 1)
        return cls(header + b"".join(cls.elements(values)))


class Binaries(Packed):
    """bytea[]."""

    array_oid, element_oid = 1001, 17

    @staticmethod
    def known(values: Collection[bytes]) -> list[bytes]:
        """Return bytes behind their lengths."""
        return list(map(add, map(_LENGTH.pack, map(len, values)), values))


class Texts(Packed):
    """text[]."""

    array_oid, element_oid = 1009, 25

    @staticmethod
    def known(values: Collection[str]) -> list[bytes]:
        """Return texts as UTF-8 behind their lengths; columns repeat few, so each is made once."""
        each = list(set(values))
        made = dict(zip(each, Binaries.known(list(map(str.encode, each))), strict=True))
        return list(map(made.__getitem__, values))


class Bigints(Packed):
    """bigint[]."""

    array_oid, element_oid = 1016, 20

    @staticmethod
    def known(values: Collection[int]) -> list[bytes]:
        """Return numbers of 8 bytes."""
        return list(map(_BIGINT.pack, repeat(8), values))


class Integers(Packed):
    """integer[]."""

    array_oid, element_oid = 1007, 23

    @staticmethod
    def known(values: Collection[int]) -> list[bytes]:
        """Return numbers of 4 bytes."""
        return list(map(_INTEGER.pack, repeat(4), values))


class Truths(Packed):
    """boolean[]."""

    array_oid, element_oid = 1000, 16

    @staticmethod
    def known(values: Collection[object]) -> list[bytes]:
        """Return truth values of 1 byte."""
        return [_TRUE if value else _FALSE for value in values]


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
