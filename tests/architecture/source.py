"""
The source of memos_gov as these tests see it: files, syntax trees and imports.

Nothing of the package is imported here, so a rule can be checked on code that
does not run. Each rule is a test of its own beside this file.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "memos_gov"

Function = ast.FunctionDef | ast.AsyncFunctionDef
Documented = Function | ast.ClassDef


@dataclass(frozen=True)
class Import:
    """One imported name; `lazy` where it happens when a function runs or for types only."""

    name: str
    line: int
    lazy: bool


@dataclass(frozen=True)
class SourceFile:
    """One Python file of the repository."""

    path: Path

    @property
    def place(self) -> str:
        """The path as a reader writes it, from the root of the repository."""
        return self.path.relative_to(ROOT).as_posix()

    @property
    def module(self) -> str:
        """The dotted name; a package has the name of its folder."""
        parts = self.path.relative_to(ROOT).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @cached_property
    def text(self) -> str:
        """The whole file."""
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax tree."""
        return ast.parse(self.text, filename=self.place)

    @cached_property
    def functions(self) -> list[Function]:
        """Every function and method, nested ones too."""
        return [node for node in ast.walk(self.tree) if isinstance(node, Function)]

    @cached_property
    def classes(self) -> list[ast.ClassDef]:
        """Every class at the top of the file."""
        return [node for node in self.tree.body if isinstance(node, ast.ClassDef)]

    @cached_property
    def imports(self) -> list[Import]:
        """Every import, `from a import b` as both `a` and `a.b`."""
        return list(_imports(self.tree, lazy=False))

    @cached_property
    def strings(self) -> set[str]:
        """Every string constant; a lazy import names its module so."""
        constants = (node for node in ast.walk(self.tree) if isinstance(node, ast.Constant))
        return {node.value for node in constants if isinstance(node.value, str)}

    def under(self, folder: str) -> bool:
        """Tell whether the file lies in `memos_gov/<folder>/` or is `memos_gov/<folder>.py`."""
        return self.module.split(".")[1:2] == [folder]


def _imports(node: ast.AST, *, lazy: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (Import(alias.name, child.lineno, lazy) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            yield from _names_from(child, lazy=lazy)
        else:
            yield from _imports(child, lazy=lazy or _runs_later(child))


def _names_from(node: ast.ImportFrom, *, lazy: bool) -> Iterator[Import]:
    module = node.module or ""
    yield Import(module, node.lineno, lazy)
    yield from (Import(f"{module}.{alias.name}", node.lineno, lazy) for alias in node.names)


def _runs_later(node: ast.AST) -> bool:
    if isinstance(node, Function):
        return True
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


@cache
def files(folder: str = "memos_gov") -> tuple[SourceFile, ...]:
    """Return every Python file under a folder of the repository, in order of path."""
    return tuple(SourceFile(path) for path in sorted((ROOT / folder).rglob("*.py")))


@cache
def pyproject() -> dict[str, Any]:
    """Return pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@cache
def rooms() -> tuple[str, ...]:
    """Return the names right under memos_gov: `governor.py`, `domain/`."""
    modules = [path.name for path in PACKAGE.glob("*.py") if not path.name.startswith("__")]
    packages = [f"{path.parent.name}/" for path in PACKAGE.glob("*/__init__.py")]
    return tuple(sorted(modules + packages))


@cache
def ports() -> tuple[str, ...]:
    """Return the names of the Protocols of ports."""
    return tuple(node.name for node in _protocols())


@cache
def parts() -> frozenset[str]:
    """Return the ports that another port hands out; its contract covers them."""
    methods = (item for node in _protocols() for item in node.body)
    returned = {ast.unparse(m.returns) for m in methods if isinstance(m, Function) and m.returns}
    return frozenset(name for name in ports() if re.search(rf"\b{name}\b", " ".join(returned)))


def _protocols() -> list[ast.ClassDef]:
    classes = [node for file in files() if file.under("ports") for node in file.classes]
    return [node for node in classes if "Protocol" in names_of_bases(node)]


def names_of_bases(node: ast.ClassDef) -> set[str]:
    """Return the last names of a class's bases: `Generic[T]` is `Generic`, `a.B` is `B`."""
    return {ast.unparse(base).split("[")[0].split(".")[-1] for base in node.bases}
