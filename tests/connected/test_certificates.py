"""TLS of the engines: a folder lives on it, and certificates that do not fit are told apart."""

from __future__ import annotations

import gc
import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
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
from tests.connected.test_bad_input import (
    KAFKA,
    OPA,
    POSTGRES,
    WEAVIATE,
    Wrong,
    require_explained,
    require_told,
)
from tests.connected.tls_engines import TlsKafka, TlsOpa, TlsPostgres, listening
from tests.connected.worlds import World, typed, world
from tests.connected_folders import own_engines as own_names
from tests.connected_folders import removed_afterwards

pytestmark = [
    pytest.mark.connected,
    pytest.mark.timeout(180),
    # A client of the driver that reaches nobody leaves its socket to the collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


class Secured:
    """Kafka, Postgres and OPA behind TLS, the authority of all of them, and another one."""

    def __init__(self, folder: Path) -> None:
        caches = Places.of_environment().caches
        (folder / "certificates").mkdir()
        self.ours = Authority(folder / "certificates", "ours")
        self.others = Authority(folder / "certificates", "others")
        self.client = self.ours.signed("client")
        ports = dict(own_engines.free_ports())
        ports["kafka_tls"] = ports["weaviate"]  # (no Weaviate stands here)
        places = Places(runs=folder / "runs", caches=caches, ports=ports)
        pair = self.ours.signed(HOST)
        self.kafka = TlsKafka(places, print)
        self.postgres, self.opa = TlsPostgres(places, print), TlsOpa(places, print)
        self.kafka.pair = self.postgres.pair = self.opa.pair = pair
        self.kafka.authority = self.ours.file

    @property
    def engines(self) -> tuple[Engine, ...]:
        """Return all of them."""
        return self.kafka, self.postgres, self.opa

    def kafka_settings(self, **changes: Any) -> dict[str, Any]:
        """Return how the broker is reached."""
        certificate, key = self.client
        known = {
            "brokers": [f"{HOST}:{self.kafka.port('kafka_tls')}"],
            "security_protocol": "SSL",
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

    @property
    def opa_url(self) -> str:
        """Return where OPA answers."""
        return f"https://{HOST}:{self.opa.port()}"


@pytest.fixture(scope="module")
def secured() -> Iterator[Secured]:
    """Return engines behind TLS; skip where this machine has not what they need."""
    folder = Path(tempfile.mkdtemp(prefix="memos-gov-tls-"))  # (the user postgres may enter)
    folder.chmod(0o755)
    found = Secured(folder)
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


def test_folder_lives_on_engines_that_speak_tls_alone(secured: Secured, tmp_path: Path) -> None:
    """Certificates of all three are verified, and the broker verifies ours."""
    said = own_names()
    said["kafka"] |= secured.kafka_settings()
    said["postgres"] |= {"url": secured.postgres_url()}
    said["opa"] = {"url": secured.opa_url, "ca_file": str(secured.ours.file)}
    with removed_afterwards(tmp_path / "data") as folder:
        with memos_gov.init(folder, engines=said) as gov:
            gov.acting_as("owner").remember("a quiet shop")
        with memos_gov.open(folder) as gov:
            assert 1 == len(gov.acting_as("owner").recall("shop").hits)
        assert fsck(folder).clean


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
    secured: Secured, own: World, case: str
) -> None:
    """Which one, and why; `doctor` says the same, and nothing is written."""
    changes, code, names, remedy = KAFKAS[case]
    said, before = secured.kafka_settings(), own.written()
    for name, value in changes.items():
        port = secured.kafka.port("kafka_tls")
        files = {"others": str(secured.others.file), "localhost": [f"localhost:{port}"]}
        said[name] = files.get(value, value)
    env = _kafka(**{name: value for name, value in said.items() if value})
    told = Wrong(env, code, names, remedy, "kafka")

    require_told(typed(own.folder, "list", env=env), told)
    require_explained(own.folder, told)

    assert before == own.written()


def test_broker_that_asks_for_a_certificate_names_them_in_its_remedy(
    secured: Secured, own: World
) -> None:
    """With TLS 1.3 a client hears of it only after the handshake."""
    said = secured.kafka_settings()
    env = _kafka(**{n: v for n, v in said.items() if n not in {"certificate_file", "key_file"}})
    told = Wrong(env, 6, "did not answer", "the certificates", "kafka")

    require_told(typed(own.folder, "list", env=env), told)
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
    secured: Secured, own: World, case: str
) -> None:
    """What does not fit is named, `doctor` says the same, and nothing is written."""
    changes, names = POSTGRESES[case]
    certificate, key = (str(each) for each in secured.client)
    files = {"others": str(secured.others.file), "client": certificate, "key": key}
    url = secured.postgres_url(**{name: files.get(v, v) for name, v in changes.items()})
    before = own.written()
    told = Wrong({f"{POSTGRES}URL": url}, 8, names, "engines.postgres.url", "postgres vault")

    require_told(typed(own.folder, "list", env=told.env), told)
    require_explained(own.folder, told)

    assert before == own.written()


@pytest.mark.parametrize("case", ["of another authority", "for another name"])
def test_opa_whose_certificate_does_not_fit_means_no(
    secured: Secured, own: World, case: str
) -> None:
    """Callers hear that policy gave no answer, and `doctor` says which file does not fit."""
    url, file = secured.opa_url, secured.ours.file
    if case == "for another name":
        url = url.replace(HOST, "localhost")
    else:
        file = secured.others.file
    env = {f"{OPA}URL": url, f"{OPA}CA_FILE": str(file)}
    told = Wrong(env, 6, "policy gave no answer", "memos-gov doctor", "opa server")

    require_told(typed(own.folder, "list", env=env), told)
    require_explained(
        own.folder, told._replace(names="do not fit each other", remedy="engines.opa.ca_file")
    )


def test_weaviate_whose_certificate_does_not_fit_is_one_error(secured: Secured, own: World) -> None:
    """Its client trusts public authorities alone, which the remedy says."""
    with listening(secured.ours.signed(HOST)) as port:
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


def test_certificate_that_is_over_is_told(secured: Secured, own: World) -> None:
    """A day that was missed, rather than an attack."""
    with listening(secured.ours.signed(HOST, lasts=-HOUR)) as port:
        said = secured.kafka_settings(brokers=[f"{HOST}:{port}"])
        told = Wrong(_kafka(**said), 8, "certificate has expired", "kafka.ca_file", "kafka")

        require_told(typed(own.folder, "list", env=told.env), told)
        require_explained(own.folder, told)
