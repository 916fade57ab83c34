"""Values as text on a screen: one line each, and control characters shown instead of sent."""

from __future__ import annotations

import re

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_SPACES = re.compile(r"\s+")


def is_said(value: object) -> bool:
    """Whether a value says anything: None, "" and empty lists do not."""
    return value is not None and value not in ("", (), [], {})


def cell(value: object) -> str:
    """Return a value as one line of text."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{name}={_part(part)}" for name, part in value.items() if is_said(part))
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(_part(part) for part in value)
    return _SPACES.sub(" ", printable("" if value is None else str(value))).strip()


def _part(value: object) -> str:
    """Return a value inside another, in parentheses where it has several parts itself."""
    several = isinstance(value, dict | list | tuple | set | frozenset) and len(value) > 1
    return f"({cell(value)})" if several else cell(value)


def printable(text: str) -> str:
    """Return the text with control characters written out, so that content moves no cursor."""
    return _CONTROLS.sub(lambda found: f"\\x{ord(found[0]):02x}", text.replace("\r\n", "\n"))
