"""Engines behind TLS and credentials: a folder lives on them, and what does not fit is told."""

from __future__ import annotations

import gc
import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from socket import create_server
from typing import Any

import pytest

pytest.importorskip("kafka")

import memos_gov
from memos_gov.bootstrap import fsck
from scripts.services.engine import Engine
from scripts.services.places import HOST, Places
from tests import engines
from tests.connected import own_engines
from tests.connected.certificates import HOUR, Authority
from tests.connected.guarded_engines import (
    SECRET,
    GuardedKafka,
    GuardedOpa,
    GuardedPostgres,
    GuardedWeaviate,
    listening,
)
from tests.connected.test_bad_input import (
    KAFKA,
    OPA,
    POSTGRES,
    WEAVIATE,
    Wrong,
    require_explained,
    require_told,
)
from tests.connected.worlds import World, typed, world
from tests.connected_folders import own_engines as own_names
from tests.connected_folders import removed_afterwards

pytestmark = [
    pytest.mark.connected,
    pytest.mark.timeout(180),
    # A client of the driver that reaches nobody leaves its socket to the collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


class Guarded:
    """The engines, the authority of all of them, and another one."""

    def __init__(self, folder: Path) -> None:
        caches = Places.of_environment().caches
        (folder / "certificates").mkdir()
        self.ours = Authority(folder / "certificates", "ours")
        self.others = Authority(folder / "certificates", "others")
        self.client = self.ours.signed("client")
        ports = dict(own_engines.free_ports())
        with create_server((HOST, 0)) as server:
            ports["kafka_guarded"] = server.getsockname()[1]
        places = Places(runs=folder / "runs", caches=caches, ports=ports)
        self.kafka, self.postgres = GuardedKafka(places, print), GuardedPostgres(places, print)
        self.opa, self.weaviate = GuardedOpa(places, print), GuardedWeaviate(places, print)
        self.kafka.pair = self.postgres.pair = self.opa.pair = self.ours.signed(HOST)
        self.kafka.authority = self.ours.file

    @property
    def engines(self) -> tuple[Engine, ...]:
        """Return all of them."""
        return self.kafka, self.postgres, self.opa, self.weaviate

    def kafka_settings(self, **changes: Any) -> dict[str, Any]:
        """Return how the broker is reached."""
        certificate, key = self.client
        known = {
            "brokers": [f"{HOST}:{self.kafka.port('kafka_guarded')}"],
            "security_protocol": "SASL_SSL",
            "sasl_mechanism": "PLAIN",
            "user": "memos",
            "password": SECRET,
            "ca_file": str(self.ours.file),
            "certificate_file": str(certificate),
            "key_file": str(key),
        }
        return known | changes

    def postgres_url(self, **changes: str) -> str:
        """Return how the server is reached."""
        words = {"host": HOST, "sslmode": "verify-full", "sslrootcert": str(self.ours.file)}
        words |= {"port": str(self.postgres.port()), "user": "memos_gov", "dbname": "postgres"}
        return " ".join(f"{name}={value}" for name, value in (words | changes).items())

    def weaviate_settings(self) -> dict[str, Any]:
        """Return how the index is reached."""
        port, grpc_port = (self.weaviate.port(name) for name in ("weaviate", "weaviate_grpc"))
        return {"url": f"http://{HOST}:{port}", "grpc_port": grpc_port, "key": SECRET}

    @property
    def opa_url(self) -> str:
        """Return where OPA answers."""
        return f"https://{HOST}:{self.opa.port()}"


@pytest.fixture(scope="module")
def guarded() -> Iterator[Guarded]:
    """Return engines that are guarded; skip where this machine has not what they need."""
    folder = Path(tempfile.mkdtemp(prefix="memos-gov-tls-"))  # (the user postgres may enter)
    folder.chmod(0o755)
    found = Guarded(folder)
    if lacking := [name for each in found.engines for name in each.lacks()]:
        pytest.skip(f"this machine lacks {', '.join(lacking)}")
    try:
        for each in found.engines:
            each.up()
        yield found
    finally:
        for each in found.engines:
            each.down()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Return a connected data folder for every test that changes nothing in it."""
    with world(tmp_path_factory.mktemp("own")) as made:
        yield made


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    yield
    gc.collect()


def test_folder_lives_on_engines_that_are_guarded(
    guarded: Guarded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Certificates are verified both ways; no secret is in the folder's settings."""
    said = own_names()
    said["kafka"] |= guarded.kafka_settings()
    said["postgres"] |= {"url": guarded.postgres_url()}
    said["opa"] = {"url": guarded.opa_url, "ca_file": str(guarded.ours.file), "token": SECRET}
    said["weaviate"] |= guarded.weaviate_settings()
    for name in ("KAFKA__PASSWORD", "OPA__TOKEN", "WEAVIATE__KEY"):
        monkeypatch.setenv(f"MEMOS_GOV_ENGINES__{name}", SECRET)
    monkeypatch.setenv("PGPASSWORD", SECRET)
    with removed_afterwards(tmp_path / "data") as folder:
        with memos_gov.init(folder, engines=said) as gov:
            gov.acting_as("owner").remember("a quiet shop")
        with memos_gov.open(folder) as gov:
            assert 1 == len(gov.acting_as("owner").recall("shop").hits)
        assert fsck(folder).clean
        assert SECRET not in (folder / "memos-gov.toml").read_text()


def _kafka(**said: Any) -> dict[str, str]:
    return {
        f"{KAFKA}{name.upper()}": value if isinstance(value, str) else json.dumps(value)
        for name, value in said.items()
    }


KAFKAS: dict[str, tuple[dict[str, Any], int, str, str]] = {
    "of another authority": (
        {"ca_file": "others"},
        8,
        "does not fit (unable to get local issuer certificate)",
        "engines.kafka.ca_file",
    ),
    "of no authority that is named": (
        {"ca_file": ""},
        8,
        "does not fit (",
        "engines.kafka.ca_file",
    ),
    "for another name": ({"brokers": "localhost"}, 8, "does not fit (Hostname", "kafka.brokers"),
    "without a key": ({"key_file": "others"}, 8, "no certificate with its key", "KEY_PASSWORD"),
}


@pytest.mark.parametrize("case", KAFKAS, ids=lambda name: name.replace(" ", "_"))
def test_broker_whose_certificate_does_not_fit_is_one_error(
    guarded: Guarded, own: World, case: str
) -> None:
    """Which one, and why; `doctor` says the same, and nothing is written."""
    changes, code, names, remedy = KAFKAS[case]
    said, before = guarded.kafka_settings(), own.written()
    for name, value in changes.items():
        port = guarded.kafka.port("kafka_guarded")
        files = {"others": str(guarded.others.file), "localhost": [f"localhost:{port}"]}
        said[name] = files.get(value, value)
    env = _kafka(**{name: value for name, value in said.items() if value})
    told = Wrong(env, code, names, remedy, "kafka")

    require_told(typed(own.folder, "list", env=env), told)
    require_explained(own.folder, told)

    assert before == own.written()


@pytest.mark.parametrize("case", ["no certificate", "another password"])
def test_broker_that_lets_nobody_in_names_what_to_check(
    guarded: Guarded, own: World, case: str
) -> None:
    """It ends the connection without a word that the driver hands on."""
    said = guarded.kafka_settings(password="w0rd")
    if case == "no certificate":
        kept = guarded.kafka_settings()
        said = {name: kept[name] for name in kept.keys() - {"certificate_file", "key_file"}}
    told = Wrong(_kafka(**said), 6, "did not answer", "certificates and the credentials", "kafka")

    done = typed(own.folder, "list", env=told.env)

    require_told(done, told)
    assert "w0rd" not in done.stderr
    require_explained(own.folder, told)


POSTGRESES: dict[str, tuple[dict[str, str], str]] = {
    "of another authority": ({"sslrootcert": "others"}, "certificate verify"),
    "for another name": ({"host": "localhost"}, "does not match host name"),
    "no authority": ({"sslrootcert": "/nowhere/ca.pem"}, "root certificate file"),
    "no TLS": ({"sslmode": "disable"}, "no pg_hba.conf entry"),
    "a key that others may read": ({"sslcert": "client", "sslkey": "key"}, "private key file"),
}


@pytest.mark.parametrize("case", POSTGRESES, ids=lambda name: name.replace(" ", "_"))
def test_postgres_whose_certificate_does_not_fit_is_one_error(
    guarded: Guarded, own: World, case: str
) -> None:
    """What does not fit is named, `doctor` says the same, and nothing is written."""
    changes, names = POSTGRESES[case]
    certificate, key = (str(each) for each in guarded.client)
    files = {"others": str(guarded.others.file), "client": certificate, "key": key}
    url = guarded.postgres_url(**{name: files.get(v, v) for name, v in changes.items()})
    before = own.written()
    told = Wrong({f"{POSTGRES}URL": url}, 8, names, "engines.postgres.url", "postgres vault")

    require_told(typed(own.folder, "list", env=told.env), told)
    require_explained(own.folder, told)

    assert before == own.written()


@pytest.mark.parametrize("case", ["of another authority", "for another name"])
def test_opa_whose_certificate_does_not_fit_means_no(
    guarded: Guarded, own: World, case: str
) -> None:
    """Callers hear that policy gave no answer, and `doctor` says which file does not fit."""
    url, file = guarded.opa_url, guarded.ours.file
    if case == "for another name":
        url = url.replace(HOST, "localhost")
    else:
        file = guarded.others.file
    env = {f"{OPA}URL": url, f"{OPA}CA_FILE": str(file)}
    told = Wrong(env, 6, "policy gave no answer", "memos-gov doctor", "opa server")

    require_told(typed(own.folder, "list", env=env), told)
    require_explained(
        own.folder, told._replace(names="do not fit each other", remedy="engines.opa.ca_file")
    )


def test_weaviate_whose_certificate_does_not_fit_is_one_error(guarded: Guarded, own: World) -> None:
    """Its client trusts public authorities alone, which the remedy says."""
    with listening(guarded.ours.signed(HOST)) as port:
        env = {f"{WEAVIATE}URL": f"https://{HOST}:{port}"}
        told = Wrong(env, 8, "does not fit", "engines.weaviate.url", "weaviate")

        require_told(typed(own.folder, "list", env=env), told)
        require_explained(own.folder, told)


def test_weaviate_with_one_port_for_both_is_one_error(own: World) -> None:
    """Its client speaks HTTP and gRPC, each at a port."""
    port = str(engines.place(engines.WEAVIATE)[1])
    told = Wrong({f"{WEAVIATE}GRPC_PORT": port}, 8, "two ports", "grpc_port", "weaviate")

    require_told(typed(own.folder, "list", env=told.env), told)
    require_explained(own.folder, told)


def test_certificate_that_is_over_is_told(guarded: Guarded, own: World) -> None:
    """A day that was missed, rather than an attack."""
    with listening(guarded.ours.signed(HOST, lasts=-HOUR)) as port:
        said = guarded.kafka_settings(brokers=[f"{HOST}:{port}"])
        told = Wrong(_kafka(**said), 8, "certificate has expired", "kafka.ca_file", "kafka")

        require_told(typed(own.folder, "list", env=told.env), told)
        require_explained(own.folder, told)


def test_opa_that_refuses_the_token_means_no(guarded: Guarded, own: World) -> None:
    """The token is in no message."""
    env = {
        f"{OPA}URL": guarded.opa_url,
        f"{OPA}CA_FILE": str(guarded.ours.file),
        f"{OPA}TOKEN": "t0ken",
    }
    told = Wrong(env, 6, "policy gave no answer", "memos-gov doctor", "opa server")

    done = typed(own.folder, "list", env=env)

    require_told(done, told)
    assert "t0ken" not in done.stderr
    require_explained(
        own.folder, told._replace(names="refuses the token", remedy="MEMOS_GOV_ENGINES__OPA__TOKEN")
    )


@pytest.mark.parametrize("key", ["k3y", ""])
def test_weaviate_that_refuses_the_key_is_one_error(guarded: Guarded, own: World, key: str) -> None:
    """A wrong one and none; it is in no message."""
    said = guarded.weaviate_settings() | {"key": key}
    env = {f"{WEAVIATE}{name.upper()}": str(value) for name, value in said.items() if value}
    told = Wrong(env, 8, "refuses the key", "MEMOS_GOV_ENGINES__WEAVIATE__KEY", "weaviate")

    done = typed(own.folder, "list", env=env)

    require_told(done, told)
    assert "k3y" not in done.stderr
    require_explained(own.folder, told)


@pytest.mark.parametrize(
    ("password", "names"), [("w0rd", "authentication failed"), ("", "no password supplied")]
)
def test_postgres_that_refuses_the_password_names_the_variable(
    guarded: Guarded, own: World, password: str, names: str
) -> None:
    """A wrong one and none; it is in no message."""
    env = {f"{POSTGRES}URL": guarded.postgres_url(), "PGPASSWORD": password}
    told = Wrong(env, 8, names, "PGPASSWORD", "postgres vault")

    done = typed(own.folder, "list", env=env)

    require_told(done, told)
    assert "w0rd" not in done.stderr
    require_explained(own.folder, told)
