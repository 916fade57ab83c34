"""The steps of `init` on engines, each of which a test can let fail, wait or be the last."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from memos_gov import settings
from memos_gov.backends.postgres import migrate
from memos_gov.backends.postgres.claiming import Claim
from memos_gov.backends.weaviate.index import WeaviateCubeIndex
from memos_gov.bootstrap import connected_founding, making
from memos_gov.bootstrap.connected import Connected

STEPS: dict[str, tuple[Any, str]] = {
    "topic made": (connected_founding, "create_topic"),
    "vault taken": (Claim, "take"),
    "vault made": (migrate, "upgrade"),
    "operations made": (migrate, "upgrade"),
    "tables made": (migrate, "upgrade"),
    "collection made": (WeaviateCubeIndex, "position"),
    "vault founded": (Connected, "found_vault"),
    "log founded": (making, "found_log"),
    "tenant founded": (making, "found_tenant"),
    "settings written": (settings, "write"),
    "settled": (Claim, "settle"),
}
RENAMED = "put in its place"


@contextmanager
def after(step: str, do: Callable[[], object]) -> Iterator[None]:
    """Do something right after a step is done; right before the last one."""
    if step == RENAMED:
        rename = Path.rename

        def renamed(path: Path, target: Path) -> Path:
            if (path / settings.FILE_NAME).exists():
                do()
            return rename(path, target)

        with mock.patch.object(Path, "rename", renamed):
            yield
        return
    place, name = STEPS[step]
    done: Any = getattr(place, name)
    branch = step.removesuffix(" made") if name == "upgrade" else ""
    waiting = [do]

    @functools.wraps(done)
    def stepped(*args: Any, **named: Any) -> Any:
        found = done(*args, **named)
        if waiting and branch in {"", *map(str, args[1:])}:
            waiting.pop()()
        return found

    with mock.patch.object(place, name, stepped):
        yield
