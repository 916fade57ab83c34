"""
A simulator of one log and the processes around it, in virtual time, from a seed.

    python -m tests.simulation 100000

Writers with stale facts, certifiers, a keeper of vault and index, and a hostile
neighbour take turns step by step; any of them is killed before and after any step
and starts anew. The log loses answers, delays records and stores them twice. The
vault is put back to an older copy, the log loses its end. Everything that decides
is the engine's own (`certify`, `parse`, `read_after`, `Destroyer`); log, tables,
vault and index are models of their ports (`world.py`). The oracle (`oracle.py`)
plays the log through a plain model and then asks for the promises.
"""
