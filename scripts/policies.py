"""
Check, test and compile the shipped policies with the pinned OPA.

    python scripts/policies.py check   format, types, tests, and that the bundle is current
    python scripts/policies.py build   write policies/compiled/

Where OPA is missing and may be, `check` says what it skips; see `scripts/opa.py`.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import opa

from memos_gov.backends.opa_tool import OpaTool, write_compiled
from memos_gov.errors import GovernanceError

ROOT = Path(__file__).resolve().parents[1]
POLICIES = ROOT / "policies"
SCHEMAS = ROOT / "schemas" / "policy"


def check(tool: OpaTool) -> int:
    """Run every check and return 0, or 1 where the committed bundle is not current."""
    tool.check(POLICIES, SCHEMAS)
    print(f"policies: format and types are right, tests cover {tool.test(POLICIES):.1f} %")
    return report_outdated(tool)


def report_outdated(tool: OpaTool) -> int:
    """Compare a fresh build with the committed files and name those that differ."""
    compiled = POLICIES / "compiled"
    fresh = tool.build(POLICIES).items()
    outdated = [name for name, body in fresh if not same_bytes(compiled / name, body)]
    for name in outdated:
        print(f"error: policies/compiled/{name} is not current: make policies", file=sys.stderr)
    return int(bool(outdated))


def same_bytes(path: Path, body: bytes) -> bool:
    """Tell whether a file is there and holds exactly `body`."""
    return path.is_file() and path.read_bytes() == body


def build(tool: OpaTool) -> int:
    """Compile the policies and write what is committed."""
    write_compiled(tool.build(POLICIES), POLICIES)
    print("wrote policies/compiled/")
    return 0


COMMANDS = {"check": check, "build": build}


def main(arguments: list[str]) -> int:
    """Run one command and return its exit status."""
    if len(arguments) != 1 or arguments[0] not in COMMANDS:
        print("usage: policies.py check | policies.py build", file=sys.stderr)
        return 2
    try:
        return COMMANDS[arguments[0]](OpaTool.find(opa.opa()))
    except opa.NoOpaError:
        return opa.skip_or_fail() or int(arguments[0] == "build")
    except (GovernanceError, subprocess.CalledProcessError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
