"""
Any commands and any records, step by step against a plain model, then again in other batches.

The machine drives the real Governor with the real policy on a folder, and
appends records behind its back: duplicates, forged, foreign, stale, garbage.
The model is a handful of dicts; it knows only what the pages promise.
"""

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
)

import memos_gov
from memos_gov.certify import certify, needs, parse
from memos_gov.domain.history import Known, LogPosition, LogRecord, Outcome
from memos_gov.errors import ConflictError, DeniedError, NotFoundError
from memos_gov.follow import mac_secret
from memos_gov.ports import Proposal
from memos_gov.receipts import Receipt
from memos_gov.service import Actor, Service

PURPOSE = "complaint-handling"
ROLES = {"owner": "steward", "ann": "analyst", "bot": "agent"}
MAY_REMEMBER = {"owner", "ann", "bot"}
TENANT = "default"


class CertifierMachine(RuleBasedStateMachine):
    """Commands of three principals on a few cubes, and raw records beside them."""

    cubes = Bundle("cubes")

    founded: Path  # set by the test, copied for every run

    @initialize()
    def open(self) -> None:
        """Open a folder of its own with three principals."""
        self._place = Path(tempfile.mkdtemp())
        self._folder = Path(shutil.copytree(self.founded, self._place / "data"))
        self.gov: Service = memos_gov.open(self._folder)
        self.actors: dict[str, Actor] = {
            name: self.gov.acting_as(name, purpose=PURPOSE) for name in ROLES
        }
        for name in ("ann", "bot"):
            self.actors["owner"].add_principal(
                name, roles=[ROLES[name]], clearance="internal", purposes=[PURPOSE]
            )
        self.actors = {name: self.gov.acting_as(name, purpose=PURPOSE) for name in ROLES}
        self.size = 3  # of the model's tree: genesis and two principals
        self.foreign = 1  # of the instance's tree: the control record
        self.revision: dict[str, int] = {}
        self.content: dict[str, str] = {}
        self.frozen: set[str] = set()
        self.archived: set[str] = set()
        self.read: set[str] = set()  # by the owner, in the one session it has
        self.about: dict[str, set[int]] = {}
        self.sources: dict[str, set[str]] = {}

    def teardown(self) -> None:
        """Certify again from the log alone, in three ways, and compare everything."""
        if not hasattr(self, "gov"):
            return
        try:
            self._compare_batches()
        finally:
            self.gov.close()
            shutil.rmtree(self._place)

    # --- Commands ---

    @rule(target=cubes, who=st.sampled_from(sorted(MAY_REMEMBER)), subject=st.integers(0, 1))
    def remember(self, who: str, subject: int) -> object:
        """A new cube, by anybody."""
        text = f"note {len(self.revision)} of {who}"
        receipt = self.actors[who].remember(text, subjects=[f"customer-{subject}"])
        cube = receipt.cube_id or ""
        self._took(receipt)
        self.revision[cube], self.content[cube] = 1, text
        read = self.read if who == "owner" else set[str]()
        self.sources[cube] = {*read}
        self.about[cube] = {subject}.union(*(self.about[x] for x in read))
        return cube

    @rule(cube=cubes, expected=st.sampled_from(["none", "right", "wrong"]))
    def revise(self, cube: str, expected: str) -> None:
        """New content, if the cube takes it, is as strict as what was read, and as expected."""
        revision = self.revision[cube]
        named = {"none": None, "right": revision, "wrong": revision + 1}[expected]
        text = f"{cube} revised after {revision}"
        open_ = cube not in self.frozen | self.archived
        added = self.read - {cube} - self.sources[cube]
        covered = all(self.about[x] <= self.about[cube] for x in added)
        try:
            receipt = self.actors["owner"].revise(cube, text, expected_revision=named)
        except (ConflictError, DeniedError):
            assert expected == "wrong" or not open_ or not covered
            self.size += 1
            return
        assert expected != "wrong"
        assert open_
        assert covered
        assert {*receipt.sources} == added
        self.sources[cube] |= added
        assert receipt.revision == revision + 1
        self._took(receipt)
        self.revision[cube], self.content[cube] = revision + 1, text

    @rule(cube=cubes, verb=st.sampled_from(["freeze", "thaw", "archive", "restore"]))
    def govern(self, cube: str, verb: str) -> None:
        """A flag or a state, where the table allows it."""
        group = self.archived if verb in {"archive", "restore"} else self.frozen
        wanted = verb in {"freeze", "archive"}
        try:
            receipt = getattr(self.actors["owner"], verb)(cube)
        except (ConflictError, DeniedError):
            self.size += 1
            stuck = cube in self.frozen and verb in {"archive", "restore"}
            away = cube in self.archived and verb in {"freeze", "thaw"}
            assert (cube in group) == wanted or stuck or away
            return
        assert (cube in group) != wanted
        self._took(receipt)
        (group.add if wanted else group.discard)(cube)

    @rule(cube=cubes)
    def get(self, cube: str) -> None:
        """The owner reads what the model holds; reading changes nothing else."""
        try:
            hit = self.actors["owner"].get(cube)
        except (DeniedError, NotFoundError):
            assert cube in self.archived
        else:
            assert (self.revision[cube], self.content[cube]) == (hit.revision, hit.content)
            self.read.add(cube)
        self.size += 1

    @rule(
        who=st.sampled_from(["ann", "bot"]), cube=cubes, verb=st.sampled_from(["freeze", "archive"])
    )
    def overstep(self, who: str, cube: str, verb: str) -> None:
        """Without the role it is refused, recorded, and changes nothing."""
        with pytest.raises((DeniedError, NotFoundError)):
            getattr(self.actors[who], verb)(cube)
        self.size += 1

    def _took(self, receipt: Receipt) -> None:
        assert ("accepted", self.size) == (receipt.code, receipt.index)
        self.size += 1

    # --- Records behind the Governor's back ---

    def _append(self, body: bytes, tenant: str = TENANT) -> Outcome:
        governor = self.gov.rooms.governor
        now_ms = round(governor.clock.now().timestamp() * 1000)
        return governor.proposer.submit([Proposal(tenant, now_ms, body)])[0]

    def _records(self) -> list[LogRecord]:
        return self.gov.rooms.governor.log.read(0, 0, 100_000)

    @rule(place=st.integers(1, 10_000))
    def repeat(self, place: int) -> None:
        """Any record of the log again: a final one gets no index."""
        records = self._records()
        record = records[place % len(records)]
        if record.tenant != TENANT:
            return
        before = self._tree()
        with self.gov.rooms.governor.tables.snapshot() as snapshot:
            first = snapshot.outcome(LogPosition(record.partition, record.offset))
        outcome = self._append(record.body)
        if first is not None and first.final:
            assert first == outcome
            assert before == self._tree()
        elif outcome.tenant == TENANT:
            self.size += 1
        else:
            self.foreign += 1

    @rule(place=st.integers(1, 10_000), byte=st.integers(0, 10_000), to=st.integers(0, 255))
    def forge(self, place: int, byte: int, to: int) -> None:
        """Any record with one byte changed is nobody's word."""
        records = self._records()
        body = bytearray(records[place % len(records)].body or b" ")
        body[byte % len(body)] = to
        if bytes(body) in {record.body for record in records}:
            return
        outcome = self._append(bytes(body))
        assert outcome.code in {"forged", "invalid"}
        self.foreign += 1

    @rule(junk=st.binary(max_size=40), tenant=st.sampled_from([TENANT, "ghost", "_instance"]))
    def garbage(self, junk: bytes, tenant: str) -> None:
        """Bytes under anybody's key."""
        assert "invalid" == self._append(junk, tenant).code
        self.foreign += 1

    @rule(place=st.integers(1, 10_000))
    def abduct(self, place: int) -> None:
        """A good record under another tenant's key."""
        records = self._records()
        record = records[place % len(records)]
        if record.tenant == TENANT:
            assert self._append(record.body, "ghost").code in {"forged", "invalid"}
            self.foreign += 1

    # --- Always ---

    def _tree(self) -> tuple[int, int]:
        with self.gov.rooms.governor.tables.snapshot() as snapshot:
            return snapshot.index(TENANT) + 1, snapshot.index("_instance") + 1

    @invariant()
    def trees_are_as_large_as_the_model(self) -> None:
        """Every decided record has one index, and nothing else has any."""
        if hasattr(self, "gov"):
            assert (self.size, self.foreign) == self._tree()

    def _compare_batches(self) -> None:
        governor, records = self.gov.rooms.governor, self._records()
        name = governor.proposer.mac_key_id
        key = governor.keys.secret("_instance", mac_secret(name))
        assert key is not None
        live = self._live_rows()
        for size in (len(records), 1, 3):
            known, rows = Known(), {"outcomes": [], "events": [], "facts": []}
            for start in range(0, len(records), size):
                parsed = [parse(record) for record in records[start : start + size]]
                needs(parsed)
                made = certify(parsed, known, {name: key})
                rows["outcomes"] += made.outcomes
                rows["events"] += made.events
                rows["facts"] += made.facts
            assert live == {table: sorted(found, key=repr) for table, found in rows.items()}
            assert self.size == known.trees[TENANT].size

    def _live_rows(self) -> dict[str, list[tuple[object, ...]]]:
        with self.gov.rooms.governor.tables.connection() as connection:
            return {
                table: sorted(
                    (tuple(r) for r in connection.exec_driver_sql(f"SELECT * FROM {table}")),
                    key=repr,
                )
                for table in ("outcomes", "events", "facts")
            }


@pytest.fixture(autouse=True)
def _founded(founded: Path) -> None:
    CertifierMachine.founded = founded


TestCertifierAgainstModel = CertifierMachine.TestCase
TestCertifierAgainstModel.settings = settings(
    max_examples=20,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
