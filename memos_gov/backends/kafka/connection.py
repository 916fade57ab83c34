"""
Where the cluster is, how it is reached, and which error of ours each of its own is.

Secrets stay in the struct: no text of it, no message and no trace shows them.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from kafka import errors as ke

from memos_gov.errors import CorruptionError, SettingsError, UnavailableError

_HANDSHAKE_S_MAX = 2
_PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
_REFUSED = (
    ke.AuthorizationError,
    ke.SaslAuthenticationFailedError,
    ke.UnsupportedSaslMechanismError,
    ke.IllegalSaslStateError,
    ke.KafkaConfigurationError,
    ke.InvalidTopicError,
)
_DAMAGED = (
    ke.CorruptRecordError,
    ke.LogTruncationError,
    ke.OffsetOutOfRangeError,
    ke.UnsupportedCodecError,
)


class KafkaConnection(msgspec.Struct, frozen=True, kw_only=True):
    """
    Where the topic is, and how it is reached.

    Args:
        brokers: `host:port` of some of the cluster's.
        partitions: As the log was founded with; another count is refused.
        dev: One replica is enough, so a lost disk loses the log.
        security_protocol: PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL.
        ca_file: PEM, as are the others; without it the system's authorities are trusted.
        key_password: Of the key file.
        start_timeout_s: How long the first contact may take.
        timeout_s: How long an append or a read may take.
    """

    brokers: tuple[str, ...]
    topic: str
    partitions: int = 1
    dev: bool = False
    security_protocol: str = "PLAINTEXT"
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None
    key_password: str | None = None
    sasl_mechanism: str | None = None
    user: str | None = None
    password: str | None = None
    start_timeout_s: float = 10.0
    timeout_s: float = 30.0

    def __repr__(self) -> str:
        """Name place and protocol; a secret is in no message and no trace."""
        return f"KafkaConnection({','.join(self.brokers)}, {self.topic}, {self.security_protocol})"

    def __rich_repr__(self) -> list[tuple[str, object]]:
        """Show the same to a pretty printer."""
        return [(name, getattr(self, name)) for name in ("brokers", "topic", "security_protocol")]

    def client(self) -> dict[str, object]:
        """Return what every client of the driver is told."""
        return {
            "bootstrap_servers": list(self.brokers),
            "client_id": "memos-gov",
            "bootstrap_timeout_ms": round(self.start_timeout_s * 1000),
            "request_timeout_ms": round(self.timeout_s * 1000),
            "security_protocol": self.security_protocol,
            "ssl_cafile": _text(self.ca_file),
            "ssl_certfile": _text(self.certificate_file),
            "ssl_keyfile": _text(self.key_file),
            "ssl_password": self.key_password,
            "sasl_mechanism": self.sasl_mechanism,
            "sasl_plain_username": self.user,
            "sasl_plain_password": self.password,
        }


def check_connection(connection: KafkaConnection) -> None:
    """Refuse what the driver would take for something else, or find late."""
    for name in ("ca_file", "certificate_file", "key_file"):
        path = getattr(connection, name)
        if path is not None and not path.is_file():
            msg = f"kafka {name}: there is no file {path}"
            raise SettingsError(msg, remedy=f"Name a file (engines.kafka.{name}).")
    _check_authorities(connection.ca_file)
    if connection.security_protocol not in _PROTOCOLS:
        msg = f"kafka security_protocol: {connection.security_protocol!r} is none of the driver's"
        raise SettingsError(msg, remedy=f"Name one of {', '.join(_PROTOCOLS)}.")
    if connection.partitions < 1:
        raise SettingsError(f"kafka partitions: {connection.partitions} is no count")
    for broker in connection.brokers or ("",):
        host, _, port = broker.rpartition(":")
        if not host or not port.isdigit():
            raise SettingsError(f"kafka brokers: {broker!r} is no host:port")
    if connection.sasl_mechanism and not (connection.user and connection.password):
        raise SettingsError("kafka user, password: SASL needs both")


def _check_authorities(path: Path | None) -> None:
    """Refuse a file that holds no certificate of an authority."""
    try:
        ssl.create_default_context(cafile=path)
    except OSError as error:
        msg = f"kafka ca_file: {path} holds no certificate (PEM)"
        remedy = "Name the file of the authority that signed the brokers' (engines.kafka.ca_file)."
        raise SettingsError(msg, remedy=remedy) from error


def check_certificates(connection: KafkaConnection) -> None:
    """
    Refuse certificates that do not fit, with the reason, which the driver does not tell.

    A broker that does not answer, or speaks no TLS, is left to the driver.

    Raises:
        SettingsError: Those of the client do not open, or that of every broker
            which answers is not of the authority or not for its address.
    """
    if not connection.security_protocol.endswith("SSL"):
        return
    context, wrong = _context(connection), ""
    for broker in connection.brokers:
        host, _, port = broker.rpartition(":")
        try:
            with (
                socket.create_connection((host.strip("[]"), int(port)), _HANDSHAKE_S_MAX) as plain,
                context.wrap_socket(plain, server_hostname=host.strip("[]")),
            ):
                return
        except ssl.SSLCertVerificationError as error:
            wrong = wrong or f"kafka: the certificate of {broker} does not fit ({_reason(error)})"
        except OSError:
            continue
    if wrong:
        remedy = (
            "Name the authority that signed it (engines.kafka.ca_file), and the broker as its"
            " certificate does (engines.kafka.brokers)."
        )
        raise SettingsError(wrong, remedy=remedy)


def _reason(error: ssl.SSLCertVerificationError) -> str:
    return str(error.verify_message).rstrip(".")


def _context(connection: KafkaConnection) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=connection.ca_file)
    if connection.certificate_file is not None:
        secret = connection.key_password or ""  # (without one, OpenSSL would ask the terminal)
        try:
            context.load_cert_chain(connection.certificate_file, connection.key_file, secret)
        except OSError as error:
            msg = "kafka certificate_file, key_file: they hold no certificate with its key (PEM)"
            remedy = "Name both, and the key's password (MEMOS_GOV_ENGINES__KAFKA__KEY_PASSWORD)."
            raise SettingsError(msg, remedy=remedy) from error
    return context


@contextmanager
def translated(connection: KafkaConnection, place: str = "log", told: str = "") -> Iterator[None]:
    """Turn every error of the driver into one of ours; `told` ends what is said of no answer."""
    try:
        yield
    except _REFUSED as error:
        msg = f"the Kafka cluster refuses {connection.topic} ({type(error).__name__})"
        remedy = "Check the user, the password, the mechanism, and the access lists of the topic."
        raise SettingsError(msg, remedy=remedy) from error
    except _DAMAGED as error:
        msg = f"the topic {connection.topic} lacks records, or holds changed ones"
        raise CorruptionError(msg, place=place) from error
    except (ke.KafkaError, OSError) as error:
        msg = (
            f"the Kafka cluster at {','.join(connection.brokers)} did not answer"
            f" ({type(error).__name__}){told}"
        )
        remedy = (
            "Retry later; a command keeps its id, so a retry cannot act twice. If it never"
            " answers, check that Kafka runs, the addresses (engines.kafka.brokers), the security"
            " protocol, the certificates and the credentials."
        )
        raise UnavailableError(msg, backend="kafka", remedy=remedy) from error


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)
