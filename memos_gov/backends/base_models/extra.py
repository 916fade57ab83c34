"""The extra `models`: whether it is installed, and how its libraries are imported."""

from __future__ import annotations

import importlib.util
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from memos_gov.errors import SettingsError

NEEDED = ("torch", "transformers", "safetensors")
CONVERTING = (*NEEDED, "gguf", "accelerate")
REMEDY = "Install the extra `models`: pip install 'memos-gov[models]'"


def require(names: tuple[str, ...] = NEEDED) -> None:
    """
    Look, without importing anything, whether what a base model needs is installed.

    Raises:
        SettingsError: Names what is missing, and how it is installed.
    """
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    if missing:
        msg = f"base models need {', '.join(missing)}, which is not installed"
        raise SettingsError(msg, remedy=REMEDY)


@contextmanager
def quiet() -> Iterator[None]:
    """Import and use the libraries without their bars, advice and warnings on standard error."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that wait leave the cores
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what they import, about its own future
        from transformers.utils import logging

        logging.disable_progress_bar()
        before = logging.get_verbosity()
        logging.set_verbosity_error()
        try:
            yield
        finally:
            logging.set_verbosity(before)
