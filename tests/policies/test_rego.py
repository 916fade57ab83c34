"""The shipped Rego keeps the contract: formatted, typed, tested, compiled and current."""

import re
import shutil
from pathlib import Path

import pytest

from memos_gov.backends.opa_tool import COVERAGE_MIN_PERCENT, OpaTool
from memos_gov.errors import InvalidCommandError

MISSPELT = [
    ("access/state.rego", "c.held", "c.heldd"),
    ("access/people.rego", "grant.scope", "grant.scop"),
    ("access/action.rego", "input.target.own", "input.target.owned"),
    ("admission/verdict.rego", "input.cube.basis", "input.cube.base"),
    ("retention/verdicts.rego", "c.held", "c.heldd"),
    ("retention/derivation.rego", "c.created_at", "c.created"),
    ("transformation/plans.rego", "c.findings", "c.found"),
    ("erasure/plan.rego", "c.others", "c.other"),
]
FORBIDDEN = ["time.now_ns()", 'http.send({"method": "get", "url": "x"})', "opa.runtime()"]


def rego_files(checkout: Path) -> list[Path]:
    """Return the shipped Rego without its tests."""
    files = sorted((checkout / "policies").rglob("*.rego"))
    return [path for path in files if not path.name.endswith("_test.rego")]


@pytest.fixture
def copied(checkout: Path, tmp_path: Path) -> Path:
    """Return a copy of the policies that a test may spoil."""
    return Path(shutil.copytree(checkout / "policies", tmp_path / "policies"))


def test_shipped_policies_pass_format_and_type_checks(opa: OpaTool, checkout: Path) -> None:
    """`opa fmt` and `opa check --strict` with schemas and capabilities find nothing."""
    opa.check(checkout / "policies", checkout / "schemas" / "policy")


def test_shipped_policies_pass_their_own_tests(opa: OpaTool, checkout: Path) -> None:
    """The Rego tests pass and cover the rules."""
    assert opa.test(checkout / "policies") >= COVERAGE_MIN_PERCENT


def test_committed_bundle_equals_a_fresh_build(opa: OpaTool, checkout: Path) -> None:
    """What is committed is what the Rego says, byte for byte (regenerate: make policies)."""
    compiled = checkout / "policies" / "compiled"

    fresh = opa.build(checkout / "policies")

    assert [] == [name for name, body in fresh.items() if (compiled / name).read_bytes() != body]


@pytest.mark.parametrize("spelling", MISSPELT, ids=[wrong for _, _, wrong in MISSPELT])
def test_field_that_is_misspelt_fails_the_check(
    opa: OpaTool, checkout: Path, copied: Path, spelling: tuple[str, str, str]
) -> None:
    """A policy that names a fact which does not exist is an error, not silence."""
    file, right, wrong = spelling
    spoilt = copied / "memos_gov" / file
    text = spoilt.read_text()
    assert right in text
    spoilt.write_text(re.sub(rf"{re.escape(right)}\b", wrong, text))

    with pytest.raises(InvalidCommandError, match="undefined ref"):
        opa.check(copied, checkout / "schemas" / "policy")


@pytest.mark.parametrize("call", FORBIDDEN)
def test_call_out_of_the_question_fails_the_check(
    opa: OpaTool, checkout: Path, copied: Path, call: str
) -> None:
    """No clock, no network, no environment: every fact comes in the question."""
    spoilt = copied / "memos_gov" / "retention" / "verdicts.rego"
    spoilt.write_text(spoilt.read_text() + f"\noutside := {call}\n")

    with pytest.raises(InvalidCommandError, match="undefined function"):
        opa.check(copied, checkout / "schemas" / "policy")


def test_test_of_rego_that_fails_is_an_error(opa: OpaTool, copied: Path) -> None:
    """A failing case stops the author, with its name."""
    spoilt = copied / "memos_gov" / "transformation" / "plans_test.rego"
    spoilt.write_text(spoilt.read_text().replace('"vector_only"', '"full"'))

    with pytest.raises(InvalidCommandError, match="a card"):
        opa.test(copied)


def test_package_of_the_policies_names_its_schema_once(checkout: Path) -> None:
    """Without the schema line a package is checked against nothing, in silence."""
    packages: dict[str, int] = {}
    for path in rego_files(checkout):
        head, name = re.split(r"^package (\S+)$", path.read_text(), flags=re.MULTILINE)[:2]
        packages[name] = packages.get(name, 0) + ("- input: schema." in head)

    assert [] == [name for name, count in packages.items() if count != 1]


def test_function_of_the_policies_takes_no_cube(checkout: Path) -> None:
    """Parameters are untyped, so a cube in one would escape the schema."""
    called = re.compile(r"^\w+\(([^)]*)\)", re.MULTILINE)
    takes = [
        f"{path.name}: {found[0]}"
        for path in rego_files(checkout)
        for found in called.finditer(path.read_text())
        if {"c", "cube"} & set(re.split(r"\W+", found[1]))
    ]

    assert [] == takes


def test_rule_of_the_policies_says_what_it_is_for(checkout: Path) -> None:
    """Every rule, or the first of a group, has a title and a description."""
    for path in rego_files(checkout):
        blocks = re.findall(r"(?:^#.*\n)+", path.read_text(), re.MULTILINE)
        titled = [b for b in blocks if b.startswith("# METADATA\n# title: ")]

        assert blocks == titled, path
        assert all("# description: " in block for block in titled), path
