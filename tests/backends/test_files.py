"""FilePolicyBundles keeps the contract, and the shipped bundle is whole."""

import shutil
from pathlib import Path

import pytest

from memos_gov.backends.files import FilePolicyBundles, assemble_bundle, shipped_bundle
from memos_gov.domain.bundle import PolicyBundle
from memos_gov.domain.policy_inputs import ENTRYPOINTS
from memos_gov.errors import CorruptionError, SettingsError
from tests.contracts.policy_bundles import FILES, PolicyBundlesContract

POLICIES = Path(__file__).resolve().parents[2] / "policies"


class TestFilePolicyBundles(PolicyBundlesContract):
    """The contract, on a folder of its own for each test."""

    @pytest.fixture
    def bundles(self, tmp_path: Path) -> FilePolicyBundles:
        """Return a store without bundles."""
        self.folder = tmp_path / "bundles"
        return FilePolicyBundles(self.folder)

    @pytest.fixture
    def broken(self, tmp_path: Path) -> FilePolicyBundles:
        """Return a store whose folder is a file."""
        (tmp_path / "file").touch()
        return FilePolicyBundles(tmp_path / "file")

    def spoil(self, digest: str) -> None:
        """Change a byte of the kept bundle."""
        (self.folder / digest / "data.json").write_bytes(b"[}")

    def test_put_leaves_nothing_but_whole_bundles(self, bundles: FilePolicyBundles) -> None:
        """What is written aside is gone when `put` returns."""
        digest = bundles.put(PolicyBundle(FILES))

        assert [digest] == [path.name for path in self.folder.iterdir()]

    @pytest.mark.parametrize("name", ["../out", "/out", "a/../../out"])
    def test_file_that_leads_out_of_the_folder_is_refused(
        self, bundles: FilePolicyBundles, tmp_path: Path, name: str
    ) -> None:
        """A bundle writes within its own folder only."""
        with pytest.raises(CorruptionError):
            bundles.put(PolicyBundle({**FILES, name: b"x"}))

        assert not (tmp_path / "out").exists()

    def test_file_beside_those_of_the_bundle_is_corruption(
        self, bundles: FilePolicyBundles
    ) -> None:
        """A file that somebody added changes the digest."""
        digest = bundles.put(PolicyBundle(FILES))
        (self.folder / digest / "more.rego").write_text("package more\n")

        with pytest.raises(CorruptionError):
            bundles.get(digest)


def test_shipped_bundle_holds_every_part() -> None:
    """Compiled policy, data, manifest, Rego, schemas and capabilities; no tests."""
    names = set(shipped_bundle().files)

    schemas = {f"schemas/{'_'.join(e.split('/')[1:])}.json" for e in ENTRYPOINTS}
    assert {"policy.wasm", "data.json", "manifest.json", "capabilities.json", *schemas} <= names
    assert "rego/memos_gov/access/verdicts.rego" in names
    assert [] == [name for name in names if name.endswith("_test.rego")]


def test_bundle_of_a_copied_folder_has_the_same_digest(tmp_path: Path) -> None:
    """Where the folder lies, and that its schemas lie within it, changes nothing."""
    copied = Path(shutil.copytree(POLICIES, tmp_path / "policies"))
    shutil.copytree(POLICIES.parent / "schemas" / "policy", copied / "schemas")

    assert shipped_bundle().digest == assemble_bundle(copied).digest


@pytest.mark.parametrize("part", ["compiled/policy.wasm", "capabilities.json"])
def test_folder_that_lacks_a_part_is_named(tmp_path: Path, part: str) -> None:
    """The operator learns which file is missing."""
    copied = Path(shutil.copytree(POLICIES, tmp_path / "policies"))
    (copied / part).unlink()

    with pytest.raises(SettingsError, match=Path(part).name):
        assemble_bundle(copied)


def test_folder_without_schemas_takes_the_shipped_ones(tmp_path: Path) -> None:
    """A bundle's questions are part of it, and an author's copy asks the same ones."""
    copied = Path(shutil.copytree(POLICIES, tmp_path / "policies"))

    assert assemble_bundle(POLICIES).digest == assemble_bundle(copied).digest
