"""
Settings: the only reader of the environment and of the settings file.

Precedence: arguments, then `MEMOS_GOV_*` variables, then `memos-gov.toml` in
the data folder, then the defaults below.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from memos_gov.errors import SettingsError

FILE_NAME = "memos-gov.toml"


class Settings(BaseSettings):
    """Where the data lies, and what a command stands for when it does not say."""

    model_config = SettingsConfigDict(
        env_prefix="MEMOS_GOV_", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    data: Path
    tenant: str = "default"
    principal: str = "owner"
    purpose: str = "general"
    label: str = "internal"
    basis: str = "legitimate-interest"
    retention_class: str = "general"
    region: str = "global"
    policy_deadline_s: float = 1.0
    opa: Path | None = None


def load(data: Path | str | None = None, **overrides: Any) -> Settings:
    """
    Return the settings of a data folder.

    Raises:
        SettingsError: No folder is named, or a setting is not valid; named.
    """
    given = {key: value for key, value in overrides.items() if value is not None}
    if data is not None:
        given["data"] = Path(data)
    try:
        folder = Settings(**given).data
        known = {k: v for k, v in _from_file(folder / FILE_NAME).items() if k not in _environment()}
        return Settings(**{**known, **given})
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        if field == "data":
            msg = "no data folder is named"
            remedy = "Pass --data DIR or set MEMOS_GOV_DATA; `memos-gov --data DIR init` makes one."
            raise SettingsError(msg, remedy=remedy) from None
        raise SettingsError(f"setting {field}: {first['msg']}") from None


def _environment() -> set[str]:
    """Return the settings that the environment names, since they win over the file."""
    from os import environ

    prefix = "MEMOS_GOV_"
    return {k.removeprefix(prefix).lower() for k in environ if k.startswith(prefix)}


def _from_file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        msg = f"{path.name} cannot be read as TOML"
        raise SettingsError(msg) from error
