"""A scan for what should be nowhere: a text in every form it could have in any byte of a folder."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from memos_gov.relevance import stems


def every_byte(folder: Path) -> dict[str, bytes]:
    """Return the bytes of every file below a folder, by relative path."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def forms_of(text: str) -> dict[str, bytes]:
    """Return a text as it could stand in a file, by the name of the form."""
    forms = {
        "utf-8": text.encode(),
        "utf-16-le": text.encode("utf-16-le"),
        "utf-16-be": text.encode("utf-16-be"),
        "json": json.dumps(text)[1:-1].encode(),
        "lower": text.lower().encode(),
    }
    raw = dict(forms)
    for name, body in raw.items():
        forms[f"hex of {name}"] = body.hex().encode()
        forms[f"HEX of {name}"] = body.hex().upper().encode()
        for shift in range(3):
            forms[f"base64 of {name}, shifted by {shift}"] = _base64(body, shift)
    for name, body in dict(forms).items():
        if name.startswith("base64"):
            forms[f"{name}, for urls"] = body.replace(b"+", b"-").replace(b"/", b"_")
    return forms


def _base64(body: bytes, shift: int) -> bytes:
    """Return the characters that a body has wherever it begins at `shift` of three bytes."""
    whole = base64.b64encode(bytes(shift) + body)
    return whole[(shift * 8 + 5) // 6 : (shift + len(body)) * 8 // 6]


def tokens_of(text: str) -> Iterator[str]:
    """Yield the words of a text as an index keeps them."""
    yield from sorted(set(stems(text)))


def places_of(text: str, folder: Path) -> list[str]:
    """Return the files that hold a text in some form."""
    return found_in(every_byte(folder), [text])


def found_in(files: dict[str, bytes], texts: Iterable[str]) -> list[str]:
    """Return the files that hold one of the texts in some form."""
    forms = {body for text in texts for body in forms_of(text).values()}
    return [name for name, body in files.items() if any(form in body for form in forms)]
