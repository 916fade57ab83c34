"""
The schedule: what is due is done, in bounded batches, by a worker of the engine.

    view of what is due -> policy, with today's facts -> records -> view

Nothing is done because a view says so: each cube is asked about again, and its
record stands only under an allowing verdict and on facts that did not move. So
a run that is killed loses nothing, and the next one repeats nothing: what was
accepted is in the log, and due no more.

`candidates.py` reads the views, `worker.py` runs, `report.py` says what was done.
"""

from memos_gov.schedule.report import Due, ScheduleReport
from memos_gov.schedule.worker import Scheduler

__all__ = ["Due", "ScheduleReport", "Scheduler"]
