"""
The loop of a worker: step, rest, back off, stop.

Each duty has a thread. While a backend does not answer the duty waits, longer
each time and never longer than BACKOFF_S_MAX, and goes on by itself. What needs
a person stops the worker, with that error. A stop lets each step come to its end.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    sleep_using_event,
    stop_when_event_set,
    wait_random_exponential,
)

from memos_gov.errors import GovernanceError, UnavailableError
from memos_gov.worker.duties import Duty
from memos_gov.worker.journal import Journal
from memos_gov.worker.telemetry import Telemetry

REST_S = 0.05
BACKOFF_S_FIRST = 0.1
BACKOFF_S_MAX = 10.0


class Worker:
    """Duties that run until `stop`."""

    def __init__(self, duties: Sequence[Duty], telemetry: Telemetry, journal: Journal) -> None:
        self._duties = duties
        self._telemetry = telemetry
        self._journal = journal
        self._stopping = threading.Event()
        self._fatal: list[BaseException] = []

    def stop(self) -> None:
        """Let every duty end after its step; returns at once, from a signal handler too."""
        self._stopping.set()

    def run(self) -> None:
        """
        Run every duty until `stop` is called.

        Raises:
            CorruptionError, SettingsError: What a duty met that a person must mend;
                every duty has ended.
        """
        threads = [threading.Thread(target=self._guarded, args=(duty,)) for duty in self._duties]
        self._journal.note("started", duties=",".join(duty.name for duty in self._duties))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self._journal.note("stopped")
        if self._fatal:
            raise self._fatal[0]

    def _guarded(self, duty: Duty) -> None:
        try:
            self._repeat(duty)
        except BaseException as error:  # noqa: BLE001 - raised again by `run`, in the main thread
            self._fatal.append(error)
            self._journal.note("failed", duty=duty.name, code=_code(error))
            self.stop()

    def _repeat(self, duty: Duty) -> None:
        while not self._stopping.is_set():
            done = self._step(duty)
            if done:
                self._journal.note("done", duty=duty.name, count=done)
            else:
                self._stopping.wait(REST_S)

    def _step(self, duty: Duty) -> int:
        """Step once, or as often as it takes until the backends answer or the worker stops."""
        try:
            for attempt in self._attempts(duty):
                with attempt:
                    done = duty.step()
                    self._telemetry.stepped(duty.name, done)
        except UnavailableError:  # (it was to stop meanwhile)
            return 0
        return done

    def _attempts(self, duty: Duty) -> Retrying:
        return Retrying(
            retry=retry_if_exception_type(UnavailableError),
            wait=wait_random_exponential(multiplier=BACKOFF_S_FIRST, max=BACKOFF_S_MAX),
            stop=stop_when_event_set(self._stopping),
            sleep=sleep_using_event(self._stopping),
            before_sleep=lambda state: self._waits(duty, state),
            reraise=True,
        )

    def _waits(self, duty: Duty, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        code = _code(error)
        self._telemetry.failed(duty.name, code)
        # (the code alone: what an error says comes from elsewhere, and may say too much)
        self._journal.note("waits", duty=duty.name, code=code, attempt=state.attempt_number)


def _code(error: BaseException | None) -> str:
    return error.code if isinstance(error, GovernanceError) else type(error).__name__
