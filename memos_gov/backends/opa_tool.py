"""
The `opa` program, for authors of policies: check, test and compile a folder.

Nothing here is needed to ask policy anything. The folder holds Rego below
`memos_gov/`, `.manifest`, `capabilities.json`, and `compiled/` for what
`build` makes. Builds are reproducible: the same folder and the same OPA give
the same bytes, without time stamps.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from memos_gov.domain.policy_inputs import ENTRYPOINTS
from memos_gov.errors import InvalidCommandError, SettingsError

OPA_VERSION = "1.22.0"
COVERAGE_MIN_PERCENT = 90
_RUN_S_MAX = 120
REMEDIES = defaultdict(
    lambda: "Correct the Rego and check again.",
    fmt="These files are not formatted: run `opa fmt --write` on the folder.",
    test="Correct the rule or its test, and test again.",
)

# Run from within: a compiled module names its sources by the paths OPA was given.
_WHOLE_FOLDER = ("--capabilities", "capabilities.json", "--ignore", "compiled", "-b", ".")


class OpaTool:
    """One `opa` binary of the pinned version."""

    def __init__(self, program: Path) -> None:
        self._program = program.resolve()

    @classmethod
    def find(cls, setting: Path | None = None) -> OpaTool:
        """
        Return the tool at the setting, `$MEMOS_GOV_OPA`, on PATH or in the services cache.

        Raises:
            SettingsError: It is nowhere, or of another version; the remedy says how to get it.
        """
        for program in _candidates(setting):
            if program.is_file():
                tool = cls(program)
                tool.require_pinned_version()
                return tool
        raise SettingsError(
            "opa is not installed; it is needed to check, test and build policies only",
            remedy=f"Put OPA {OPA_VERSION} on PATH or name it in MEMOS_GOV_OPA, for example: "
            f"go install github.com/open-policy-agent/opa@v{OPA_VERSION}",
        )

    def require_pinned_version(self) -> None:
        """Raise SettingsError where the program is another OPA; it may answer differently."""
        found = re.search(r"^Version: (\S+)", self._run("version"), re.MULTILINE)
        if found is None or found[1] != OPA_VERSION:
            raise SettingsError(
                f"{self._program} is OPA {found[1] if found else '?'}, not {OPA_VERSION}",
                remedy=f"Name OPA {OPA_VERSION} in MEMOS_GOV_OPA.",
            )

    def check(self, policies: Path, schemas: Path) -> None:
        """
        Check format, types against the schemas, and that nothing forbidden is called.

        Raises:
            InvalidCommandError: OPA's findings, with file and line.
        """
        self._run("fmt", "--fail", "--list", ".", folder=policies)
        typed = ("--strict", "--schema", str(schemas.resolve()))
        self._run("check", *typed, *_WHOLE_FOLDER, folder=policies)

    def test(self, policies: Path) -> float:
        """
        Run the Rego tests and return the coverage in percent.

        Raises:
            InvalidCommandError: A test failed, or coverage is below COVERAGE_MIN_PERCENT.
        """
        self._run("test", *_WHOLE_FOLDER, folder=policies)
        report = json.loads(self._run("test", "--coverage", *_WHOLE_FOLDER, folder=policies))
        coverage = float(report["coverage"])
        if coverage < COVERAGE_MIN_PERCENT:
            raise InvalidCommandError(
                f"the tests cover {coverage} % of the rules, not {COVERAGE_MIN_PERCENT} %",
                field="policies",
                remedy="Add cases to the _test.rego files and test again.",
            )
        return coverage

    def build(self, policies: Path) -> dict[str, bytes]:
        """Compile the folder and return `policy.wasm`, `data.json` and `manifest.json`."""
        entrypoints = [part for name in ENTRYPOINTS for part in ("-e", name)]
        with tempfile.TemporaryDirectory() as folder:
            archive = Path(folder) / "bundle.tar.gz"
            target = ("-t", "wasm", "-o", str(archive), "--ignore", "*_test.rego")
            self._run("build", *target, *entrypoints, *_WHOLE_FOLDER, folder=policies)
            files = _unpacked(archive.read_bytes())
        manifest = {"entrypoints": list(ENTRYPOINTS), "opa": OPA_VERSION, "rego": "v1"}
        return {
            "policy.wasm": files["policy.wasm"],
            "data.json": _pretty(json.loads(files["data.json"])),
            "manifest.json": _pretty(manifest),
        }

    def _run(self, *arguments: str, folder: Path | None = None) -> str:
        """Return what OPA prints; what it finds wrong is the author's to change."""
        try:
            done = subprocess.run(  # noqa: S603 - the operator names the program
                [str(self._program), *arguments],
                cwd=folder,
                capture_output=True,
                text=True,
                timeout=_RUN_S_MAX,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise SettingsError(f"{self._program} does not run: {error}") from error
        if done.returncode != 0:
            found = (done.stderr + done.stdout).strip()
            msg = f"opa {arguments[0]}: {found}"
            raise InvalidCommandError(msg, field="policies", remedy=REMEDIES[arguments[0]])
        return done.stdout


def write_compiled(files: Mapping[str, bytes], policies: Path) -> None:
    """Write what `build` returned below `compiled/`."""
    for name, body in files.items():
        target = policies / "compiled" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(body)


def _candidates(setting: Path | None) -> list[Path]:
    """Return where the program may lie; a place that somebody named is the only one."""
    if named := setting or os.environ.get("MEMOS_GOV_OPA"):
        return [Path(named)]
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    cached = caches / "memos-gov" / "services" / f"opa-{OPA_VERSION}" / "opa"
    on_path = shutil.which("opa")
    return [cached, *([Path(on_path)] if on_path else [])]


def _unpacked(archive: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        members = [(each.name.lstrip("/"), tar.extractfile(each)) for each in tar.getmembers()]
        return {name: file.read() for name, file in members if file is not None}


def _pretty(document: object) -> bytes:
    return (json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()
