"""
Wiring: the only importer of backends.

`opening.py` makes and opens data folders, `upkeep.py` examines and rebuilds
them while nobody has them open.
"""

from memos_gov.bootstrap.opening import current_tables, init, open_service
from memos_gov.bootstrap.upkeep import fsck, rebuild, verify_log

__all__ = ["current_tables", "fsck", "init", "open_service", "rebuild", "verify_log"]
