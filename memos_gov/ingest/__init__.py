"""
Rows of a file become cubes, each under its own command, each at most once.

`mapping` is the map file, `making` turns a row into a command, `rows` reads
CSV and JSON Lines, `run` sends batches to the Governor. Nothing here decides
anything: a row is admitted, masked or refused by policy like any command.
"""

from __future__ import annotations

from memos_gov.ingest.mapping import Mapping, load_map
from memos_gov.ingest.preview import Preview, check_map
from memos_gov.ingest.report import IngestReport
from memos_gov.ingest.rows import RowFailure
from memos_gov.ingest.run import ingest

__all__ = [
    "IngestReport",
    "Mapping",
    "Preview",
    "RowFailure",
    "check_map",
    "ingest",
    "load_map",
]
