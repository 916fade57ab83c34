"""
The Python face: `gov.acting_as(...)` and the verbs of a memory's life.

An `Actor` turns friendly words into commands; everything goes through the
Governor or the Reader, so nothing here decides anything. Keyword-only after
the first argument; results are frozen; a refusal raises and is recorded.
"""

from memos_gov.service.actor import Actor
from memos_gov.service.rooms import Rooms
from memos_gov.service.service import Service

__all__ = ["Actor", "Rooms", "Service"]
