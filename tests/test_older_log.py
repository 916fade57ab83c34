"""A log of an older program: opened, extended where it stands, and nothing in it judged again."""

from pathlib import Path

import pytest

import memos_gov
from memos_gov import founding
from memos_gov.bootstrap import fsck
from memos_gov.domain import events as e
from memos_gov.domain import ids
from memos_gov.domain.facts import LogFacts

PURPOSE = "complaint-handling"
NEWER = {e.type_name(e.CubeErased), e.type_name(e.CubeExpired)}


def permitted(gov: memos_gov.Service) -> set[str]:
    """Return the event types that the log permits."""
    with gov.rooms.governor.tables.snapshot() as snapshot:
        _, facts = snapshot.facts([ids.log_stream()])[ids.log_stream()]
    assert isinstance(facts, LogFacts)
    return set(facts.event_types)


def test_log_of_an_older_program_is_extended_once_when_it_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One further control record permits what is new; opening again writes nothing."""
    with monkeypatch.context() as older:
        types = tuple(sorted(set(founding.event_types()) - NEWER))
        older.setattr(founding, "event_types", lambda: types)
        with memos_gov.init(tmp_path / "data") as gov:
            assert not NEWER & permitted(gov)
            gov.acting_as("owner", purpose=PURPOSE).remember("kept from before")
    for _ in range(2):
        with memos_gov.open(tmp_path / "data") as gov:
            assert NEWER <= permitted(gov)
            with gov.rooms.governor.tables.snapshot() as snapshot:
                assert 1 == snapshot.index(ids.INSTANCE)
            assert gov.acting_as("owner", purpose=PURPOSE).recall("kept").hits

    assert fsck(tmp_path / "data").clean
