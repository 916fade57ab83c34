"""
The policy engine within the process: OPA's own compiler, evaluated by wasmtime.

A bundle's `policy.wasm` is what `opa build` made of the Rego; this file is only
its host (OPA's Wasm ABI 1.2: one call of `opa_eval` takes the question's JSON
and gives the answer's). The module gets memory and nothing else: no clock, no
network, no builtin that OPA could not compile.

Machine code of a module is cached per bundle digest and wasmtime version.
Deserialising a foreign file would run its code, so the cache is read only
where nobody but this user can have written.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import stat
import tempfile
import threading
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import msgspec
import orjson

from memos_gov.domain.verdicts import ERROR, TIMED_OUT, UNDEFINED
from memos_gov.errors import PolicyUnavailableError, SettingsError
from memos_gov.ports import PolicyBundles

if TYPE_CHECKING:
    import wasmtime

_PAGE_BYTES = 65_536
_MEMORY_BYTES_MAX = 512 * 1024 * 1024  # thousands of cubes need under 50 MiB
_POLICIES_MAX = 16  # loaded at once; what-if asks two, replay a few
_TICKS_PER_DEADLINE = 20
_PREFIX, _SUFFIX = b'[{"result":', b"}]"


class WasmPolicyEngine:
    """
    Evaluates bundles compiled to Wasm, under a deadline; safe to use from many threads.

    The first question to a bundle loads it (0.3 s, or milliseconds from the
    cache). Each thread that asks at the same time gets an instance of its own.
    """

    def __init__(self, bundles: PolicyBundles, cache_dir: Path, deadline_s: float = 1.0) -> None:
        self._bundles = bundles
        self._cache = _ModuleCache(cache_dir)
        self._loading = threading.Lock()
        self._engine: wasmtime.Engine | None = None
        self._ticker: _Ticker | None = None
        self._deadline_s = deadline_s
        self._policies: dict[str, _Policy] = {}

    def ask(self, digest: str, entrypoint: str, question: Mapping[str, object]) -> bytes:
        """Answer as `PolicyEngine.ask` promises."""
        policy = self._policies.get(digest) or self._load(digest)
        number = policy.entrypoints.get(entrypoint)
        if number is None:
            raise PolicyUnavailableError(f"no entrypoint {entrypoint}", reason=UNDEFINED)
        assert self._ticker is not None
        with policy.instance() as instance, self._ticker.ticking():
            answer = instance.evaluate(number, orjson.dumps(question))
        if not (answer.startswith(_PREFIX) and answer.endswith(_SUFFIX)):
            raise PolicyUnavailableError(f"{entrypoint} is undefined", reason=UNDEFINED)
        return answer[len(_PREFIX) : -len(_SUFFIX)]

    def _load(self, digest: str) -> _Policy:
        with self._loading:
            if digest in self._policies:
                return self._policies[digest]
            engine = self._started()
            bundle = self._bundles.get(digest)
            module = self._cache.module(engine, digest, bundle.wasm)
            policy = _Policy(engine, module, bundle.data)
            while len(self._policies) >= _POLICIES_MAX:
                self._policies.pop(next(iter(self._policies)))
            self._policies[digest] = policy
            return policy

    def _started(self) -> wasmtime.Engine:
        import wasmtime

        if self._engine is None:
            config = wasmtime.Config()
            config.epoch_interruption = True
            self._engine = wasmtime.Engine(config)
            self._ticker = _Ticker(self._engine, self._deadline_s / _TICKS_PER_DEADLINE)
        return self._engine


class _Policy:
    """One loaded module and its idle instances."""

    def __init__(self, engine: wasmtime.Engine, module: wasmtime.Module, data: bytes) -> None:
        self._engine, self._module, self._data = engine, module, data
        self._idle: list[_Instance] = []
        with self.instance() as first:
            self.entrypoints = first.entrypoints()

    @contextlib.contextmanager
    def instance(self) -> Iterator[_Instance]:
        """Lend an instance; one that failed in any way is thrown away."""
        try:
            instance = self._idle.pop()
        except IndexError:
            instance = _Instance(self._engine, self._module, self._data)
        yield instance
        self._idle.append(instance)


class _Instance:
    """A module with memory of its own: the data parsed once, the heap reset for each question."""

    def __init__(self, engine: wasmtime.Engine, module: wasmtime.Module, data: bytes) -> None:
        import wasmtime

        self._store = store = wasmtime.Store(engine)
        store.set_limits(memory_size=_MEMORY_BYTES_MAX)
        store.set_epoch_deadline(_TICKS_PER_DEADLINE + 1)
        self._abort: str | None = None
        try:
            imports = [self._import(store, each) for each in module.imports]
            exports = wasmtime.Instance(store, module, imports).exports(store)
            self._exports = cast("Mapping[str, Any]", exports)
            self._check()
            self._evaluate = self._exports["opa_eval"]
            self._data_at = self._parsed(data)
            self._heap_at = self._exports["opa_heap_ptr_get"](store)
        except (wasmtime.WasmtimeError, wasmtime.Trap, _AbortedError) as error:
            raise self._failure(error) from error

    def evaluate(self, entrypoint: int, question: bytes) -> bytes:
        """Return OPA's result set: `[{"result": ...}]`, or `[]` for undefined."""
        import wasmtime

        try:
            self._store.set_epoch_deadline(_TICKS_PER_DEADLINE + 1)
            self._write(self._heap_at, question)
            end = self._heap_at + len(question)
            place = (0, entrypoint, self._data_at, self._heap_at, len(question), end, 0)
            return self._read(self._evaluate(self._store, *place))
        except (wasmtime.WasmtimeError, wasmtime.Trap, _AbortedError) as error:
            raise self._failure(error) from error

    def entrypoints(self) -> dict[str, int]:
        """Return the module's entrypoints by path."""
        return msgspec.json.decode(self._dumped("entrypoints"), type=dict[str, int])

    def _check(self) -> None:
        """Refuse a module that speaks another ABI or needs what we do not give."""
        major, minor = (
            self._exports[name].value(self._store)
            for name in ("opa_wasm_abi_version", "opa_wasm_abi_minor_version")
        )
        if major != 1 or minor < 2:  # noqa: PLR2004 - 1.2 brought `opa_eval`
            raise PolicyUnavailableError(f"ABI {major}.{minor} is not spoken", reason=ERROR)
        if missing := msgspec.json.decode(self._dumped("builtins"), type=dict[str, int]):
            names = ", ".join(sorted(missing))
            raise PolicyUnavailableError(f"builtins are missing: {names}", reason=ERROR)

    def _import(self, store: wasmtime.Store, wanted: wasmtime.ImportType) -> Any:
        import wasmtime

        if wanted.name == "memory" and isinstance(wanted.type, wasmtime.MemoryType):
            self._memory = wasmtime.Memory(store, wanted.type)
            return self._memory
        assert isinstance(wanted.type, wasmtime.FuncType)
        stop = self._aborted if wanted.name == "opa_abort" else _missing_builtin
        return wasmtime.Func(store, wanted.type, stop)

    def _aborted(self, at: int) -> None:
        self._abort = self._read(at).decode(errors="replace")
        raise _AbortedError

    def _failure(self, error: Exception) -> PolicyUnavailableError:
        import wasmtime

        if isinstance(error, wasmtime.Trap) and error.trap_code is wasmtime.TrapCode.INTERRUPT:
            return PolicyUnavailableError("policy took too long", reason=TIMED_OUT)
        # wasmtime-py may hand a host function's exception to another thread's
        # call, so what aborted is remembered here and not in the exception.
        return PolicyUnavailableError(f"policy failed: {self._abort or error}", reason=ERROR)

    def _parsed(self, document: bytes) -> int:
        at = self._exports["opa_malloc"](self._store, len(document))
        self._write(at, document)
        return cast("int", self._exports["opa_json_parse"](self._store, at, len(document)))

    def _dumped(self, name: str) -> bytes:
        value = self._exports[name](self._store)
        return self._read(self._exports["opa_json_dump"](self._store, value))

    def _write(self, at: int, body: bytes) -> None:
        lacking = at + len(body) - self._memory.data_len(self._store)
        if lacking > 0:
            self._memory.grow(self._store, -(-lacking // _PAGE_BYTES))
        ctypes.memmove(self._start() + at, body, len(body))

    def _read(self, at: int) -> bytes:
        return ctypes.string_at(self._start() + at)

    def _start(self) -> int:
        pointer = ctypes.cast(self._memory.data_ptr(self._store), ctypes.c_void_p)
        assert pointer.value is not None
        return pointer.value


class _AbortedError(Exception):
    """The module called one of the imports that end it."""


def _missing_builtin(*_: int) -> int:
    raise _AbortedError


class _Ticker:
    """Moves the engine's epoch while somebody evaluates; asleep otherwise."""

    def __init__(self, engine: wasmtime.Engine, period_s: float) -> None:
        self._engine, self._period_s = engine, period_s
        self._lock = threading.Lock()
        self._needed = threading.Event()
        self._evaluating = 0
        self._thread: threading.Thread | None = None

    @contextlib.contextmanager
    def ticking(self) -> Iterator[None]:
        """Keep the epoch moving within the block."""
        with self._lock:
            self._evaluating += 1
            # After a fork the thread is not alive, so the child starts its own.
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._tick, name="epoch", daemon=True)
                self._thread.start()
            self._needed.set()
        try:
            yield
        finally:
            with self._lock:
                self._evaluating -= 1

    def _tick(self) -> None:
        pause = threading.Event()
        while self._needed.wait():
            pause.wait(self._period_s)
            self._engine.increment_epoch()
            with self._lock:
                if not self._evaluating:
                    self._needed.clear()


class _ModuleCache:
    """Machine code by bundle digest and wasmtime version, in a folder of this user alone."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def module(self, engine: wasmtime.Engine, digest: str, wasm: bytes) -> wasmtime.Module:
        """Return the module, from the cache where it fits, compiled and kept otherwise."""
        import wasmtime

        path = self._folder / f"{digest}-{metadata.version('wasmtime')}.bin"
        self._prepare()
        if code := _own_bytes(path):
            # Another CPU or another configuration: compile again.
            with contextlib.suppress(wasmtime.WasmtimeError):
                return wasmtime.Module.deserialize(engine, code)
        try:
            module = wasmtime.Module(engine, wasm)
        except wasmtime.WasmtimeError as error:
            raise PolicyUnavailableError("policy.wasm does not compile", reason=ERROR) from error
        self._keep(path, bytes(module.serialize()))
        return module

    def _prepare(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        info = self._folder.stat()
        if info.st_uid != os.geteuid() or stat.S_IMODE(info.st_mode) & 0o022:
            raise SettingsError(
                f"{self._folder} can be written by other users",
                remedy=f"chmod 700 {self._folder}, or choose another cache folder.",
            )

    def _keep(self, path: Path, code: bytes) -> None:
        """Write whole or not at all; a full disk only costs the next start its compile."""
        with contextlib.suppress(OSError):
            descriptor, name = tempfile.mkstemp(dir=self._folder)  # created with mode 0600
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(code)
                Path(name).replace(path)
            except OSError:
                Path(name).unlink(missing_ok=True)


def _own_bytes(path: Path) -> bytes | None:
    """Return what the file holds if only this user can have written it."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        info = os.fstat(descriptor)
        own = info.st_uid == os.geteuid() and not stat.S_IMODE(info.st_mode) & 0o077
        return file.read() if own and stat.S_ISREG(info.st_mode) else None
