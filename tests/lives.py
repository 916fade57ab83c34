"""A folder with a varied life: every kind of event, several principals, two tenants."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from memos_gov.domain.commands import Consent
from memos_gov.errors import ConflictError, DeniedError, NotFoundError
from memos_gov.service import Actor, Service

PURPOSE = "complaint-handling"
OTHER_TENANT = "other"
REFUSALS = (ConflictError, DeniedError, NotFoundError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """The cubes and the case that a test may ask about."""

    plain: str
    secret: str
    archived: str
    quarantined: str
    case: str
    elsewhere: str


def a_varied_life(gov: Service) -> Life:
    """Live a life of about 40 records in the default tenant, and a short one in another."""
    owner = gov.acting_as("owner", purpose=PURPOSE)
    for name, roles in (("ann", ["analyst"]), ("aud", ["auditor"]), ("bot", ["agent"])):
        owner.add_principal(
            name, roles=roles, clearance="internal", purposes=(PURPOSE, "oversight", "research")
        )
    ann, bot = (gov.acting_as(name, purpose=PURPOSE) for name in ("ann", "bot"))
    plain = _cube(owner, "The card was charged twice at the shop.", "customer-17")
    secret = _cube(
        owner, "Second letter, call +44 20 7946 0958.", "customer-18", label="confidential"
    )
    archived = _cube(owner, "The branch closed before noon.", "customer-17")
    withdrawn = owner.remember(
        "Wrote about a loan.",
        subjects=["customer-19"],
        basis="consent",
        purposes=[PURPOSE],
        consents=[Consent(purpose=PURPOSE, given=True)],
    )
    quarantined, case = _reviewed(owner, bot)
    _changes(owner, plain, secret, archived)
    for actor in (owner, ann, bot):
        actor.recall("charged card", k=3)
        actor.list()
    for attempt in _refused(owner, ann, bot, plain, secret):
        with suppress(*REFUSALS):
            attempt()
            msg = "a refusal of this life was allowed"
            raise AssertionError(msg)
    _derived(gov)
    owner.consent("customer-19", PURPOSE, given=False)
    assert withdrawn.cube_id is not None
    owner.get(plain)
    elsewhere = _another_tenant(gov)
    return Life(
        plain=plain,
        secret=secret,
        archived=archived,
        quarantined=quarantined,
        case=case,
        elsewhere=elsewhere,
    )


def a_life_that_ends(gov: Service) -> None:
    """Live a varied life, and then what ends one."""
    a_varied_life(gov)
    an_end(gov)
    gov.rooms.follower.catch_up()
    gov.rooms.index_follower.catch_up()


def a_short_life(gov: Service) -> None:
    """Live a life of a few records in which something of everything happens, and its end."""
    owner = gov.acting_as("owner", purpose=PURPOSE)
    owner.add_principal("bot", roles=["agent"], clearance="internal", purposes=(PURPOSE,))
    card = _cube(owner, "The card was charged twice.", "customer-17")
    secret = _cube(owner, "A second letter.", "customer-18", label="confidential")
    owner.revise(card, "The shop apologised.", mode="append")
    owner.share(card, with_="bot")
    owner.hold(matter="M-1", cube=secret)
    with suppress(*REFUSALS):
        gov.acting_as("bot", purpose=PURPOSE).get(secret)
    owner.summarise([card], "A charge, and an apology.")
    an_end(gov)


def an_end(gov: Service) -> None:
    """Erase a person, sign a head, rotate the vault, and go on."""
    owner = gov.acting_as("owner", purpose=PURPOSE)
    for content in ("The line was dead.", "The line was dead again."):
        _cube(owner, content, "customer-40")
    erased = owner.forget(subject="customer-40", reason="The person asked for it.")
    assert erased.state == "completed"
    owner.checkpoint()
    gov.certificate(erased.id).save(gov.rooms.settings.data / "certificates" / erased.id)
    owner.rotate_vault()
    _cube(owner, "The line works.", "customer-41")
    owner.recall("line")


def _cube(actor: Actor, content: str, subject: str, *, label: str = "internal") -> str:
    receipt = actor.remember(
        content, subjects=[subject], label=label, basis="contract", metadata={"channel": "phone"}
    )
    assert receipt.cube_id is not None
    return receipt.cube_id


def _reviewed(owner: Actor, bot: Actor) -> tuple[str, str]:
    """Let a program bring what a person should see first; approve one of two that wait."""
    waiting = [
        bot.remember(
            f"Card 4111 1111 1111 1111 of caller {n}.", subjects=["customer-20"], label="public"
        )
        for n in range(2)
    ]
    first, second = waiting
    assert first.case_id
    assert second.cube_id
    assert second.case_id
    owner.approve(first.case_id)
    return second.cube_id, second.case_id


def _changes(owner: Actor, plain: str, secret: str, archived: str) -> None:
    owner.revise(plain, "The card was charged three times at the shop.", expected_revision=1)
    owner.revise(plain, "The shop apologised.", mode="append")
    owner.share(plain, with_="bot")
    owner.share(secret, with_="ann")
    owner.unshare(secret, with_="ann")
    owner.hold(matter="M-1", subject="customer-17")
    owner.hold(matter="M-1", cube=secret)
    owner.hold(matter="M-2", cube=secret)
    owner.release("M-1")
    owner.freeze(plain)
    owner.thaw(plain)
    owner.archive(archived)
    owner.restore(archived)
    owner.archive(archived)
    owner.grant("ann", "auditor")
    owner.revoke("ann", "auditor")


def _derived(gov: Service) -> None:
    """Make memories of memories in every way, and narrow one that others were made of."""
    owner = gov.acting_as("owner", purpose=PURPOSE)
    source = _cube(owner, "The letter came late.", "customer-21")
    other = _cube(owner, "The parcel came later still.", "customer-22")
    whole = owner.merge([source, other]).cube_id or ""
    owner.restore(other)
    owner.summarise([whole], "Everything came late.")
    parts = owner.split(whole, ["The letter came late.", "The parcel came later still."]).cube_ids
    owner.revise(parts[0], "The letter came in time.")
    owner.roll_back(parts[0], to_revision=1)
    with_session = gov.acting_as("owner", purpose=PURPOSE)
    with_session.get(parts[0])
    with_session.remember("It seems that the post is slow.", subjects=["customer-21"])
    gov.acting_as("owner", purpose=PURPOSE).revise(parts[0], "Card 4111 1111 1111 1111 came late.")


def _refused(
    owner: Actor, ann: Actor, bot: Actor, plain: str, secret: str
) -> tuple[Callable[[], object], ...]:
    return (
        lambda: ann.get(secret),
        lambda: ann.get("c_unknown"),
        lambda: ann.freeze(plain),
        lambda: bot.audit("holds"),
        lambda: owner.thaw(plain),
        lambda: owner.archive(secret),
        lambda: owner.revise(plain, "Nothing.", expected_revision=1),
    )


def _another_tenant(gov: Service) -> str:
    gov.add_tenant(OTHER_TENANT, principal="zoe")
    zoe = gov.acting_as("zoe", tenant=OTHER_TENANT, purpose=PURPOSE)
    cube = _cube(zoe, "The card was charged twice over there.", "customer-17")
    zoe.recall("charged card")
    _ended(gov, gov.acting_as("zoe", tenant=OTHER_TENANT, purpose=PURPOSE))
    return cube


def _ended(gov: Service, actor: Actor) -> None:
    """Let a memory come to its end at once: its class counts from what happened long ago."""
    made = actor.remember("The account was closed.", retention_class="account", purposes=[PURPOSE])
    assert made.cube_id is not None
    actor.trigger(made.cube_id, occurred_at=datetime(2001, 5, 1, tzinfo=UTC))
    assert gov.schedule(tenant=actor.caller.tenant).done == {"expired": 1}
