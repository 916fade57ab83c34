"""The Governor: ids that repeat, dry runs, policy that fails, records that go stale."""

import json
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

import memos_gov
from memos_gov import governor as governor_module
from memos_gov.domain import commands as c
from memos_gov.domain import verdicts as v
from memos_gov.domain.commands import make
from memos_gov.domain.verdicts import FAILED_CLOSED
from memos_gov.errors import (
    ConflictError,
    DeniedError,
    GovernanceError,
    InvalidCommandError,
    NotFoundError,
    PolicyUnavailableError,
    UnavailableError,
)
from memos_gov.governor import Governor
from memos_gov.ports import PolicyEngine
from memos_gov.proposer import new_command_id
from memos_gov.receipts import NOT_WRITTEN
from memos_gov.service import Actor, Service

PURPOSE = "complaint-handling"
ADMISSION = "memos_gov/admission/verdict"
VERDICTS = "memos_gov/access/verdicts"


@pytest.fixture
def governor(gov: Service) -> Governor:
    """Return the Governor under test."""
    return gov.rooms.governor


def remember(content: str = "a note", **changes: object) -> c.RememberCube:
    """Return a command."""
    fields: dict[str, object] = {
        "content": content,
        "label": "internal",
        "purposes": (PURPOSE,),
        "basis": "contract",
        "retention_class": "general",
    }
    return make(c.RememberCube, **(fields | changes))


def decided(folder: Path) -> list[str]:
    """Return what was written: the types of the tenant's events, in order."""
    with closing(sqlite3.connect(folder / "tables.db")) as connection:
        query = "SELECT type FROM events WHERE tenant = 'default' ORDER BY idx, seq"
        return [row[0] for row in connection.execute(query)]


def codes(folder: Path) -> list[str]:
    """Return what became of each record, in order of the log."""
    with closing(sqlite3.connect(folder / "tables.db")) as connection:
        query = "SELECT code FROM outcomes WHERE tenant = 'default' ORDER BY log_offset"
        return [row[0] for row in connection.execute(query)]


# --- Command ids ------------------------------------------------------------------


def test_command_sent_again_under_its_id_gets_the_first_receipt(
    owner: Actor, governor: Governor, folder: Path
) -> None:
    """Same index, same cube, and nothing more is written."""
    cid = new_command_id()
    first = governor.handle(owner.caller, remember(), command_id=cid)
    before = codes(folder)

    again = governor.handle(owner.caller, remember(), command_id=cid)

    assert again == msgspec.structs.replace(first, repeated=True)
    assert before == codes(folder)


def test_command_sent_again_after_a_new_start_gets_the_first_receipt(folder: Path) -> None:
    """A client that never heard the answer asks again, days later."""
    cid = new_command_id()
    with memos_gov.open(folder) as one:
        caller = one.acting_as("owner", purpose=PURPOSE).caller
        first = one.rooms.governor.handle(caller, remember(), command_id=cid)
    with memos_gov.open(folder) as two:
        again = two.rooms.governor.handle(caller, remember(), command_id=cid)

    assert (first.index, first.cube_id, first.leaf) == (again.index, again.cube_id, again.leaf)


def test_refused_command_sent_again_is_refused_again(owner: Actor, governor: Governor) -> None:
    """At the first index: a refusal is an answer too."""
    command, cid = make(c.GrantRoles, principal="owner", roles=["dpo"]), new_command_id()
    found = []
    for _ in range(2):
        with pytest.raises(DeniedError) as caught:
            governor.handle(owner.caller, command, command_id=cid)
        found.append((caught.value.index, str(caught.value), caught.value.verdict))

    assert found[0] == found[1]


def test_id_of_another_command_is_a_conflict(owner: Actor, governor: Governor) -> None:
    """Whatever differs: content, label or kind."""
    cid = new_command_id()
    governor.handle(owner.caller, remember(), command_id=cid)

    for other in (remember("another"), remember(label="public"), make(c.ReleaseHold, matter="m")):
        with pytest.raises(ConflictError):
            governor.handle(owner.caller, other, command_id=cid)


def test_id_of_another_principal_is_a_conflict(
    gov: Service, owner: Actor, governor: Governor
) -> None:
    """The same words of somebody else are another command."""
    owner.add_principal("ann", roles=["steward"], purposes=[PURPOSE])
    cid = new_command_id()
    governor.handle(owner.caller, remember(), command_id=cid)

    with pytest.raises(ConflictError):
        governor.handle(gov.acting_as("ann", purpose=PURPOSE).caller, remember(), command_id=cid)


# --- Many at once -------------------------------------------------------------------


def test_commands_handled_together_each_get_their_own_answer(
    owner: Actor, governor: Governor
) -> None:
    """One append; what fails leaves the others alone."""
    commands = [
        remember("one", subjects=["customer-1"]),
        remember("two", label="nonsense"),
        make(c.FreezeCube, cube="c_missing"),
        remember(
            "three", subjects=["customer-1"], consents=[{"purpose": "research", "given": True}]
        ),
        remember("four", subjects=["customer-1"]),
    ]

    results = governor.handle_many(owner.caller, [(new_command_id(), x) for x in commands])

    kinds = [type(result).__name__ for result in results]
    assert ["Receipt", "InvalidCommandError", "NotFoundError", "Receipt", "Receipt"] == kinds
    assert 3 == len(owner.list().hits)


def test_commands_of_more_bytes_than_a_batch_are_all_decided(
    owner: Actor, governor: Governor
) -> None:
    """A batch of the certifier ends at four megabytes; the answer does not."""
    commands = [(new_command_id(), remember(f"{n} " + "x" * 250_000)) for n in range(20)]

    results = governor.handle_many(owner.caller, commands)

    assert ["accepted"] * 20 == [getattr(result, "code", result) for result in results]


def test_commands_of_no_number_give_no_answer(owner: Actor, governor: Governor) -> None:
    """Nothing is appended."""
    assert [] == governor.handle_many(owner.caller, [])


# --- Dry runs -----------------------------------------------------------------------


def test_dry_run_writes_only_that_it_was_asked(
    owner: Actor, governor: Governor, folder: Path
) -> None:
    """The verdict is real, the cube is not."""
    before = decided(folder)

    receipt = governor.handle(owner.caller, remember(), dry_run=True)

    assert NOT_WRITTEN == receipt.index
    assert receipt.verdict.allows
    assert [*before, "AuditAsked"] == decided(folder)
    assert () == owner.list().hits


def test_dry_run_of_what_would_be_refused_raises_the_same(
    owner: Actor, governor: Governor, folder: Path
) -> None:
    """Reasons and all; a refusal is recorded like any other, under an id of its own."""
    command = make(c.GrantRoles, principal="owner", roles=["dpo"])
    with pytest.raises(DeniedError) as dry:
        governor.handle(owner.caller, command, dry_run=True)
    assert "CommandRefused" == decided(folder)[-1]

    with pytest.raises(DeniedError) as real:
        governor.handle(owner.caller, command)

    assert real.value.verdict.public_reasons == dry.value.verdict.public_reasons
    assert str(real.value) == str(dry.value)


def test_dry_run_of_an_actor_without_evidence_rights_answers_too(
    gov: Service, owner: Actor, governor: Governor
) -> None:
    """Asking what one may do needs no right to audit others."""
    owner.add_principal("bot", roles=["agent"], purposes=[PURPOSE])
    bot = gov.acting_as("bot", purpose=PURPOSE)

    assert NOT_WRITTEN == governor.handle(bot.caller, remember(), dry_run=True).index


# --- Policy that fails ---------------------------------------------------------------


class Failing:
    """A policy engine that answers as the real one, but for one entrypoint."""

    def __init__(
        self, real: PolicyEngine, entrypoint: str, answer: Callable[[bytes], bytes]
    ) -> None:
        self._real = real
        self._entrypoint = entrypoint
        self._answer = answer

    def ask(self, digest: str, entrypoint: str, question: Mapping[str, object]) -> bytes:
        """Return the real answer, or what became of it."""
        answer = self._real.ask(digest, entrypoint, question)
        return self._answer(answer) if entrypoint == self._entrypoint else answer


def failing(governor: Governor, entrypoint: str, answer: Callable[[bytes], bytes]) -> None:
    """Put a failing engine in the place of the real one."""
    governor._engine = Failing(governor._engine, entrypoint, answer)
    governor._judges.clear()


def silent(reason: str) -> Callable[[bytes], bytes]:
    """Return an engine's failure."""

    def answer(_: bytes) -> bytes:
        raise PolicyUnavailableError(reason=reason)

    return answer


def edited(**changes: object) -> Callable[[bytes], bytes]:
    """Return a change of one verdict, or of each in an answer about cubes."""

    def answer(raw: bytes) -> bytes:
        tree = json.loads(raw)
        if "effect" in tree:
            return json.dumps(tree | changes).encode()
        return json.dumps({cube: verdict | changes for cube, verdict in tree.items()}).encode()

    return answer


FAILURES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    **{reason: (silent(reason), reason) for reason in (v.UNDEFINED, v.ERROR, v.TIMED_OUT)},
    "garbage": (lambda _: b"garbage", v.MALFORMED),
    "bad UTF-8": (lambda _: b'{"effect":"\xff"}', v.MALFORMED),
    "null": (lambda _: b"null", v.MALFORMED),
    "unknown effect": (edited(effect="perhaps"), v.MALFORMED),
    "unknown obligation": (edited(obligations=[{"kind": "burn"}]), v.UNKNOWN_OBLIGATION),
}


@pytest.mark.parametrize("name", FAILURES)
def test_admission_that_policy_does_not_answer_is_refused_with_its_code(
    owner: Actor, governor: Governor, folder: Path, name: str
) -> None:
    """Fail closed, recorded, and nothing is kept."""
    answer, code = FAILURES[name]
    failing(governor, ADMISSION, answer)

    with pytest.raises(PolicyUnavailableError) as caught:
        governor.handle(owner.caller, remember())

    assert code == caught.value.reason
    assert code in FAILED_CLOSED
    assert "CommandRefused" == decided(folder)[-1]
    assert "CubeRemembered" not in decided(folder)


@pytest.mark.parametrize("name", [*FAILURES, "cube left out"])
def test_access_that_policy_does_not_answer_is_refused_with_its_code(
    owner: Actor, governor: Governor, folder: Path, name: str
) -> None:
    """For a write and for a read; content stays where it is."""
    cube = owner.remember("kept").cube_id or ""
    answer, code = (FAILURES | {"cube left out": (lambda _: b"{}", v.UNDEFINED)})[name]
    failing(governor, VERDICTS, answer)

    for act in (lambda: owner.freeze(cube), lambda: owner.get(cube)):
        with pytest.raises(PolicyUnavailableError) as caught:
            act()
        assert code == caught.value.reason
        assert "kept" not in str(caught.value)
    assert ["CommandRefused", "CommandRefused"] == decided(folder)[-2:]


# --- Stale and late -------------------------------------------------------------------


class Meddling:
    """An engine that lets something else happen while it thinks."""

    def __init__(self, real: PolicyEngine, happens: Callable[[], object], times: int) -> None:
        self._real = real
        self._happens = happens
        self._left = times

    def ask(self, digest: str, entrypoint: str, question: Mapping[str, object]) -> bytes:
        """Return the real answer, a moment later."""
        if entrypoint == VERDICTS and self._left > 0:
            self._left -= 1
            self._happens()
        return self._real.ask(digest, entrypoint, question)


def meddling(
    gov: Service, folder: Path, times: int, happens: Callable[[Actor], object]
) -> memos_gov.Service:
    """Let another process act while the Governor of `gov` asks policy; return that process."""
    other = memos_gov.open(folder)
    actor = other.acting_as("owner", purpose=PURPOSE)
    governor = gov.rooms.governor
    governor._engine = Meddling(governor._engine, lambda: happens(actor), times)
    governor._judges.clear()
    return other


def test_write_that_went_stale_is_tried_again_and_succeeds(
    gov: Service, owner: Actor, folder: Path
) -> None:
    """Under the same id; the rejected attempts stay as evidence."""
    cube = owner.remember("kept").cube_id or ""

    with meddling(gov, folder, 2, lambda other: other.revise(cube, "meanwhile")):
        receipt = owner.revise(cube, "mine")

    assert 4 == receipt.revision
    assert "mine" == owner.get(cube).content
    assert 2 == codes(folder).count("stale")


def test_write_that_named_a_revision_that_moved_is_a_conflict(
    gov: Service, owner: Actor, folder: Path
) -> None:
    """The caller decides what to do, not the retry."""
    cube = owner.remember("kept").cube_id or ""

    with (
        meddling(gov, folder, 1, lambda other: other.revise(cube, "meanwhile")),
        pytest.raises(ConflictError),
    ):
        owner.revise(cube, "mine", expected_revision=1)

    assert "meanwhile" == owner.get(cube).content


def test_write_under_which_everything_keeps_moving_is_unavailable(
    gov: Service, owner: Actor, folder: Path
) -> None:
    """Bounded: the caller sends the same id again, later."""
    cube = owner.remember("kept").cube_id or ""

    with (
        meddling(gov, folder, 99, lambda other: other.revise(cube, "meanwhile")),
        pytest.raises(UnavailableError),
    ):
        owner.revise(cube, "mine")

    assert governor_module.ATTEMPTS_MAX == codes(folder).count("stale")


def test_read_of_a_cube_that_moved_returns_what_it_became(
    gov: Service, owner: Actor, folder: Path
) -> None:
    """Struck out at acceptance, read again: never the old content."""
    cube = owner.remember("old").cube_id or ""

    with meddling(gov, folder, 1, lambda other: other.revise(cube, "new")):
        assert "new" == owner.get(cube).content


def test_read_that_a_revocation_overtook_returns_nothing(
    gov: Service, owner: Actor, folder: Path
) -> None:
    """No read overtakes a revocation: the share ended before acceptance."""
    owner.add_principal("ann", roles=["analyst"], clearance="internal", purposes=[PURPOSE])
    cube = owner.remember("for ann's eyes", subjects=["customer-1"]).cube_id or ""
    ann = gov.acting_as("ann", purpose=PURPOSE)
    assert "for ann's eyes" == ann.get(cube).content

    with (
        meddling(gov, folder, 1, lambda other: other.revoke("ann", "analyst")),
        pytest.raises(GovernanceError) as caught,
    ):
        ann.get(cube)

    assert isinstance(caught.value, DeniedError | NotFoundError)


class Stepping:
    """A clock that can be moved."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def now(self) -> datetime:
        """Return the machine's time and what it was moved by."""
        return datetime.now(UTC) + self.ahead


def test_verdict_that_ran_out_before_the_append_is_never_accepted(folder: Path) -> None:
    """A slow policy's permission is late, and the command is asked about again."""
    clock = Stepping()
    with memos_gov.open(folder, clock=clock) as gov:
        owner = gov.acting_as("owner", purpose=PURPOSE)
        cube = owner.remember("kept").cube_id or ""
        governor = gov.rooms.governor

        def dawdle() -> None:
            clock.ahead += timedelta(seconds=120)

        governor._engine = Meddling(governor._engine, dawdle, 1)
        governor._judges.clear()
        owner.freeze(cube)

    assert "late" in codes(folder)
    assert "accepted" == codes(folder)[-1]


# --- What cannot be --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("label", "nonsense"),
        ("purposes", ("nonsense",)),
        ("basis", "nonsense"),
        ("region", "nonsense"),
        ("retention_class", "nonsense"),
        ("semantic_type", "nonsense"),
        ("priority", "nonsense"),
        ("valid_from", datetime.now(UTC) + timedelta(hours=1)),
    ],
)
def test_word_or_time_that_cannot_be_is_invalid_and_writes_nothing(
    owner: Actor, governor: Governor, folder: Path, field: str, value: object
) -> None:
    """The field is named; the log is untouched."""
    before = codes(folder)

    with pytest.raises(InvalidCommandError) as caught:
        governor.handle(owner.caller, remember(**{field: value}))

    assert field == caught.value.field
    assert before == codes(folder)


def test_content_at_its_limit_fits_into_a_record(owner: Actor) -> None:
    """The limits of content and record agree, whatever the characters."""
    content = "é" * (c.CONTENT_BYTES_MAX // 2)

    made = owner.remember(content, metadata={"key": "v" * (c.METADATA_BYTES_MAX - 3)})

    assert content == owner.get(made.cube_id or "").content
