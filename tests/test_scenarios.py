"""
Scenarios: the same commands on every set-up give the same answers, tables and roots.

A scenario is a YAML file of steps, each a call of an actor and what it gives:
`finds` the cubes returned, `fails` the error, `is` fields of the answer.
Afterwards fsck is clean, and what is made again from the log equals what lives.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import select

import memos_gov
from memos_gov import errors
from memos_gov.bootstrap import fsck, rebuild
from memos_gov.domain.commands import Consent
from memos_gov.ports import Tables
from memos_gov.projections.tables import TablesModel
from memos_gov.rebuild import roots
from memos_gov.service import Actor, Service
from tests.connected_folders import own_engines, removed_afterwards
from tests.seeded import Stepped, seeded

SCENARIOS = sorted(Path(__file__).with_name("scenarios").glob("*.yaml"))
BEGINS_MS = 1_795_000_000_000
STEP_MS = 100
PURPOSE = "complaint-handling"
Saved = dict[str, str]


class Run:
    """A scenario on an open service."""

    def __init__(self, gov: Service) -> None:
        self._gov = gov
        self._saved: Saved = {}

    def step(self, step: Mapping[str, Any]) -> None:
        """Do a step and compare what it gives with what it is to give."""
        if "found" in step:
            self._gov.add_tenant(step["tenant"], principal=step["found"])
            return
        actor = self._gov.acting_as(step["as"], tenant=step.get("tenant"), purpose=PURPOSE)
        if "fails" in step:
            with pytest.raises(getattr(errors, step["fails"])):
                self._call(actor, step)
            return
        answer = self._call(actor, step)
        if "save" in step:
            self._saved[step["save"]] = answer.cube_id
        if "finds" in step:
            hits = getattr(answer, "hits", None) or ([answer] if step["do"] == "get" else [])
            found = [hit.cube_id for hit in hits]
            assert sorted(self._filled(step["finds"])) == sorted(found)
        for field, expected in (step.get("is") or step.get("is_hit") or {}).items():
            assert expected == getattr(answer, field)

    def _call(self, actor: Actor, step: Mapping[str, Any]) -> Any:
        given = self._filled(step.get("with", {}))
        if "consents" in given:
            given["consents"] = [Consent(**one) for one in given["consents"]]
        return getattr(actor, step["do"])(**given)

    def _filled(self, value: Any) -> Any:
        """Return a value with `$name` replaced by the cube of that name."""
        if isinstance(value, str) and value.startswith("$"):
            return self._saved[value[1:]]
        if isinstance(value, list):
            return [self._filled(one) for one in value]
        if isinstance(value, dict):
            return {key: self._filled(one) for key, one in value.items()}
        return value


Table = list[tuple[object, ...]]


@dataclass(frozen=True)
class Lived:
    """What a scenario left: every tenant's size and root, and every table's rows in order."""

    roots: dict[str, tuple[int, str]]
    tables: dict[str, Table]


def live(folder: Path, scenario: Path, begins_ms: int = BEGINS_MS, **said: Any) -> Lived:
    """Run a scenario in a folder that it makes, and return what it left."""
    with seeded(7):
        clock = Stepped(begins_ms)
        with memos_gov.init(folder, clock=clock, purpose=PURPOSE, **said) as gov:
            run = Run(gov)
            for number, step in enumerate(yaml.safe_load(scenario.read_text())["steps"], 1):
                clock.turn(STEP_MS)
                try:
                    run.step(step)
                except Exception as error:
                    error.add_note(f"step {number} of {scenario.name}: {step}")
                    raise
            gov.rooms.follower.catch_up()
            tables = gov.rooms.governor.tables
            return Lived(roots(tables), rows_of(tables))


def rows_of(tables: Tables) -> dict[str, Table]:
    """Return every row of every table, sorted."""
    with tables.connection() as connection:
        return {
            table.name: sorted(
                (
                    tuple(_plain(value) for value in row)
                    for row in connection.execute(select(table))
                ),
                key=repr,
            )
            for table in TablesModel.metadata.sorted_tables
        }


def _plain(value: object) -> object:
    """Return a value as both databases give it."""
    return bytes(value) if isinstance(value, memoryview) else value


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda path: path.stem)
def test_scenario_gives_what_it_says_and_follows_from_its_log(
    scenario: Path, tmp_path: Path
) -> None:
    """On the embedded set-up: fsck is clean, and rebuilt equals live."""
    lived = live(tmp_path / "data", scenario)

    assert fsck(tmp_path / "data").clean
    assert {t: root for t, (_, root) in lived.roots.items()} == rebuild(tmp_path / "data").roots
    assert fsck(tmp_path / "data").clean


@pytest.mark.connected
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda path: path.stem)
def test_scenario_has_the_same_history_on_engines(scenario: Path, tmp_path: Path) -> None:
    """Equal tables and equal roots; on engines too fsck is clean, and rebuilt equals live."""
    begins_ms = round(time.time() * 1000) - 20_000  # a topic takes what is a minute old at most
    embedded = live(tmp_path / "embedded", scenario, begins_ms)

    with removed_afterwards(tmp_path / "connected") as folder:
        connected = live(folder, scenario, begins_ms, engines=own_engines())

        assert embedded.roots == connected.roots
        for name, rows in embedded.tables.items():
            assert rows == connected.tables[name], name
        assert fsck(folder).clean
        assert {t: root for t, (_, root) in connected.roots.items()} == rebuild(folder).roots
        assert fsck(folder).clean


def test_scenario_of_one_seed_gives_the_same_roots_again(tmp_path: Path) -> None:
    """Otherwise two set-ups could not be compared."""
    first, second = (live(tmp_path / name, SCENARIOS[0]) for name in ("one", "two"))

    assert first == second
