"""The certificate of an erasure: true to the log, verified by strangers, silent about people."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import memos_gov
from memos_gov.cli.program import command_line
from memos_gov.errors import ConflictError, CorruptionError, NotFoundError
from memos_gov.service import Actor, Service
from tests.erasure.conftest import PERSON, PURPOSE
from tests.erasure.memories import events, remembered

REASON = "letter of 3 March, rosebud-4711"
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def proof(gov: Service, owner: Actor, tmp_path: Path) -> tuple[Path, str, dict[str, Any]]:
    """Return a saved certificate, the verifier key, and what was erased and kept."""
    one, held = remembered(owner, "xylophone-quartz one", "two", subjects=(PERSON,))
    owner.hold(matter="M-1", cube=held)
    done = owner.forget(subject=PERSON, reason=REASON)
    file = gov.certificate(done.id).save(tmp_path / "proof")
    return file, owner.vkey, {"erasure": done, "one": one, "held": held}


def verified(file: Path, vkey: str) -> int:
    """Return the exit code of `evidence verify` without a data folder."""
    words = ["evidence", "verify", str(file), "--vkey", vkey]
    return CliRunner().invoke(command_line, words).exit_code


def test_certificate_says_what_was_erased_and_kept_under_which_rule(
    proof: tuple[Path, str, dict[str, Any]], gov: Service
) -> None:
    """Ids, reasons, rules, custodians and what remains."""
    file, _, made = proof
    said = json.loads(file.read_text())["statement"]

    assert [made["one"]] == said["erased"]
    assert [
        {
            "cube": made["held"],
            "reasons": ["legal_hold"],
            "rules": ["erasure/keep", "retention/erasure", "retention/hold"],
        }
    ] == said["kept"]
    assert made["erasure"].subject == said["subject"]
    assert made["erasure"].id == said["erasure"]
    assert ["vault", "index", "tensors", "tables", "log"] == [
        x["custodian"] for x in said["custodians"]
    ]
    assert {0} == {x["remaining"] for x in said["custodians"]}
    requested = next(i for i, kind, _ in events(gov) if kind == "ErasureRequested")
    reported = [i for i, kind, _ in events(gov) if kind == "CustodianErased"]
    assert [requested, reported[-1]] == said["indexes"]
    assert None is said["unreadable_in_backups_since"]
    assert said["requested_at"] <= said["completed_at"] == said["unreadable_live_since"]
    remains = {x["what"]: x for x in said["remains"]}
    assert "the person's name" in remains
    assert remains["entries of the index"]["physically_gone_by"] is not None
    assert remains["ciphertext in log and tables"]["not_findable_since"] is not None
    assert [gov.acting_as("owner").policy] == said["policies"]


def test_certificate_holds_no_name_no_reason_and_no_content(
    proof: tuple[Path, str, dict[str, Any]],
) -> None:
    """Both files may be handed to anybody."""
    for file in proof[0].parent.iterdir():
        text = file.read_text()
        assert [] == [word for word in (PERSON, "rosebud", "xylophone", "M-1") if word in text]


def test_certificate_is_verified_with_the_key_alone(
    proof: tuple[Path, str, dict[str, Any]],
) -> None:
    """By our command line without a folder, and by the verifier that shares no code with us."""
    file, vkey, _ = proof
    stranger = [sys.executable, str(ROOT / "examples" / "verify_certificate.py")]
    stranger += [str(file), vkey]

    assert 0 == verified(file, vkey)
    done = subprocess.run(stranger, capture_output=True, text=True, check=False)
    assert 0 == done.returncode, done.stderr


@pytest.mark.parametrize(
    "edit",
    [
        lambda said: said["erased"].append("c_another"),
        lambda said: said["kept"].clear(),
        lambda said: said.update(completed_at="2020-01-01T00:00:00Z"),
        lambda said: said["custodians"][0].update(remaining=1),
        lambda said: said.update(subject="s_another"),
    ],
    ids=["more erased", "nothing kept", "earlier", "something left", "somebody else"],
)
def test_certificate_that_was_edited_does_not_verify(
    proof: tuple[Path, str, dict[str, Any]], edit: Any
) -> None:
    """Whatever was changed in the statement."""
    file, vkey, _ = proof
    document = json.loads(file.read_text())
    edit(document["statement"])
    file.write_text(json.dumps(document, sort_keys=True, separators=(",", ":")) + "\n")

    assert 7 == verified(file, vkey)


def test_certificate_made_again_says_the_same(
    proof: tuple[Path, str, dict[str, Any]], gov: Service, folder: Path
) -> None:
    """Later, after a rebuild, and under a newer head."""
    file, vkey, made = proof
    before = json.loads(file.read_text())["statement"]
    gov.close()
    memos_gov.bootstrap.rebuild(folder)
    with memos_gov.open(folder) as later:
        owner = later.acting_as("owner", purpose=PURPOSE)
        owner.remember("something else")
        again = later.certificate(made["erasure"].id).save(file.parent / "again")

    assert before == json.loads(again.read_text())["statement"]
    assert 0 == verified(again, vkey)


def test_certificate_after_a_rotation_says_since_when_no_backup_opens_it(
    proof: tuple[Path, str, dict[str, Any]], gov: Service, owner: Actor
) -> None:
    """It is recorded once; the earlier certificate stays as true as it was."""
    file, vkey, made = proof
    erasure, before = made["erasure"].id, json.loads(file.read_text())["statement"]
    time.sleep(1.1)  # moments are whole seconds: a rotation in the same one proves nothing
    owner.rotate_vault()

    later = gov.certificate(erasure).save(file.parent / "later")
    again = gov.certificate(erasure).save(file.parent / "again")

    said = json.loads(later.read_text())["statement"]
    assert said["unreadable_in_backups_since"] > before["completed_at"]
    assert {**before, "unreadable_in_backups_since": said["unreadable_in_backups_since"]} == {
        **said,
        "remains": before["remains"],
    }
    assert said == json.loads(again.read_text())["statement"]
    assert 1 == [kind for _, kind, _ in events(gov)].count("BackupsEnded")
    assert [0, 0, 0] == [verified(x, vkey) for x in (file, later, again)]
    (copies,) = [row for row in owner.audit("erasure").rows if row[3] == "copies of the vault"]
    assert said["unreadable_in_backups_since"] in copies


def test_certificate_of_what_is_not_complete_is_a_conflict(gov: Service, owner: Actor) -> None:
    """Kept or under way: it says what it is, and what can be done."""
    (cube,) = remembered(owner, "held", subjects=(PERSON,))
    owner.hold(matter="M-1", cube=cube)
    kept = owner.forget(subject=PERSON, reason=REASON)
    owner.release("M-1")
    with pytest.raises(ConflictError, match="kept"):
        gov.certificate(kept.id)
    asked = owner.forget(subject=PERSON, reason=REASON, wait=False)
    with pytest.raises(ConflictError, match="requested") as caught:
        gov.certificate(asked.id)

    assert "opening the folder" in caught.value.remedy.lower()


@pytest.mark.parametrize(("name", "tenant"), [("e_unknown", None), ("e_unknown", "nobodys")])
def test_certificate_of_nothing_is_not_found(gov: Service, name: str, tenant: str | None) -> None:
    """An erasure or a tenant that there is none of."""
    with pytest.raises(NotFoundError):
        gov.certificate(name, tenant=tenant)


def test_certificate_from_a_log_that_says_something_else_is_corruption(
    proof: tuple[Path, str, dict[str, Any]], gov: Service, folder: Path
) -> None:
    """Facts that were changed behind our back certify nothing."""
    erasure = proof[2]["erasure"].id
    with closing(sqlite3.connect(folder / "tables.db", isolation_level=None)) as tables:
        tables.execute(
            "UPDATE facts SET doc = replace(doc, '\"checked\":1', '\"checked\":2')"
            " WHERE stream = ?",
            (f"default/erasure/{erasure}",),
        )

    with pytest.raises(CorruptionError, match="no longer gives the statement"):
        gov.certificate(erasure)
