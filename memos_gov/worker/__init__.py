"""
Workers: processes that go on with what the log says while nobody calls.

A worker has duties (`duties.py`), each in a loop of its own that backs off while
an engine is away (`loop.py`), says how it stands over HTTP (`telemetry.py`), and
writes one JSON line an occurrence (`journal.py`). Killed anywhere, the next one
goes on; two with the same duty do the work once.
"""

from memos_gov.worker.duties import DUTIES, duties_of
from memos_gov.worker.journal import Journal
from memos_gov.worker.loop import Worker
from memos_gov.worker.telemetry import Telemetry

__all__ = ["DUTIES", "Journal", "Telemetry", "Worker", "duties_of"]
