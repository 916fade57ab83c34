"""
The topic: made as a log needs it, and refused where it could lose or change records.

Every setting that a log relies on is named in `REQUIRED`, whatever the
cluster's defaults are. The broker is made to store all records uncompressed,
so that no codec is needed to read what somebody else put there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from kafka import KafkaAdminClient
from kafka import errors as ke
from kafka.admin import ConfigResource

from memos_gov.backends.kafka.connection import (
    KafkaConnection,
    check_certificates,
    check_connection,
    translated,
)
from memos_gov.domain.codec import RECORD_BYTES_MAX
from memos_gov.errors import SettingsError

BEHIND_MAX_MS = 60_000
AHEAD_MAX_MS = 5_000
MESSAGE_BYTES_MAX = 1_048_588
REPLICAS_MIN = 3
IN_SYNC_MIN = 2
REQUIRED = {
    "cleanup.policy": "delete",
    "compression.type": "uncompressed",
    "max.message.bytes": str(MESSAGE_BYTES_MAX),
    "message.timestamp.after.max.ms": str(AHEAD_MAX_MS),
    "message.timestamp.before.max.ms": str(BEHIND_MAX_MS),
    "message.timestamp.type": "CreateTime",
    "retention.bytes": "-1",
    "retention.ms": "-1",
    "unclean.leader.election.enable": "false",
}
_IN_SYNC = "min.insync.replicas"

assert MESSAGE_BYTES_MAX > RECORD_BYTES_MAX


def create_topic(connection: KafkaConnection) -> bool:
    """
    Make the topic as a log needs it, and return whether it was made.

    One that is there already must be so.

    Raises:
        SettingsError: The topic is there and differs, or the cluster has too few brokers.
        UnavailableError: The cluster did not answer.
    """
    wanted = {**REQUIRED} if connection.dev else {**REQUIRED, _IN_SYNC: str(IN_SYNC_MIN)}
    topic = {
        "num_partitions": connection.partitions,
        "replication_factor": 1 if connection.dev else REPLICAS_MIN,
        "configs": wanted,
    }
    with _administration(connection) as admin:
        made = True
        try:
            admin.create_topics({connection.topic: topic}, wait_for_metadata=True)
        except ke.TopicAlreadyExistsError:
            made = False
        except ke.InvalidReplicationFactorError as error:
            msg = f"the cluster has fewer than {REPLICAS_MIN} brokers for topic {connection.topic}"
            remedy = "Add brokers, or say `dev` where the loss of one disk may lose the log."
            raise SettingsError(msg, remedy=remedy) from error
        _check_topic(connection, admin)
        return made


def has_topic(connection: KafkaConnection) -> bool:
    """
    Whether the topic is there, however it is.

    Raises:
        UnavailableError: The cluster did not answer.
    """
    with _administration(connection) as admin:
        (found,) = admin.describe_topics([connection.topic])
        return bool(found["error_code"] != ke.UnknownTopicOrPartitionError.errno)


def delete_topic(connection: KafkaConnection) -> None:
    """
    Remove the topic with all its records, if it is there.

    Raises:
        UnavailableError: The cluster did not answer.
    """
    with _administration(connection) as admin, suppress(ke.UnknownTopicOrPartitionError):
        admin.delete_topics([connection.topic])


def require_topic(connection: KafkaConnection) -> None:
    """
    Refuse a topic that is not as a log needs it.

    Raises:
        SettingsError: Names every wrong setting, and the command that mends them.
        UnavailableError: The cluster did not answer.
    """
    with _administration(connection) as admin:
        _check_topic(connection, admin)


def version_and_bytes(connection: KafkaConnection) -> tuple[str, int]:
    """
    Return the brokers' version, and how many bytes the topic takes on all of them together.

    The version is of the oldest broker, as the brokers tell a client what they can do.

    Raises:
        UnavailableError: The cluster did not answer.
    """
    with _administration(connection) as admin:
        brokers = [each["broker_id"] for each in admin.describe_cluster()["brokers"]]
        oldest = min(admin.get_broker_version_data(each).broker_version for each in brokers)
        sizes = (
            partition["partition_size"]
            for broker in admin.describe_log_dirs([connection.topic])
            for place in broker["log_dirs"]
            for topic in place["topics"]
            if topic["name"] == connection.topic
            for partition in topic["partitions"]
        )
        return ".".join(map(str, oldest)), sum(sizes)


@contextmanager
def _administration(connection: KafkaConnection) -> Iterator[KafkaAdminClient]:
    """Enter the use of an administrative client of the cluster."""
    check_connection(connection)
    check_certificates(connection)
    with translated(connection):
        admin = KafkaAdminClient(**connection.client())
        try:
            yield admin
        finally:
            admin.close()


def _check_topic(connection: KafkaConnection, admin: KafkaAdminClient) -> None:
    topic = connection.topic
    (found,) = admin.describe_topics([topic])
    if found["error_code"] == ke.UnknownTopicOrPartitionError.errno:
        msg = f"there is no topic {topic}"
        remedy = (
            "Name the topic of this data folder (engines.kafka.topic); `memos-gov init` makes"
            " the topic of a new one."
        )
        raise SettingsError(msg, remedy=remedy)
    if found["error_code"]:
        error = ke.for_code(found["error_code"])
        raise error
    described = admin.describe_configs([ConfigResource("TOPIC", topic)], config_filter="all")
    config = {name: each["value"] for name, each in described["topic"][topic].items()}
    _refuse_layout(connection, found["partitions"])
    _refuse_config(connection, config)


def _refuse_layout(connection: KafkaConnection, partitions: Sequence[Mapping[str, object]]) -> None:
    """Refuse another count of partitions, and fewer replicas than a lost disk asks for."""
    if len(partitions) != connection.partitions:
        msg = (
            f"topic {connection.topic} has {len(partitions)} partitions"
            f" and the log {connection.partitions}"
        )
        remedy = (
            "A log keeps its count for ever: name its own count (engines.kafka.partitions),"
            " or its own topic (engines.kafka.topic)."
        )
        raise SettingsError(msg, remedy=remedy)
    replicas = min(len(each["replica_nodes"]) for each in partitions)  # type: ignore[arg-type]
    if replicas < REPLICAS_MIN and not connection.dev:
        msg = f"topic {connection.topic} has {replicas} replicas and needs {REPLICAS_MIN}"
        remedy = (
            "Reassign its partitions (kafka-reassign-partitions.sh), or say `dev` where the loss"
            " of one disk may lose the log."
        )
        raise SettingsError(msg, remedy=remedy)


def _refuse_config(connection: KafkaConnection, config: Mapping[str, str]) -> None:
    """Refuse a topic that would lose, reorder or rewrite records, with all that is wrong."""
    wrong = {name: value for name, value in REQUIRED.items() if config.get(name) != value}
    if not connection.dev and int(config.get(_IN_SYNC, "1")) < IN_SYNC_MIN:
        wrong[_IN_SYNC] = str(IN_SYNC_MIN)
    if not wrong:
        return
    told = ", ".join(f"{name} is {config.get(name)} and must be {wrong[name]}" for name in wrong)
    mended = ",".join(f"{name}={value}" for name, value in wrong.items())
    remedy = (
        f"kafka-configs.sh --bootstrap-server {connection.brokers[0]} --alter"
        f" --topic {connection.topic} --add-config {mended}"
    )
    raise SettingsError(f"topic {connection.topic}: {told}", remedy=remedy)
