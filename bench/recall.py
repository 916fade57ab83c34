"""
Recall of 10 from 10,000 cubes, as an analyst who may read a part of them.

Timed is `Actor.recall` whole: index catch-up, candidates within the analyst's
scope, verdicts in batches, the read event made, appended durably and
certified, then ten ciphertexts opened and masked. Complaints have about sixty
words; labels, purposes, owners and consents differ. Two kinds of question:

- plain ones, three to five words of the complaints' own vocabulary;
- one word that a hundred cubes hold, ninety of which are within scope, rank
  first (they hold the word more often), and are refused: their subjects
  withdrew consent, which only a verdict knows.

Nothing comparable with policy and an accepted read event was found to stand
beside it, so the limit is the only measure.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import memos_gov
from bench import folders
from bench.complaints import complaints, queries
from bench.measure import Bench, Figure, Spread, at_most, latency, spread
from memos_gov.domain import commands as c

CUBES = 10_000
K = 10
LIMIT_MS = 25.0
OWNERS = ("olga", "omar", "odile")
HIDDEN_WORDS = ("kestrel", "osprey", "merlin", "harrier", "buzzard")
HOLDERS, REFUSED = 100, 90
_LABELS = ("public", "internal", "internal", "internal", "confidential")
_PURPOSES = (
    (folders.PURPOSE,),
    (folders.PURPOSE,),
    (folders.PURPOSE, "research"),
    ("research",),
    ("marketing",),
)


def measure(bench: Bench) -> Iterator[Figure]:
    """Yield p50 and p95 of plain questions, and of those whose best answers are refused."""
    total = bench.size(CUBES, 600)
    with folders.founded(bench.folder / "data") as gov:
        people(gov)
        _fill(gov, total)
        ann = gov.acting_as("ann", purpose=folders.PURPOSE)
        gov.rooms.index_follower.catch_up()
        named = f"recall {K} of {total:,}"
        yield from latency(named, _plain(ann, bench.size(300, 5)), LIMIT_MS)
        hidden = _with_refused(ann, bench.size(100, 5))
        refused = f"{named}, 90 refused rank above"
        yield at_most(f"{refused}, p50", hidden.median * 1000, "ms", LIMIT_MS, judged=False)
        yield at_most(f"{refused}, p95", hidden.p95 * 1000, "ms", LIMIT_MS, judged=False)


def people(gov: memos_gov.Service) -> None:
    """Add the owners of cubes, and ann, who recalls."""
    owner = gov.acting_as("owner", purpose=folders.PURPOSE)
    purposes = (folders.PURPOSE, "research", "marketing")
    for name in OWNERS:
        owner.add_principal(name, roles=["steward"], clearance="restricted", purposes=purposes)
    owner.add_principal("ann", roles=["analyst"], clearance="internal", purposes=purposes[:2])


def _fill(gov: memos_gov.Service, total: int) -> None:
    """Remember `total` cubes, those of the hidden words among them."""
    chance = random.Random(5)
    texts = complaints(total)
    special = len(HIDDEN_WORDS) * HOLDERS
    made = [_hiding(next(texts), n) for n in range(special)]
    made += [plain_cube(next(texts), n, chance) for n in range(special, total)]
    chance.shuffle(made)
    for place, name in enumerate(OWNERS):
        actor = gov.acting_as(name, purpose=folders.PURPOSE)
        folders.fill(gov, actor, made[place :: len(OWNERS)])


def plain_cube(text: str, number: int, chance: random.Random) -> c.RememberCube:
    """Return the command that keeps a cube with a label, purposes and consents of chance."""
    consents = (_consent(given=False),) if chance.random() < 0.1 else ()
    return folders.remember(
        text,
        number,
        label=chance.choice(_LABELS),
        purposes=chance.choice(_PURPOSES),
        consents=consents,
    )


def _hiding(text: str, number: int) -> c.RememberCube:
    """Return a cube that holds a hidden word: thrice where it is refused, once where not."""
    word, refused = HIDDEN_WORDS[number // HOLDERS], number % HOLDERS < REFUSED
    told = f"{text} {' '.join([word] * (3 if refused else 1))}"
    consents = (_consent(given=False),) if refused else ()
    return folders.remember(told, number, consents=consents)


def _consent(*, given: bool) -> c.Consent:
    return c.make(c.Consent, purpose=folders.PURPOSE, given=given)


def _plain(ann: memos_gov.Actor, times: int) -> Spread:
    asked = queries(times + 10)
    return spread(lambda: ann.recall(next(asked), k=K), times, warm_up=10)


def _with_refused(ann: memos_gov.Actor, times: int) -> Spread:
    words = iter(HIDDEN_WORDS * times)

    def recall() -> None:
        found = len(ann.recall(next(words), k=K).hits)
        assert found == HOLDERS - REFUSED, found

    return spread(recall, times)
