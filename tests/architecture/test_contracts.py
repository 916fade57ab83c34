"""Every port has one contract, and every backend of it passes that contract unchanged."""

import ast

from tests.architecture.source import SourceFile, files, names_of_bases, parts, ports


def contract_classes() -> dict[str, ast.ClassDef]:
    """Return the classes of tests/contracts by name."""
    return {node.name: node for file in files("tests/contracts") for node in file.classes}


def backends() -> list[tuple[SourceFile, str, str]]:
    """Return file, class and port of every class that is named `<Technology><Port>`."""
    public = [
        (file, node.name)
        for file in files("memos_gov/backends")
        for node in file.classes
        if not node.name.startswith("_")
    ]
    return [(file, name, port) for file, name in public if (port := port_of(name))]


def whole_ports() -> list[str]:
    """Return the ports that stand for themselves and are no part of another."""
    return [port for port in ports() if port not in parts()]


def port_of(backend: str) -> str | None:
    """Return the longest name of a port that ends a backend's name."""
    return max((port for port in whole_ports() if backend.endswith(port)), key=len, default=None)


def subclasses(contract: str) -> list[tuple[SourceFile, ast.ClassDef]]:
    """Return the test classes that inherit a contract."""
    return [
        (file, node)
        for file in files("tests")
        for node in file.classes
        if contract in names_of_bases(node)
    ]


def test_port_of_the_core_has_a_contract() -> None:
    """What an implementation must keep is written down as tests, once."""
    assert [] == [port for port in whole_ports() if f"{port}Contract" not in contract_classes()]


def test_port_of_the_core_has_a_backend() -> None:
    """A port that nothing implements is a wish."""
    assert set() == set(whole_ports()) - {port for _, _, port in backends()}


def test_contract_of_a_port_is_no_test_by_itself() -> None:
    """A contract runs only where a backend subclasses it."""
    assert [] == [name for name in contract_classes() if name.startswith("Test")]


def test_backend_of_a_port_passes_its_contract() -> None:
    """Each backend has a subclass of its port's contract in a file that builds the backend."""
    untested = [
        f"{file.place} {backend}: no test class inherits {port}Contract and uses it"
        for file, backend, port in backends()
        if not any(backend in test.text for test, _ in subclasses(f"{port}Contract"))
    ]

    assert [] == untested


def test_subclass_of_a_contract_overrides_no_test() -> None:
    """Where a backend cannot keep a rule, the port is wrong, not the rule."""
    overridden = [
        f"{file.place}:{method.lineno} {node.name}.{method.name}"
        for contract in contract_classes().values()
        for file, node in subclasses(contract.name)
        for method in node.body
        if isinstance(method, ast.FunctionDef) and method.name in promised_tests(contract)
    ]

    assert [] == overridden


def promised_tests(contract: ast.ClassDef) -> set[str]:
    """Return the names of a contract's tests."""
    methods = (node for node in contract.body if isinstance(node, ast.FunctionDef))
    return {method.name for method in methods if method.name.startswith("test_")}
