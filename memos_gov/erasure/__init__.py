"""
Erasure as a process: asked for, planned, destroyed, read back, certified.

    requested -> pages of the plan -> keys, names and index entries gone
              -> each custodian reads back and reports -> completed

The request restricts at once; everything after it is done by a worker, step
by step, each step a record whose id is made from the erasure's. So a crash
between any two steps loses nothing and a step done twice changes nothing.

`pages.py` carries out the plan, `custodians.py` reads back, `statement.py`
says what is certified, `eraser.py` runs the steps. Deliberately not here: who
may ask (policy), and the destruction of keys (a follower of the log).
"""

from memos_gov.erasure.eraser import Eraser
from memos_gov.erasure.report import Erasure, Kept

__all__ = ["Eraser", "Erasure", "Kept"]
