"""Who may import whom, and when: layers, one door to the backends, a light start."""

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

from tests.architecture.source import PACKAGE, ROOT, SourceFile, files, pyproject, rooms

HEAVY = {
    "kafka",
    "opa_client",
    "peft",
    "psycopg",
    "torch",
    "transformers",
    "wasmtime",
    "weaviate",
}
# Whole files of one technology, imported only where a set-up names it.
OF_ENGINES = ("memos_gov/backends/kafka",)
NOT_AT_START = ("numpy", "pydantic", "pydantic_settings", "sqlalchemy", "sqlmodel", "wasmtime")
IMPURE_MODULES = {
    "io",
    "logging",
    "os",
    "pathlib",
    "random",
    "secrets",
    "shutil",
    "socket",
    "sqlite3",
    "subprocess",
    "sys",
    "tempfile",
    "threading",
    "time",
    "uuid_utils",
}
IMPURE_CALLS = re.compile(
    r"(?:^|\.)(?:now|utcnow|today|uuid[1-8]|getnode|urandom)$|^(?:open|print|input|exec|eval)$"
)


def test_import_contracts_of_the_package_are_kept() -> None:
    """Layers are exhaustive and acyclic, and backends do not know each other."""
    linter = Path(sys.executable).with_name("lint-imports")

    done = run([linter, "--no-logo"])

    assert done.returncode == 0, done.stdout + done.stderr


def run(command: list[str | Path]) -> subprocess.CompletedProcess[str]:
    """Run a command in the root of the repository and return what it printed."""
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_layers_of_the_contract_name_exactly_the_rooms() -> None:
    """No layer is optional and none stands for a room that does not exist."""
    contracts = pyproject()["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["id"] == "layers")

    named = sorted(room.strip() for layer in layers for room in re.split("[:|]", layer))

    assert sorted(room.removesuffix("/").removesuffix(".py") for room in rooms()) == named


def test_backends_of_the_package_are_imported_by_bootstrap_only() -> None:
    """One place wires ports to technologies; not even a lazy import goes around it."""
    outside = [file for file in files() if not (file.under("backends") or file.under("bootstrap"))]

    assert [] == [
        f"{file.place}:{found.line} imports {found.name}"
        for file in outside
        for found in file.imports
        if found.name.startswith("memos_gov.backends")
    ]
    assert [] == [
        f"{file.place} names {text}"
        for file in outside
        for text in file.strings
        if re.fullmatch(r"memos_gov\.backends[.\w]*", text)
    ]


def test_heavy_library_of_any_backend_is_imported_when_first_used() -> None:
    """A technology costs nothing to those who do not use it, so its file or its import is lazy."""
    early = [
        f"{file.place}:{found.line} imports {found.name}"
        for file in files()
        for found in file.imports
        if found.name.split(".")[0] in HEAVY
        and not (file.under("backends") and (found.lazy or only_lazily_imported(file)))
    ]

    assert [] == early


def only_lazily_imported(backend: SourceFile) -> bool:
    """
    Tell whether every import of a backend from outside its technology runs when it is used.

    Its wiring may import it at once, if that wiring is itself imported when it is used.
    """
    technology, late = ".".join(backend.module.split(".")[:3]), late_wiring()
    return not any(
        f"{found.name}.".startswith(f"{technology}.") and not found.lazy
        for file in files()
        if not f"{file.module}.".startswith(f"{technology}.") and file.module not in late
        for found in file.imports
    )


@cache
def late_wiring() -> frozenset[str]:
    """Return the wiring that nothing but such wiring imports before it is used."""
    late = {file.module for file in files("memos_gov/bootstrap")}
    while True:
        early = {
            module
            for file in files()
            if file.module not in late
            for found in file.imports
            for module in late
            if f"{found.name}.".startswith(f"{module}.") and not found.lazy
        }
        if not early:
            return frozenset(late)
        late -= early


def test_import_of_the_package_loads_no_heavy_library() -> None:
    """`import memos_gov` stays light; the rest comes when it is first used."""
    program = (
        "import sys; before = set(sys.modules); import memos_gov;"
        "print(*sorted({m.split('.')[0] for m in set(sys.modules) - before}))"
    )

    done = run([sys.executable, "-c", program])

    assert done.returncode == 0, done.stderr
    assert set() == set(NOT_AT_START) & set(done.stdout.split())


def test_domain_of_the_package_imports_nothing_impure() -> None:
    """The domain does no input or output and has no clock, chance or logger."""
    impure = [
        f"{file.place}:{found.line} imports {found.name}"
        for file in files("memos_gov/domain")
        for found in file.imports
        if found.name.split(".")[0] in IMPURE_MODULES
    ]

    assert [] == impure


def test_domain_of_the_package_calls_no_clock_and_no_chance() -> None:
    """Time and ids come in with the command."""
    impure = [
        f"{file.place}:{call.lineno} calls {ast.unparse(call.func)}"
        for file in files("memos_gov/domain")
        for call in ast.walk(file.tree)
        if isinstance(call, ast.Call) and IMPURE_CALLS.search(ast.unparse(call.func))
    ]

    assert [] == impure


def test_file_of_the_package_is_reached_from_somewhere() -> None:
    """A module that nobody imports and nobody starts is dead and goes."""
    known = {file.module for file in files()}
    reached = {module for file in users() for module in modules_named(file, known)}
    reached |= entry_points()

    assert [] == sorted(module for module in known if not is_alive(module, reached))


def users() -> list[SourceFile]:
    """Return every file whose use of a module keeps it alive; a test does not."""
    return [file for folder in ("memos_gov", "scripts", "migrations") for file in files(folder)]


def modules_named(file: SourceFile, known: set[str]) -> set[str]:
    """Return the modules that a file imports, or names for a lazy import; not itself."""
    package = file.module if file.path.name == "__init__.py" else file.module.rpartition(".")[0]
    texts = file.strings | {f"{package}.{text.removeprefix('.')}" for text in file.strings}
    return (({found.name for found in file.imports} | texts) & known) - {file.module}


def entry_points() -> set[str]:
    """Return the modules started by the installed command, by the Makefile, or by Python."""
    scripts = pyproject()["project"]["scripts"].values()
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    started = set(re.findall(r"-m (memos_gov[\w.]*)", makefile))
    return {script.split(":")[0] for script in scripts} | started | {"memos_gov"}


def is_alive(module: str, reached: set[str]) -> bool:
    """Tell whether a module, or for a package anything in it, is reached."""
    folder = PACKAGE.parent.joinpath(*module.split("."))
    inside = folder.is_dir() and any(name.startswith(f"{module}.") for name in reached)
    return module in reached or inside or module.endswith("__main__")
