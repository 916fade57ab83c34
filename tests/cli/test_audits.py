"""The audits of retention as an auditor types them."""

from __future__ import annotations

from tests.cli.conftest import Answer, Run


def test_audit_due_is_shown_with_times_that_can_be_read(run: Run, answer: Answer) -> None:
    """By rule and owner, as far ahead as asked."""
    cube = answer("remember", "charged twice", "--class", "complaint")["cube_id"]

    shown = run("audit", "due", "--days", "3000").stdout

    row = next(line for line in shown.splitlines() if cube in line)
    assert row.startswith("retention/schedule")
    assert "T" in row.split("expire")[1].split()[0]
    assert "none" in run("audit", "due", "--days", "3").stdout


def test_audit_hold_attempts_of_a_period_is_typed_with_times(run: Run, answer: Answer) -> None:
    """Since and until take ISO 8601 with a zone."""
    cube = answer("remember", "charged twice")["cube_id"]
    answer("hold", "M-1", "--cube", cube)
    run("archive", cube)

    shown = run("audit", "hold-attempts", "--since", "2020-01-01T00:00:00Z").stdout

    assert cube in shown
    assert "legal_hold" in shown
    assert "none" in run("audit", "hold-attempts", "--until", "2020-01-01T00:00:00Z").stdout
    assert 2 == run("audit", "hold-attempts", "--since", "2020-01-01").exit_code


def test_audits_of_what_ended_and_what_should_have_are_empty_in_a_new_folder(run: Run) -> None:
    """Nothing is a result too."""
    for question in ("overdue", "disposition", "conflicts"):
        done = run("audit", question)
        assert (0, "none") == (done.exit_code, done.stdout.splitlines()[0]), question
