"""
Views: decided history into rows that questions read, one view a file.

A view can be dropped and made again from the log, and is then equal row by
row. `tables.py` holds every table; `outcomes.py` reads what the certifier
wrote. No view opens sealed content.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from memos_gov.projections.view import View


def views() -> dict[str, View]:
    """Return every view by name."""
    from memos_gov.projections.accesses import AccessesView
    from memos_gov.projections.cubes import CubesView
    from memos_gov.projections.dispositions import DispositionsView
    from memos_gov.projections.due import DueView
    from memos_gov.projections.usage import UsageView

    return {
        view.name: view
        for view in (AccessesView(), CubesView(), DispositionsView(), DueView(), UsageView())
    }
