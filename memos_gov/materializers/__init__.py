"""
Materializers: followers whose last step makes an artefact instead of a row.

`plan.py` says what should exist, purely from facts; the others make it so,
and twice changes nothing.
"""
