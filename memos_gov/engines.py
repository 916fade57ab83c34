"""
Where the engines of the connected set-up are, and how they are reached.

Part of the settings: `[engines.kafka]` and so on in `memos-gov.toml`, or
`MEMOS_GOV_ENGINES__KAFKA__BROKERS` and so on. Secrets come from variables, or
from a settings file that only its owner can read; nothing here shows them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import unquote

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from memos_gov.errors import SettingsError

Port = Annotated[int, Field(ge=1, le=65_535)]
Address = Annotated[str, Field(pattern=r"^[\w.\-\[\]:]+:[0-9]{1,5}$")]
Url = Annotated[str, Field(pattern=r"^https?://[\w.\-\[\]:]+(:[0-9]{1,5})?$")]
Name = Annotated[str, Field(pattern=r"^[A-Z][A-Za-z0-9]{0,62}$")]
# As libpq reads an address: an account ends at the first @ before any /, and names are unquoted.
_ACCOUNT = re.compile(r"[a-z0-9+]+://[^/@:]*:[^/@]+@", re.IGNORECASE)
_SECRET = re.compile(
    r"(?:^|[\s'?&])(?:(?:ssl)?password|oauth_client_secret|scram_(?:client|server)_key)\s*=",
    re.IGNORECASE,
)


class _Engine(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Kafka(_Engine):
    """The log: a topic. `dev` says that one replica is enough, so one lost disk loses the log."""

    brokers: Annotated[tuple[Address, ...], Field(min_length=1)]
    topic: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,200}$")] = "memos-gov"
    partitions: Annotated[int, Field(ge=1, le=10_000)] = 1
    dev: bool = False
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None
    key_password: SecretStr | None = None
    sasl_mechanism: str | None = None
    user: str | None = None
    password: SecretStr | None = None


class Postgres(_Engine):
    """
    Tables, operations and vault: databases `<prefix>_tables`, `_operations` and `_vault`.

    `url` is of any database of the server (`postgresql://user@host:port/postgres`);
    its password is better in PGPASSWORD or a password file of libpq, and in a
    settings file it must be there.
    """

    url: SecretStr
    prefix: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")] = "memos_gov"


class Opa(_Engine):
    """The policy engine: an OPA server."""

    url: Url
    token: SecretStr | None = None
    ca_file: Path | None = None


class Weaviate(_Engine):
    """The index: a collection of a Weaviate."""

    url: Url
    grpc_port: Port = 50051
    collection: Name = "MemosGovCubes"
    key: SecretStr | None = None


class Engines(_Engine):
    """Every engine of the connected set-up."""

    kafka: Kafka
    postgres: Postgres
    opa: Opa
    weaviate: Weaviate


def local(name: str) -> Engines:
    """
    Return throw-away stores on the engines that `make services-up` starts on this machine.

    Args:
        name: Of small letters and digits: what topic, databases and collection are called.
    """
    return Engines(
        kafka=Kafka(brokers=("127.0.0.1:19092",), topic=name, dev=True),
        postgres=Postgres(
            url=SecretStr("postgresql://memos_gov@127.0.0.1:15432/postgres"), prefix=name
        ),
        opa=Opa(url="http://127.0.0.1:18181"),
        weaviate=Weaviate(
            url="http://127.0.0.1:18080", grpc_port=15051, collection=name.capitalize()
        ),
    )


def without(tables: Mapping[str, Any], named: set[str], prefix: str) -> dict[str, Any]:
    """Return nested tables without what the environment names, as `<prefix>__<name>...`."""
    kept: dict[str, Any] = {}
    for name, value in tables.items():
        path = f"{prefix}__{name}".lower()
        if isinstance(value, Mapping):
            kept[name] = without(value, named, path)
        elif path not in named:
            kept[name] = value
    return kept


def secrets_in(tables: Mapping[str, Any]) -> list[str]:
    """Return which secrets the tables of a file hold, as `kafka.password`; nothing is checked."""
    found = []
    for engine, each in Engines.model_fields.items():
        said, model = tables.get(engine), each.annotation
        for name, field in getattr(model, "model_fields", {}).items():
            value = said.get(name) if isinstance(said, Mapping) else None
            is_secret = _says_password(str(value)) if name == "url" else _hides(field.annotation)
            if value and is_secret:
                found.append(f"{engine}.{name}")
    return found


def _hides(annotation: object) -> bool:
    return annotation == SecretStr | None


def require_writable(engines: Engines) -> None:
    """
    Refuse an address that a settings file would say, with a password in it.

    Raises:
        SettingsError: Says where the password is kept instead; its text does not hold it.
    """
    if _says_password(engines.postgres.url.get_secret_value()):
        msg = "setting engines.postgres.url: it holds a password, and is written to the settings"
        remedy = (
            "Leave the password out, and give it as PGPASSWORD or in a password file of libpq"
            " (PGPASSFILE, or passfile in the address); that of a key (sslpassword) is left"
            " out with a key file that needs none."
        )
        raise SettingsError(msg, remedy=remedy)


def _says_password(url: str) -> bool:
    return bool(_ACCOUNT.search(url) or _SECRET.search(unquote(url)))


def lines_of(engines: Engines) -> Iterator[str]:
    """
    Yield what a settings file says of engines: all but defaults and secrets, as TOML.

    Raises:
        SettingsError: The address of Postgres holds a password.
    """
    require_writable(engines)
    for name, engine in engines:
        yield ""
        yield f"[engines.{name}]"
        for field, value in engine:
            if isinstance(value, SecretStr) and field != "url":
                yield f"# {field}: MEMOS_GOV_ENGINES__{name.upper()}__{field.upper()}"
            elif value != type(engine).model_fields[field].default:
                yield f"{field} = {_toml(value)}"


def basic_string(text: str) -> str:
    """Return a text as a TOML basic string: JSON's escapes, and DEL, which only TOML escapes."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    text = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
    return basic_string(text)
