"""What a tamperer does behind every port's back, and how a test reads the report."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from memos_gov.fsck import FsckReport

TRIGGERS = ("records_keep", "records_stay")


def sql(path: Path, *statements: str) -> None:
    """Run statements as they are; the log's triggers stand aside meanwhile."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        kept = [
            text for (text,) in db.execute("SELECT sql FROM sqlite_master WHERE type = 'trigger'")
        ]
        if path.name == "log.db":
            for trigger in TRIGGERS:
                db.execute(f"DROP TRIGGER IF EXISTS {trigger}")
        for statement in statements:
            db.execute(statement)
        if path.name == "log.db":
            for text in kept:
                db.execute(text)


def asked(path: Path, query: str) -> Any:
    """Return the one value that a query gives."""
    with closing(sqlite3.connect(path)) as db:
        ((value,),) = db.execute(query)
    return value


def found(report: FsckReport) -> set[tuple[str, str]]:
    """Return place and kind of everything found."""
    return {(finding.place, finding.kind) for finding in report.findings}


def bytes_of(folder: Path) -> dict[str, bytes]:
    """Return every file of a folder."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
