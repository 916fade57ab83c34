"""Decisions about base models."""

from __future__ import annotations

from memos_gov.domain import commands as c
from memos_gov.domain import events as e
from memos_gov.domain import ids
from memos_gov.domain.decide.deciding import decided, one
from memos_gov.domain.decide.refusing import refuse
from memos_gov.domain.decide.situation import Drafts, Situation
from memos_gov.domain.facts import BaseModelFacts
from memos_gov.domain.fingerprint import Fingerprint


@decided.register
def _(command: c.RegisterBaseModel, at: Situation) -> Drafts:
    found = Fingerprint(**command.model_dump())
    known = at.known.get(ids.base_model_stream(at.tenant))
    if isinstance(known, BaseModelFacts) and known.fingerprint == found:
        return refuse(command, "base_model_registered")
    return one(e.BaseModelRegistered(base_model=found.digest, fingerprint=found))
