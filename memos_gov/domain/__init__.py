"""
What is true: ids, commands, events, facts, verdicts, and the pure functions between them.

No I/O, no clock, no randomness, no logging in this room. `decide.py` turns a
command and a verdict into events, `evolve.py` turns events into facts.
"""
