"""Writers that wait in one partition: one certifies for all, and nobody loses what is theirs."""

import threading
from collections import Counter
from pathlib import Path

import memos_gov
from memos_gov.domain import commands as c
from memos_gov.proposer import new_command_id


def a_complaint(text: str) -> c.Command:
    """Return the command that keeps a text."""
    return c.make(
        c.RememberCube,
        content=text,
        label="internal",
        purposes=("complaint-handling",),
        basis="legitimate-interest",
        retention_class="complaint",
    )


def test_threads_that_wait_together_get_each_its_own_receipt(tmp_path: Path) -> None:
    """Twelve threads write at once; every receipt is of its own command and index."""
    receipts: list[memos_gov.Receipt] = []
    with memos_gov.init(tmp_path / "data", purpose="complaint-handling") as gov:
        owner, handle = gov.acting_as("owner"), gov.rooms.governor.handle

        def write() -> None:
            for number in range(5):
                command_id = new_command_id()
                receipt = handle(owner.caller, a_complaint(f"no {number}"), command_id=command_id)
                assert command_id == receipt.command_id
                receipts.append(receipt)

        threads = [threading.Thread(target=write) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with gov.rooms.governor.tables.snapshot() as snapshot:
            for receipt in receipts:
                found = snapshot.outcome_of(owner.caller.tenant, receipt.command_id)
                assert found is not None
                assert (receipt.index, "accepted") == (found[1].index, found[1].code)

    assert 60 == len(receipts)
    assert {1} == set(Counter(receipt.index for receipt in receipts).values())
