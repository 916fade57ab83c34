"""
Wiring: the only importer of backends.

`making.py` makes data folders, `opening.py` opens them, and `upkeep.py`
examines and rebuilds them while nobody has them open.
"""

from memos_gov.bootstrap.making import init
from memos_gov.bootstrap.opening import current_tables, open_service
from memos_gov.bootstrap.upkeep import fsck, rebuild, verify_log

__all__ = ["current_tables", "fsck", "init", "open_service", "rebuild", "verify_log"]
