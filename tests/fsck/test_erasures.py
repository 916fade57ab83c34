"""What a certificate states is derived again, so that it is what the log gives."""

from pathlib import Path

import msgspec
import pytest

import memos_gov
from memos_gov.bootstrap import fsck
from memos_gov.fsck.erasures import check_erasures
from memos_gov.fsck.report import CERTIFY, KEEP, Findings
from tests.fsck.tampering import asked, sql


def test_fsck_of_a_completed_erasure_derives_its_statement_again(folder: Path) -> None:
    """The one that its certificate is about."""
    report = fsck(folder, parts=["erasures"])

    assert (True, 1) == (report.clean, report.counts["certificates"])


@pytest.mark.parametrize(
    "field", ["statement", "completed_at", "requested_at", "subject", "receipts", "pages"]
)
def test_statement_of_other_facts_is_found(folder: Path, field: str) -> None:
    """Whatever a certificate says rests on the facts and records that it was made of."""
    stream = asked(
        folder / "tables.db", "SELECT stream FROM streams WHERE stream LIKE '%/erasure/%'"
    )
    newest = f"stream = '{stream}' ORDER BY version DESC LIMIT 1"
    doc = msgspec.json.decode(asked(folder / "tables.db", f"SELECT doc FROM facts WHERE {newest}"))
    value = doc[field]
    doc[field] = value[:-1] if isinstance(value, str | list) else value + 1
    body = msgspec.json.encode(doc).hex()
    place = f"rowid = (SELECT rowid FROM facts WHERE {newest})"
    sql(folder / "tables.db", f"UPDATE facts SET doc = x'{body}' WHERE {place}")
    findings = Findings()

    with memos_gov.open(folder) as gov:
        governor = gov.rooms.governor
        check_erasures(governor.log, governor.tables, findings)

    (finding,) = findings.report().findings
    assert ("certificate", KEEP) == (finding.kind, finding.remedy)
    assert stream.rpartition("/")[2] in finding.place


@pytest.mark.parametrize("name", ["certificate.json", "certificate.tlog-proof"])
@pytest.mark.parametrize("how", ["changed", "cut", "removed"])
def test_fsck_of_a_certificate_that_was_changed_finds_it(folder: Path, name: str, how: str) -> None:
    """It is verified as a stranger would, and can be written again."""
    (path,) = (folder / "certificates").glob(f"*/{name}")
    body = path.read_bytes()
    if how == "removed":
        path.unlink()
    else:
        path.write_bytes(body[:-9] if how == "cut" else body.replace(b"2", b"3", 1))

    report = fsck(folder)

    if (name, how) == ("certificate.json", "removed"):
        assert report.clean
        return
    (finding,) = report.findings
    assert ("certificate_file", CERTIFY) == (finding.kind, finding.remedy)
    assert finding.place.startswith("certificates/e_")
