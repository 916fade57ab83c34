"""The questions of auditors: right rows, no content, and an event for each question."""

from typing import Any

import pytest

from memos_gov.errors import DeniedError, InvalidCommandError
from memos_gov.queries.audits import Audit
from memos_gov.service import Actor, Service
from tests.lives import OTHER_TENANT, Life


def as_dicts(audit: Audit) -> list[dict[str, Any]]:
    """Return the rows of an answer by column."""
    return [dict(zip(audit.columns, row, strict=True)) for row in audit.rows]


def test_audit_subject_names_every_cube_with_purpose_source_and_recipients(
    auditor: Actor, life: Life
) -> None:
    """Everything held about a person is in one answer."""
    rows = {row["cube"]: row for row in as_dicts(auditor.audit("subject", subject="customer-17"))}

    assert {life.plain, life.archived} == set(rows) - {None}
    plain = rows[life.plain]
    assert (3, "activated", "contract", "user", "owner", ["bot"]) == tuple(
        plain[c] for c in ("revision", "state", "basis", "origin", "owner", "shared_with")
    )
    assert "owner" in plain["read_by"]
    assert plain["recorded_at"] < plain["due"]
    assert "archived" == rows[life.archived]["state"]


def test_audit_subject_says_what_consent_stands_without_a_cube(auditor: Actor) -> None:
    """A person's own stream is held about them too."""
    own = as_dicts(auditor.audit("subject", subject="customer-19"))[-1]

    assert (None, "subject", ["complaint-handling"]) == (
        own["cube"],
        own["form"],
        own["consent_withdrawn"],
    )


def test_audit_subject_of_an_unknown_person_has_no_rows(auditor: Actor) -> None:
    """Nothing is held about somebody nobody heard of."""
    assert () == auditor.audit("subject", subject="nobody").rows


def test_audit_access_names_reads_and_refusals_with_their_rules(auditor: Actor, life: Life) -> None:
    """Who got the cube and who did not, under which policy."""
    rows = as_dicts(auditor.audit("access", cube=life.plain))

    got = {(row["actor"], row["action"], row["effect"]) for row in rows}
    assert {
        ("owner", "recall", "allow"),
        ("ann", "recall", "allow"),
        ("ann", "freeze", "refuse"),
        ("owner", "read", "allow"),
    } <= got
    assert all(len(row["policy"]) == 64 and row["rules"] for row in rows)
    assert sorted(row["index"] for row in rows) == [row["index"] for row in rows]


def test_audit_access_of_a_person_is_about_all_their_cubes(auditor: Actor, life: Life) -> None:
    """Accesses to any cube of the person come in one line."""
    rows = as_dicts(auditor.audit("access", subject="customer-17"))

    assert {life.plain, life.archived} >= {row["cube"] for row in rows} >= {life.plain}


def test_audit_holds_counts_what_is_held_now(auditor: Actor, life: Life) -> None:
    """A released matter is gone, and an active one names who placed it."""
    (row,) = as_dicts(auditor.audit("holds"))

    assert ("M-2", "cube", life.secret, 1, "owner") == tuple(
        row[c] for c in ("matter", "kind", "target", "cubes", "placed_by")
    )


def test_audit_holds_of_a_subject_counts_its_cubes(owner: Actor) -> None:
    """A hold on a person covers every cube about them."""
    owner.hold(matter="M-3", subject="customer-20")
    try:
        (row,) = as_dicts(owner.audit("holds", subject="customer-20"))
    finally:
        owner.release("M-3")

    assert ("M-3", "subject", "customer-20", 2) == tuple(row.values())[:4]


def test_audit_integrity_is_good_and_writes_no_event(auditor: Actor) -> None:
    """The log proves itself, and the proof leaves it as it was."""
    before = auditor.rooms.governor.log.end(0)

    rows = as_dicts(auditor.audit("integrity"))

    assert before == auditor.rooms.governor.log.end(0)
    assert {"ok"} == {row["result"] for row in rows[:-1]}
    status = {t.tenant: t.root for t in _status(auditor)}
    assert status["default"] == rows[-1]["result"]


def _status(actor: Actor) -> Any:
    return Service(actor.rooms).status().tenants


@pytest.mark.parametrize("name", ["subject", "access", "holds", "integrity"])
def test_audit_by_somebody_without_the_role_is_refused_and_recorded(
    gov: Service, life: Life, name: str
) -> None:
    """No answer without permission; who tried stands in the log."""
    before = gov.rooms.governor.log.end(0)
    bot = gov.acting_as("bot", purpose="complaint-handling")
    about = {"subject": "customer-17"} if name in {"subject", "access"} else {}

    with pytest.raises(DeniedError):
        bot.audit(name, **about)

    assert before + 1 == gov.rooms.governor.log.end(0)


@pytest.mark.parametrize("name", ["subject", "access", "holds"])
def test_audit_of_any_kind_is_an_event_without_the_name_asked_about(
    auditor: Actor, name: str
) -> None:
    """The question stands in the log with an opaque id."""
    answer = auditor.audit(name, subject="customer-17")

    record = auditor.log_show(answer.index).record
    assert '"AuditAsked"' in record
    assert "customer-17" not in record


@pytest.mark.parametrize(
    ("name", "about"),
    [
        ("nothing", {}),
        ("subject", {}),
        ("subject", {"subject": "a", "cube": "c_1"}),
        ("access", {}),
        ("access", {"subject": "a", "cube": "c_1"}),
        ("integrity", {"cube": "c_1"}),
    ],
)
def test_audit_asked_wrongly_writes_nothing(
    auditor: Actor, name: str, about: dict[str, str]
) -> None:
    """An unknown or half-named question is the caller's mistake."""
    before = auditor.rooms.governor.log.end(0)

    with pytest.raises(InvalidCommandError):
        auditor.audit(name, **about)

    assert before == auditor.rooms.governor.log.end(0)


def test_audit_of_another_tenant_sees_nothing_of_this_one(gov: Service, life: Life) -> None:
    """Tenants never meet, also where both know a customer-17."""
    zoe = gov.acting_as("zoe", tenant=OTHER_TENANT, purpose="complaint-handling")

    cubes = [row["cube"] for row in as_dicts(zoe.audit("subject", subject="customer-17"))]

    assert [life.elsewhere] == cubes
    assert () == zoe.audit("access", cube=life.plain).rows
