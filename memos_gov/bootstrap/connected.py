"""
The connected set-up: Kafka, Postgres, OPA and Weaviate behind the same ports.

Kafka holds the log, Postgres the tables, operations and the vault, OPA decides,
Weaviate finds. What hosts share besides lies in the data folder that they
mount: `keys/ policies/ tiles/ memos-gov.toml`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import cached_property
from typing import Protocol

from memos_gov.backends.kafka import (
    KafkaConnection,
    KafkaEventLog,
    delete_topic,
    require_topic,
    version_and_bytes,
)
from memos_gov.backends.keyfiles import FileKeyring
from memos_gov.backends.opa import OpaPolicyEngine, OpaServer
from memos_gov.backends.postgres import migrate
from memos_gov.backends.postgres.claiming import claimed
from memos_gov.backends.postgres.connection import another_database, drop_database, for_reading
from memos_gov.backends.postgres.leases import PostgresLeases
from memos_gov.backends.postgres.operations import PostgresPointers
from memos_gov.backends.postgres.tables import FIRST_SCHEMA, PostgresTables
from memos_gov.backends.postgres.turns import PostgresIndexTurns
from memos_gov.backends.postgres.vault import PostgresKeyStore
from memos_gov.backends.weaviate.index import WeaviateCubeIndex, WeaviateServer
from memos_gov.bootstrap.connected_founding import Founding
from memos_gov.bootstrap.embedded import TABLES_POINTER
from memos_gov.engines import Engines
from memos_gov.errors import GovernanceError
from memos_gov.ports import Clock, PolicyBundles
from memos_gov.settings import Settings

DATABASES = ("vault", "operations", "tables")


class _Secret(Protocol):
    def get_secret_value(self) -> str:
        """Return what it hides."""


class Connected:
    """The stores of one data folder that are engines; see `SetUp`."""

    def __init__(
        self, settings: Settings, engines: Engines, clock: Clock, stack: ExitStack
    ) -> None:
        self._folder = settings.data
        self._engines = engines
        self._clock = clock
        self._stack = stack

    @contextmanager
    def founded(self, instance: str) -> Iterator[Callable[[], None]]:
        """
        Make topic, databases, formats and collection, alone under their names; see `SetUp`.

        What an `init` that was killed left is made anew; an empty database is taken.

        Raises:
            SettingsError: One of them is somebody's: nothing of it was touched.
            UnavailableError: Another `init` is at work with one of the names.
        """
        said = self._engines
        names = (
            f"prefix {said.postgres.prefix}",
            f"topic {said.kafka.topic}",
            f"collection {said.weaviate.collection}",
        )
        with (
            claimed(self.database("vault"), names) as claim,
            closing(self._index(instance)) as index,
        ):
            databases = {each: (self.database(each), _schema(each)) for each in DATABASES}
            founding = Founding(instance, claim, self._kafka, self._clock, databases, index)
            with founding.laid_out():
                yield founding.settle

    def remove(self) -> None:
        """Remove topic, databases and collection."""
        delete_topic(self._kafka)
        for branch in DATABASES:
            drop_database(self.database(branch))
        with closing(self._index(None)) as index:
            index.drop()

    def require_whole(self) -> None:
        """Look for topic, vault and operations."""
        self.require_topic()
        for branch in ("vault", "operations"):
            migrate.check(self.database(branch), branch)

    def require_topic(self) -> None:
        """Refuse a topic that is not as a log needs it."""
        require_topic(self._kafka)

    def topic_standing(self) -> tuple[str, int]:
        """Return the brokers' version, and how many bytes the topic takes."""
        return version_and_bytes(self._kafka)

    def found_vault(self, instance: str, now_ms: int) -> None:
        """Write the vault's first rows."""
        with closing(self._vault()) as vault:
            vault.found(instance, now_ms=now_ms)

    def log(self) -> KafkaEventLog:
        """Open the topic."""
        return self._stack.enter_context(closing(KafkaEventLog(self._kafka, self._clock)))

    def keyring(self) -> FileKeyring:
        """Return the folder's key files."""
        return FileKeyring(self._folder / "keys")

    def vault(self) -> PostgresKeyStore:
        """Open the vault's database."""
        return self._stack.enter_context(closing(self._vault()))

    def instance(self) -> str | None:
        """Return whose the vault is; None where it does not say, or is away."""
        with suppress(GovernanceError):
            return self.vault_to_read().instance
        return None

    def vault_to_read(self) -> PostgresKeyStore:
        """Open the vault's database so that every attempt to write fails."""
        return self._stack.enter_context(closing(self._vault(read_only=True)))

    def leases(self) -> PostgresLeases:
        """Open the leases."""
        leases = PostgresLeases(self.database("operations"))
        return self._stack.enter_context(closing(leases))

    def tables(self) -> PostgresTables:
        """Open the schema of tables that the pointer names."""
        schema = self.schema_in_use()
        url = self.database("tables")
        migrate.check(url, "tables", schema=schema)
        return self._stack.enter_context(closing(PostgresTables(url, schema=schema)))

    def schema_in_use(self) -> str:
        """Return the schema of tables that the pointer names; nothing is written."""
        with closing(PostgresPointers(for_reading(self.database("operations")))) as pointers:
            return pointers.get(TABLES_POINTER, FIRST_SCHEMA)

    def index(self, instance: str | None) -> WeaviateCubeIndex:
        """Open the collection; None where it is not known whose it must be."""
        return self._stack.enter_context(closing(self._index(instance)))

    def index_turns(self) -> PostgresIndexTurns:
        """Open the turns at the collection."""
        turns = PostgresIndexTurns(self.database("operations"))
        return self._stack.enter_context(closing(turns))

    def engine(self, bundles: PolicyBundles, deadline_s: float) -> OpaPolicyEngine:
        """Return the OPA server."""
        opa = self._engines.opa
        server = OpaServer(url=opa.url, token=_revealed(opa.token), ca_file=opa.ca_file)
        engine = OpaPolicyEngine(bundles, server, deadline_s)
        return self._stack.enter_context(closing(engine))

    @cached_property
    def _kafka(self) -> KafkaConnection:
        said = self._engines.kafka.model_dump(exclude={"key_password", "password"})
        return KafkaConnection(
            **said,
            key_password=_revealed(self._engines.kafka.key_password),
            password=_revealed(self._engines.kafka.password),
        )

    def database(self, branch: str) -> str:
        """Return the address of one of DATABASES."""
        postgres = self._engines.postgres
        return another_database(postgres.url.get_secret_value(), f"{postgres.prefix}_{branch}")

    def _vault(self, *, read_only: bool = False) -> PostgresKeyStore:
        master = self.keyring().master
        return PostgresKeyStore(self.database("vault"), master, read_only=read_only)

    def _index(self, instance: str | None) -> WeaviateCubeIndex:
        said = self._engines.weaviate
        server = WeaviateServer(
            url=said.url,
            grpc_port=said.grpc_port,
            api_key=_revealed(said.key),
            collection=said.collection,
        )
        return WeaviateCubeIndex(server, owner=instance)


def _revealed(secret: _Secret | None) -> str | None:
    return None if secret is None else secret.get_secret_value()


def _schema(branch: str) -> str:
    return FIRST_SCHEMA if branch == "tables" else "public"
