"""Pages of the log, open cases, and how a folder stands."""

import json

import pytest

from memos_gov.errors import DeniedError, NotFoundError
from memos_gov.service import Actor, Service
from tests.lives import OTHER_TENANT, Life


def test_log_tail_ends_with_the_question_itself(auditor: Actor) -> None:
    """The newest records come oldest first; asking is one of them."""
    entries = auditor.log_tail(3)

    assert [e.index for e in entries] == list(range(entries[-1].index - 2, entries[-1].index + 1))
    assert ("AskAudit", "aud", "accepted") == (
        entries[-1].command,
        entries[-1].actor,
        entries[-1].code,
    )


def test_log_show_of_a_record_has_its_bytes_and_leaf_but_no_content(
    auditor: Actor, life: Life
) -> None:
    """The record is canonical JSON, its payload ciphertext."""
    index = auditor.history(life.plain).changes[0].index

    whole = auditor.log_show(index)

    assert "CubeRemembered" == whole.entry.events[0].type
    assert json.loads(whole.record)["id"] == whole.entry.verdict_id
    assert 64 == len(whole.entry.leaf)
    assert "charged" not in whole.record


def test_log_show_beyond_the_end_is_not_found(auditor: Actor) -> None:
    """An index that was never given is none."""
    with pytest.raises(NotFoundError):
        auditor.log_show(10_000)


def test_log_export_of_a_tenant_has_each_index_once(auditor: Actor) -> None:
    """Every decided record of the tenant and no other stands in it."""
    whole = list(auditor.log_export())

    assert list(range(len(whole))) == [w.entry.index for w in whole]
    assert {"default"} == {json.loads(w.record)["data"]["tenant"] for w in whole}


def test_log_export_by_somebody_without_the_role_is_refused_at_once(gov: Service) -> None:
    """The refusal comes with the call, not with the first record."""
    with pytest.raises(DeniedError):
        gov.acting_as("bot", purpose="complaint-handling").log_export()


def test_cases_that_wait_are_named_with_who_and_what(owner: Actor, life: Life) -> None:
    """An approved case is gone, an open one waits."""
    (case,) = owner.cases()

    assert (life.case, "bot", "admit", life.quarantined) == (
        case.case_id,
        case.actor,
        case.action,
        case.target,
    )


def test_whoami_of_a_principal_says_what_the_log_knows(owner: Actor, gov: Service) -> None:
    """Roles and attributes come from events; a stranger has none."""
    assert ("owner", ("dpo", "steward"), "operator-key") == (
        owner.whoami().principal,
        owner.whoami().roles,
        owner.whoami().via,
    )
    assert () == gov.acting_as("stranger").whoami().roles


def test_status_of_a_folder_counts_without_an_event(gov: Service, life: Life) -> None:
    """Tenants, followers, cubes and files are counted, and nothing is written."""
    before = gov.rooms.governor.log.end(0)
    gov.rooms.follower.catch_up()

    status = gov.status()

    assert before == status.log_end == gov.rooms.governor.log.end(0)
    assert ["default", OTHER_TENANT] == [tenant.tenant for tenant in status.tenants]
    assert {0} == {status.behind[name] for name in ("accesses", "certifier", "cubes", "usage")}
    assert 2 == status.cubes["archived"]
    assert {"log.db", "tables.db", "vault.db"} <= status.files.keys()
