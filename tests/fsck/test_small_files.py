"""Key files, defaults and bundles: each byte is known to somebody, or is read as the same."""

import shutil
from pathlib import Path

import pytest

import memos_gov
from memos_gov.backends.files import FilePolicyBundles, shipped_bundle
from memos_gov.bootstrap import fsck
from memos_gov.domain.bundle import PolicyBundle
from memos_gov.fsck.report import BRING_KEY, CORRECT
from tests.fsck.tampering import found


@pytest.mark.parametrize("name", ["kek", "operator", "verifier", "recovery", "recovery.pub"])
@pytest.mark.parametrize("how", ["another", "damaged"])
def test_fsck_of_a_key_file_that_was_changed_finds_it(
    folder: Path, tmp_path: Path, name: str, how: str
) -> None:
    """A key of another folder is as wrong as none."""
    memos_gov.init(tmp_path / "another").close()
    shutil.copy(tmp_path / "another" / "keys" / name, folder / "keys" / name)
    if how == "damaged":
        (folder / "keys" / name).write_text("not a key\n")

    report = fsck(folder)

    mine = {f.place: f.remedy for f in report.findings if f.place == f"keys/{name}"}
    assert {f"keys/{name}": BRING_KEY} == mine or (name, how) == ("kek", "another")
    assert not report.clean


@pytest.mark.parametrize("name", ["kek", "operator", "verifier"])
def test_fsck_without_a_key_file_that_opening_needs_finds_it(folder: Path, name: str) -> None:
    """Whatever stops the folder from being opened is found."""
    (folder / "keys" / name).unlink()
    with pytest.raises(memos_gov.GovernanceError):
        memos_gov.open(folder)

    report = fsck(folder)

    remedies = {finding.place: finding.remedy for finding in report.findings}
    assert "where you keep it" in remedies[f"keys/{name}"]


def test_fsck_without_the_recovery_key_is_clean(folder: Path) -> None:
    """It is meant to be carried away; its public half stays."""
    (folder / "keys" / "recovery").unlink()

    assert fsck(folder).clean


def test_fsck_without_either_half_of_the_recovery_key_finds_it(folder: Path) -> None:
    """No tenant could be founded any more."""
    (folder / "keys" / "recovery").unlink()
    (folder / "keys" / "recovery.pub").unlink()

    assert {("keys/recovery.pub", "key_file")} == found(fsck(folder))


DEFAULTS = {
    "tenant": ('tenant = "default"', 'tenant = "defeult"', "no such tenant"),
    "principal": ('principal = "owner"', 'principal = "awner"', "no such principal"),
    "purpose": ('purpose = "general"', 'purpose = "generel"', "purpose: unknown word"),
    "label": ('label = "internal"', 'label = "infernal"', "label: unknown word"),
    "region": ('region = "global"', 'region = "glopal"', "region: unknown word"),
    "name": ("label =", "lapel =", "no such setting"),
    "toml": ("label =", "label ?", "cannot be read as TOML"),
    "type": ('label = "internal"', "label = 7", "label"),
}


@pytest.mark.parametrize("name", DEFAULTS)
def test_fsck_of_a_default_that_no_command_could_use_names_it(folder: Path, name: str) -> None:
    """The file is the operator's to edit, so only what cannot be meant is found."""
    before, after, said = DEFAULTS[name]
    path = folder / "memos-gov.toml"
    path.write_text(path.read_text().replace(before, after))

    (finding,) = fsck(folder).findings

    assert ("memos-gov.toml", "settings", CORRECT) == (finding.place, finding.kind, finding.remedy)
    assert said in finding.message


def test_fsck_of_other_defaults_that_commands_can_use_is_clean(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another tenant of the folder, other words of its policy; the environment is not the file."""
    (folder / "memos-gov.toml").write_text(
        '# mine\ntenant = "other"\nprincipal = "zoe"\nlabel = "confidential"\n'
        "policy_deadline_s = 2.5\n"
    )
    monkeypatch.setenv("MEMOS_GOV_TENANT", "nobody")

    assert fsck(folder).clean


def test_fsck_without_a_settings_file_is_clean(folder: Path) -> None:
    """The program has defaults of its own."""
    (folder / "memos-gov.toml").unlink()

    assert fsck(folder).clean


def test_fsck_of_a_changed_policy_names_its_digest(folder: Path) -> None:
    """A bundle that was active must be what its digest says."""
    (bundle,) = (p for p in (folder / "policies").iterdir() if p.is_dir())
    (bundle / "data.json").write_text("{}")

    report = fsck(folder)

    assert {(str(bundle), "policy")} == found(report)
    assert {"words of memos-gov.toml: the policy of default cannot be read"} == set(report.skipped)


def test_fsck_without_a_policy_that_decided_finds_it(folder: Path) -> None:
    """Old verdicts could not be asked again."""
    (bundle,) = (p for p in (folder / "policies").iterdir() if p.is_dir())
    shutil.rmtree(bundle)

    assert (f"policies/{bundle.name}", "policy") in found(fsck(folder))


def test_fsck_of_a_bundle_that_never_decided_reads_it_too(folder: Path) -> None:
    """It may be activated tomorrow."""
    kept = FilePolicyBundles(folder / "policies")
    digest = kept.put(PolicyBundle(shipped_bundle().files | {"rego/more.rego": b"package more\n"}))
    assert (True, 2) == (fsck(folder).clean, fsck(folder).counts["policies"])

    (folder / "policies" / digest / "rego" / "more.rego").write_text("package less\n")

    assert {(str(folder / "policies" / digest), "policy")} == found(fsck(folder))
