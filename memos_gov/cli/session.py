"""
One call of the command line: where the data lies, who acts, and how answers are shown.

The global options may stand before the verb and after it. What is not said
comes from the settings (`MEMOS_GOV_*`, then `memos-gov.toml` in the folder).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from memos_gov.cli import output
from memos_gov.cli.calling import as_typed
from memos_gov.cli.output import PlainScreen, Screen

if TYPE_CHECKING:
    from memos_gov.service import Actor, Service

T = TypeVar("T")
EPILOG = "And the options of `memos-gov --help`."


@dataclass
class Session:
    """The global options, and the last answer that was shown."""

    data: Path | None = None
    tenant: str | None = None
    principal: str | None = None
    purpose: str | None = None
    approval: str | None = None
    session: str | None = None
    json: bool = False
    screen: Screen | None = None
    answer: object = field(default=None, init=False)

    def overrides(self) -> dict[str, Any]:
        """Return what the options say of the settings."""
        return {"tenant": self.tenant, "principal": self.principal, "purpose": self.purpose}

    @contextmanager
    def service(self, **settings: Any) -> Iterator[Service]:
        """Enter the open data folder, with settings that the verb itself brings."""
        import memos_gov

        with memos_gov.open(self.data, **self.overrides(), **settings) as service:
            yield service

    @contextmanager
    def actor(self) -> Iterator[Actor]:
        """Enter the open data folder as whoever acts."""
        with self.service() as service:
            yield self.acting(service)

    def acting(self, service: Service) -> Actor:
        """Return whoever acts: `--as`, or the first principal of the folder."""
        principal = service.rooms.settings.principal
        return service.acting_as(principal, approval=self.approval, session=self.session)

    def show(self, answer: T, draw: Callable[[Screen, T], None]) -> None:
        """Show an answer, as one JSON document or drawn for a reader."""
        self.answer = answer
        if self.json:
            click.echo(output.to_json(answer))
        else:
            draw(self.screen or output.screen(), answer)

    def note(self, text: str) -> None:
        """Say something beside the answer, on standard error; not with `--json`."""
        if not self.json:
            screen = self.screen or PlainScreen(sys.stderr)
            screen.line(text)


pass_session = click.make_pass_decorator(Session)


def _set(context: click.Context, parameter: click.Parameter, value: object) -> None:
    """Keep a global option where every verb finds it; the one after the verb wins."""
    if value is None or value is False:
        return
    assert parameter.name is not None
    if not _is_unicode(str(value)):
        raise click.BadParameter("is not valid UTF-8", context, parameter)
    setattr(context.ensure_object(Session), parameter.name.removeprefix("global_"), value)


def _is_unicode(text: str) -> bool:
    """Whether a text was typed as UTF-8; other bytes arrive as halves of surrogate pairs."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def global_options(*, hidden: bool = False) -> list[click.Option]:
    """Return the global options; hidden where they follow the verb."""
    shared: dict[str, Any] = {"hidden": hidden, "expose_value": False, "callback": _set}
    return [
        click.Option(
            ["--data", "global_data"],
            type=click.Path(path_type=Path, file_okay=False),
            metavar="DIR",
            help="The data folder; MEMOS_GOV_DATA is the default.",
            **shared,
        ),
        click.Option(["--tenant", "global_tenant"], metavar="TENANT", help="Whose data.", **shared),
        click.Option(
            ["--as", "global_principal"],
            metavar="PRINCIPAL",
            help="Who acts; the folder's first principal by default.",
            **shared,
        ),
        click.Option(
            ["--purpose", "global_purpose"],
            metavar="PURPOSE",
            help="What the actor acts for.",
            **shared,
        ),
        click.Option(
            ["--approval", "global_approval"],
            metavar="CASE",
            help="The approved review that allows exactly this act.",
            **shared,
        ),
        click.Option(
            ["--session", "global_session"],
            metavar="NAME",
            help="What is remembered in a session is linked to what was read in it.",
            **shared,
        ),
        click.Option(
            ["--json", "global_json"],
            is_flag=True,
            help="Answer with one JSON document; errors too, on standard error.",
            **shared,
        ),
    ]


class Verb(click.Command):
    """A verb, which understands the global options too."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"epilog": EPILOG} | kwargs)
        self.params += global_options(hidden=True)

    def get_help(self, ctx: click.Context) -> str:
        """Return the help, its commands as this program was started."""
        return as_typed(super().get_help(ctx))


class VerbGroup(click.Group):
    """Verbs under one word, such as `principal`."""

    command_class = Verb

    def get_help(self, ctx: click.Context) -> str:
        """Return the help, its commands as this program was started."""
        return as_typed(super().get_help(ctx))


def verb(name: str | None = None, **attributes: Any) -> Callable[[Callable[..., Any]], Verb]:
    """Make a verb of a function that takes the session first."""

    def made(function: Callable[..., Any]) -> Verb:
        return click.command(name, cls=Verb, **attributes)(pass_session(function))

    return made
