"""The map of the public complaints, on the real file."""

from __future__ import annotations

from pathlib import Path

import pytest

from memos_gov import Actor, Service
from memos_gov.ingest import ingest, load_map

MAP = Path(__file__).resolve().parents[2] / "examples" / "cfpb.toml"


@pytest.fixture
def complaints(shared_data: Path) -> Path:
    """Return the file of complaints; skip where it is absent."""
    path = shared_data / "cfpb_complaints.csv"
    if not path.is_file():
        pytest.skip(f"the complaints are not on this machine: {path}")
    return path


def test_complaints_are_open_to_each_by_label_and_consent(
    gov: Service, owner: Actor, complaints: Path
) -> None:
    """The dpo sees all, the analyst what label, consent and purpose leave; again adds nothing."""
    mapping = load_map(MAP)
    owner.add_principal("dora", roles=["dpo"], clearance="restricted")
    owner.add_principal("ann", roles=["analyst"], purposes=["complaint-handling", "research"])
    for added in (145, 0):
        report = ingest(owner, complaints, mapping)
        assert (145, added, 145 - added) == (report.rows, report.added, report.unchanged)
        assert (0, (), 0) == (report.changed, report.failed, report.refused)
        assert (145, 94, 12) == (
            _seen(gov, "dora", "complaint-handling"),
            _seen(gov, "ann", "complaint-handling"),
            _seen(gov, "ann", "research"),
        )


def _seen(gov: Service, principal: str, purpose: str) -> int:
    return len(gov.acting_as(principal, purpose=purpose).list(limit=200).hits)
