"""Where a base model's files lie: a folder that the setting names, a hub's copy, or the cache."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from memos_gov.backends.base_models.extra import require
from memos_gov.errors import SettingsError, UnavailableError

DEMO = "smollm2-135m-instruct"
CONFIG = "config.json"
WEIGHTS = "*.safetensors"
PREPARE = "Run `memos-gov model prepare`."
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
_FETCHED = ["*.safetensors", "*.json", "*.txt", "*.jinja", "*.model"]


def is_hub_id(named: str) -> bool:
    """Whether the setting names a repository of a hub and no folder of this machine."""
    return _HUB_ID.fullmatch(named) is not None and not Path(named).exists()


def folder_of(named: str, cache: Path) -> Path:
    """
    Return the folder of a base model that is on this machine.

    Args:
        named: The setting: a folder, the id of a hub's repository, or "" for the demo's.
        cache: Where base models that we made lie.

    Raises:
        SettingsError: It is not there, or holds no safetensors.
    """
    if not named:
        return _whole(cache / DEMO, "the demo's base model is not on this machine", PREPARE)
    if is_hub_id(named):
        return _whole(of_hub(named, fetch=False), f"{named} holds no safetensors", PREPARE)
    msg = f"setting base_model: {named} is no folder with {CONFIG} and safetensors"
    return _whole(Path(named), msg, "Name a folder of a base model, or the id of a hub's.")


def of_hub(named: str, *, fetch: bool) -> Path:
    """
    Return the folder of a hub's repository; without `fetch` only what was fetched before.

    Weights are taken as safetensors alone: other formats can run code when they are read.

    Raises:
        SettingsError: It was not fetched yet.
        UnavailableError: It could not be fetched.
    """
    require()
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        found = snapshot_download(named, allow_patterns=_FETCHED, local_files_only=not fetch)
    except Exception as error:  # (the hub's client raises errors of three libraries)
        if not fetch and isinstance(error, LocalEntryNotFoundError):
            msg = f"setting base_model: {named} was not fetched yet"
            raise SettingsError(msg, remedy=PREPARE) from error
        msg = f"setting base_model: {named} could not be fetched from the hub"
        remedy = "Check the id and the network, or name a folder that holds the base model."
        raise UnavailableError(msg, backend="hub", remedy=remedy) from error
    return Path(found)


def digest_of(path: Path) -> str:
    """
    Return the SHA-256 of a file, in hex.

    Raises:
        SettingsError: It cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        msg = f"{path} of the base model cannot be read"
        raise SettingsError(msg, remedy=PREPARE) from error


def _whole(folder: Path, msg: str, remedy: str) -> Path:
    if not (folder / CONFIG).is_file() or not any(folder.glob(WEIGHTS)):
        raise SettingsError(msg, remedy=remedy)
    return folder
