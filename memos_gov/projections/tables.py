"""
Every table, as SQLModel: the shapes that backends create, migrations move, and questions read.

Three sets, one a database: `TablesModel` (made by the certifier and the views,
thrown away and rebuilt at will), `OperationsModel` (pointers and leases),
`VaultModel` (keys and the directory; the only one besides the log that
cannot be made again). Hot paths write tuples in the order of these columns;
SQLModel gives DDL and typed reads.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, LargeBinary, MetaData, Table, Text
from sqlmodel import Field, SQLModel


class TablesModel(SQLModel):
    """What the log says, as rows; rebuilt, never repaired."""

    metadata = MetaData()


class OperationsModel(SQLModel):
    """What this installation is doing."""

    metadata = MetaData()


class VaultModel(SQLModel):
    """Keys and names."""

    metadata = MetaData()


class OutcomeRow(TablesModel, table=True):
    """
    One row a record of the log: what became of it. A duplicate has no index and no leaf.

    `log_time_ms` is the highest time of any record so far, so it never steps back.
    `entry` is the leaf entry, `leaf` its hash.
    """

    __tablename__ = "outcomes"
    __table_args__ = (
        Index("outcomes_by_index", "tenant", "idx", unique=True),
        Index("outcomes_by_command", "tenant", "command_id"),
    )

    partition: int = Field(primary_key=True)
    log_offset: int = Field(primary_key=True, sa_type=BigInteger)
    tenant: str
    idx: int | None = Field(sa_type=BigInteger)
    command_id: str
    code: str
    detail: bytes = Field(sa_type=LargeBinary)
    actor: str
    command: str
    time_ms: int | None = Field(sa_type=BigInteger)
    leaf: bytes | None = Field(sa_type=LargeBinary)
    log_time_ms: int = Field(sa_type=BigInteger)
    entry: bytes | None = Field(sa_type=LargeBinary)


class EventRow(TablesModel, table=True):
    """An accepted or refused event: header in the clear, payload as sealed."""

    __tablename__ = "events"
    __table_args__ = (Index("events_by_stream", "stream", "idx"),)

    tenant: str = Field(primary_key=True)
    idx: int = Field(primary_key=True, sa_type=BigInteger)
    seq: int = Field(primary_key=True)
    type: str
    version: int
    stream: str
    header: bytes = Field(sa_type=LargeBinary)
    sealed: str | None = Field(sa_type=Text)
    key_id: str | None


class FactsRow(TablesModel, table=True):
    """The document of a stream at each of its versions: what was known since `idx`."""

    __tablename__ = "facts"

    stream: str = Field(primary_key=True)
    version: int = Field(primary_key=True)
    tenant: str
    idx: int = Field(sa_type=BigInteger)
    time_s: int = Field(sa_type=BigInteger)
    doc: bytes = Field(sa_type=LargeBinary)


class LineageRow(TablesModel, table=True):
    """Of whom a cube was made: one row a source, by the certifier, never changed."""

    __tablename__ = "lineage"
    __table_args__ = (Index("lineage_by_cube", "tenant", "cube"),)

    tenant: str = Field(primary_key=True)
    source: str = Field(primary_key=True)
    cube: str = Field(primary_key=True)
    pathway: str
    revision: int
    idx: int = Field(sa_type=BigInteger)


class StreamRow(TablesModel, table=True):
    """The current version of a stream."""

    __tablename__ = "streams"

    stream: str = Field(primary_key=True)
    version: int


class TreeRow(TablesModel, table=True):
    """A tenant's tree: its size (the next index) and frontier."""

    __tablename__ = "trees"

    tenant: str = Field(primary_key=True)
    size: int = Field(sa_type=BigInteger)
    frontier: bytes = Field(sa_type=LargeBinary)


class CheckpointRow(TablesModel, table=True):
    """How far a follower has come; `digest` is that of the last record it saw."""

    __tablename__ = "checkpoints"

    follower: str = Field(primary_key=True)
    partition: int = Field(primary_key=True)
    next_offset: int = Field(sa_type=BigInteger)
    digest: bytes = Field(sa_type=LargeBinary)
    log_time_ms: int = Field(sa_type=BigInteger)


class CubeRow(TablesModel, table=True):
    """View: each cube as it stands, with the columns that scopes and questions name."""

    __tablename__ = "cubes"
    __table_args__ = (
        Index("cubes_by_owner", "tenant", "owner"),
        Index("cubes_by_recorded", "tenant", "recorded_at", "cube"),
    )

    tenant: str = Field(primary_key=True)
    cube: str = Field(primary_key=True)
    revision: int
    form: str
    state: str
    label: str
    owner: str
    basis: str
    region: str
    retention_class: str
    semantic_type: str
    frozen: bool
    quarantined: bool
    recorded_at: int = Field(sa_type=BigInteger)
    valid_from: int = Field(sa_type=BigInteger)


class CubeWordRow(TablesModel, table=True):
    """View: the list-valued facts of a cube, one row a value (purpose, subject, shared_with)."""

    __tablename__ = "cube_words"
    __table_args__ = (Index("cube_words_by_value", "tenant", "kind", "value"),)

    tenant: str = Field(primary_key=True)
    cube: str = Field(primary_key=True)
    kind: str = Field(primary_key=True)
    value: str = Field(primary_key=True)


class AccessRow(TablesModel, table=True):
    """View: who read or tried what, by index; one row a cube, or one for a refusal."""

    __tablename__ = "accesses"
    __table_args__ = (Index("accesses_by_cube", "tenant", "cube", "idx"),)

    tenant: str = Field(primary_key=True)
    idx: int = Field(primary_key=True, sa_type=BigInteger)
    cube: str = Field(primary_key=True)
    actor: str
    on_behalf_of: str | None
    action: str
    purpose: str
    effect: str
    reasons: str
    rules: str
    policy: str
    time_s: int = Field(sa_type=BigInteger)


class UsageRow(TablesModel, table=True):
    """View: how often and when a cube was last returned (behavioural metadata)."""

    __tablename__ = "usage"

    tenant: str = Field(primary_key=True)
    cube: str = Field(primary_key=True)
    reads: int
    last_read_at: int = Field(sa_type=BigInteger)


class DueRow(TablesModel, table=True):
    """View: what is due for a cube next and when; `policy` said so, "" where it did not answer."""

    __tablename__ = "due"
    __table_args__ = (Index("due_by_moment", "tenant", "due_at", "cube"),)

    tenant: str = Field(primary_key=True)
    cube: str = Field(primary_key=True)
    due_at: int | None = Field(sa_type=BigInteger)
    action: str
    retention_class: str
    policy: str
    held: bool
    rules: str
    steps: str
    idx: int = Field(sa_type=BigInteger)


class DispositionRow(TablesModel, table=True):
    """View: what ended or was set aside by the schedule or an erasure, and under which rules."""

    __tablename__ = "dispositions"
    __table_args__ = (Index("dispositions_by_time", "tenant", "time_s"),)

    tenant: str = Field(primary_key=True)
    idx: int = Field(primary_key=True, sa_type=BigInteger)
    cube: str = Field(primary_key=True)
    done: str
    rules: str
    actor: str
    review: str | None
    erasure: str | None
    time_s: int = Field(sa_type=BigInteger)


class SettingRow(OperationsModel, table=True):
    """A pointer of this installation, such as the tables file in use."""

    __tablename__ = "pointers"

    name: str = Field(primary_key=True)
    value: str


class LeaseRow(OperationsModel, table=True):
    """Up to which index of a tenant a holder had seen the history when it last began anew."""

    __tablename__ = "leases"

    holder: str = Field(primary_key=True)
    tenant: str = Field(primary_key=True)
    seen: int = Field(sa_type=BigInteger)
    expires_ms: int = Field(sa_type=BigInteger)


class IndexTurnRow(OperationsModel, table=True):
    """
    What a turn at an index without transactions is about to write; `cubes` is JSON, ids only.

    `life` is the lock that its holder has while it lives; `over_ms` is since when
    it is known to write no more.
    """

    __tablename__ = "index_turns"

    number: int = Field(
        sa_column=Column(BigInteger, primary_key=True, autoincrement=False, nullable=False)
    )
    partition: int
    life: int = Field(sa_type=BigInteger)
    holder: str
    cubes: str
    begun_ms: int = Field(sa_type=BigInteger)
    over_ms: int | None = Field(sa_type=BigInteger)


class ContentKeyRow(VaultModel, table=True):
    """A content key, wrapped under the tenant's key-encryption key of `epoch`; zeros once ended."""

    __tablename__ = "content_keys"

    key_id: str = Field(primary_key=True)
    tenant: str
    epoch: int
    wrapped: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class SecretRow(VaultModel, table=True):
    """A named secret of a tenant, wrapped: month keys, the directory's key, MAC keys."""

    __tablename__ = "secrets"

    tenant: str = Field(primary_key=True)
    name: str = Field(primary_key=True)
    epoch: int
    wrapped: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class DirectoryRow(VaultModel, table=True):
    """An opaque id and, sealed under `epoch`'s secret, its name; found by a keyed digest of it."""

    __tablename__ = "directory"
    __table_args__ = (Index("directory_by_id", "tenant", "opaque", unique=True),)

    tenant: str = Field(primary_key=True)
    kind: str = Field(primary_key=True)
    lookup: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))
    opaque: str
    epoch: int
    sealed: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class EpochRow(VaultModel, table=True):
    """When an epoch began, and when its master key was destroyed."""

    __tablename__ = "epochs"

    epoch: int = Field(primary_key=True)
    began_ms: int = Field(sa_type=BigInteger)
    ended_ms: int | None = Field(sa_type=BigInteger)


class DestroyerRow(VaultModel, table=True):
    """How far the destroyer has come in a partition; `digest` is that of the last record it saw."""

    __tablename__ = "destroyer"

    partition: int = Field(primary_key=True)
    next_offset: int = Field(sa_type=BigInteger)
    digest: bytes = Field(sa_type=LargeBinary)


class VaultMetaRow(VaultModel, table=True):
    """Which instance this vault belongs to, and whether something destroyed is to be swept."""

    __tablename__ = "meta"

    name: str = Field(primary_key=True)
    value: str


def table_of(model: type[SQLModel]) -> Table:
    """Return the SQLAlchemy table of a model, for statements on plain rows."""
    table: Table = model.__table__  # type: ignore[attr-defined]
    return table
