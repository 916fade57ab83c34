"""
The second wall between tenants: row-level security on every table that has one.

Whoever reads for a tenant does so as `memos_gov_reader`, with the tenant in a
setting of the transaction. That role sees rows of this tenant only, also
where a statement forgot to say so, and none at all where no tenant is set. It
is a wall against our own mistakes: who may run any statement could give the
role back.
"""

from __future__ import annotations

from collections.abc import Iterator

from psycopg import sql
from sqlalchemy import Table

from memos_gov.projections.tables import StreamRow, TablesModel, table_of

READER = "memos_gov_reader"
_SETTING = "current_setting('memos_gov.tenant', true)"
# Roles belong to the whole server, where others may be making it at the same time.
_ROLE = f"""
DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{READER}') THEN
    CREATE ROLE {READER} NOLOGIN;
  END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$;
DO $$ BEGIN
  IF NOT pg_has_role(current_user, '{READER}', 'MEMBER') THEN
    EXECUTE 'GRANT {READER} TO ' || quote_ident(current_user);
  END IF;
END $$
"""


def behind_the_wall(tenant: str) -> str:
    """Return the statements after which a transaction sees rows of one tenant only."""
    value = sql.Literal(tenant).as_string()
    return f"; SET LOCAL memos_gov.tenant = {value}; SET LOCAL ROLE {READER}"


def building(schema: str) -> Iterator[str]:
    """Yield the statements that put the wall into a schema of tables, the same at every time."""
    yield _ROLE
    yield f"GRANT USAGE ON SCHEMA {schema} TO {READER}"
    yield f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {READER}"
    for table in TablesModel.metadata.sorted_tables:
        condition = condition_of(table)
        if condition is not None:
            yield f'ALTER TABLE "{table.name}" ENABLE ROW LEVEL SECURITY'
            yield f'DROP POLICY IF EXISTS of_tenant ON "{table.name}"'
            yield f'CREATE POLICY of_tenant ON "{table.name}" TO {READER} USING ({condition})'


def condition_of(table: Table) -> str | None:
    """Return which rows a reader sees; None for a table that says nothing of any tenant."""
    if "tenant" in table.columns:
        return f"tenant = {_SETTING}"
    return f"starts_with(stream, {_SETTING} || '/')" if table is table_of(StreamRow) else None
