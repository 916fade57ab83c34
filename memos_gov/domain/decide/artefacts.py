"""Decisions about cubes in another form."""

from __future__ import annotations

from memos_gov.domain import commands as c
from memos_gov.domain import events as e
from memos_gov.domain import ids
from memos_gov.domain.decide.deciding import decided, one
from memos_gov.domain.decide.refusing import refuse
from memos_gov.domain.decide.situation import Drafts, Situation
from memos_gov.domain.facts import BaseModelFacts, Source


@decided.register
def _(command: c.TransformCubes, at: Situation) -> Drafts:
    base_model = at.known.get(ids.base_model_stream(at.tenant))
    if not isinstance(base_model, BaseModelFacts):
        return refuse(command, "no_base_model")
    return one(
        e.CubesTransformed(
            artefact=ids.artefact_id_of(at.command_id),
            form=command.to,
            sources=tuple(Source(cube=x.cube, revision=x.content.revision) for x in at.cubes),
            base_model=base_model.base_model,
        )
    )
