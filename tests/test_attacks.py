"""What was tried against the promises, and must not work again."""

from __future__ import annotations

import shutil
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import memos_gov
from memos_gov.domain import commands as c
from memos_gov.service import Actor

PURPOSE = "complaint-handling"
CARD = "4111 1111 1111 1111"


class SteppingClock:
    """The machine's clock with an offset that a test moves."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        """Return the time, moved."""
        return datetime.now(UTC) + self.ahead


def owner_of(gov: memos_gov.Service) -> Actor:
    """Act as the first principal."""
    return gov.acting_as("owner", purpose=PURPOSE)


def joined(gov: memos_gov.Service, name: str, role: str) -> Actor:
    """Add a principal cleared to confidential, and act as it."""
    owner_of(gov).add_principal(
        name, roles=[role], clearance="confidential", purposes=[PURPOSE, "research"]
    )
    return gov.acting_as(name, purpose=PURPOSE)


def remembered(actor: Actor, content: str, **fields: object) -> str:
    """Remember and return the cube's id."""
    cube = actor.remember(content, **fields).cube_id  # type: ignore[arg-type]
    assert cube is not None
    return cube


@pytest.mark.parametrize("given", [True, False])
@pytest.mark.parametrize("role", ["analyst", "agent"])
def test_consent_that_rides_on_a_cube_needs_the_right_to_record_it(
    gov: memos_gov.Service, role: str, given: bool
) -> None:
    """Who may remember may not by that open or shut what is about a person."""
    actor = joined(gov, "eve", role)

    with pytest.raises(memos_gov.DeniedError, match="role_lacks_action"):
        actor.remember(
            "x", subjects=["cust1"], consents=[c.Consent(purpose="research", given=given)]
        )


def test_vault_that_is_older_than_the_log_serves_nothing(folder: Path, tmp_path: Path) -> None:
    """A restored vault is noticed: holds and withdrawals about a person must not fall off."""
    shutil.copy(folder / "vault.db", tmp_path / "old.db")
    with memos_gov.open(folder) as gov:
        owner_of(gov).hold(matter="M", subject="cust-9")
    for path in folder.glob("vault.db*"):
        path.unlink()
    shutil.copy(tmp_path / "old.db", folder / "vault.db")

    with pytest.raises(memos_gov.CorruptionError, match="older than the log"):
        memos_gov.open(folder)


def test_withdrawal_still_counts_when_the_clock_steps_back(folder: Path) -> None:
    """No read above a revocation returns what it revoked, whatever the clock does."""
    clock = SteppingClock()
    with memos_gov.open(folder, clock=clock) as gov:
        owner, analyst = owner_of(gov), joined(gov, "ann", "analyst")
        cube = remembered(owner, "a zebra", subjects=["cc"])
        clock.ahead = timedelta(seconds=50)
        owner.consent("cc", PURPOSE, given=False)
        clock.ahead = timedelta(seconds=10)

        assert () == analyst.recall("zebra").hits
        with pytest.raises(memos_gov.NotFoundError):
            analyst.get(cube)


def test_clock_that_ran_ahead_for_a_moment_does_not_stop_later_commands(folder: Path) -> None:
    """Verdicts are good from the log's time on."""
    clock = SteppingClock()
    with memos_gov.open(folder, clock=clock) as gov:
        clock.ahead = timedelta(seconds=90)
        owner_of(gov).remember("early")
        clock.ahead = timedelta()

        assert owner_of(gov).remember("late").index > 0


def test_policy_that_is_not_kept_is_never_activated(gov: memos_gov.Service) -> None:
    """The tenant goes on under the policy it has, and who may not activate learns nothing."""
    owner, analyst = owner_of(gov), joined(gov, "ann", "analyst")

    with pytest.raises(memos_gov.InvalidCommandError, match="policy"):
        owner.handle(c.make(c.ActivatePolicy, policy="0" * 64))
    for digest in ("0" * 64, owner.policy):
        with pytest.raises(memos_gov.DeniedError):
            analyst.activate_policy(digest)

    assert owner.remember("still here").index > 0


def test_page_after_a_hidden_cube_is_the_page_after_a_missing_one(gov: memos_gov.Service) -> None:
    """The place of a hidden cube among the visible ones is hidden too."""
    owner, analyst = owner_of(gov), joined(gov, "ann", "analyst")
    for number in range(2):
        remembered(owner, f"before {number}")
    hidden = remembered(owner, "hidden", label="restricted")
    remembered(owner, "after")

    seen = [h.cube_id for h in analyst.list(after=hidden).hits]

    assert seen == [h.cube_id for h in analyst.list(after="c_" + "0" * 26).hits]


def test_approval_is_spent_by_the_act_that_cites_it(gov: memos_gov.Service) -> None:
    """What was approved once is done once; after that, another review."""
    owner, agent = owner_of(gov), joined(gov, "bot", "agent")
    joined(gov, "bob", "agent")
    cube = remembered(agent, "a confidential note", label="confidential")
    with pytest.raises(memos_gov.DeniedError, match="review_required") as asked:
        agent.share(cube, with_="bob")
    case = asked.value.verdict_id
    approved = gov.acting_as("bot", purpose=PURPOSE, approval=_case_of(case))
    owner.approve(_case_of(case))

    approved.share(cube, with_="bob")
    owner.unshare(cube, with_="bob")

    with pytest.raises(memos_gov.DeniedError, match="review_required"):
        approved.share(cube, with_="bob")


def test_approval_of_a_share_covers_no_longer_one(gov: memos_gov.Service) -> None:
    """The end of a share is part of what was approved."""
    owner, agent = owner_of(gov), joined(gov, "bot", "agent")
    joined(gov, "bob", "agent")
    cube = remembered(agent, "a confidential note", label="confidential")
    soon = datetime.now(UTC) + timedelta(hours=1)
    with pytest.raises(memos_gov.DeniedError) as asked:
        agent.share(cube, with_="bob", valid_to=soon)
    case = _case_of(asked.value.verdict_id)
    owner.approve(case)
    approved = gov.acting_as("bot", purpose=PURPOSE, approval=case)

    with pytest.raises(memos_gov.DeniedError, match="review_required"):
        approved.share(cube, with_="bob")
    approved.share(cube, with_="bob", valid_to=soon)


def _case_of(verdict_id: str) -> str:
    from memos_gov.domain.ids import case_id_of

    return case_id_of(verdict_id)


@pytest.mark.parametrize("body", ["'hello'", "5", "5.5"])
def test_record_of_another_type_is_evidence_and_stops_nothing(folder: Path, body: str) -> None:
    """Whoever can write to the file can add rubbish, not close the folder."""
    with sqlite3.connect(folder / "log.db") as connection:
        connection.execute("PRAGMA ignore_check_constraints=ON")
        connection.execute(
            f"INSERT INTO records SELECT max(log_offset) + 1, x'ff', {body} FROM records"
        )
    connection.close()

    with memos_gov.open(folder) as gov:
        assert owner_of(gov).remember("as before").index > 0


def test_revision_keeps_what_it_does_not_name(gov: memos_gov.Service) -> None:
    """Metadata and the end of validity are not lost by appending or overwriting."""
    owner = owner_of(gov)
    end = datetime.now(UTC) + timedelta(days=1)
    cube = remembered(owner, "one", valid_to=end, metadata={"source": "letter"})

    owner.revise(cube, "two", mode="append")
    appended = owner.get(cube)
    owner.revise(cube, "three")

    assert ("one\ntwo", {"source": "letter"}) == (appended.content, appended.metadata)
    assert {"source": "letter"} == owner.get(cube).metadata
    ends = [x for change in owner.history(cube).changes for x in change.changes.items()]
    assert {("valid_to", int(end.timestamp()))} == {x for x in ends if x[0] == "valid_to"}


def test_agent_that_appends_masks_its_own_words_only(gov: memos_gov.Service) -> None:
    """What the owner wrote stays as the owner wrote it."""
    owner, agent = owner_of(gov), joined(gov, "bot", "agent")
    cube = remembered(owner, f"Card {CARD} is the customer's.")
    owner.share(cube, with_="bot", scope="write")

    agent.revise(cube, f"also {CARD}", mode="append")

    assert f"Card {CARD} is the customer's.\nalso [card]" == owner.get(cube).content


def test_quarantined_cube_is_found_once_it_is_approved(gov: memos_gov.Service) -> None:
    """The plan is made for what the cube will be when it is let in."""
    owner, agent = owner_of(gov), joined(gov, "bot", "agent")
    receipt = agent.remember("quarantine zebra", label="public", metadata={"n": CARD})
    assert receipt.case_id is not None
    before = owner.recall("zebra").hits

    owner.approve(receipt.case_id)

    assert () == before
    assert [receipt.cube_id] == [hit.cube_id for hit in owner.recall("zebra").hits]


def test_refused_command_leaves_no_name_in_the_directory(
    gov: memos_gov.Service, folder: Path
) -> None:
    """Personal names are kept only of what policy let in."""
    before = _names(folder)
    nobody = gov.acting_as("nobody", purpose=PURPOSE)

    with pytest.raises(memos_gov.DeniedError):
        nobody.remember("x", subjects=["vic", "tim"], author="al", conversation="talk")
    with pytest.raises(memos_gov.DeniedError):
        nobody.hold(matter="M", subject="vic")
    owner_of(gov).remember("x", subjects=["dry"], dry_run=True)

    assert before == _names(folder)


def _names(folder: Path) -> int:
    connection = sqlite3.connect(folder / "vault.db")
    (count,) = connection.execute("SELECT count(*) FROM directory").fetchone()
    connection.close()
    return int(count)


def test_verdict_ends_with_the_share_it_rests_on(gov: memos_gov.Service) -> None:
    """What was resolved at one moment vouches for nothing after the next edge."""
    owner, bob = owner_of(gov), joined(gov, "bob", "agent")
    cube = remembered(owner, "for a moment")
    end = datetime.now(UTC) + timedelta(seconds=20)
    owner.share(cube, with_="bob", valid_to=end)

    assert bob.list().verdict.valid_until <= int(end.timestamp())


def test_personal_number_in_a_metadata_key_is_refused(gov: memos_gov.Service) -> None:
    """Keys are never masked, so they hold none."""
    with pytest.raises(memos_gov.InvalidCommandError, match="metadata"):
        owner_of(gov).remember("x", metadata={CARD.replace(" ", ""): "v"})


def test_error_of_an_invalid_command_has_no_content_behind_it() -> None:
    """Nor does a command that is printed."""
    with pytest.raises(memos_gov.InvalidCommandError) as error:
        c.make(c.RecallCubes, query="canary", k=0)
    command = c.make(c.ReviseCube, cube="c_1", content="canary", metadata={"n": "canary"})

    assert error.value.__context__ is None
    assert "canary" not in repr(command)


@pytest.mark.parametrize("command_id", ["", "abc", "5", "0" * 32, "{" + "0" * 36 + "}"])
def test_command_id_of_another_form_is_refused_by_name(
    gov: memos_gov.Service, command_id: str
) -> None:
    """An idempotency key is a UUID in its one form."""
    with pytest.raises(memos_gov.InvalidCommandError, match="command_id"):
        owner_of(gov).remember("x", command_id=command_id)


@pytest.mark.parametrize("field", ["subjects", "purposes"])
def test_text_where_a_list_belongs_is_refused_by_name(gov: memos_gov.Service, field: str) -> None:
    """Eleven letters are not eleven customers."""
    with pytest.raises(memos_gov.InvalidCommandError, match=field):
        owner_of(gov).remember("x", **{field: "customer-17"})  # type: ignore[arg-type]


def test_error_about_metadata_repeats_no_key(gov: memos_gov.Service) -> None:
    """A key is the caller's text."""
    with pytest.raises(memos_gov.InvalidCommandError) as error:
        owner_of(gov).remember("x", metadata={"canary": 5})  # type: ignore[dict-item]

    assert "canary" not in str(error.value)
    assert "metadata" == error.value.field
