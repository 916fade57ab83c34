"""Engines of a test's own that let nobody in without TLS and a credential."""

from __future__ import annotations

import shutil
import ssl
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from socket import SHUT_RDWR, create_server

import psycopg

from scripts.services.kafka import Kafka
from scripts.services.network import is_free
from scripts.services.opa import Opa
from scripts.services.places import HOST
from scripts.services.postgres import SYSTEM_USER, USER, Postgres, is_root
from scripts.services.weaviate import Weaviate

Pair = tuple[Path, Path]
SECRET = "s3cr3t"
SASL = f"""
sasl.enabled.mechanisms=PLAIN
listener.name.sasl_ssl.ssl.client.auth=required
listener.name.sasl_ssl.plain.sasl.jaas.config=\\
  org.apache.kafka.common.security.plain.PlainLoginModule required user_memos="{SECRET}";
"""
AUTHORISATION = f"""package system.authz
default allow := false
allow if input.identity == "{SECRET}"
"""


class GuardedKafka(Kafka):
    """A broker with a second listener: TLS, a certificate of every client, and a password."""

    pair: Pair
    authority: Path

    def lay_out(self) -> None:
        """Add the listener to the configuration, its certificate as PEM."""
        super().lay_out()
        keys = self.folder / "server.pem"
        keys.write_text(self.pair[1].read_text() + self.pair[0].read_text())
        plain, guarded = (f"://{HOST}:{self.port(name)}" for name in ("kafka", "kafka_guarded"))
        both = f"PLAINTEXT{plain},SASL_SSL{guarded}"
        text = self.properties.read_text().replace(f"PLAINTEXT{plain}", both)
        text = text.replace("map=CONTROLLER", "map=SASL_SSL:SASL_SSL,CONTROLLER") + SASL
        text += f"ssl.keystore.type=PEM\nssl.keystore.location={keys}\n"
        text += f"ssl.truststore.type=PEM\nssl.truststore.location={self.authority}\n"
        self.properties.write_text(text)


class GuardedPostgres(Postgres):
    """A server that asks whoever comes over the network for TLS and a password."""

    pair: Pair

    def lay_out(self) -> None:
        """Put the certificate where the server may read it, and name who is let in."""
        super().lay_out()
        for file, name in zip(self.pair, ("server.crt", "server.key"), strict=True):
            place = self.data / name
            shutil.copyfile(file, place)
            place.chmod(0o600)
            if is_root():
                shutil.chown(place, SYSTEM_USER)
        rules = "local all all trust\nhostssl all all all scram-sha-256\n"
        (self.data / "pg_hba.conf").write_text(rules)

    def command(self) -> Sequence[str | Path]:
        """Serve with TLS."""
        return [*super().command(), "-c", "ssl=on"]

    def answers(self) -> bool:
        """Tell whether it takes connections at its socket, once its password is set."""
        try:
            with psycopg.connect(
                host=str(self.home), port=self.port(), user=USER, dbname="postgres"
            ) as server:
                server.execute(f"ALTER ROLE {USER} PASSWORD '{SECRET}'".encode())
        except psycopg.OperationalError:
            return False
        return True


class GuardedOpa(Opa):
    """A server of policies that speaks TLS, to who has a token."""

    pair: Pair

    def lay_out(self) -> None:
        """Write who may do what."""
        super().lay_out()
        (self.folder / "authz.rego").write_text(AUTHORISATION)

    def command(self) -> Sequence[str | Path]:
        """Serve with TLS, and ask for the token."""
        certificate, key = self.pair
        tls = ["--tls-cert-file", certificate, "--tls-private-key-file", key]
        asks = ["--authentication=token", "--authorization=basic", self.folder / "authz.rego"]
        return [*super().command(), *tls, *asks]

    def answers(self) -> bool:
        """Tell whether it listens."""
        return not is_free(self.port())


class GuardedWeaviate(Weaviate):
    """An index that asks for a key, without TLS: its client trusts no authority of ours."""

    def environment(self) -> Mapping[str, str]:
        """Return its settings."""
        return {
            **super().environment(),
            "AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED": "false",
            "AUTHENTICATION_APIKEY_ENABLED": "true",
            "AUTHENTICATION_APIKEY_ALLOWED_KEYS": SECRET,
            "AUTHENTICATION_APIKEY_USERS": "memos",
            "AUTHORIZATION_ADMINLIST_ENABLED": "true",
            "AUTHORIZATION_ADMINLIST_USERS": "memos",
        }


@contextmanager
def listening(pair: Pair) -> Iterator[int]:
    """Listen with TLS and a certificate, and say nothing else; yield the port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair)
    with create_server((HOST, 0)) as server:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    client, _ = server.accept()
                    with client, suppress(OSError), context.wrap_socket(client, server_side=True):
                        pass

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
        with suppress(OSError):
            server.shutdown(SHUT_RDWR)
