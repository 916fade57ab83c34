"""
The time machine of one cube: its changes, and its contents one after the other.

The changes are evidence, the contents are a read: each is asked for and
recorded on its own, and whoever may have the one but not the other gets that.
Both sides of a difference are masked alike, as policy demands it for all
revisions together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import unified_diff

import msgspec

from memos_gov.domain import commands as c
from memos_gov.domain import ids
from memos_gov.domain.as_of import AsOf
from memos_gov.domain.facts import ContentFacts
from memos_gov.errors import DeniedError, NotFoundError
from memos_gov.past import REVISIONS_MAX
from memos_gov.queries.asking import Evidence
from memos_gov.queries.history import History, Revision, history
from memos_gov.recall import Hit, Reader


def timeline(evidence: Evidence, reader: Reader, cube: str, moment: AsOf | None) -> History:
    """
    Return the changes of a cube with its newest REVISIONS_MAX contents, oldest first.

    Where the content may not be read, the revisions say when they were recorded
    and about which time, and no more.

    Raises:
        InvalidCommandError: Names `as_of`: it has not come yet; nothing was written.
        DeniedError, NotFoundError: The history itself is refused, or unknown; recorded.
    """
    found = history(evidence.as_of(moment), cube)
    hits = _read(evidence, reader, cube, moment)
    revisions = tuple(_revisions(evidence, found, hits))
    return msgspec.structs.replace(found, revisions=revisions)


def _read(
    evidence: Evidence, reader: Reader, cube: str, moment: AsOf | None
) -> Mapping[int, Hit] | None:
    """Return every revision by its number; None where the read was refused."""
    command = c.make(c.ReadCube, cube=cube, as_of=moment, every_revision=True)
    try:
        return {hit.revision: hit for hit in reader.read(evidence.caller, command).hits}
    except (DeniedError, NotFoundError):
        return None


def _revisions(
    evidence: Evidence, found: History, hits: Mapping[int, Hit] | None
) -> Iterator[Revision]:
    actors = {change.index: change.actor for change in found.changes}
    before: Hit | None = None
    for content in _contents(evidence, found):
        hit = None if hits is None else hits.get(content.revision)
        yield Revision(
            revision=content.revision,
            index=content.event_index,
            recorded_at=content.recorded_at,
            actor=actors[content.event_index],
            mode=content.mode,
            valid_from=content.valid_from,
            valid_to=content.valid_to,
            diff=None if hit is None else tuple(_differences(before, hit)),
            redactions={} if hit is None else hit.redactions,
        )
        before = hit


def _contents(evidence: Evidence, found: History) -> list[ContentFacts]:
    """Return the contents that the history names, each once, oldest first."""
    stream = ids.content_stream(evidence.tenant, found.cube_id)
    with evidence.governor.tables.snapshot() as snapshot:
        versions = snapshot.versions(stream, max(change.index for change in found.changes))
    known = {
        facts.revision: facts for _, facts in reversed(versions) if isinstance(facts, ContentFacts)
    }
    return [known[number] for number in sorted(known)[-REVISIONS_MAX:]]


def _differences(before: Hit | None, hit: Hit) -> Iterator[str]:
    """Yield the lines of a unified diff, without line ends."""
    former = "" if before is None else before.content or ""
    yield from unified_diff(
        former.splitlines(),
        (hit.content or "").splitlines(),
        fromfile="nothing" if before is None else f"revision {before.revision}",
        tofile=f"revision {hit.revision}",
        lineterm="",
    )
