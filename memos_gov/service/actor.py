"""Whoever acts: every verb of a memory's life, by what it is about."""

from __future__ import annotations

from memos_gov.service.asking import Asking
from memos_gov.service.deriving import Deriving
from memos_gov.service.erasing import Erasing
from memos_gov.service.governing import Governing
from memos_gov.service.reading import Retrieving
from memos_gov.service.remembering import Remembering


class Actor(Remembering, Deriving, Retrieving, Governing, Erasing, Asking):
    """One principal, acting in one tenant for one purpose."""
