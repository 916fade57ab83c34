"""`principal` and `tenant`: who may act, and where."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from memos_gov.cli import options, views
from memos_gov.cli.output import Screen
from memos_gov.cli.session import Session, VerbGroup, pass_session

if TYPE_CHECKING:
    from memos_gov.queries.principals import Principal


@click.group("principal", cls=VerbGroup)
def principal_verb() -> None:
    """Say who may act, with which roles and attributes."""


@principal_verb.command("add")
@click.argument("name")
@click.option("--role", "roles", multiple=True, required=True, help="A role; repeatable.")
@click.option(
    "--clearance", default="internal", show_default=True, help="The highest label they may use."
)
@click.option("--for", "purposes", multiple=True, help="What they may act for; repeatable.")
@click.option("--region", "regions", multiple=True, default=("*",), help="Where; * is anywhere.")
@options.dry_run
@pass_session
def add(session: Session, /, name: str, **named: Any) -> None:
    """Let somebody act."""
    with session.actor() as actor:
        session.show(actor.add_principal(name, **named), views.receipt(f"added {name}"))


@principal_verb.command("grant")
@click.argument("name")
@click.argument("roles", nargs=-1, required=True)
@options.dry_run
@pass_session
def grant(session: Session, name: str, roles: tuple[str, ...], dry_run: bool) -> None:
    """Give roles to a principal."""
    with session.actor() as actor:
        receipt = actor.grant(name, *roles, dry_run=dry_run)
        session.show(receipt, views.receipt(f"granted {', '.join(roles)} to {name}"))


@principal_verb.command("revoke")
@click.argument("name")
@click.argument("roles", nargs=-1, required=True)
@options.dry_run
@pass_session
def revoke(session: Session, name: str, roles: tuple[str, ...], dry_run: bool) -> None:
    """Take roles from a principal."""
    with session.actor() as actor:
        receipt = actor.revoke(name, *roles, dry_run=dry_run)
        session.show(receipt, views.receipt(f"revoked {', '.join(roles)} from {name}"))


@principal_verb.command("list")
@pass_session
def known(session: Session) -> None:
    """List who may act, with roles and attributes."""
    with session.actor() as actor:
        session.show(actor.principals(), _principals)


def _principals(screen: Screen, found: tuple[Principal, ...]) -> None:
    columns = ("principal", "roles", "clearance", "purposes", "regions")
    rows = ([getattr(one, name) for name in columns] for one in found)
    screen.table(columns, rows)


@click.group("tenant", cls=VerbGroup)
def tenant_verb() -> None:
    """Found tenants, whose data never meet."""


@tenant_verb.command("list")
@pass_session
def tenants(session: Session) -> None:
    """List the tenants of the data folder."""
    with session.service() as service:
        session.show([found.tenant for found in service.status().tenants], _tenants)


def _tenants(screen: Screen, names: list[str]) -> None:
    for name in names:
        screen.line(name)


@tenant_verb.command("add")
@click.argument("name")
@click.option("--principal", help="The first principal, steward and dpo; yours by default.")
@pass_session
def found(session: Session, name: str, principal: str | None) -> None:
    """Found a tenant under the shipped policy."""
    with session.service() as service:
        first = service.rooms.settings.principal if principal is None else principal
        index = service.add_tenant(name, principal=first)
    session.show({"tenant": name, "principal": first, "index": index}, _founded)


def _founded(screen: Screen, made: dict[str, object]) -> None:
    screen.line(f"founded {made['tenant']} at index {made['index']}", "good")
    screen.fields([("first principal", made["principal"])])
