"""
memos_gov: memory governance by policy and event sourcing.

    import memos_gov

    with memos_gov.open("data/") as gov:
        anna = gov.acting_as("anna", purpose="complaint-handling")
        anna.remember("The card was charged twice.", subjects=["customer-17"])

Importing this stays light; what is heavy is imported when first used.
"""

from __future__ import annotations

import importlib as _importlib
import typing as _typing

from memos_gov.errors import (
    ConflictError,
    CorruptionError,
    DeniedError,
    GovernanceError,
    InvalidCommandError,
    NotFoundError,
    PolicyUnavailableError,
    SettingsError,
    UnavailableError,
)

if _typing.TYPE_CHECKING:
    from memos_gov.bootstrap import init
    from memos_gov.bootstrap import open_service as open  # noqa: A004
    from memos_gov.domain.as_of import AsOf
    from memos_gov.domain.commands import Consent
    from memos_gov.recall import Hit, Reading
    from memos_gov.receipts import Receipt
    from memos_gov.service import Actor, Service

__version__ = "0.1.0"

__all__ = [
    "Actor",
    "AsOf",
    "ConflictError",
    "Consent",
    "CorruptionError",
    "DeniedError",
    "GovernanceError",
    "Hit",
    "InvalidCommandError",
    "NotFoundError",
    "PolicyUnavailableError",
    "Reading",
    "Receipt",
    "Service",
    "SettingsError",
    "UnavailableError",
    "init",
    "open",
]

_LAZY = {
    "Actor": ("memos_gov.service", "Actor"),
    "AsOf": ("memos_gov.domain.as_of", "AsOf"),
    "Consent": ("memos_gov.domain.commands", "Consent"),
    "Hit": ("memos_gov.recall", "Hit"),
    "Reading": ("memos_gov.recall", "Reading"),
    "Receipt": ("memos_gov.receipts", "Receipt"),
    "Service": ("memos_gov.service", "Service"),
    "init": ("memos_gov.bootstrap", "init"),
    "open": ("memos_gov.bootstrap", "open_service"),
}


def __getattr__(name: str) -> object:
    """Import a public name when it is first used."""
    if name not in _LAZY:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    module, attribute = _LAZY[name]
    return getattr(_importlib.import_module(module), attribute)
