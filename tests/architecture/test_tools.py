"""The tools are set up as the pages say: reasons beside exceptions, help for every command."""

import re

from tests.architecture.source import ROOT, pyproject


def test_ignored_rule_of_ruff_has_a_reason_beside_it() -> None:
    """An exception without a reason is a habit."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    section = text.split("[tool.ruff.lint]")[1].split("[tool.ruff.lint.pydocstyle]")[0]

    rules = [line.strip() for line in section.splitlines() if re.match(r'\s+"[A-Z]+\d*",', line)]

    assert [] == [rule for rule in rules if not re.search(r"# \S+", rule)]
    assert len(rules) == count_of_ignored_rules()


def count_of_ignored_rules() -> int:
    """Count the exceptions as ruff reads them."""
    lint = pyproject()["tool"]["ruff"]["lint"]
    return len(lint["ignore"]) + sum(len(rules) for rules in lint["per-file-ignores"].values())


def test_command_of_the_makefile_has_a_line_of_help() -> None:
    """`make help` lists every command, and nothing else is to be remembered."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    commands = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[0].split()

    assert commands == re.findall(r"^([a-z-]+):.*## \S", makefile, re.MULTILINE)


def test_warning_of_any_library_fails_the_tests() -> None:
    """A warning is a defect that has not happened yet."""
    options = pyproject()["tool"]["pytest"]["ini_options"]

    assert options["filterwarnings"][0] == "error"
    assert options["xfail_strict"] is True
    assert {"--strict-config", "--strict-markers"} <= set(options["addopts"])
