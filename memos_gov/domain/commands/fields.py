"""What fields of commands may hold: checked once, here, and never quoted in an error."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import (
    AfterValidator,
    Field,
)

from memos_gov.domain import detectors, ids

CONTENT_BYTES_MAX = 256_000


METADATA_BYTES_MAX = 16_000


NAME_CHARS_MAX = 200


REASON_CHARS_MAX = 2_000


SUBJECTS_MAX = 50


NOWHERE = "c_unknown"


RECALL_K_MAX = 100
RECALL_BUDGET_MAX = 1_000_000  # characters


LIST_PAGE_MAX = 200


_AUDITED = re.compile(r"[a-z]_[a-z0-9]{1,40}|([0-9]{1,18}|[0-9a-f-]{36})(/[a-z0-9_-]{1,64})?")


_WORD = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


_CIRCUMSTANCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}")


def _clean(text: str) -> str:
    if "\0" in text:
        raise ValueError("holds a NUL character")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("is not valid Unicode") from None
    return text


def _name(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError("must be printable and not blank")
    return _clean(text)


def _content(text: str) -> str:
    if not _clean(text).strip():
        raise ValueError("is empty")
    if len(text.encode()) > CONTENT_BYTES_MAX:
        msg = f"is over the limit of {CONTENT_BYTES_MAX} bytes (CONTENT_BYTES_MAX)"
        raise ValueError(msg)
    return text


def _word(text: str) -> str:
    if not _WORD.fullmatch(text):
        raise ValueError("is not a word of the vocabulary")
    return text


def _cube_id(text: str) -> str:
    return text if ids.is_opaque(text) else NOWHERE


def _tenant(text: str) -> str:
    if not ids.is_tenant(text):
        raise ValueError("must be 1 to 63 of a-z, 0-9 and -, and not begin with -")
    return text


def _circumstance(text: str) -> str:
    if not _CIRCUMSTANCE.fullmatch(text):
        raise ValueError("must be 1 to 64 of letters, digits and _.:-, a letter or digit first")
    return text


def _opaque(text: str) -> str:
    if not ids.is_opaque(text):
        raise ValueError("is no id")
    return text


def _audited(text: str) -> str:
    if not _AUDITED.fullmatch(text):
        raise ValueError("is no id, index or verdict id")
    return text


def _metadata(values: dict[str, str]) -> dict[str, str]:
    for key, value in values.items():
        _word(key.replace("_", "-").lower())
        if detectors.find(key):
            raise ValueError("a key holds a personal number")
        _clean(value)
    if sum(len(k) + len(v.encode()) for k, v in values.items()) > METADATA_BYTES_MAX:
        msg = f"is over the limit of {METADATA_BYTES_MAX} bytes (METADATA_BYTES_MAX)"
        raise ValueError(msg)
    return values


Name = Annotated[str, Field(min_length=1, max_length=NAME_CHARS_MAX), AfterValidator(_name)]


Content = Annotated[str, AfterValidator(_content)]


Word = Annotated[str, AfterValidator(_word)]


CubeId = Annotated[str, Field(max_length=NAME_CHARS_MAX), AfterValidator(_cube_id)]


Metadata = Annotated[dict[str, str], AfterValidator(_metadata)]


Circumstance = Annotated[str, AfterValidator(_circumstance)]
