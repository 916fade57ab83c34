"""
Policy bundles as plain files: one folder per digest, and the bundle shipped with us.

A folder appears whole or not at all (written aside, synced, renamed) and its
name is the digest of what it holds; that is checked whenever it is read.
Compiling Rego is not here but in `opa_tool.py`.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from pathlib import Path

import memos_gov
from memos_gov.domain.bundle import PolicyBundle
from memos_gov.domain.verdicts import ERROR
from memos_gov.errors import (
    CorruptionError,
    PolicyUnavailableError,
    SettingsError,
    UnavailableError,
    remedy_of,
)

_DIGEST = re.compile(r"[0-9a-f]{64}")
_BRING_BACK = (
    "`memos-gov policy list` shows those that are kept; bring policies/ back from a backup, "
    "or roll back with the recovery key."
)
_COMPILED = ("policy.wasm", "data.json", "manifest.json")


class FilePolicyBundles:
    """Bundles kept below a folder; `shipped_bundle` and `assemble_bundle` make them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, digest: str) -> PolicyBundle:
        """Read and check as `PolicyBundles.get` promises."""
        place = self._folder / digest
        if not _DIGEST.fullmatch(digest) or not place.is_dir():
            msg = f"no policy bundle {digest} is kept here"
            raise PolicyUnavailableError(msg, reason=ERROR, remedy=_BRING_BACK)
        try:
            bundle = PolicyBundle(_read_tree(place))
        except OSError as error:
            msg = f"{place} cannot be read"
            raise UnavailableError(msg, backend="bundles", remedy=remedy_of(error)) from error
        if bundle.digest != digest:
            raise CorruptionError(
                f"the bundle kept as {digest} has the digest {bundle.digest}", place=str(place)
            )
        return bundle

    def put(self, bundle: PolicyBundle) -> str:
        """Write as `PolicyBundles.put` promises; a bundle that is already here is left alone."""
        place = self._folder / bundle.digest
        if not place.is_dir():
            try:
                self._write(place, bundle)
            except OSError as error:
                msg = f"{place} cannot be written"
                raise UnavailableError(msg, backend="bundles", remedy=remedy_of(error)) from error
        return bundle.digest

    def digests(self) -> list[str]:
        """List as `PolicyBundles.digests` promises."""
        try:
            found = [path.name for path in self._folder.iterdir() if path.is_dir()]
        except FileNotFoundError:
            return []
        except OSError as error:
            msg = f"{self._folder} cannot be read"
            raise UnavailableError(msg, backend="bundles", remedy=remedy_of(error)) from error
        return sorted(name for name in found if _DIGEST.fullmatch(name))

    def _write(self, place: Path, bundle: PolicyBundle) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=".new-", dir=self._folder))
        try:
            for name, body in bundle.files.items():
                _write_synced(_inside(aside, name), body)
            for folder, _, _ in os.walk(aside, topdown=False):
                _sync_folder(Path(folder))
            if not place.is_dir():  # else another process was faster, with equal bytes
                aside.rename(place)
            _sync_folder(self._folder)
        finally:
            shutil.rmtree(aside, ignore_errors=True)


def shipped_bundle() -> PolicyBundle:
    """
    Return the bundle that comes with this package, or with this checkout.

    Raises:
        SettingsError: The package was installed without its policies.
    """
    package = Path(memos_gov.__file__).parent
    for folder in (package / "policies", package.parent / "policies"):
        if (folder / "compiled" / "policy.wasm").is_file():
            return assemble_bundle(folder)
    raise SettingsError(
        f"no compiled policies in {package} or beside it",
        remedy="Install the package again, or run `make policies` in the checkout.",
    )


def assemble_bundle(policies_dir: Path) -> PolicyBundle:
    """
    Return the bundle of a policies folder as it was last compiled.

    It holds what `compiled/` holds, the Rego without its tests, the schemas, the
    capabilities, and golden questions where there are any. Nothing is compiled here.

    Raises:
        SettingsError: A part is missing; the message names it.
    """
    compiled = policies_dir / "compiled"
    files = {name: _required(compiled / name) for name in _COMPILED}
    files["capabilities.json"] = _required(policies_dir / "capabilities.json")
    golden = policies_dir / "golden.json"
    if golden.is_file():
        files["golden.json"] = _required(golden)
    for path in sorted(policies_dir.rglob("*.rego")):
        if not path.name.endswith("_test.rego"):
            files[f"rego/{path.relative_to(policies_dir).as_posix()}"] = path.read_bytes()
    schemas = schemas_of(policies_dir)
    files |= {f"schemas/{path.name}": path.read_bytes() for path in sorted(schemas.glob("*.json"))}
    return PolicyBundle(files)


def schemas_of(policies_dir: Path) -> Path:
    """Return the schemas that these policies are checked against: their own, or those shipped."""
    package = Path(memos_gov.__file__).parent
    candidates = (
        policies_dir / "schemas",
        policies_dir.parent / "schemas" / "policy",
        package / "policies" / "schemas",
        package.parent / "schemas" / "policy",
    )
    for folder in candidates:
        if folder.is_dir():
            return folder
    raise SettingsError(
        f"no schemas for {policies_dir}",
        remedy=f"Put the policy schemas into {candidates[0]}; `make schemas` writes them.",
    )


def _required(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SettingsError(
            f"{path} is missing",
            remedy="Compile the folder of the policies: memos-gov policy build FOLDER",
        ) from error


def _read_tree(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if not path.is_dir())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def _inside(folder: Path, name: str) -> Path:
    """Return the place of a bundle's file; a name that leads out of the folder is an error."""
    path = folder / name
    if ".." in path.parts or not path.is_relative_to(folder):
        raise CorruptionError(f"a bundle names the file {name}", place=name)
    return path


def _write_synced(path: Path, body: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
