"""Kafka, Postgres and OPA of a test's own that speak TLS, each with a certificate that is given."""

from __future__ import annotations

import shutil
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from socket import SHUT_RDWR, create_server

import psycopg

from scripts.services.kafka import Kafka
from scripts.services.network import is_free
from scripts.services.opa import Opa
from scripts.services.places import HOST
from scripts.services.postgres import SYSTEM_USER, USER, Postgres, is_root

Pair = tuple[Path, Path]


class TlsKafka(Kafka):
    """A broker with a second listener, which speaks TLS and asks every client for a certificate."""

    pair: Pair
    authority: Path

    def lay_out(self) -> None:
        """Add the listener to the configuration, its certificate as PEM."""
        super().lay_out()
        keys = self.folder / "server.pem"
        keys.write_text(self.pair[1].read_text() + self.pair[0].read_text())
        plain, secure = (f"://{HOST}:{self.port(name)}" for name in ("kafka", "kafka_tls"))
        text = self.properties.read_text().replace(
            f"PLAINTEXT{plain}", f"PLAINTEXT{plain},SSL{secure}"
        )
        text = text.replace("map=CONTROLLER", "map=SSL:SSL,CONTROLLER")
        text += f"ssl.keystore.type=PEM\nssl.keystore.location={keys}\nssl.client.auth=required\n"
        text += f"ssl.truststore.type=PEM\nssl.truststore.location={self.authority}\n"
        self.properties.write_text(text)


class TlsPostgres(Postgres):
    """A server that takes nothing but TLS from the network."""

    pair: Pair

    def lay_out(self) -> None:
        """Put the certificate where the server may read it, and refuse clients without TLS."""
        super().lay_out()
        for file, name in zip(self.pair, ("server.crt", "server.key"), strict=True):
            place = self.data / name
            shutil.copyfile(file, place)
            place.chmod(0o600)
            if is_root():
                shutil.chown(place, SYSTEM_USER)
        (self.data / "pg_hba.conf").write_text("local all all trust\nhostssl all all all trust\n")

    def command(self) -> Sequence[str | Path]:
        """Serve with TLS."""
        return [*super().command(), "-c", "ssl=on"]

    def answers(self) -> bool:
        """Tell whether it takes connections, at its socket in the file system."""
        try:
            psycopg.connect(host=str(self.home), port=self.port(), user=USER, dbname=USER).close()
        except psycopg.OperationalError as error:
            return "does not exist" in str(error)
        return True


class TlsOpa(Opa):
    """A server of policies that speaks TLS."""

    pair: Pair

    def command(self) -> Sequence[str | Path]:
        """Serve with TLS."""
        certificate, key = self.pair
        return [*super().command(), "--tls-cert-file", certificate, "--tls-private-key-file", key]

    def answers(self) -> bool:
        """Tell whether it listens."""
        return not is_free(self.port())


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
