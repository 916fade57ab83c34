"""
Whether a database holds what this program lays out there, and nothing besides.

The catalogue of a schema is compared with that of one that the migrations make
anew on the same server, in a transaction that is rolled back: tables, columns,
constraints, indexes, triggers, rules, policies and whether they are enforced,
owners, rights, and whatever else may lie in a schema. What an extension
brought is the server's own and is not looked at.

Rights to read that a named account was given are for the operator to give, as for
a dump; those to write, and those of everybody, are not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from memos_gov.backends.postgres.connection import PostgresPool, connect, place_of, translated
from memos_gov.backends.postgres.migrate import lay_out
from memos_gov.backends.postgres.wall import READER

if TYPE_CHECKING:
    from memos_gov.backends.postgres.connection import Connection

_MADE = "laid_out_for_comparison"
_HERE = "current_schema()::regnamespace"
_OURS = f"c.relnamespace = {_HERE}"
_OWNER = f"(SELECT relowner FROM pg_class c WHERE {_OURS} AND relname = 'alembic_version')"
_NOT_BROUGHT = (
    "NOT EXISTS (SELECT FROM pg_depend e WHERE e.deptype = 'e'"
    " AND e.classid = d.classid AND e.objid = d.objid)"
)
# Each yields kind, name, and what there is to say of it.
_QUERIES = (
    # What lies in the schema at all, but what the queries below say better.
    (
        "SELECT i.type, replace(i.identity, current_schema() || '.', ''), ''"
        " FROM pg_depend d CROSS JOIN LATERAL pg_identify_object(d.classid, d.objid, d.objsubid) i"
        f" WHERE d.refclassid = 'pg_namespace'::regclass AND d.refobjid = {_HERE}"
        f" AND d.classid NOT IN ('pg_extension'::regclass, 'pg_class'::regclass) AND {_NOT_BROUGHT}"
    ),
    (
        "SELECT CASE c.relkind WHEN 'r' THEN 'table' ELSE 'relation' END, c.relname::text,"
        " concat_ws(' ', c.relkind, c.relpersistence, c.relispartition,"
        f" CASE WHEN c.relowner = {_OWNER} THEN '' ELSE 'of ' || pg_get_userbyid(c.relowner) END)"
        f" FROM pg_class c WHERE {_OURS} AND c.relkind NOT IN ('i', 'I') AND NOT EXISTS"
        " (SELECT FROM pg_depend e WHERE e.deptype = 'e' AND e.classid = 'pg_class'::regclass"
        " AND e.objid = c.oid)"
    ),
    (
        "SELECT 'row-level security', c.relname::text,"
        " concat_ws(' ', c.relrowsecurity, c.relforcerowsecurity)"
        f" FROM pg_class c WHERE {_OURS} AND c.relkind = 'r'"
    ),
    (
        "SELECT 'column', c.relname || '.' || a.attname, concat_ws(' ', row_number()"
        " OVER (PARTITION BY c.oid ORDER BY a.attnum), format_type(a.atttypid, a.atttypmod),"
        " a.attnotnull, a.attidentity, a.attgenerated, a.attcollation::regcollation::text,"
        " nullif(a.attstattarget, -1), pg_get_expr(v.adbin, v.adrelid))"
        " FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid"
        " LEFT JOIN pg_attrdef v ON v.adrelid = a.attrelid AND v.adnum = a.attnum"
        f" WHERE {_OURS} AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped"
    ),
    (
        "SELECT 'constraint', c.relname || '.' || k.conname,"
        " concat_ws(' ', k.convalidated, pg_get_constraintdef(k.oid, true))"
        f" FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid WHERE {_OURS}"
    ),
    (
        "SELECT 'index', i.indexrelid::regclass::text, concat_ws(' ', i.indisvalid, i.indisready,"
        " i.indisunique, pg_get_indexdef(i.indexrelid, 0, true))"
        f" FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid WHERE {_OURS}"
    ),
    (
        "SELECT 'trigger', c.relname || '.' || t.tgname,"
        " concat_ws(' ', t.tgenabled, pg_get_triggerdef(t.oid, true))"
        " FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid"
        f" WHERE {_OURS} AND NOT t.tgisinternal"
    ),
    (
        "SELECT 'rule', c.relname || '.' || r.rulename,"
        " concat_ws(' ', r.ev_enabled, pg_get_ruledef(r.oid, true))"
        " FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class"
        f" WHERE {_OURS} AND c.relkind = 'r'"
    ),
    (
        "SELECT 'policy', c.relname || '.' || p.polname, concat_ws(' ', p.polcmd, p.polpermissive,"
        " (SELECT string_agg(pg_get_userbyid(r), ',' ORDER BY r) FROM unnest(p.polroles) r),"
        " pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))"
        f" FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid WHERE {_OURS}"
    ),
    (
        "SELECT 'right', c.relname || ' of ' ||"
        " CASE g.grantee WHEN 0 THEN 'everybody' ELSE pg_get_userbyid(g.grantee) END,"
        " string_agg(concat_ws(' ', a.of, g.privilege_type, g.is_grantable), ', '"
        " ORDER BY a.of, g.privilege_type)"
        " FROM pg_class c CROSS JOIN LATERAL (SELECT c.relacl AS acl, '' AS of UNION ALL"
        " SELECT attacl, attname::text FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0) a"
        f" CROSS JOIN LATERAL aclexplode(a.acl) g WHERE {_OURS} AND c.relkind = 'r'"
        " AND g.grantee <> c.relowner AND (g.privilege_type <> 'SELECT' OR g.grantee = 0"
        f" OR g.grantee = (SELECT oid FROM pg_roles WHERE rolname = '{READER}'))"
        " GROUP BY c.relname, g.grantee"
    ),
)
_SCHEMAS = (
    "SELECT d.nspname::text FROM (SELECT 'pg_namespace'::regclass AS classid, oid AS objid,"
    " nspname FROM pg_namespace) d WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'"
    f" AND {_NOT_BROUGHT} ORDER BY nspname"
)
_WALL = (
    "SELECT rolsuper, rolbypassrls, rolcanlogin,"
    " EXISTS (SELECT FROM pg_auth_members m WHERE m.member = r.oid)"
    f" FROM pg_roles r WHERE rolname = '{READER}'"
)
_BREACHES = ("is a superuser", "passes row-level security", "may log in", "is another role, too")
# What goes without saying of a table that is missing or none of ours.
_PARTS = frozenset({"column", "constraint", "index", "right", "row-level security"})
# What cannot be compared row by row, or would run somebody's code when it is read.
_HINDERS = frozenset({"table", "relation", "column"})

Layout = Mapping[tuple[str, str], str]


class Difference(NamedTuple):
    """What is not as this program lays it out; `hinders` where rows cannot be read as ours."""

    name: str
    message: str
    hinders: bool = False


def layout_of(connection: Connection) -> Layout:
    """Return everything in the schema that a connection looks into, by kind and name."""
    rows = (row for query in _QUERIES for row in connection.execute(query.encode()))
    return {(str(kind), str(name)): str(said) for kind, name, said in rows}


def made(url: str, branch: str) -> Layout:
    """
    Return the layout of a branch as this program makes it today.

    It is made in the database of `url`, in a transaction that is rolled back.
    """
    pool = PostgresPool(url, schema=_MADE)
    try:
        with translated(pool.place), pool.engine().connect() as connection:
            connection.exec_driver_sql("BEGIN")
            try:
                lay_out(connection, branch, _MADE)
                driver: Any = connection.connection.driver_connection
                return layout_of(driver)
            finally:
                connection.exec_driver_sql("ROLLBACK")
    finally:
        pool.close()


def differences(url: str, due: Layout, *, schema: str = "public") -> Iterator[Difference]:
    """
    Yield in what a schema is laid out in another way than `due`.

    Raises:
        SettingsError, UnavailableError: It cannot be read.
    """
    with translated(place_of(url)), connect(url, schema=schema) as connection:
        found = layout_of(connection)
    odd = {name for kind, name in found.keys() ^ due.keys() if kind == "table"}
    for kind, name in sorted(found.keys() | due.keys()):
        mine, its = found.get((kind, name)), due.get((kind, name))
        if mine != its and not (kind in _PARTS and name.partition(".")[0] in odd):
            yield Difference(
                f"{kind} {name}", _said(mine, its), kind in _HINDERS and its is not None
            )


def _said(mine: str | None, its: str | None) -> str:
    if its is None:
        return "is none of this program's"
    return "is missing" if mine is None else "is laid out in another way than this program does it"


def schemas_beside(url: str) -> list[str]:
    """Return every schema of a database but the server's own, sorted."""
    with translated(place_of(url)), connect(url) as connection:
        return [str(name) for (name,) in connection.execute(_SCHEMAS.encode())]


def breaches(url: str) -> Iterator[str]:
    """Yield why the role that the wall between tenants rests on would not keep it."""
    with translated(place_of(url)), connect(url) as connection:
        yield from breaches_of(connection)


def breaches_of(connection: Connection) -> Iterator[str]:
    """Yield the same as a transaction sees it."""
    row = connection.execute(_WALL.encode()).fetchone()
    for is_so, breach in zip(row or (), _BREACHES, strict=False):
        if is_so:
            yield f"{READER} {breach}"
