"""
Find the pinned OPA, or build it once into a cache outside the repository.

    python scripts/opa.py path          print where it lies
    python scripts/opa.py run ARGS...   run it

Looked for in `MEMOS_GOV_OPA`, in the cache, and on PATH where its version is
the pinned one; else built with Go, under a lock and moved into place whole.
With neither OPA nor Go, `run` says what is skipped and succeeds, unless
`MEMOS_GOV_REQUIRE_OPA=1`. Needs nothing but the standard library.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

VERSION = "1.22.0"
MODULE = f"github.com/open-policy-agent/opa@v{VERSION}"


class NoOpaError(Exception):
    """Neither OPA nor Go is on this machine."""


def cache_folder() -> Path:
    """Return the folder that holds the pinned binary; it may not exist yet."""
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(caches) / "memos-gov" / "services" / f"opa-{VERSION}"


def existing_opa() -> Path | None:
    """Return a binary of the pinned version that is already here."""
    named = os.environ.get("MEMOS_GOV_OPA")
    on_path = shutil.which("opa")
    candidates = [named, cache_folder() / "opa", on_path]
    return next((Path(path) for path in candidates if path and is_pinned(Path(path))), None)


def is_pinned(binary: Path) -> bool:
    """Tell whether `binary` runs and says that it is the pinned version."""
    try:
        answer = subprocess.run([binary, "version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return False
    return f"Version: {VERSION}" in answer.stdout.splitlines()


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock; a second builder waits and then finds the work done."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def build(go: str, folder: Path) -> Path:
    """Build the pinned OPA and move it into `folder` whole."""
    print(f"building OPA {VERSION} into {folder} (about two minutes, once)", file=sys.stderr)
    with tempfile.TemporaryDirectory(dir=folder) as made:
        environment = {**os.environ, "CGO_ENABLED": "0", "GOBIN": made}
        subprocess.run([go, "install", MODULE], env=environment, check=True)
        return Path(made, "opa").replace(folder / "opa")


def opa() -> Path:
    """
    Return the pinned OPA, built here if need be.

    Raises:
        NoOpaError: There is no OPA and no Go to build it with.
    """
    if found := existing_opa():
        return found
    go = shutil.which("go")
    if go is None:
        raise NoOpaError
    folder = cache_folder()
    with locked(folder):
        return existing_opa() or build(go, folder)


def skip_or_fail() -> int:
    """Say what is missing; return 0 where the checks may be skipped, else 1."""
    required = os.environ.get("MEMOS_GOV_REQUIRE_OPA") == "1"
    outcome = "and MEMOS_GOV_REQUIRE_OPA=1" if required else "so the Rego checks are SKIPPED"
    print(f"There is no OPA {VERSION} here, and no Go to build it, {outcome}.", file=sys.stderr)
    print(f"Remedy: install Go, or set MEMOS_GOV_OPA to an opa {VERSION} binary.", file=sys.stderr)
    return int(required)


def main(arguments: list[str]) -> int:
    """Run one command and return its exit status."""
    if not arguments or arguments[0] not in {"path", "run"}:
        print("usage: opa.py path | opa.py run ARGS...", file=sys.stderr)
        return 2
    try:
        binary = opa()
    except NoOpaError:
        return skip_or_fail()
    except subprocess.CalledProcessError as error:
        print(f"OPA {VERSION} could not be built: {error}", file=sys.stderr)
        return 1
    if arguments[0] == "path":
        print(binary)
        return 0
    return subprocess.run([binary, *arguments[1:]], check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
