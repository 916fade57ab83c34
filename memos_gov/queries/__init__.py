"""
Questions answered from the tables; frozen results, never content.

`cubes.py` finds candidates for recall and list. The rest is evidence: each
question there is an event first (`asking.py`), and is answered only once that
event was accepted. `history.py`, `explain.py` (with `again.py`), `audits.py`,
`cases.py` and `log_pages.py` hold one question each; `standing.py` says how a
folder stands, for whoever may open it.
"""

from memos_gov.queries.cubes import CubeFinder

__all__ = ["CubeFinder"]
