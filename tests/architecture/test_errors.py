"""One error tree: each class tells the caller what to do, and each has an exit code."""

from collections import Counter
from collections.abc import Iterator

from memos_gov import errors
from memos_gov.cli.errors import EXIT_CODES
from memos_gov.errors import GovernanceError

PROMISED = {
    errors.InvalidCommandError: 2,
    errors.NotFoundError: 3,
    errors.DeniedError: 4,
    errors.ConflictError: 5,
    errors.UnavailableError: 6,
    errors.CorruptionError: 7,
    errors.SettingsError: 8,
}


def tree(top: type[GovernanceError]) -> Iterator[type[GovernanceError]]:
    """Yield every class below `top`."""
    for child in top.__subclasses__():
        yield child
        yield from tree(child)


def test_error_of_the_tree_has_an_exit_code() -> None:
    """Each class, or the class it refines, stands in the command line's table."""
    gaps = [
        error.__name__ for error in tree(GovernanceError) if not set(error.mro()) & set(EXIT_CODES)
    ]

    assert [] == gaps
    assert GovernanceError not in EXIT_CODES


def test_exit_code_of_an_error_is_the_promised_one() -> None:
    """Scripts rely on the numbers."""
    assert {error: EXIT_CODES.get(error) for error in PROMISED} == PROMISED


def test_error_of_the_tree_lies_in_the_one_file() -> None:
    """Nobody grows a second tree."""
    assert {errors.__name__} == {error.__module__ for error in tree(GovernanceError)}


def test_error_of_the_tree_says_what_happened_and_what_to_do() -> None:
    """The docstring is the default message; the remedy is the next step."""
    silent = [e.__name__ for e in tree(GovernanceError) if not (e.__doc__ and e.remedy)]

    assert [] == silent


def test_code_of_an_error_is_its_own() -> None:
    """A machine can tell the classes apart."""
    codes = Counter([GovernanceError.code, *(error.code for error in tree(GovernanceError))])

    assert [] == [code for code, times in codes.items() if times > 1]
