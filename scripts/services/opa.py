"""OPA: policies asked over HTTP. It keeps nothing: what was loaded is gone with the process."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from scripts import opa
from scripts.services.cache import go_program
from scripts.services.engine import Engine
from scripts.services.network import http_answers
from scripts.services.places import HOST


class Opa(Engine):
    """The pinned OPA as a server."""

    name = "opa"
    ports = ("opa",)
    scheme = "http://"

    def version(self) -> str:
        """Return the pinned version."""
        return opa.VERSION

    def lacks(self) -> list[str]:
        """Return Go, where it is needed and missing."""
        return [] if shutil.which("go") or opa.existing_opa() else ["go"]

    def obtain(self) -> None:
        """Build it, where no binary of the pinned version is here."""
        self.program()

    def lay_out(self) -> None:
        """There is nothing to lay out."""

    def program(self) -> Path:
        """Return the binary."""
        place = self.places.caches / f"opa-{opa.VERSION}" / "opa"
        found = opa.existing_opa()
        return found or go_program(place, opa.MODULE, takes="about 2 minutes", say=self.say)

    def command(self) -> Sequence[str | Path]:
        """Serve, and tell nobody about it."""
        address = f"{HOST}:{self.port()}"
        return [self.program(), "run", "--server", "--addr", address, "--disable-telemetry"]

    def answers(self) -> bool:
        """Tell whether its health is good."""
        return http_answers(HOST, self.port(), "/health")
