"""Files and functions stay short, are named for what they hold, and promise nothing undone."""

import ast
import re

from tests.architecture.source import ROOT, Function, files

FUNCTION_LINES_MAX = 60
FILE_LINES_MAX = 500
NAMES_THAT_SAY_NOTHING = {
    "base.py",
    "common.py",
    "helpers.py",
    "manager.py",
    "misc.py",
    "services.py",
    "utils.py",
}
MARKS = re.compile(r"\b(TODO|FIXME|XXX|HACK|NotImplementedError)\b")
UNDONE = re.compile(r"\b(stub|placeholder)s?\b", re.IGNORECASE)


def lines_of(function: Function) -> int:
    """Count the lines from `def` to the end, without the docstring."""
    total = (function.end_lineno or function.lineno) - function.lineno + 1
    if ast.get_docstring(function) is None:
        return total
    docstring = function.body[0]
    return total - ((docstring.end_lineno or docstring.lineno) - docstring.lineno + 1)


def test_function_of_any_file_stays_within_sixty_lines() -> None:
    """A function that needs more lines is split at its branches."""
    too_long = [
        f"{file.place}:{function.lineno} {function.name} has {lines_of(function)} lines"
        for file in files()
        for function in file.functions
        if lines_of(function) > FUNCTION_LINES_MAX
    ]

    assert [] == too_long


def test_file_of_the_package_stays_within_five_hundred_lines() -> None:
    """A file that needs more becomes a folder of the same name."""
    counted = [(file.place, len(file.text.splitlines())) for file in files()]

    assert [] == [f"{place} has {n} lines" for place, n in counted if n > FILE_LINES_MAX]


def test_file_name_of_any_folder_says_what_it_holds() -> None:
    """No file is a drawer for whatever has no place."""
    folders = ("memos_gov", "tests", "scripts", "bench")

    empty_names = [
        file.place
        for folder in folders
        for file in files(folder)
        if file.path.name in NAMES_THAT_SAY_NOTHING
    ]

    assert [] == empty_names


def test_source_of_the_product_holds_no_mark_of_undone_work() -> None:
    """What does not exist yet is not hinted at either."""
    folders = ("memos_gov", "migrations", "policies", "scripts", "bench", "examples")
    paths = [path for folder in folders for path in (ROOT / folder).rglob("*.*")]
    sources = [path for path in paths if path.suffix in {".py", ".rego", ".toml", ".sql"}]

    marked = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in sorted(sources)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if MARKS.search(line) or UNDONE.search(line)
    ]

    assert [] == marked
