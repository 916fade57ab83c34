"""
A scenario: a story of steps in YAML, told to a folder of any set-up, and what it leaves.

A step is one of these; everything else in it says what it is to give.

    as, do, with     an actor does something (`tenant`, `session`, `approval` if others)
    command, with    an actor (`as`) sends a command by its type, as nobody types it
    import, map      an actor (`as`) brings rows in
    later            time passes, in years, days or seconds
    schedule         what is due in this tenant is done
    policy           a bundle is kept whose retention schedule differs
    recovery         the recovery key brings a former policy back
    certificate      the certificate of an erasure is made
    found, tenant    a tenant begins
    reopen           the folder is closed and opened again

`gives` compares fields of the answer, `finds` the cubes that it returned, `fails`
the error and `because` words of it. `save` keeps what was made (a cube, an
erasure, a bundle) under a name that later steps use as `$name`; `parts` and
`case` keep the cubes of a split and the review that waits; `cases` those that a
list gave, oldest first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import yaml
from sqlalchemy import select

import memos_gov
from memos_gov import errors, founding
from memos_gov.backends.files import FilePolicyBundles
from memos_gov.certify import parse
from memos_gov.domain import commands, ids
from memos_gov.domain.codec import TYPE_PREFIX
from memos_gov.domain.commands import Consent, make
from memos_gov.domain.history import LogPosition
from memos_gov.ingest import ingest, load_map
from memos_gov.ports import Tables
from memos_gov.projections.tables import TablesModel
from memos_gov.rebuild import roots
from memos_gov.service import Actor, Service
from tests.bundles import scheduled
from tests.clocks import YEAR
from tests.seeded import Stepped, seeded

STORIES = sorted(Path(__file__).with_name("scenarios").glob("*.yaml"))
BEGINS_MS = 1_795_000_000_000
STEP_MS = 100
PURPOSE = "complaint-handling"
Step = Mapping[str, Any]
Table = list[tuple[object, ...]]


@dataclass(frozen=True)
class Lived:
    """
    What a scenario left: every tenant's size and root, and every table's rows in order.

    `words` are the types of the commands and events that stand in its log.
    """

    roots: dict[str, tuple[int, str]]
    tables: dict[str, Table]
    words: frozenset[str]


def live(folder: Path, story: Path, **said: Any) -> Lived:
    """Run a scenario in a folder that it makes, and return what it left."""
    told = yaml.safe_load(story.read_text())
    with seeded(7):
        clock = Stepped(BEGINS_MS)
        with _of_a_program_without(told.get("begins_without", ())):
            gov = memos_gov.init(folder, clock=clock, purpose=PURPOSE, **said)
        with closing(_Run(gov, clock, folder)) as run:
            for number, step in enumerate(told["steps"], 1):
                try:
                    run.step(step)
                except BaseException as error:
                    error.add_note(f"step {number} of {story.name}: {step}")
                    raise
            return _left(run.gov)


def _left(gov: Service) -> Lived:
    gov.rooms.follower.catch_up()
    tables = gov.rooms.governor.tables
    return Lived(roots(tables), rows_of(tables), words_of(gov))


def _of_a_program_without(events: list[str]) -> Any:
    """Let a log begin as an older program began it, which did not know some events."""
    known = tuple(name for name in founding.event_types() if name.split(".")[0] not in events)
    return patch.object(founding, "event_types", lambda: known)


class _Run:
    """A scenario on a folder that is open."""

    def __init__(self, gov: Service, clock: Stepped, folder: Path) -> None:
        self.gov = gov
        self._clock = clock
        self._folder = folder
        self._saved = {"shipped": gov.acting_as("owner").policy}
        self._kinds: dict[str, Callable[[Step], object]] = {
            "do": self._do,
            "command": self._command,
            "import": self._import,
            "later": self._later,
            "schedule": self._schedule,
            "policy": self._keep_policy,
            "recovery": self._recover,
            "certificate": self._certificate,
            "found": self._found,
            "reopen": self._reopen,
        }

    def close(self) -> None:
        """Close the folder."""
        self.gov.close()

    def step(self, step: Step) -> None:
        """Do a step and compare what it gives with what it is to give."""
        self._clock.turn(STEP_MS)
        (act,) = (act for kind, act in self._kinds.items() if kind in step)
        if "fails" in step:
            with pytest.raises(getattr(errors, step["fails"]), match=step.get("because")) as failed:
                act(step)
            if "case" in step:
                assert isinstance(failed.value, errors.DeniedError)
                self._saved[step["case"]] = ids.case_id_of(failed.value.verdict_id)
            return
        answer = act(step)
        self._save(step, answer)
        self._compare(step, answer)

    def _save(self, step: Step, answer: Any) -> None:
        if "save" in step:
            names = ("cube_id", "id")
            found = (getattr(answer, name, None) for name in names)
            self._saved[step["save"]] = next((one for one in found if one), answer)
        if "parts" in step:
            self._saved.update(zip(step["parts"], answer.cube_ids, strict=True))
        if "case" in step:
            assert answer.case_id
            self._saved[step["case"]] = answer.case_id
        if "cases" in step:
            self._saved.update(zip(step["cases"], (c.case_id for c in answer), strict=True))

    def _compare(self, step: Step, answer: Any) -> None:
        if "finds" in step:
            hits = getattr(answer, "hits", None) or ([answer] if step["do"] == "get" else [])
            assert sorted(self._filled(step["finds"])) == sorted(hit.cube_id for hit in hits)
        for field, expected in self._filled(step.get("gives", {})).items():
            found = getattr(answer, field)
            assert expected == (list(found) if isinstance(found, tuple) else found), field

    def _actor(self, step: Step) -> Actor:
        said = {"tenant": step.get("tenant"), "session": step.get("session")}
        approval = self._filled(step.get("approval"))
        return self.gov.acting_as(step["as"], purpose=PURPOSE, approval=approval, **said)

    def _do(self, step: Step) -> object:
        given = self._filled(step.get("with", {}))
        if "consents" in given:
            given["consents"] = [Consent(**one) for one in given["consents"]]
        if isinstance(given.get("roles"), list) and step["do"] in {"grant", "revoke"}:
            return getattr(self._actor(step), step["do"])(given["principal"], *given["roles"])
        return getattr(self._actor(step), step["do"])(**given)

    def _command(self, step: Step) -> object:
        command = make(getattr(commands, step["command"]), **self._filled(step["with"]))
        return self._actor(step).handle(command)

    def _import(self, step: Step) -> object:
        rows, map_file = (self._folder.with_name(name) for name in ("rows.csv", "map.toml"))
        rows.write_text(step["import"])
        map_file.write_text(step["map"])
        return ingest(self._actor(step), rows, load_map(map_file))

    def _later(self, step: Step) -> None:
        by = dict(step["later"])
        passed = by.pop("years", 0) * YEAR + timedelta(**by)
        self._clock.turn(round(passed.total_seconds() * 1000))

    def _schedule(self, step: Step) -> object:
        return self.gov.schedule(self._clock.now(), tenant=step["schedule"])

    def _keep_policy(self, step: Step) -> str:
        return FilePolicyBundles(self._folder / "policies").put(scheduled(**step["policy"]))

    def _recover(self, step: Step) -> int:
        key = (self._folder / "keys" / "recovery").read_bytes()
        return self.gov.roll_back_policy(self._filled(step["recovery"]), recovery_key=key)

    def _certificate(self, step: Step) -> object:
        return self.gov.certificate(self._filled(step["certificate"]))

    def _found(self, step: Step) -> int:
        return self.gov.add_tenant(step["tenant"], principal=step["found"])

    def _reopen(self, _: Step) -> None:
        self.gov.close()
        self.gov = memos_gov.open(self._folder, clock=self._clock)

    def _filled(self, value: Any) -> Any:
        """Return a value with `$name` replaced by what was saved under that name."""
        if isinstance(value, str) and value.startswith("$"):
            return self._saved[value[1:]]
        if isinstance(value, list):
            return [self._filled(one) for one in value]
        if isinstance(value, dict):
            return {key: self._filled(one) for key, one in value.items()}
        return value


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


def words_of(gov: Service) -> frozenset[str]:
    """Return the types of all commands and events that were accepted or refused, once each."""
    log, found = gov.rooms.governor.log, set[str]()
    with gov.rooms.governor.tables.snapshot() as snapshot:
        for partition in range(log.partitions):
            for at in log.read(partition, 0, 1_000_000):
                outcome = snapshot.outcome(LogPosition(partition, at.offset))
                if outcome is not None and outcome.final:
                    item = parse(at)
                    assert item.record is not None
                    found.add(item.record.type.removeprefix(TYPE_PREFIX))
                    found.update(type(event).__name__ for event in item.events)
    return frozenset(found)
