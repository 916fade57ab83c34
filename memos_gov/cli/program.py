"""
The program `memos-gov`: its verbs, imported when typed, and how it ends.

Every way out has an exit code: 0 done, what `errors.EXIT_CODES` says of an
error, 2 for a call that cannot be understood, 130 after Ctrl-C, and 1 for what
nobody foresaw. No traceback and no content is ever printed.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NoReturn

import click

from memos_gov import __version__
from memos_gov.cli import INTERRUPTED, output
from memos_gov.cli.calling import as_typed
from memos_gov.cli.errors import UNEXPECTED, described
from memos_gov.cli.output import Screen
from memos_gov.cli.session import Session, global_options

# The file of each verb, in the order in which a newcomer meets them.
VERBS = {
    "demo": "memos_gov.cli.demo",
    "init": "memos_gov.cli.folder",
    "status": "memos_gov.cli.folder",
    "whoami": "memos_gov.cli.folder",
    "doctor": "memos_gov.cli.doctor",
    "config": "memos_gov.cli.folder",
    "tenant": "memos_gov.cli.principals",
    "principal": "memos_gov.cli.principals",
    "ingest": "memos_gov.cli.files",
    "map": "memos_gov.cli.files",
    "remember": "memos_gov.cli.writing",
    "recall": "memos_gov.cli.reading",
    "get": "memos_gov.cli.reading",
    "list": "memos_gov.cli.reading",
    "revise": "memos_gov.cli.writing",
    "roll-back": "memos_gov.cli.deriving",
    "merge": "memos_gov.cli.deriving",
    "summarise": "memos_gov.cli.deriving",
    "split": "memos_gov.cli.deriving",
    "transform": "memos_gov.cli.deriving",
    "share": "memos_gov.cli.governing",
    "unshare": "memos_gov.cli.governing",
    "relabel": "memos_gov.cli.governing",
    "rebase": "memos_gov.cli.governing",
    "consent": "memos_gov.cli.governing",
    "hold": "memos_gov.cli.governing",
    "release": "memos_gov.cli.governing",
    "freeze": "memos_gov.cli.governing",
    "thaw": "memos_gov.cli.governing",
    "archive": "memos_gov.cli.governing",
    "restore": "memos_gov.cli.governing",
    "trigger": "memos_gov.cli.governing",
    "forget": "memos_gov.cli.erasing",
    "review": "memos_gov.cli.reviews",
    "history": "memos_gov.cli.evidence",
    "explain": "memos_gov.cli.evidence",
    "audit": "memos_gov.cli.audits",
    "log": "memos_gov.cli.records",
    "evidence": "memos_gov.cli.proofs",
    "schedule": "memos_gov.cli.schedule",
    "worker": "memos_gov.cli.worker",
    "fsck": "memos_gov.cli.upkeep",
    "rebuild": "memos_gov.cli.upkeep",
    "vault": "memos_gov.cli.vault",
    "policy": "memos_gov.cli.policies",
    "model": "memos_gov.cli.base_models",
}


class Program(click.Group):
    """The outermost group: finds verbs by name and turns every error into its exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the verbs in the order of `VERBS`."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the file of a verb and return the verb."""
        if cmd_name not in VERBS:
            return None
        found = getattr(import_module(VERBS[cmd_name]), f"{cmd_name.replace('-', '_')}_verb")
        assert isinstance(found, click.Command)
        return found

    def get_help(self, ctx: click.Context) -> str:
        """Return the help, its commands as this program was started."""
        return as_typed(super().get_help(ctx))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb; one that does not exist is named with those that look like it."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError:
            from difflib import get_close_matches

            near = get_close_matches(args[0], VERBS, n=1, cutoff=0.5)
            hint = f"; did you mean {near[0]}?" if near else ""
            ctx.fail(f"there is no verb {click.format_filename(args[0])}{hint}")

    def main(self, args: Sequence[str] | None = None, **extra: Any) -> NoReturn:  # type: ignore[override]
        """Run the program and exit."""
        arguments = list(sys.argv[1:] if args is None else args)
        sys.exit(self._exit_code(arguments, Session(), extra.get("prog_name")))

    def run(self, arguments: list[str], session: Session, name: str | None = None) -> int:
        """Run one verb and return its exit code; every error is raised."""
        done = super().main(arguments, prog_name=name, standalone_mode=False, obj=session)
        return done if isinstance(done, int) else 0

    def _exit_code(self, arguments: list[str], session: Session, name: str | None) -> int:
        as_json = "--json" in arguments
        try:
            return self.run(arguments, session, name)
        except (click.Abort, KeyboardInterrupt) as error:
            said = str(error.__cause__ or error)  # (what was left behind, where a verb knows it)
            click.echo(said or "interrupted", err=True)
            return INTERRUPTED
        except BrokenPipeError:
            _let_go_of_output()
            return UNEXPECTED
        except click.exceptions.NoArgsIsHelpError as error:
            error.show()
            return error.exit_code
        except Exception as error:  # noqa: BLE001 - the last line of defence: no traceback leaves
            return report(error, as_json=as_json)


def report(error: Exception, *, as_json: bool = False, screen: Screen | None = None) -> int:
    """Show an error and its remedy, or JSON, on standard error, and return its exit code."""
    document = described(error)
    if as_json:
        click.echo(output.to_json({"error": document}), err=True)
    else:
        shown = screen or output.screen(sys.stderr)
        _say(shown, f"error: {document['message']}", "error")
        _say(shown, f"remedy: {document['remedy']}", "remedy")
    code = document["exit_code"]
    assert isinstance(code, int)
    return code


def _say(screen: Screen, text: str, style: str) -> None:
    """Show a text of ours; findings of several lines, such as OPA's, keep them."""
    for line in as_typed(text).splitlines():
        screen.line(line.rstrip(), style)


def _let_go_of_output() -> None:
    """Send what is still buffered nowhere: the reader, such as `head`, has left."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _version(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value and not context.resilient_parsing:
        click.echo(f"memos-gov {__version__}")
        context.exit()


command_line = Program(
    "memos-gov",
    subcommand_metavar="VERB ...",
    params=[
        *global_options(),
        click.Option(
            ["--version"],
            is_flag=True,
            expose_value=False,
            is_eager=True,
            callback=_version,
            help="Show the version and exit.",
        ),
    ],
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    help="""
    Govern the memories of agents: every act is judged by policy and kept in a log
    that proves itself. `memos-gov demo` shows it; `memos-gov --data DIR init` begins.

    The options below may stand before the verb or after it.
    """,
)
