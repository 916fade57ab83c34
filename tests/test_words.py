"""Labels and bases in a living folder: who may change them, what is in force, what is found."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

import memos_gov
from memos_gov.bootstrap import fsck
from memos_gov.domain import ids
from memos_gov.domain.commands import Consent
from memos_gov.domain.facts import GovernanceFacts
from memos_gov.errors import ConflictError, DeniedError, InvalidCommandError, NotFoundError
from memos_gov.service import Actor, Service

PURPOSE = "complaint-handling"


def newcomer(gov: Service, name: str, *roles: str, clearance: str = "internal") -> Actor:
    """Add a principal and act as it."""
    owner = gov.acting_as("owner", purpose=PURPOSE)
    owner.add_principal(name, roles=roles, clearance=clearance, purposes=[PURPOSE])
    return gov.acting_as(name, purpose=PURPOSE)


def kept(actor: Actor, content: str = "a heron by the river", **fields: object) -> str:
    """Remember something and return its cube."""
    cube = actor.remember(content, **fields).cube_id  # type: ignore[arg-type]
    assert cube is not None
    return cube


def governance(gov: Service, cube: str) -> GovernanceFacts:
    """Return what rules a cube now."""
    stream = ids.governance_stream("default", cube)
    with gov.rooms.governor.tables.snapshot() as snapshot:
        facts = snapshot.facts([stream])[stream][1]
    assert isinstance(facts, GovernanceFacts)
    return facts


def test_label_raised_hides_the_cube_from_who_is_not_cleared(gov: Service, owner: Actor) -> None:
    """At once: in a read, a recall and a listing."""
    ann, cube = newcomer(gov, "ann", "analyst"), kept(owner)
    assert ann.get(cube).content

    owner.relabel(cube, "confidential")

    with pytest.raises(NotFoundError):
        ann.get(cube)
    assert () == ann.recall("heron").hits
    assert () == ann.list().hits
    assert [cube] == [hit.cube_id for hit in owner.list(label="confidential").hits]


def test_label_high_is_lowered_only_with_the_approval_of_a_second_person(
    gov: Service, owner: Actor
) -> None:
    """No role is exempt, and one approval allows one act to one label."""
    second, cube = newcomer(gov, "sue", "steward"), kept(owner, label="confidential")
    with pytest.raises(DeniedError) as waits:
        owner.relabel(cube, "internal")
    case = ids.case_id_of(waits.value.verdict_id)
    second.approve(case)

    approved = gov.acting_as("owner", purpose=PURPOSE, approval=case)
    with pytest.raises(DeniedError):
        approved.relabel(cube, "public")
    approved.relabel(cube, "internal")

    assert "internal" == governance(gov, cube).label
    with pytest.raises(ConflictError):
        approved.relabel(cube, "internal")
    owner.relabel(cube, "public")


def test_label_above_the_own_clearance_is_not_lowered(gov: Service, owner: Actor) -> None:
    """Who lowers a label could read afterwards what was closed to them."""
    sue, cube = newcomer(gov, "sue", "steward"), kept(owner)
    sue.relabel(cube, "restricted")

    with pytest.raises(NotFoundError):
        sue.relabel(cube, "internal")

    assert "restricted" == governance(gov, cube).label


def test_label_of_a_held_cube_is_raised_and_never_lowered(gov: Service, owner: Actor) -> None:
    """A hold keeps what is there from being opened, not from being protected."""
    cube = kept(owner)
    owner.hold(matter="M-1", cube=cube)
    owner.relabel(cube, "confidential")

    with pytest.raises(DeniedError) as caught:
        owner.relabel(cube, "internal")

    assert ("legal_hold",) == caught.value.verdict.public_reasons


def test_label_of_the_past_is_corrected_and_that_of_today_stays(gov: Service, owner: Actor) -> None:
    """A closed time changes the record, not what anybody may do."""
    ann = newcomer(gov, "ann", "analyst")
    now = datetime.now(UTC)
    cube = kept(owner, valid_from=now - timedelta(days=30))

    owner.relabel(
        cube, "restricted", valid_from=now - timedelta(days=20), valid_to=now - timedelta(days=10)
    )

    facts = governance(gov, cube)
    assert "internal" == facts.label
    labels = [facts.label_at(int((now - timedelta(days=d)).timestamp())) for d in (25, 15, 5)]
    assert ["internal", "restricted", "internal"] == labels
    assert ann.get(cube).content


def test_label_of_the_future_is_refused_by_name(owner: Actor) -> None:
    """What is in force changes by an event, not by the passing of time."""
    cube = kept(owner)
    tomorrow = datetime.now(UTC) + timedelta(days=1)

    with pytest.raises(InvalidCommandError) as caught:
        owner.relabel(cube, "confidential", valid_from=tomorrow)
    assert "valid_from" == caught.value.field
    with pytest.raises(InvalidCommandError) as caught:
        owner.rebase(cube, "contract", valid_from=datetime.now(UTC), valid_to=tomorrow)
    assert "valid_to" == caught.value.field


def test_label_that_is_no_word_of_the_policy_is_refused_by_name(owner: Actor) -> None:
    """And so is a basis."""
    cube = kept(owner)

    with pytest.raises(InvalidCommandError, match="label: unknown word"):
        owner.relabel(cube, "secret")
    with pytest.raises(InvalidCommandError, match="basis: unknown word"):
        owner.rebase(cube, "because")


def test_label_that_forbids_the_index_takes_the_words_out_of_it(gov: Service, owner: Actor) -> None:
    """And one that allows it brings them back, at the revision that is there."""
    second, cube = newcomer(gov, "sue", "steward", clearance="restricted"), kept(owner)
    assert [cube] == [hit.cube_id for hit in owner.recall("heron").hits]

    owner.relabel(cube, "restricted")
    assert () == owner.recall("heron").hits
    assert b"heron" not in (gov.rooms.settings.data / "index.db").read_bytes()
    with pytest.raises(DeniedError) as waits:
        owner.relabel(cube, "internal")
    case = ids.case_id_of(waits.value.verdict_id)
    second.approve(case)
    gov.acting_as("owner", purpose=PURPOSE, approval=case).relabel(cube, "internal")

    assert [(cube, 1)] == [(hit.cube_id, hit.revision) for hit in owner.recall("heron").hits]


def test_basis_moved_to_consent_asks_every_subject(gov: Service, owner: Actor) -> None:
    """What nobody agreed to does not rest on consent; what does ends with it."""
    ann, cube = (
        newcomer(gov, "ann", "analyst"),
        kept(owner, subjects=["customer-1"], basis="contract"),
    )
    with pytest.raises(DeniedError) as caught:
        owner.rebase(cube, "consent")
    assert ("basis_needs_consent",) == caught.value.verdict.public_reasons

    owner.consent("customer-1", PURPOSE)
    owner.rebase(cube, "consent")
    assert ann.get(cube).content
    owner.consent("customer-1", PURPOSE, given=False)

    with pytest.raises(NotFoundError):
        ann.get(cube)


def test_basis_withdrawn_is_not_replaced_by_another(owner: Actor) -> None:
    """The way around a withdrawal that a controller would try first."""
    words = [Consent(purpose=PURPOSE, given=True)]
    cube = kept(owner, subjects=["customer-1"], basis="consent", consents=words)
    with pytest.raises(DeniedError) as caught:
        owner.rebase(cube, "legitimate-interest")
    assert ("review_required",) == caught.value.verdict.public_reasons

    owner.consent("customer-1", PURPOSE, given=False)

    with pytest.raises(DeniedError) as caught:
        owner.rebase(cube, "legitimate-interest")
    assert ("basis_was_withdrawn",) == caught.value.verdict.public_reasons


def test_verdict_on_a_label_is_asked_again_alike(gov: Service, owner: Actor) -> None:
    """The record holds the label that was to come."""
    cube = kept(owner, basis="contract")
    made = owner.relabel(cube, "confidential")
    moved = owner.rebase(cube, "legitimate-interest")

    assert [True, True] == [owner.explain(str(receipt.index)).same for receipt in (made, moved)]


def test_verdict_on_a_refused_label_says_that_it_was_not_kept(gov: Service, owner: Actor) -> None:
    """A refusal holds no word of what was wanted."""
    cube = kept(owner, label="confidential")
    with pytest.raises(DeniedError) as caught:
        owner.relabel(cube, "internal")

    why = owner.explain(caught.value.verdict_id)

    assert (None, True) == (why.same, bool(why.not_asked))


def test_verdict_on_an_approved_label_is_asked_again_alike(gov: Service, owner: Actor) -> None:
    """The approval is among what it relied on."""
    second, cube = newcomer(gov, "sue", "steward"), kept(owner, label="confidential")
    with pytest.raises(DeniedError) as waits:
        owner.relabel(cube, "internal")
    case = ids.case_id_of(waits.value.verdict_id)
    second.approve(case)

    made = gov.acting_as("owner", purpose=PURPOSE, approval=case).relabel(cube, "internal")

    assert True is owner.explain(str(made.index)).same


def test_revision_after_the_end_of_validity_says_what_to_do(owner: Actor) -> None:
    """One error, and nothing is kept."""
    now = datetime.now(UTC)
    cube = kept(owner, valid_from=now - timedelta(days=3), valid_to=now - timedelta(days=1))

    with pytest.raises(ConflictError) as caught:
        owner.revise(cube, "a stork")

    assert "valid_to" in caught.value.remedy
    assert 1 == owner.get(cube).revision


def test_share_that_begins_later_and_ends_is_good_in_between(gov: Service, owner: Actor) -> None:
    """Said in Python and kept in the facts."""
    newcomer(gov, "bot", "agent")
    cube, now = kept(owner), datetime.now(UTC)

    owner.share(
        cube, with_="bot", valid_from=now + timedelta(days=1), valid_to=now + timedelta(days=2)
    )

    with pytest.raises(NotFoundError):
        gov.acting_as("bot", purpose=PURPOSE).get(cube)
    facts, seconds = governance(gov, cube), int(now.timestamp())
    held = [len(facts.grants_at(seconds + int(day * 86_400))) for day in (0.5, 1.5, 2.5)]
    assert [0, 1, 0] == held


def test_folder_with_every_kind_of_word_is_clean(folder: object) -> None:
    """Rebuilt from its log it is the same."""
    now = datetime.now(UTC)
    with memos_gov.open(str(folder)) as gov:
        owner = gov.acting_as("owner", purpose=PURPOSE)
        newcomer(gov, "bot", "agent")
        cube = kept(owner)
        owner.relabel(cube, "public", valid_from=now - timedelta(days=9))
        owner.relabel(
            cube, "internal", valid_from=now - timedelta(days=8), valid_to=now - timedelta(days=7)
        )
        owner.rebase(cube, "legal-obligation", valid_from=now - timedelta(days=9))
        owner.share(cube, with_="bot")
        owner.unshare(cube, with_="bot")

    assert fsck(str(folder)).clean
