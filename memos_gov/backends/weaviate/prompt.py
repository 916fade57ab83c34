"""
Questions by gRPC that nobody answers fail within seconds.

The client would repeat them for over a minute, six times after ever longer
pauses. Here a question is repeated once, as soon as the connection stands again
and RECONNECT_S_MAX later at the latest: a server that was restarted since the
last question is not noticed, and one that ended meanwhile is said.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
from weaviate import WeaviateClient

RECONNECT_S_MAX = 5.0


def prompt(client: WeaviateClient) -> None:
    """Let a connected client fail promptly; it has no setting for that."""
    connection: Any = client._connection  # noqa: SLF001 - (of all its collections)
    connection._grpc_stub = _Prompt(connection._grpc_stub)  # noqa: SLF001


class _Prompt:
    """What the client calls; every procedure of the service by its name."""

    def __init__(self, calls: Any) -> None:
        self._calls = calls

    def __getattr__(self, name: str) -> Callable[..., Any]:
        call = getattr(self._calls, name)

        def asked(request: Any, **how: Any) -> Any:
            try:
                return call(request, **how)
            except grpc.RpcError as error:
                if not _is_away(error):
                    raise
            try:
                how["timeout"] = min(how.get("timeout") or RECONNECT_S_MAX, RECONNECT_S_MAX)
                return call(request, **how, wait_for_ready=True)
            except grpc.RpcError as error:
                if not _is_away(error):
                    raise
                msg = "nobody answers by gRPC"  # (no RpcError, which the client would repeat)
                raise ConnectionError(msg) from error

        return asked


def _is_away(error: Any) -> bool:
    return error.code() is grpc.StatusCode.UNAVAILABLE
