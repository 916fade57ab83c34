"""`worker`: go on with what the log says, until stopped."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from memos_gov.cli.session import Session, verb
from memos_gov.errors import SettingsError

ALL = ("certifier", "plaintext", "schedule")
SCHEDULE_S = 60.0
LISTEN = "127.0.0.1:0"


@verb("worker")
@click.argument("duty", type=click.Choice([*ALL, "all"]))
@click.option("--listen", default=LISTEN, help="HOST:PORT of /healthz and /metrics.", metavar="AT")
@click.option(
    "--every",
    "schedule_s",
    type=click.FloatRange(min=0, min_open=True),
    default=SCHEDULE_S,
    help="Seconds between two runs of the schedule.",
    show_default=True,
)
@click.option("--partitions", help="Which to certify, such as 0,2; all of the log otherwise.")
@click.option("--name", help="What this worker alone is called; host and process otherwise.")
def worker_verb(
    session: Session,
    duty: str,
    listen: str,
    schedule_s: float,
    partitions: str | None,
    name: str | None,
) -> None:
    """
    Certify, fill the index or follow the schedule, until stopped.

    Any number may run at once, on any machine that reaches the stores: work is
    done once, and whoever is killed is replaced by the others. One JSON line an
    occurrence goes to standard error. SIGTERM and Ctrl-C end it after its step.
    """
    host, port = _address(listen)
    chosen = _numbers(partitions)
    try:
        from memos_gov.worker import Journal, Telemetry, Worker, duties_of
    except ModuleNotFoundError as error:
        msg = f"a worker needs {error.name}, which is not installed"
        raise SettingsError(msg, remedy="Install memos-gov[server].") from error

    name = name or f"{socket.gethostname()}-{os.getpid()}"
    journal = Journal(sys.stderr, name)
    names = ALL if duty == "all" else (duty,)
    # A certifier certifies also where the settings that it shares with writers say no.
    certifies = True if "certifier" in names else None
    with session.service(certifies=certifies) as service:
        duties = duties_of(service, names, schedule_s=schedule_s, partitions=chosen, worker=name)
        telemetry = Telemetry(service.rooms, [each.name for each in duties])
        worker = Worker(duties, telemetry, journal)
        with telemetry.served(host, port) as address, _stopped_by_signals(worker.stop):
            journal.note("listens", address=address)
            worker.run()


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isascii() or not port.isdigit():
        msg = "--listen: must be HOST:PORT, such as 127.0.0.1:9464"
        raise click.BadParameter(msg)
    return host, int(port)


def _numbers(text: str | None) -> list[int] | None:
    if text is None:
        return None
    parts = text.split(",")
    if not all(part.isascii() and part.isdigit() for part in parts):
        msg = "--partitions: must be numbers, such as 0,2"
        raise click.BadParameter(msg)
    return [int(part) for part in parts]


@contextmanager
def _stopped_by_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Let SIGTERM and SIGINT stop gently; a second one ends the process as usual."""
    signals = (signal.SIGTERM, signal.SIGINT)
    before = {number: signal.getsignal(number) for number in signals}

    def gently(number: int, _: object) -> None:
        stop()
        signal.signal(number, before[signal.Signals(number)])

    for number in signals:
        signal.signal(number, gently)
    try:
        yield
    finally:
        for number in signals:
            signal.signal(number, before[number])
