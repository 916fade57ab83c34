"""Sealing: a payload opens at its own place with its own key, and nowhere else."""

import base64
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec.structs import replace

from memos_gov.backends.sqlite import migrate
from memos_gov.backends.sqlite.vault import SqliteKeyStore
from memos_gov.domain.codec import Envelope, canonical
from memos_gov.domain.events import CubeContent, CubeFrozen, CubesRead, Draft, Event, ReadDetail
from memos_gov.errors import CorruptionError, NotFoundError
from memos_gov.ports import MasterKeys, StoredEvent
from memos_gov.sealing import Sealer, month_name
from tests.domain.given import CUBE, remembered

TENANT, COMMAND = "acme", "01a20996-a52e-7333-90d2-0b5b494901a1"
NOW = datetime(2026, 11, 23, tzinfo=UTC)
SECRET = CubeContent(content="The card was charged twice.", metadata={"shop": "corner"})
DRAFT = Draft(remembered(), SECRET)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqliteKeyStore]:
    """Return a vault."""
    path: Path = tmp_path_factory.mktemp("sealing") / "vault.db"
    migrate.upgrade(path, "vault")
    vault = SqliteKeyStore(path, lambda: MasterKeys({1: "11" * 32}))
    yield vault
    vault.close()


@pytest.fixture
def sealer(keys: SqliteKeyStore) -> Sealer:
    """Return the sealer under test."""
    return Sealer(keys)


def opened(
    sealer: Sealer,
    env: Envelope,
    event: Event = DRAFT.event,
    *,
    tenant: str = TENANT,
    command_id: str = COMMAND,
) -> CubeContent:
    """Open an envelope at a place."""
    assert env.sealed is not None
    assert env.key_id is not None
    stored = StoredEvent(
        index=0,
        type=type(event).__name__,
        version=event.VERSION,
        stream=event.stream(tenant),
        header=canonical(event),
        sealed=env.sealed,
        key_id=env.key_id,
        command_id=command_id,
    )
    return sealer.open_content(stored, tenant)


def test_payload_sealed_opens_at_its_place(sealer: Sealer) -> None:
    """What went in comes out."""
    env = sealer.seal(DRAFT, TENANT, COMMAND, NOW)

    assert SECRET == opened(sealer, env)


def test_payload_sealed_shows_nothing_of_itself(sealer: Sealer) -> None:
    """Neither in the header nor in the ciphertext, and never twice the same."""
    one, two = (sealer.seal(DRAFT, TENANT, COMMAND, NOW) for _ in range(2))

    assert b"charged" not in canonical(one)
    assert b"charged" not in base64.b64decode(one.sealed or "")
    assert one.sealed != two.sealed
    assert one.key_id != two.key_id


def test_event_without_a_payload_has_nothing_sealed(sealer: Sealer) -> None:
    """And no key."""
    env = sealer.seal(Draft(CubeFrozen(cube=CUBE)), TENANT, COMMAND, NOW)

    assert (None, None) == (env.sealed, env.key_id)


@pytest.mark.parametrize(
    "place",
    [
        {"event": remembered(cube="c_other")},
        {"event": CubeFrozen(cube=CUBE)},
        {"command_id": COMMAND.replace("a", "b")},
    ],
    ids=["other cube", "other type", "other command"],
)
def test_payload_moved_elsewhere_does_not_open(sealer: Sealer, place: dict[str, object]) -> None:
    """The associated data binds it to stream, type, version, revision and command."""
    env = sealer.seal(DRAFT, TENANT, COMMAND, NOW)

    with pytest.raises(CorruptionError) as caught:
        opened(sealer, env, **place)  # type: ignore[arg-type]

    assert "charged" not in str(caught.value)


def test_payload_read_as_another_version_does_not_open(sealer: Sealer) -> None:
    """It is bound to the version in which its event was written."""
    env = sealer.seal(DRAFT, TENANT, COMMAND, NOW)
    assert env.sealed is not None
    assert env.key_id is not None
    place = {"tenant": TENANT, "command_id": COMMAND}

    with pytest.raises(CorruptionError):
        sealer.open(DRAFT.event, env.sealed, env.key_id, **place, version=env.version + 1)  # type: ignore[arg-type]


def test_payload_of_another_tenant_does_not_open(sealer: Sealer) -> None:
    """For another tenant its key does not exist."""
    env = sealer.seal(DRAFT, TENANT, COMMAND, NOW)

    with pytest.raises(NotFoundError):
        opened(sealer, env, tenant="other")


def test_payload_under_another_key_does_not_open(sealer: Sealer) -> None:
    """An exchanged key id is noticed."""
    one, two = (sealer.seal(DRAFT, TENANT, COMMAND, NOW) for _ in range(2))

    with pytest.raises(CorruptionError):
        opened(sealer, replace(one, key_id=two.key_id))


@pytest.mark.parametrize("sealed", ["", "AAAA", "not base64!", "é", "A" * 200])
def test_ciphertext_that_is_none_is_corrupt(sealer: Sealer, sealed: str) -> None:
    """Cut, exchanged or garbled: one error with a place."""
    env = replace(sealer.seal(DRAFT, TENANT, COMMAND, NOW), sealed=sealed)

    with pytest.raises(CorruptionError, match="does not open"):
        opened(sealer, env)


def test_ciphertext_with_one_bit_changed_is_corrupt(sealer: Sealer) -> None:
    """Nothing is opened halfway."""
    env = sealer.seal(DRAFT, TENANT, COMMAND, NOW)
    raw = bytearray(base64.b64decode(env.sealed or ""))
    raw[20] ^= 1

    with pytest.raises(CorruptionError):
        opened(sealer, replace(env, sealed=base64.b64encode(raw).decode()))


def test_payload_whose_key_was_destroyed_is_not_found(sealer: Sealer, keys: SqliteKeyStore) -> None:
    """That is what erasing means."""
    env = sealer.seal(DRAFT, TENANT, COMMAND, NOW)
    keys.discard(TENANT, [env.key_id or ""])

    with pytest.raises(NotFoundError):
        opened(sealer, env)


def test_query_of_a_read_is_sealed_under_the_months_key(sealer: Sealer) -> None:
    """So that queries end by schedule."""
    read = CubesRead(action="recall", cubes=(), snapshot=1, refused={})
    detail = ReadDetail(query="my query", candidates=(CUBE,))

    env = sealer.seal(Draft(read, detail), TENANT, COMMAND, NOW)

    assert "month:2026-11" == env.key_id == month_name(NOW)
    raw = sealer.open(
        read,
        env.sealed or "",
        env.key_id,
        tenant=TENANT,
        command_id=COMMAND,
        version=read.VERSION,
    )
    assert canonical(detail) == raw


def test_keys_of_the_pool_are_durable_before_they_are_used(
    sealer: Sealer, keys: SqliteKeyStore
) -> None:
    """A write waits for one fsync, the log's; the vault's was before."""
    sealer.seal(DRAFT, TENANT, COMMAND, NOW)
    env = sealer.seal(DRAFT, TENANT, COMMAND, NOW)
    pool = [key.key_id for key in sealer._pool[TENANT]]
    assert pool

    assert {*pool, env.key_id} == keys.open(TENANT, [*pool, env.key_id or ""]).keys()


def test_keys_that_sealed_nothing_are_destroyed_at_the_end(
    sealer: Sealer, keys: SqliteKeyStore
) -> None:
    """The one that sealed something stays."""
    sealer.seal(DRAFT, TENANT, COMMAND, NOW)
    env = sealer.seal(DRAFT, TENANT, COMMAND, NOW)
    pool = [key.key_id for key in sealer._pool[TENANT]]
    assert pool

    sealer.close()

    assert {env.key_id} == keys.open(TENANT, [*pool, env.key_id or ""]).keys()
    assert SECRET == opened(sealer, env)
