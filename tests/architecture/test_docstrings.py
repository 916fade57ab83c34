"""Every file, class and function that others may use begins with a promise."""

import ast
from collections.abc import Iterator

from tests.architecture.source import Documented, Function, SourceFile, files


def test_module_of_the_package_has_a_docstring() -> None:
    """A room says what it promises before its first line of code."""
    assert [] == [file.place for file in files() if ast.get_docstring(file.tree) is None]


def test_public_name_of_any_module_has_a_docstring() -> None:
    """Nobody must read a body to learn what a function or class promises."""
    silent = [
        f"{file.place}:{node.lineno} {node.name}"
        for file in files()
        for node in public_nodes(file)
        if ast.get_docstring(node) is None
    ]

    assert [] == silent


def public_nodes(file: SourceFile) -> Iterator[Documented]:
    """Yield public functions, classes and their public methods."""
    for node in file.tree.body:
        if isinstance(node, Documented) and is_public(node):
            yield node
            yield from public_methods(node)


def public_methods(node: Documented) -> Iterator[Documented]:
    """Yield the public methods of a class; a function has none."""
    if isinstance(node, ast.ClassDef):
        methods = (item for item in node.body if isinstance(item, Function))
        yield from (method for method in methods if is_public(method))


def is_public(node: Documented) -> bool:
    """Tell whether a name is offered to others and speaks for itself alone."""
    decorators = {ast.unparse(decorator) for decorator in node.decorator_list}
    repeats = any(d.endswith((".setter", "overload")) for d in decorators)
    return not node.name.startswith("_") and not repeats
