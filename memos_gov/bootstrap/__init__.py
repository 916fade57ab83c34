"""
Wiring: the only importer of backends.

`setups.py` says which stores stand behind the ports, `embedded.py` opens them as files;
`making.py` makes data folders, `opening.py` opens them, `examining.py` compares
them with their log, `upkeep.py` rebuilds them while nobody has them open, and
`repairing.py` does the one after the other.
"""

from memos_gov.bootstrap.embedded import current_tables
from memos_gov.bootstrap.examining import fsck, verify_log
from memos_gov.bootstrap.making import init, remove_stores
from memos_gov.bootstrap.opening import open_service
from memos_gov.bootstrap.repairing import RepairReport, repair
from memos_gov.bootstrap.upkeep import rebuild

__all__ = [
    "RepairReport",
    "current_tables",
    "fsck",
    "init",
    "open_service",
    "rebuild",
    "remove_stores",
    "repair",
    "verify_log",
]
