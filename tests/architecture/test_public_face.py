"""The public face: about fifteen names, sorted, complete, and all of them there."""

import types

import memos_gov


def test_all_of_the_package_is_sorted() -> None:
    """A reader finds a name where the alphabet puts it."""
    assert sorted(memos_gov.__all__) == list(memos_gov.__all__)


def test_all_of_the_package_names_only_what_exists() -> None:
    """Each name, lazy ones too, can be had."""
    assert [] == [name for name in memos_gov.__all__ if not hasattr(memos_gov, name)]


def test_all_of_the_package_is_complete() -> None:
    """Whatever the package offers without an underscore is offered on purpose."""
    offered = {
        name
        for name, value in vars(memos_gov).items()
        if not name.startswith("_") and not is_incidental(value)
    }

    assert set() == offered - set(memos_gov.__all__)


def is_incidental(value: object) -> bool:
    """Tell whether a value is a module, or a mark that Python itself leaves behind."""
    return isinstance(value, types.ModuleType) or type(value).__module__ == "__future__"


def test_name_of_the_public_face_has_a_docstring() -> None:
    """`help()` answers for each class and function."""
    offered = [getattr(memos_gov, name) for name in memos_gov.__all__]

    assert [] == [value for value in offered if callable(value) and not value.__doc__]
