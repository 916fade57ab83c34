"""
The life of a cube as one table: which state may follow which.

    generated -> activated -> merged | archived
    archived, merged -> activated
    any but erased -> expired, when its time is over
    any but erased -> erased, the end

Frozen, quarantined, restricted and superseded are flags beside the state;
reads change no state. (MemOS calls this MemLifecycle.)
"""

from __future__ import annotations

from typing import Literal, get_args

State = Literal["generated", "activated", "merged", "archived", "expired", "erased"]
STATES: tuple[State, ...] = get_args(State)

ALLOWED: dict[State, frozenset[State]] = {
    "generated": frozenset({"activated", "expired", "erased"}),
    "activated": frozenset({"merged", "archived", "expired", "erased"}),
    "merged": frozenset({"activated", "expired", "erased"}),
    "archived": frozenset({"activated", "expired", "erased"}),
    "expired": frozenset({"erased"}),
    "erased": frozenset(),
}


def may_become(state: State, following: State) -> bool:
    """Whether a cube in `state` may turn into `following`."""
    return following in ALLOWED[state]
