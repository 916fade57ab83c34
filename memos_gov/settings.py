"""
Settings: the only reader of the environment, and of the settings file that `write` makes.

Precedence: arguments, then `MEMOS_GOV_*` variables, then `memos-gov.toml` in
the data folder, then the defaults below.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from memos_gov.engines import Engines, basic_string, lines_of, without
from memos_gov.errors import SettingsError

FILE_NAME = "memos-gov.toml"
POLICY_DEADLINE_S_MAX = 60
DECISION_DEADLINE_S_MAX = 600
CHECKPOINT_S_MAX = 1_000_000_000
WRITTEN = ("tenant", "principal", "purpose", "label", "basis", "retention_class", "region")


class Settings(BaseSettings):
    """Where the data lies, and what a command stands for when it does not say."""

    model_config = SettingsConfigDict(
        env_prefix="MEMOS_GOV_",
        env_nested_delimiter="__",
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    data: Path
    tenant: str = "default"
    principal: str = "owner"
    purpose: str = "general"
    label: str = "internal"
    basis: str = "legitimate-interest"
    retention_class: str = "general"
    region: str = "global"
    checkpoint_s: float = Field(60.0, gt=0, le=CHECKPOINT_S_MAX, allow_inf_nan=False)
    witness: Path | None = None
    policy_deadline_s: float = Field(1.0, gt=0, le=POLICY_DEADLINE_S_MAX, allow_inf_nan=False)
    certifies: bool = True
    decision_deadline_s: float = Field(10.0, gt=0, le=DECISION_DEADLINE_S_MAX, allow_inf_nan=False)
    opa: Path | None = None
    base_model: str = ""
    embedder: Literal["", "minilm"] = ""
    engines: Engines | None = None

    @field_validator("data")
    @classmethod
    def _sayable(cls, path: Path) -> Path:
        return _required_sayable(path)


def _required_sayable(path: Path) -> Path:
    """Refuse a path that no file system, or no message about it, could hold."""
    text = str(path)
    if "\0" in text:
        raise ValueError("the path holds a NUL character")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("the path is not valid Unicode") from None
    return path


def load(data: Path | str | None = None, **overrides: Any) -> Settings:
    """
    Return the settings of a data folder.

    Raises:
        SettingsError: No folder is named, or a setting is not valid; named.
    """
    given = {key: value for key, value in overrides.items() if value is not None}
    folder = folder_of(data)
    named = _environment()
    known = {k: v for k, v in _from_file(folder / FILE_NAME).items() if k not in named}
    if isinstance(known.get("engines"), dict):
        known["engines"] = without(known["engines"], named, "engines")
    return _checked({**known, **given, "data": folder})


def folder_of(data: Path | str | None = None) -> Path:
    """
    Return which data folder is meant, without a look into it.

    Raises:
        SettingsError: None is named, or it cannot be a path.
    """
    if data is None:
        return _checked({}).data
    try:
        return _required_sayable(Path(data))
    except ValueError as error:
        raise SettingsError(f"setting data: {error}") from None


def engines_in(path: Path) -> dict[str, Any]:
    """
    Return the engines that a TOML file names, as tables `[engines.kafka]` or `[kafka]`, unchecked.

    Raises:
        SettingsError: There is no such file, or it cannot be read as TOML.
    """
    if not path.is_file():
        raise SettingsError(f"{path} is no file of engines")
    known = _from_file(path)
    found = known.get("engines", known)
    return found if isinstance(found, dict) else {}


def defaults_of(folder: Path) -> dict[str, str]:
    """
    Return what a command in a folder stands for when nothing else says it.

    Raises:
        SettingsError: The settings file cannot be read, or it names a setting
            that there is not, or one that is not valid; named.
    """
    known = _from_file(folder / FILE_NAME)
    unknown = sorted(known.keys() - Settings.model_fields.keys())
    if unknown:
        raise SettingsError(f"setting {unknown[0]}: there is no such setting")
    checked = _checked({**known, "data": folder})
    fields = Settings.model_fields
    return {n: getattr(checked, n) if n in known else fields[n].default for n in WRITTEN}


def _checked(given: dict[str, Any]) -> Settings:
    try:
        return Settings(**given)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        if field == "data" and first["type"] == "missing":
            msg = "no data folder is named"
            remedy = "Pass --data DIR or set MEMOS_GOV_DATA; `memos-gov --data DIR init` makes one."
            raise SettingsError(msg, remedy=remedy) from None
        message = first["msg"].removeprefix("Value error, ")
        raise SettingsError(f"setting {field}: {message}") from None


def write(settings: Settings, path: Path) -> None:
    """
    Write the settings that a new data folder remembers, as TOML that `load` reads back.

    Only its owner may read it; no secret is in it.

    Raises:
        SettingsError: An address holds a password; nothing was written.
    """
    lines = [
        "# Defaults of this data folder; MEMOS_GOV_* variables and options win.",
        *(f"{name} = {basic_string(getattr(settings, name))}" for name in WRITTEN),
        *([f"embedder = {basic_string(settings.embedder)}"] if settings.embedder else ()),
        *(lines_of(settings.engines) if settings.engines else ()),
    ]
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _environment() -> set[str]:
    """Return the settings that the environment names, since they win over the file."""
    prefix = "MEMOS_GOV_"
    named = (name.upper() for name in os.environ)
    return {name.removeprefix(prefix).lower() for name in named if name.startswith(prefix)}


def _from_file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        msg = f"{path} cannot be read ({os.strerror(error.errno or 0)})"
        raise SettingsError(msg, remedy="Name another data folder, or make it readable.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        msg = f"{path.name} cannot be read as TOML"
        raise SettingsError(msg) from error
