"""
Opening a data folder: settings in, an open `Service` out. `making.py` makes one.

A data folder holds `log.db tables.db vault.db operations.db index.db policies/
keys/ tiles/` and `memos-gov.toml`. Opening checks that they are of one instance and
of this program's format before anything is served.
"""

from __future__ import annotations

from contextlib import ExitStack, closing
from functools import cache
from pathlib import Path
from typing import NamedTuple

from memos_gov import settings as settings_module
from memos_gov.backends.clock import SystemClock
from memos_gov.backends.files import FilePolicyBundles, shipped_bundle
from memos_gov.backends.folder_lock import folder_held
from memos_gov.backends.keyfiles import FileKeyring, KeyFiles
from memos_gov.backends.sqlite import migrate
from memos_gov.backends.sqlite.index import SqliteCubeIndex, in_memory
from memos_gov.backends.sqlite.leases import SqliteLeases
from memos_gov.backends.sqlite.log import SqliteEventLog
from memos_gov.backends.sqlite.operations import SqlitePointers
from memos_gov.backends.sqlite.tables import SqliteTables
from memos_gov.backends.sqlite.vault import SqliteKeyStore
from memos_gov.backends.tiles import FileTileStore
from memos_gov.backends.wasm import WasmPolicyEngine
from memos_gov.backends.witness import FileWitness
from memos_gov.certify import parse
from memos_gov.destroyer import Destroyer
from memos_gov.domain.events import LogFounded
from memos_gov.domain.history import LogPosition
from memos_gov.erasure import Eraser
from memos_gov.errors import CorruptionError, SettingsError
from memos_gov.follow import Certifier, Follower, mac_secret
from memos_gov.founding import extend_log
from memos_gov.fsck.report import REBUILD, RESTORE
from memos_gov.governor import Governor
from memos_gov.leasing import Leasing
from memos_gov.materializers.plaintext import IndexFollower
from memos_gov.materializers.tiles import TileFollower
from memos_gov.notary import Notary
from memos_gov.ports import Clock, EventLog, Tables
from memos_gov.proposer import Proposer
from memos_gov.proving import Prover
from memos_gov.queries import CubeFinder
from memos_gov.recall import Reader
from memos_gov.sealing import check_vault_age
from memos_gov.service import Rooms, Service
from memos_gov.settings import Settings
from memos_gov.transparency.checkpoints import origin_of
from memos_gov.transparency.notes import Signer

LOG, VAULT, OPERATIONS, INDEX, TABLES = (
    "log.db",
    "vault.db",
    "operations.db",
    "index.db",
    "tables.db",
)
TILES = "tiles"
TABLES_POINTER = "tables"
CLOCK_BEHIND_MAX_S = 60


def open_service(
    data: Path | str | None = None, *, clock: Clock | None = None, **overrides: object
) -> Service:
    """
    Open an existing data folder; it cannot be rebuilt until the service is closed.

    Raises:
        SettingsError: No folder, not made by `init`, another format, or a
            clock behind the log's time.
        CorruptionError: Its files are not of one instance, missing or damaged.
        UnavailableError: It is being rebuilt, or cannot be read and written.
    """
    settings = settings_module.load(data, **overrides)
    folder = settings.data
    if not (folder / LOG).exists():
        msg = f"{folder} is no data folder of memos-gov"
        raise SettingsError(msg, remedy=f"Make one with `memos-gov --data {folder} init`.")
    return _build(settings, clock or SystemClock())


def _build(settings: Settings, clock: Clock) -> Service:
    opened = ExitStack()
    try:
        opened.enter_context(folder_held(settings.data, alone=False))
        rooms = build_rooms(settings, clock, opened, _proposer(settings.data, clock))
        rooms.governor.certifier.catch_up()
        _check_clock(rooms.governor, clock)
        rooms.destroyer.catch_up()
        rooms.governor.keys.sweep()
        with rooms.governor.tables.snapshot() as snapshot:
            check_vault_age(rooms.governor.keys, snapshot)
        rooms.notary.check_heads()
        rooms.index_follower.check_age()
        extend_log(rooms.governor)
        rooms.governor.leasing.hold()
        rooms.eraser.resume()
    except BaseException:
        opened.close()
        raise
    return Service(rooms)


def _proposer(folder: Path, clock: Clock) -> tuple[str, bytes]:
    """Return the proposer's MAC key and its id, once the files are found to be of one instance."""
    keys = KeyFiles(folder / "keys")
    keys.require_operator()
    for branch, name in (("vault", VAULT), ("operations", OPERATIONS)):
        if not (folder / name).exists():
            remedy = REBUILD if name == OPERATIONS else RESTORE
            raise CorruptionError(f"{name} is missing", place=name, remedy=remedy)
        migrate.check(folder / name, branch)
    with ExitStack() as stack:
        log = SqliteEventLog(folder / LOG, clock)
        stack.callback(log.close)
        control = control_record(log)
        vault = SqliteKeyStore(folder / VAULT, FileKeyring(folder / "keys").master)
        stack.callback(vault.close)
        if vault.instance != control.instance:
            msg = "the vault belongs to another log"
            raise CorruptionError(msg, place=VAULT)
        vault.check_epochs()
        mac_key = vault.secret("_instance", mac_secret(control.mac_key))
        if mac_key is None:
            raise CorruptionError("the vault lacks the proposer's key", place=VAULT)
    return control.mac_key, mac_key


def control_record(log: EventLog) -> LogFounded:
    """
    Return the control record of a log, which is the same in each of its partitions.

    Raises:
        CorruptionError: Offset 0 of a partition holds something else.
        SettingsError: The log was founded with another count of partitions.
    """
    found = [_control_of(log, partition) for partition in range(log.partitions)]
    if any(one != found[0] for one in found):
        msg = "the partitions do not begin with one control record"
        raise CorruptionError(msg, place="log offset 0")
    if found[0].partitions != log.partitions:
        msg = f"the log has {log.partitions} partitions, and was founded with {found[0].partitions}"
        raise SettingsError(msg, remedy="A log keeps its count of partitions for ever.")
    return found[0]


def _control_of(log: EventLog, partition: int) -> LogFounded:
    found = log.read(partition, 0, 1)
    events = parse(found[0]).events if found else ()
    if not events or not isinstance(events[0], LogFounded):
        msg = "the log does not begin with a control record"
        raise CorruptionError(msg, place=LogPosition(partition, 0).place)
    return events[0]


def _check_clock(governor: Governor, clock: Clock) -> None:
    with governor.tables.certification() as transaction:
        checkpoints = map(transaction.checkpoint, range(governor.log.partitions))
        log_time_s = max(each.log_time_ms for each in checkpoints) / 1000
    behind_s = log_time_s - clock.now().timestamp()
    if behind_s > CLOCK_BEHIND_MAX_S:
        msg = f"the clock is {behind_s:.0f} seconds behind the log's time"
        remedy = "Set the machine's clock; the folder opens again when it has passed that time."
        raise SettingsError(msg, remedy=remedy)


class _Stores(NamedTuple):
    """Every file of a folder that stays open."""

    log: SqliteEventLog
    keyring: FileKeyring
    vault: SqliteKeyStore
    leases: SqliteLeases
    tables: SqliteTables
    cube_index: SqliteCubeIndex


def _opened_stores(folder: Path, clock: Clock, stack: ExitStack) -> _Stores:
    """Open every file; `stack` closes them, the last first."""
    keyring = FileKeyring(folder / "keys")
    return _Stores(
        log=stack.enter_context(closing(SqliteEventLog(folder / LOG, clock))),
        keyring=keyring,
        vault=stack.enter_context(closing(SqliteKeyStore(folder / VAULT, keyring.master))),
        leases=stack.enter_context(closing(SqliteLeases(folder / OPERATIONS))),
        tables=stack.enter_context(closing(SqliteTables(current_tables(folder)))),
        cube_index=stack.enter_context(closing(SqliteCubeIndex(folder / INDEX))),
    )


def build_rooms(
    settings: Settings, clock: Clock, stack: ExitStack, mac: tuple[str, bytes]
) -> Rooms:
    """Build every room over one folder; `stack` closes them."""
    stores = _opened_stores(settings.data, clock, stack)
    log, keyring, vault, _, tables, index = stores
    files = KeyFiles(settings.data / "keys")
    bundles = FilePolicyBundles(settings.data / "policies")
    destroyer = Destroyer(log, tables, vault)
    certifier = Certifier(log, tables, vault)
    proposer = Proposer(
        log=log,
        tables=tables,
        certifier=certifier,
        destroyer=destroyer,
        clock=clock,
        mac_key_id=mac[0],
        mac_key=mac[1],
    )
    signing = (vault.instance, files.private("verifier"))
    notary = _notary(settings, log, tables, proposer, clock, signing)
    governor = _governor(settings, stores, bundles, certifier, clock, proposer, notary)
    follower = Follower(log, tables)
    index_follower = IndexFollower(log, tables, governor.sealer, index)
    finder = CubeFinder(tables, follower)
    reader = Reader(governor, index, index_follower, finder, in_memory)
    eraser = Eraser(governor, follower, index, index_follower, destroyer)
    return Rooms(
        settings=settings,
        governor=governor,
        destroyer=destroyer,
        eraser=eraser,
        reader=reader,
        follower=follower,
        index_follower=index_follower,
        index=index,
        bundles=bundles,
        notary=notary,
        prover=Prover(log, tables, notary),
        keyring=keyring,
        verifier_key=files.public("verifier"),
        recovery_key=files.recovery_public,
        shipped=shipped_bundle,
        close=stack.close,
    )


def _governor(
    settings: Settings,
    stores: _Stores,
    bundles: FilePolicyBundles,
    certifier: Certifier,
    clock: Clock,
    proposer: Proposer,
    notary: Notary,
) -> Governor:
    """Build the Governor of a folder, its policies run in process."""
    tables, vault = stores.tables, stores.vault
    return Governor(
        log=stores.log,
        tables=tables,
        keys=vault,
        engine=WasmPolicyEngine(bundles, wasm_cache(), settings.policy_deadline_s),
        bundles=bundles,
        certifier=certifier,
        clock=clock,
        proposer=proposer,
        leasing=Leasing(stores.leases, keys=vault, tables=tables, clock=clock),
        notary=notary,
    )


def _notary(
    settings: Settings,
    log: EventLog,
    tables: Tables,
    proposer: Proposer,
    clock: Clock,
    signing: tuple[str, bytes],
) -> Notary:
    """Build the notary of a folder; `signing` is whose log it is, and the private key."""
    instance, private_key = signing
    return Notary(
        log=log,
        tables=tables,
        proposer=proposer,
        clock=clock,
        tiles=TileFollower(tables, FileTileStore(settings.data / TILES)),
        witness=FileWitness(settings.witness) if settings.witness else None,
        signer=cache(lambda tenant: Signer(origin_of(instance, tenant), private_key)),
        interval_s=settings.checkpoint_s,
    )


def current_tables(folder: Path) -> Path:
    """
    Return the tables file in use.

    Raises:
        CorruptionError: It is gone; `rebuild` makes it again.
    """
    with closing(SqlitePointers(folder / OPERATIONS)) as pointers:
        name = pointers.get(TABLES_POINTER, TABLES)
    if not (folder / name).exists():
        raise CorruptionError(f"{name} is missing", place=name, remedy=REBUILD)
    migrate.check(folder / name, "tables")
    return folder / name


def wasm_cache() -> Path:
    """Return the folder of compiled modules, the user's own."""
    from platformdirs import user_cache_path

    return user_cache_path("memos-gov") / "wasm"
