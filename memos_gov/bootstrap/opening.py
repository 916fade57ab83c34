"""
Opening a data folder: settings in, an open `Service` out. `making.py` makes one.

A data folder holds `log.db tables.db vault.db operations.db index.db policies/
keys/ tiles/` and `memos-gov.toml`. Opening checks that they are of one instance and
of this program's format before anything is served.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import NamedTuple

from memos_gov import settings as settings_module
from memos_gov.activation.injecting import Injector
from memos_gov.activation.kept import Kept
from memos_gov.activation.kv_caches import KvCaches
from memos_gov.backends.base_models.language_model import TransformersLanguageModel
from memos_gov.backends.clock import SystemClock
from memos_gov.backends.files import FilePolicyBundles, shipped_bundle
from memos_gov.backends.folder_lock import folder_held
from memos_gov.backends.keyfiles import KeyFiles
from memos_gov.backends.sqlite.index import in_memory
from memos_gov.backends.tensors import FileTensorStore
from memos_gov.backends.tiles import FileTileStore
from memos_gov.backends.witness import FileWitness
from memos_gov.bootstrap.embedded import LOG, Embedded
from memos_gov.bootstrap.embedders import embedder_of
from memos_gov.bootstrap.setups import SetUp
from memos_gov.certify import parse
from memos_gov.deciding import LOOK_S, Certified, Deciding, Heard
from memos_gov.destroyer import Destroyer
from memos_gov.domain.events import LogFounded
from memos_gov.domain.history import LogPosition
from memos_gov.erasure import Eraser
from memos_gov.errors import CorruptionError, SettingsError, UnavailableError
from memos_gov.follow import Certifier, Follower, mac_secret
from memos_gov.founding import extend_log
from memos_gov.governor import Governor
from memos_gov.leasing import Leasing
from memos_gov.materializers.plaintext import IndexFollower
from memos_gov.materializers.tiles import TileFollower
from memos_gov.notary import Notary
from memos_gov.ports import Clock, CubeIndex, EventLog, KeyStore, Leases, Tables
from memos_gov.proposer import Proposer
from memos_gov.proving import Prover
from memos_gov.queries import CubeFinder
from memos_gov.recall import Reader
from memos_gov.sealing import check_vault_age
from memos_gov.service import Rooms, Service
from memos_gov.settings import Settings
from memos_gov.timed import TimedEngine
from memos_gov.transparency.checkpoints import origin_of
from memos_gov.transparency.notes import Signer

TILES = "tiles"
TENSORS = "tensors"
CLOCK_BEHIND_MAX_S = 60
_TOGETHER = (
    "Bring log and vault of one instance together: two files of one backup, or"
    " engines.kafka.topic and engines.postgres.prefix as this folder was made with."
)


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
    marks = LOG if settings.engines is None else "keys"
    if settings.engines and (folder / settings_module.FILE_NAME).exists():
        _require_keys(folder)
    if not (folder / marks).exists():
        msg = f"{folder} is no data folder of memos-gov"
        raise SettingsError(msg, remedy=f"Make one with `memos-gov --data {folder} init`.")
    return _build(settings, clock or SystemClock())


def _require_keys(folder: Path) -> None:
    if not (folder / "keys").exists():
        msg = f"{folder / 'keys'} is missing: without it nothing sealed can be read"
        remedy = (
            "Bring it back from where the keys are kept, or mount it; `init` would make others."
        )
        raise SettingsError(msg, remedy=remedy)


def _build(settings: Settings, clock: Clock) -> Service:
    opened = ExitStack()
    try:
        opened.enter_context(folder_held(settings.data, alone=False))
        KeyFiles(settings.data / "keys").require_operator()
        setup = set_up(settings, clock, opened)
        setup.require_whole()
        rooms = build_rooms(settings, clock, opened, setup, open_stores(setup, known_proposer))
        _decide_rest(rooms)
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


def set_up(settings: Settings, clock: Clock, stack: ExitStack) -> SetUp:
    """
    Return the stores that stand behind the ports of a folder; `stack` closes them.

    Raises:
        SettingsError: A client of an engine is not installed.
    """
    if settings.engines is None:
        return Embedded(settings.data, clock, stack)
    try:
        from memos_gov.bootstrap.connected import Connected  # (clients are slow to import)
    except ModuleNotFoundError as error:
        msg = f"the connected set-up needs {error.name}, which is not installed"
        raise SettingsError(msg, remedy="Install memos-gov[server].") from error

    return Connected(settings, settings.engines, clock, stack)


class Stores(NamedTuple):
    """Every store of a folder that stays open, and this proposer's MAC key under its id."""

    log: EventLog
    vault: KeyStore
    mac: tuple[str, bytes]
    leases: Leases
    tables: Tables
    cube_index: CubeIndex


def open_stores(
    setup: SetUp, proposer: Callable[[EventLog, KeyStore], tuple[str, bytes]]
) -> Stores:
    """Open every store, the truth first; `proposer` finds who proposes here."""
    log, vault = setup.log(), setup.vault()
    mac = proposer(log, vault)
    return Stores(log, vault, mac, setup.leases(), setup.tables(), setup.index(vault.instance))


def known_proposer(log: EventLog, vault: KeyStore) -> tuple[str, bytes]:
    """
    Return the id and the MAC key of the proposer that the log names first.

    Raises:
        CorruptionError: Log and vault are not of one instance, or one is damaged.
    """
    control = control_record(log)
    if vault.instance != control.instance:
        msg = "the vault belongs to another log"
        raise CorruptionError(msg, place="vault", remedy=_TOGETHER)
    vault.check_epochs()
    mac_key = vault.secret("_instance", mac_secret(control.mac_key))
    if mac_key is None:
        raise CorruptionError("the vault lacks the proposer's key", place="vault")
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
        remedy = (
            "A log keeps its count of partitions for ever: name it in engines.kafka.partitions."
        )
        raise SettingsError(msg, remedy=remedy)
    return found[0]


def _control_of(log: EventLog, partition: int) -> LogFounded:
    found = log.read(partition, 0, 1)
    events = parse(found[0]).events if found else ()
    if not events or not isinstance(events[0], LogFounded):
        msg = "the log does not begin with a control record"
        raise CorruptionError(msg, place=LogPosition(partition, 0).place)
    return events[0]


def _decide_rest(rooms: Rooms) -> None:
    """Certify what the log holds, or wait for it where this process does not certify."""
    governor, settings = rooms.governor, rooms.settings
    if settings.certifies:
        governor.certifier.catch_up()
        return
    end = time.monotonic() + settings.decision_deadline_s
    while _is_undecided(governor):
        if time.monotonic() >= end:
            msg = "the log holds records that no certifier decided yet"
            remedy = "Start `memos-gov worker certifier`, or open again when it has come up."
            raise UnavailableError(msg, backend="certifier", remedy=remedy)
        time.sleep(LOOK_S)


def _is_undecided(governor: Governor) -> bool:
    log = governor.log
    with governor.tables.snapshot() as snapshot:
        decided = [snapshot.certified(partition) for partition in range(log.partitions)]
    return any(log.read(partition, offset, 1) for partition, offset in enumerate(decided))


def _check_clock(governor: Governor, clock: Clock) -> None:
    with governor.tables.snapshot() as snapshot:
        log_time_s = snapshot.log_time_ms() / 1000
    behind_s = log_time_s - clock.now().timestamp()
    if behind_s > CLOCK_BEHIND_MAX_S:
        msg = f"the clock is {behind_s:.0f} seconds behind the log's time"
        remedy = "Set the machine's clock; the folder opens again when it has passed that time."
        raise SettingsError(msg, remedy=remedy)


def build_rooms(
    settings: Settings, clock: Clock, stack: ExitStack, setup: SetUp, stores: Stores
) -> Rooms:
    """Build every room over one folder; `stack` closes them."""
    log, vault, mac, leases, tables, index = stores
    files = KeyFiles(settings.data / "keys")
    bundles = FilePolicyBundles(settings.data / "policies")
    destroyer = Destroyer(log, tables, vault)
    certifier = Certifier(log, tables, vault)
    language_model = TransformersLanguageModel(settings.base_model, base_models())
    kv_caches = KvCaches(language_model, FileTensorStore(settings.data / TENSORS), vault, Kept())
    proposer = Proposer(
        log=log,
        deciding=_deciding(settings, certifier, destroyer, tables),
        destroyer=destroyer,
        clock=clock,
        mac_key_id=mac[0],
        mac_key=mac[1],
    )
    signing = (vault.instance, files.private("verifier"))
    notary = _notary(settings, log, tables, proposer, clock, signing)
    engine = TimedEngine(setup.engine(bundles, settings.policy_deadline_s))
    governor = Governor(
        log=log,
        tables=tables,
        keys=vault,
        engine=engine,
        bundles=bundles,
        certifier=certifier,
        clock=clock,
        proposer=proposer,
        leasing=Leasing(leases, keys=vault, tables=tables, clock=clock, review=kv_caches.review),
        notary=notary if settings.certifies else None,
    )
    follower = Follower(log, tables)
    embedder, turns = embedder_of(settings), setup.index_turns()
    index_follower = IndexFollower(log, tables, governor.sealer, index, turns, embedder)
    finder = CubeFinder(tables, follower)
    reader = Reader(governor, index, index_follower, finder, in_memory, embedder)
    eraser = Eraser(governor, follower, index, index_follower, destroyer, kv_caches.cubes_of_files)
    return Rooms(
        settings=settings,
        engine=engine,
        governor=governor,
        destroyer=destroyer,
        eraser=eraser,
        reader=reader,
        language_model=language_model,
        injector=Injector(governor, reader, language_model, kv_caches),
        follower=follower,
        index_follower=index_follower,
        index=index,
        bundles=bundles,
        notary=notary,
        prover=Prover(log, tables, notary),
        keyring=setup.keyring(),
        verifier_key=files.public("verifier"),
        recovery_key=files.recovery_public,
        shipped=shipped_bundle,
        close=stack.close,
    )


def base_models() -> Path:
    """Return the folder of base models that were made here, the user's own."""
    from platformdirs import user_cache_path

    return user_cache_path("memos-gov") / "base-models"


def _deciding(
    settings: Settings, certifier: Certifier, destroyer: Destroyer, tables: Tables
) -> Deciding:
    if settings.certifies:
        return Deciding(Certified(certifier, destroyer, tables))
    return Deciding(Heard(tables), settings.decision_deadline_s)


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
