"""
What every KeyStore promises, proved against any backend.

A subclass gives the fixtures `masters` (the master keys by epoch, which a test
may change), `open_keys` (opens the one vault of the test, again and again;
the fixture closes them) and `broken` (a vault that does not answer), and the
probe `raw_bytes()`: every byte that the store keeps, read behind the port's back.
"""

import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Event
from typing import Any

import pytest

from memos_gov.domain import ids
from memos_gov.errors import CorruptionError, UnavailableError
from memos_gov.ports import Checkpoint, Epoch, KeyStore

TENANT, OTHER, INSTANCE = "acme", "other", "the-instance"
OpenKeys = Callable[[], KeyStore]


def a_lived_vault(keys: KeyStore) -> list[str]:
    """Put keys, secrets and names of two tenants into a vault; return the ids of the keys."""
    issued = [key.key_id for _ in range(4) for key in keys.issue(TENANT, 10)]
    with keys.destroying() as vault:
        vault.destroy(TENANT, issued[:5])
    for tenant in (TENANT, OTHER):
        keys.secret(tenant, "month:2026-11", create=True)
        keys.refer(tenant, "subject", [f"person {n}" for n in range(12)], create=True)
        keys.refer(tenant, "matter", ["person 3"], create=True)
    return issued


def what_is_seen(keys: KeyStore, issued: list[str]) -> dict[str, Any]:
    """Return everything that a vault of `a_lived_vault` opens."""
    names = keys.refer(TENANT, "subject", [f"person {n}" for n in range(12)])
    return {
        "keys": keys.open(TENANT, issued),
        "secrets": [keys.secret(tenant, "month:2026-11") for tenant in (TENANT, OTHER)],
        "names": names,
        "others": keys.refer(OTHER, "matter", ["person 3"]),
        "back": keys.names(TENANT, names.values()),
    }


class StopHereError(Exception):
    """What a test raises inside a transaction."""


class KeyStoreContract:
    """The rules of the port `KeyStore`, as tests."""

    @pytest.fixture
    def keys(self, open_keys: OpenKeys) -> KeyStore:
        """Return the vault under test, founded and empty."""
        return open_keys()

    def raw_bytes(self) -> bytes:
        """Return every byte that the store keeps."""
        raise AssertionError

    def test_vault_names_the_instance_it_belongs_to(self, keys: KeyStore) -> None:
        """So that it is not used with another log."""
        assert INSTANCE == keys.instance

    def test_key_issued_opens_as_it_was(self, keys: KeyStore) -> None:
        """A key is 256 bits of chance under a name of its own."""
        issued = keys.issue(TENANT, 20)

        names, opened = {k.key_id for k in issued}, keys.open(TENANT, [k.key_id for k in issued])
        assert {k.key_id: k.key for k in issued} == opened
        assert 20 == len(names) == len({k.key for k in issued})
        assert {32} == {len(k.key) for k in issued}
        assert all(ids.is_opaque(name) for name in names)

    def test_name_entered_stands_under_the_id_given(self, open_keys: OpenKeys) -> None:
        """Durable, and found both ways."""
        first = open_keys()
        entered = first.enter(TENANT, "subject", {"anna": "s_one", "bert": "s_two"})
        first.close()

        keys = open_keys()
        assert {"anna": "s_one", "bert": "s_two"} == entered
        assert entered == keys.refer(TENANT, "subject", ["anna", "bert"])
        assert {"s_one": "anna"} == keys.names(TENANT, ["s_one"])

    def test_name_entered_is_known_without_being_opened(self, keys: KeyStore) -> None:
        """Whether it is there is an answer of its own; a tenant knows no other's."""
        keys.enter(TENANT, "subject", {"anna": "s_one", "bert": "s_two"})
        with keys.destroying() as vault:
            vault.forget_names(TENANT, ["s_two"])

        assert {"s_one"} == keys.known(TENANT, ["s_one", "s_two", "s_none"])
        assert set() == keys.known(OTHER, ["s_one"])

    def test_name_that_is_known_keeps_its_id(self, keys: KeyStore) -> None:
        """Whoever comes second learns the id of the first."""
        keys.enter(TENANT, "subject", {"anna": "s_one"})

        assert {"anna": "s_one"} == keys.enter(TENANT, "subject", {"anna": "s_two"})
        assert {} == keys.names(TENANT, ["s_two"])

    def test_key_issued_is_there_after_opening_again(self, open_keys: OpenKeys) -> None:
        """Durable before it is used."""
        first = open_keys()
        (key,) = first.issue(TENANT, 1)
        first.close()

        assert {key.key_id: key.key} == open_keys().open(TENANT, [key.key_id])

    def test_key_of_another_tenant_does_not_open(self, keys: KeyStore) -> None:
        """Tenants never meet: for another one it does not exist."""
        (key,) = keys.issue(TENANT, 1)

        assert {} == keys.open(OTHER, [key.key_id])

    def test_key_that_never_was_is_missing(self, keys: KeyStore) -> None:
        """Absence is an answer, not an error."""
        assert {} == keys.open(TENANT, ["k_never"])
        assert {} == keys.open(TENANT, [])

    def test_keys_beyond_a_list_of_parameters_all_open(self, keys: KeyStore) -> None:
        """However many are asked for at once."""
        issued = keys.issue(TENANT, 1300)

        assert 1300 == len(keys.open(TENANT, [k.key_id for k in issued]))

    def test_key_discarded_is_gone_and_the_others_stay(self, keys: KeyStore) -> None:
        """What nothing was sealed with is destroyed by name and tenant."""
        gone, stays = keys.issue(TENANT, 2)
        keys.discard(OTHER, [stays.key_id])

        keys.discard(TENANT, [gone.key_id])

        assert {stays.key_id} == keys.open(TENANT, [gone.key_id, stays.key_id]).keys()

    def test_key_destroyed_is_gone_for_everybody_and_the_others_stay(
        self, open_keys: OpenKeys
    ) -> None:
        """By tenant and name, durably, at once for who has the vault open too."""
        keys, beside = open_keys(), open_keys()
        gone, stays = keys.issue(TENANT, 2)
        (foreign,) = keys.issue(OTHER, 1)
        assert {gone.key_id} == beside.open(TENANT, [gone.key_id]).keys()

        with keys.destroying() as vault:
            vault.destroy(TENANT, [gone.key_id, foreign.key_id, "k_never"])

        for opened in (keys, beside, open_keys()):
            assert {stays.key_id} == opened.open(TENANT, [gone.key_id, stays.key_id]).keys()
            assert {foreign.key_id} == opened.open(OTHER, [foreign.key_id]).keys()
            assert [] == list(opened.damaged())

    def test_name_forgotten_is_unknown_and_comes_back_as_somebody_else(
        self, open_keys: OpenKeys
    ) -> None:
        """Neither direction leads there; another tenant's entry is not touched."""
        keys = open_keys()
        known = keys.refer(TENANT, "subject", ["ann", "bob"], create=True)
        other = keys.refer(OTHER, "subject", ["ann"], create=True)

        with keys.destroying() as vault:
            vault.forget_names(TENANT, [known["ann"], other["ann"], "s_never"])
        keys.sweep()

        for opened in (keys, open_keys()):
            assert {known["bob"]: "bob"} == opened.names(TENANT, known.values())
            assert {"bob": known["bob"]} == opened.refer(TENANT, "subject", ["ann", "bob"])
            assert other == opened.refer(OTHER, "subject", ["ann"])
        again = keys.refer(TENANT, "subject", ["ann"], create=True)
        assert again["ann"] not in known.values()

    def test_name_forgotten_elsewhere_is_unknown_here_once_what_was_opened_is_dropped(
        self, open_keys: OpenKeys
    ) -> None:
        """What another process ended is not kept alive by what this one opened before."""
        one, two = open_keys(), open_keys()
        known = one.refer(TENANT, "subject", ["ann"], create=True)
        with two.destroying() as vault:
            vault.forget_names(TENANT, known.values())

        one.forget_opened()

        assert {} == one.refer(TENANT, "subject", ["ann"])

    def test_destroyed_leaves_no_byte_once_it_is_swept(self, keys: KeyStore) -> None:
        """What was kept of a key and of a name is in no file, nor in a copy of one."""
        issued = keys.issue(TENANT, 600)
        names = keys.refer(TENANT, "subject", [f"person {n}" for n in range(300)], create=True)
        kept = self.raw_bytes()

        for start in range(0, 300, 60):
            with keys.destroying() as vault:
                vault.destroy(TENANT, [k.key_id for k in issued[start : start + 60]])
                vault.forget_names(TENANT, list(names.values())[start : start + 60])
            keys.discard(TENANT, [k.key_id for k in issued[start + 300 : start + 340]])
        keys.sweep()

        after = self.raw_bytes()
        gone, stay = list(names.values())[:300], [k.key_id for k in issued[580:]]
        assert [True] * 300 == [opaque.encode() in kept for opaque in gone]
        assert [] == [opaque for opaque in gone if opaque.encode() in after]
        assert len(stay) == len(keys.open(TENANT, stay))

    def test_checkpoint_of_the_destroyer_moves_with_what_is_destroyed(
        self, open_keys: OpenKeys
    ) -> None:
        """Together or not at all, durably, and never back."""
        keys = open_keys()
        (key,) = keys.issue(TENANT, 1)
        assert Checkpoint() == keys.checkpoint(0)

        def stop() -> None:
            with keys.destroying() as vault:
                vault.destroy(TENANT, [key.key_id])
                vault.advance(0, Checkpoint(5, b"five"))
                raise StopHereError

        with pytest.raises(StopHereError):
            stop()
        assert (Checkpoint(), 1) == (keys.checkpoint(0), len(keys.open(TENANT, [key.key_id])))
        for at in (Checkpoint(5, b"five"), Checkpoint(3, b"three")):
            with keys.destroying() as vault:
                vault.advance(0, at)
        assert Checkpoint(5, b"five") == open_keys().checkpoint(0)
        assert Checkpoint() == open_keys().checkpoint(1)

    def test_count_is_of_content_keys_that_are_there(self, keys: KeyStore) -> None:
        """Of all tenants, used or not; secrets and names are none."""
        assert 0 == keys.count()
        gone, *_ = (*keys.issue(TENANT, 3), *keys.issue(OTHER, 2))
        keys.secret(TENANT, "directory", create=True)

        keys.discard(TENANT, [gone.key_id])

        assert 4 == keys.count()

    def test_no_key_or_name_is_kept_in_the_clear(self, keys: KeyStore) -> None:
        """Whoever copies the vault has nothing."""
        (key,) = keys.issue(TENANT, 1)
        secret = keys.secret(TENANT, "directory", create=True)
        keys.refer(TENANT, "subject", ["customer-4711"], create=True)

        kept = self.raw_bytes()
        assert key.key not in kept
        assert secret is not None
        assert secret not in kept
        assert b"customer-4711" not in kept
        assert key.key_id.encode() in kept

    def test_secret_that_is_absent_is_made_only_on_demand(self, keys: KeyStore) -> None:
        """Asking alone makes nothing."""
        assert keys.secret(TENANT, "month:2026-11") is None

        made = keys.secret(TENANT, "month:2026-11", create=True)

        assert made is not None
        assert 32 == len(made)
        assert made == keys.secret(TENANT, "month:2026-11")
        assert made == keys.secret(TENANT, "month:2026-11", create=True)

    def test_secret_is_its_tenants_and_its_names_alone(self, keys: KeyStore) -> None:
        """No two are equal."""
        made = {
            keys.secret(tenant, name, create=True)
            for tenant in (TENANT, OTHER)
            for name in ("one", "two")
        }

        assert 4 == len(made)
        assert keys.secret("third", "one") is None

    def test_secret_made_by_many_at_once_is_one(self, open_keys: OpenKeys) -> None:
        """Whoever comes second gets the first one's."""
        openings = [open_keys() for _ in range(4)]

        with ThreadPoolExecutor(16) as threads:
            made = set(
                threads.map(lambda n: openings[n % 4].secret(TENANT, "one", create=True), range(64))
            )

        assert 1 == len(made)

    def test_name_has_one_opaque_id_for_ever(self, open_keys: OpenKeys) -> None:
        """The same id at every asking, after opening again too, and it says nothing."""
        first = open_keys()
        found = first.refer(TENANT, "subject", ["customer-17", "customer-18"], create=True)
        first.close()

        again = open_keys().refer(TENANT, "subject", ["customer-17", "customer-18"])

        assert found == again
        assert 2 == len(set(found.values()))
        assert all(ids.is_opaque(x) and x.startswith("s_") for x in found.values())
        assert not any("17" == x[-2:] and "customer" in x for x in found.values())

    def test_name_entered_by_many_at_once_in_any_order_has_one_id(
        self, open_keys: OpenKeys
    ) -> None:
        """Nobody waits for ever, and each learns the ids that all the others learn."""
        openings = [open_keys() for _ in range(4)]
        names = [f"person {number}" for number in range(40)]

        def enter(number: int) -> dict[str, str]:
            chance = random.Random(number)
            mine = {name: f"s_{number}_{name[7:]}" for name in chance.sample(names, 30)}
            return openings[number % 4].enter(TENANT, "subject", mine)

        with ThreadPoolExecutor(8) as threads:
            found = list(threads.map(enter, range(24)))

        known = openings[0].refer(TENANT, "subject", names)
        assert [] == [name for ids_ in found for name in ids_ if ids_[name] != known[name]]
        assert names == [openings[1].names(TENANT, [known[name]])[known[name]] for name in names]

    def test_name_of_another_tenant_or_kind_has_another_id(self, keys: KeyStore) -> None:
        """What is called alike is not the same."""
        found = {
            keys.refer(tenant, kind, ["ann"], create=True)["ann"]
            for tenant in (TENANT, OTHER)
            for kind in ("subject", "principal")
        }

        assert 4 == len(found)

    def test_name_that_is_unknown_is_missing_until_made(self, keys: KeyStore) -> None:
        """Asking alone makes no entry."""
        assert {} == keys.refer(TENANT, "subject", ["ann"])
        assert {} == keys.refer(TENANT, "subject", ["ann"])
        assert {"ann"} == keys.refer(TENANT, "subject", ["ann"], create=True).keys()

    def test_name_given_by_many_at_once_has_one_id(self, open_keys: OpenKeys) -> None:
        """Two that bring the same person bring one person."""
        openings = [open_keys() for _ in range(4)]

        def refer(number: int) -> tuple[str, ...]:
            found = openings[number % 4].refer(TENANT, "subject", ["ann", "bob"], create=True)
            return tuple(found[name] for name in ("ann", "bob"))

        with ThreadPoolExecutor(16) as threads:
            found = set(threads.map(refer, range(64)))

        assert 1 == len(found)

    def test_damaged_of_a_sound_vault_yields_nothing(self, keys: KeyStore) -> None:
        """Every key, secret and name that was made opens."""
        keys.issue("acme", 3)
        keys.secret("acme", "month:2026-11", create=True)
        keys.refer("acme", "subject", ["customer-17"], create=True)

        assert [] == list(keys.damaged())

    def test_rotation_moves_everything_and_changes_nothing_that_is_asked_for(
        self, open_keys: OpenKeys, masters: dict[int, str]
    ) -> None:
        """Keys, secrets and names open as before, for those who had the vault open too."""
        keys, beside = open_keys(), open_keys()
        seen = a_lived_vault(keys)
        before = what_is_seen(beside, seen)
        masters[2] = "22" * 32

        vault = keys.rotation()
        vault.begin(2, 1000)
        left = vault.left(2)
        moved = [count for _ in range(200) if (count := vault.rewrap(7))]
        del masters[1]
        assert (1,) == vault.end(2000)
        keys.sweep()

        assert sum(moved) == left >= 60
        assert 7 >= max(moved)
        assert 0 == vault.left(2) == vault.rewrap(7)
        assert () == vault.end(3000)
        assert (Epoch(1, 0, 2000), Epoch(2, 1000, None)) == keys.epochs()
        for opened in (keys, open_keys()):
            opened.forget_opened()
            opened.check_epochs()
            assert before == what_is_seen(opened, seen)
            assert [] == list(opened.damaged())
        beside.forget_opened()
        assert before == what_is_seen(beside, seen)

    def test_rotation_that_stops_anywhere_is_gone_on_with_by_another(
        self, open_keys: OpenKeys, masters: dict[int, str]
    ) -> None:
        """After each batch everything opens and everything new is under the new epoch."""
        keys = open_keys()
        seen = a_lived_vault(keys)
        before = what_is_seen(keys, seen)
        masters[2] = "22" * 32
        keys.rotation().begin(2, 1000)
        for number in range(200):
            fresh = open_keys()
            vault = fresh.rotation()
            left = vault.left(2)
            (key,) = fresh.issue(TENANT, 1)
            fresh.secret(TENANT, f"made-{number}", create=True)
            made = fresh.refer(TENANT, "subject", [f"made {number}", "person 3"], create=True)
            assert left == vault.left(2)
            assert before["names"]["person 3"] == made["person 3"]
            assert {key.key_id} == keys.open(TENANT, [key.key_id]).keys()
            moved = vault.rewrap(20)
            keys.forget_opened()
            assert before == what_is_seen(keys, seen)
            assert made == keys.refer(TENANT, "subject", made)
            fresh.close()
            if not moved:
                break

        assert 0 == keys.rotation().left(2)

    def test_vault_that_others_rotated_is_written_as_before_by_who_did_nothing_meanwhile(
        self, open_keys: OpenKeys, masters: dict[int, str]
    ) -> None:
        """Whoever had it open, and whoever opens it now, uses the one epoch that is left."""
        idle, early = open_keys(), open_keys()
        (old,) = idle.issue(TENANT, 1)
        idle.refer(TENANT, "subject", ["ann"], create=True)
        early.secret(TENANT, "one", create=True)
        masters[2] = "22" * 32
        vault = open_keys().rotation()
        vault.begin(2, 1000)
        while vault.rewrap(100):
            pass
        del masters[1]
        vault.end(2000)

        for keys in (idle, early, open_keys()):
            keys.forget_opened()
            (key,) = keys.issue(TENANT, 1)
            made = keys.secret(TENANT, f"of {key.key_id}", create=True)
            known = keys.refer(TENANT, "subject", ["ann", key.key_id], create=True)

            fresh = open_keys()
            assert {old.key_id, key.key_id} == fresh.open(TENANT, [old.key_id, key.key_id]).keys()
            assert made == fresh.secret(TENANT, f"of {key.key_id}")
            assert known == fresh.refer(TENANT, "subject", ["ann", key.key_id])
        assert 0 == vault.left(2)

    def test_rotation_beside_many_who_write_loses_nothing_of_theirs(
        self, open_keys: OpenKeys, masters: dict[int, str]
    ) -> None:
        """What anybody was given before, meanwhile and after opens under the new epoch alone."""
        openings = [open_keys() for _ in range(4)]
        stop = Event()

        def write(number: int) -> tuple[dict[str, bytes], dict[str, str]]:
            keys, turn = openings[number], 0
            made: dict[str, bytes] = {}
            known: dict[str, str] = {}
            while not stop.is_set():
                turn += 1
                made |= {key.key_id: key.key for key in keys.issue(TENANT, 3)}
                known |= keys.refer(TENANT, "subject", [f"{turn}", f"{number}/{turn}"], create=True)
                # (who reads beside may keep a copy for the sweep: destroyed it is)
                with suppress(UnavailableError), keys.destroying() as vault:
                    vault.destroy(TENANT, [made.popitem()[0]])
                # (a file has one writer at a time and no queue: leave the others a gap)
                time.sleep(0.01)
            return made, known

        with ThreadPoolExecutor(4) as threads:
            writers = [threads.submit(write, number) for number in range(4)]
            try:
                for epoch in (2, 3):
                    time.sleep(0.2)
                    masters[epoch] = f"{epoch}{epoch}" * 32
                    vault = openings[0].rotation()
                    vault.begin(epoch, epoch * 1000)
                    while vault.rewrap(50):
                        pass
                    del masters[epoch - 1]
                    vault.end(epoch * 1000 + 500)
            finally:
                stop.set()
            written = [writer.result(timeout=60) for writer in writers]

        keys = open_keys()
        assert [] == list(keys.damaged())
        for made, known in written:
            assert made == keys.open(TENANT, made)
            assert known == keys.refer(TENANT, "subject", known)

    def test_only_one_rotates_the_vault_on_any_host(self, open_keys: OpenKeys) -> None:
        """A vault of one machine leaves that to the keyring; a vault of many says it itself."""
        one, two = open_keys().rotation(), open_keys().rotation()
        with one.alone():
            if open_keys().supports_many_hosts:
                with pytest.raises(UnavailableError, match="being rotated"), two.alone():
                    pass
            else:
                with two.alone():
                    pass
        with two.alone():
            pass

    def test_rotation_needs_the_master_key_first(self, keys: KeyStore) -> None:
        """Nothing may be wrapped under what is not kept."""
        with pytest.raises(CorruptionError):
            keys.rotation().begin(2, 1000)

        assert (Epoch(1, 0, None),) == keys.epochs()

    def test_vault_whose_newest_epoch_has_no_master_key_is_refused(
        self, keys: KeyStore, masters: dict[int, str]
    ) -> None:
        """Either may be the older one; the reason says which."""
        keys.check_epochs()
        masters[2] = masters.pop(1)
        keys.forget_opened()
        with pytest.raises(CorruptionError, match="copy from before the vault was rotated"):
            keys.check_epochs()

        keys.rotation().begin(2, 1000)
        masters[1] = masters.pop(2)
        keys.forget_opened()
        with pytest.raises(CorruptionError, match="keys/kek is older"):
            keys.check_epochs()

    def test_keys_destroyed_are_unreadable_in_backups_once_every_epoch_they_saw_ended(
        self, keys: KeyStore, masters: dict[int, str]
    ) -> None:
        """One that was destroyed in the midst of a rotation may be in a backup under either."""
        assert keys.unreadable_since(500) is None
        masters[2] = "22" * 32
        vault = keys.rotation()
        vault.begin(2, 1000)
        while vault.rewrap(100):
            pass
        assert keys.unreadable_since(500) is None
        vault.end(2000)

        assert (2000, 2000) == (keys.unreadable_since(500), keys.unreadable_since(999))
        assert keys.unreadable_since(1000) is None
        assert keys.unreadable_since(5000) is None
        masters[3] = "33" * 32
        vault.begin(3, 6000)
        vault.end(7000)
        assert (2000, 7000) == (keys.unreadable_since(500), keys.unreadable_since(1500))
        assert (7000, None) == (keys.unreadable_since(5000), keys.unreadable_since(6500))

    @pytest.mark.parametrize("name", ["ann", "Ünï¢ødé 😀", "a" * 200, "it's; DROP TABLE", " x "])
    def test_opaque_id_leads_back_to_its_name(self, keys: KeyStore, name: str) -> None:
        """Exactly as it was written, for its tenant only."""
        opaque = keys.refer(TENANT, "subject", [name], create=True)[name]

        assert {opaque: name} == keys.names(TENANT, [opaque, "s_unknown"])
        assert {} == keys.names(OTHER, [opaque])

    def test_vault_that_does_not_answer_is_unavailable_or_corrupt(self, broken: KeyStore) -> None:
        """Every driver error is translated, with its cause."""

        def destroy() -> None:
            with broken.destroying() as vault:
                vault.destroy(TENANT, ["k_one"])

        for act in (
            lambda: broken.instance,
            lambda: broken.issue(TENANT, 1),
            lambda: broken.discard(TENANT, ["k_one"]),
            lambda: broken.open(TENANT, ["k_one"]),
            lambda: broken.secret(TENANT, "one", create=True),
            lambda: broken.refer(TENANT, "subject", ["ann"]),
            lambda: broken.names(TENANT, ["s_one"]),
            lambda: broken.checkpoint(0),
            destroy,
            broken.sweep,
            broken.count,
            lambda: broken.rotation().rewrap(1),
            lambda: list(broken.damaged()),
        ):
            with pytest.raises((UnavailableError, CorruptionError)) as caught:
                act()

            assert caught.value.__cause__ is not None
