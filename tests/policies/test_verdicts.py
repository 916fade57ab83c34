"""What the shipped policies answer, as tables: facts, then the verdict."""

from typing import Any

import pytest

from memos_gov.domain.verdicts import FormPlan, Obligation, RetentionVerdict, Verdict
from tests.policies.conftest import Ask
from tests.policies.facts import NOW, a_cube, an_actor, asked, one_of_each

WITHDRAWN = {"given": [], "withdrawn": ["complaint-handling"]}
FOR_RESEARCH = {"given": ["research"], "withdrawn": []}
SHARED = [{"principal": "anna", "scope": "read"}]

READS = [
    ("analyst", "complaint-handling", {}, []),
    ("analyst", "complaint-handling", {"label": "confidential"}, ["label_above_clearance"]),
    ("analyst", "complaint-handling", {"consent": WITHDRAWN}, ["consent_withdrawn"]),
    ("analyst", "research", {}, ["purpose_incompatible"]),
    ("analyst", "research", {"consent": FOR_RESEARCH}, []),
    ("analyst", "marketing", {"purposes": ["marketing"]}, ["purpose_not_granted"]),
    ("analyst", "complaint-handling", {"basis": "consent"}, ["consent_missing"]),
    ("analyst", "complaint-handling", {"region": "eu"}, ["region_mismatch"]),
    ("analyst", "complaint-handling", {"restricted": True}, ["restricted"]),
    ("analyst", "complaint-handling", {"quarantined": True}, ["quarantined"]),
    ("analyst", "complaint-handling", {"state": "erased"}, ["erased"]),
    ("analyst", "complaint-handling", {"tenant": "other"}, ["foreign_tenant"]),
    ("agent", "complaint-handling", {}, ["not_owner_or_shared"]),
    ("agent", "complaint-handling", {"owner": "anna"}, []),
    ("agent", "complaint-handling", {"grants": SHARED}, []),
    ("agent", "complaint-handling", {"label": "public"}, []),
    ("agent", "complaint-handling", {"owner": "anna", "consent": WITHDRAWN}, ["consent_withdrawn"]),
    ("steward", "complaint-handling", {"consent": WITHDRAWN}, ["consent_withdrawn"]),
    ("steward", "complaint-handling", {"label": "restricted"}, ["label_above_clearance"]),
    ("dpo", "complaint-handling", {"consent": WITHDRAWN, "label": "restricted"}, []),
    ("dpo", "oversight", {"region": "eu", "basis": "consent", "restricted": True}, []),
    (
        "auditor",
        "complaint-handling",
        {"owner": "anna"},
        ["content_not_for_auditors", "role_lacks_action"],
    ),
]


@pytest.mark.parametrize(("role", "purpose", "facts", "codes"), READS)
def test_reading_a_cube_is_judged_by_the_table(
    ask: Ask, role: str, purpose: str, facts: dict[str, Any], codes: list[str]
) -> None:
    """A read is allowed, or refused with exactly the reasons of the table."""
    verdict = access(ask, asked(an_actor(role), purpose=purpose), facts)

    assert codes == [reason.code for reason in verdict.reasons]
    assert verdict.effect == ("refuse" if codes else "allow")
    assert verdict.rules == tuple(f"access/{code}" for code in codes) or verdict.allows


CHANGES = [
    ("steward", "archive", {"held": True}, ["legal_hold"]),
    ("steward", "revise", {"held": True, "frozen": True}, ["frozen", "legal_hold"]),
    ("steward", "freeze", {"label": "restricted", "basis": "consent"}, []),
    ("steward", "thaw", {"frozen": True}, []),
    ("steward", "release", {"held": True, "state": "expired"}, []),
    ("agent", "release", {"owner": "anna"}, ["role_lacks_action"]),
    ("agent", "revise", {"owner": "anna"}, []),
    ("agent", "revise", {"grants": SHARED}, ["not_owner_or_shared"]),
    ("agent", "share", {"owner": "anna"}, []),
    ("agent", "share", {"grants": SHARED}, ["not_owner_or_shared"]),
    ("steward", "revise", {"state": "archived"}, ["archived"]),
    ("steward", "restore", {"state": "archived"}, []),
]


@pytest.mark.parametrize(("role", "action", "facts", "codes"), CHANGES)
def test_changing_a_cube_is_judged_by_the_table(
    ask: Ask, role: str, action: str, facts: dict[str, Any], codes: list[str]
) -> None:
    """A change is allowed, or refused with exactly the reasons of the table."""
    verdict = access(ask, asked(an_actor(role), action), facts)

    assert codes == [reason.code for reason in verdict.reasons]


def test_refusal_of_a_hidden_cube_tells_nothing_public(ask: Ask) -> None:
    """A hold is public on a cube one may see, and hidden beside a hidden reason."""
    seen = access(ask, asked(an_actor("agent"), "revise"), {"owner": "anna", "held": True})
    hidden = access(ask, asked(an_actor("agent"), "revise"), {"held": True})

    assert ("legal_hold",) == seen.public_reasons
    assert () == hidden.public_reasons


def test_sharing_of_a_confidential_cube_waits_for_a_review(ask: Ask) -> None:
    """A second person approves before a confidential cube leaves its owner's hands."""
    agent = an_actor("agent", clearance="confidential")
    facts = {"owner": "anna", "label": "confidential"}
    question = asked(agent, "share")

    waiting = access(ask, question, facts)
    question["context"]["approved"] = True
    approved = access(ask, question, facts)

    assert ("review", ("review_required",)) == (waiting.effect, waiting.public_reasons)
    assert approved.allows


@pytest.mark.parametrize(
    ("role", "masked"),
    [("analyst", ("card", "email")), ("agent", ("card",)), ("steward", ()), ("dpo", ())],
)
def test_personal_numbers_in_a_cube_are_masked_by_role(
    ask: Ask, role: str, masked: tuple[str, ...]
) -> None:
    """Analysts see no personal numbers, agents no cards and accounts."""
    facts = {"owner": "anna", "findings": ["email", "card"]}

    assert masked == access(ask, asked(an_actor(role)), facts).masks


def test_answer_about_validity_ends_with_it(ask: Ask) -> None:
    """No cached verdict outlives the cube's own end."""
    verdict = access(ask, asked(an_actor("analyst"), "recall"), {"valid_to": NOW + 5})

    assert verdict.allows
    assert verdict.valid_until == NOW + 5


@pytest.mark.parametrize(
    ("role", "action", "target", "codes"),
    [
        ("steward", "role_grant", {"kind": "principal", "id": "bob"}, []),
        ("steward", "role_grant", {"kind": "principal", "id": "anna"}, ["own_role"]),
        ("dpo", "role_revoke", {"kind": "principal", "id": "anna"}, ["own_role"]),
        ("dpo", "review_approve", {"kind": "case", "own": True}, ["own_case"]),
        ("steward", "review_approve", {"kind": "case"}, []),
        ("auditor", "audit", {"kind": "audit", "name": "who-can-read"}, []),
        ("agent", "audit", {"kind": "audit"}, ["role_lacks_action"]),
        ("dpo", "policy_activate", {"kind": "policy"}, []),
    ],
)
def test_act_on_a_target_is_judged_by_the_table(
    ask: Ask, role: str, action: str, target: dict[str, Any], codes: list[str]
) -> None:
    """An act is allowed, or refused with reasons that the actor may know."""
    plain = one_of_each()["memos_gov/access/action"]["target"]
    question = asked(an_actor(role), action, target={**plain, **target})

    verdict = ask("access/action", question, Verdict)

    assert tuple(codes) == verdict.public_reasons
    assert verdict.allows == (not codes)


@pytest.mark.parametrize(
    ("role", "facts", "obligations"),
    [
        ("agent", {}, ()),
        ("analyst", {"findings": ["email"]}, ()),
        ("analyst", {"findings": ["iban"]}, (Obligation("label", label="confidential"),)),
        (
            "agent",
            {"findings": ["card"]},
            (Obligation("label", label="confidential"), Obligation("mask", ("card",))),
        ),
    ],
)
def test_content_that_enters_gets_what_its_findings_ask_for(
    ask: Ask, role: str, facts: dict[str, Any], obligations: tuple[Obligation, ...]
) -> None:
    """Found numbers raise the label, and agents never store cards and accounts."""
    plain = one_of_each()["memos_gov/admission/verdict"]
    question = {**plain, "actor": an_actor(role), **facts}

    verdict = ask("admission/verdict", question, Verdict)

    assert verdict.allows
    assert set(obligations) == set(verdict.obligations)


def test_content_for_a_purpose_not_granted_does_not_enter(ask: Ask) -> None:
    """Who may not act for a purpose may not collect for it either."""
    plain = one_of_each()["memos_gov/admission/verdict"]
    cube = {**plain["cube"], "purposes": ["marketing"]}

    verdict = ask("admission/verdict", {**plain, "actor": an_actor("agent"), "cube": cube}, Verdict)

    assert ("purpose_not_granted",) == verdict.public_reasons


OLD = {"created_at": 0, "changed_at": 0}


@pytest.mark.parametrize(
    ("facts", "action", "due"),
    [
        ({}, "expire", False),
        ({**OLD, "retention_class": "conversation"}, "expire", True),
        ({**OLD, "retention_class": "conversation", "last_used_at": NOW - 5}, "expire", False),
        ({**OLD, "retention_class": "conversation", "held": True}, "keep", False),
        (
            {**OLD, "retention_class": "conversation", "state": "expired", "expired_at": 0},
            "erase",
            True,
        ),
        ({**OLD, "retention_class": "general"}, "archive", True),
        ({**OLD, "retention_class": "evidence"}, "erase", True),
        ({**OLD, "retention_class": "account"}, "keep", False),
        ({"retention_class": "loan", "erasure_requested": True}, "erase", False),
        ({"retention_class": "complaint", "erasure_requested": True}, "erase", True),
    ],
)
def test_retention_of_a_cube_follows_hold_and_schedule(
    ask: Ask, facts: dict[str, Any], action: str, due: bool
) -> None:
    """A hold wins over the schedule; the schedule says what is done at the end, and when."""
    question = one_of_each()["memos_gov/retention/verdicts"]
    question["cubes"][0] |= facts

    answer = ask("retention/verdicts", question, dict[str, RetentionVerdict])["c1"]

    assert action == answer.action
    assert due == answer.is_due(NOW)
    assert answer.rules
    assert answer.steps
    assert (facts.get("retention_class") == "evidence") == answer.review


@pytest.mark.parametrize(
    ("facts", "index"),
    [
        ({}, "full"),
        ({"label": "confidential", "findings": ["card"]}, "vector_only"),
        ({"label": "restricted"}, "none"),
        ({"quarantined": True}, "none"),
    ],
)
def test_index_depth_of_a_cube_follows_its_label_and_findings(
    ask: Ask, facts: dict[str, Any], index: str
) -> None:
    """The more a content may harm, the less of it reaches an index."""
    question = one_of_each()["memos_gov/transformation/plans"]
    question["cubes"][0] |= facts

    assert index == ask("transformation/plans", question, dict[str, FormPlan])["c1"].index


def access(ask: Ask, question: dict[str, Any], facts: dict[str, Any]) -> Verdict:
    """Return the verdict on one cube of these facts."""
    verdicts = ask("access/verdicts", {**question, "cubes": [a_cube(**facts)]}, dict[str, Verdict])
    verdict: Verdict = verdicts["c1"]
    return verdict
