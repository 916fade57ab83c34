"""
The log of many machines: one topic of a Kafka cluster.

`connection.py` says where it is and what its errors mean, `topic.py` makes the
topic and refuses one that could lose, reorder or rewrite records, `log.py` is
the `EventLog`. Nothing here is imported where another log is used.
"""

from memos_gov.backends.kafka.connection import KafkaConnection
from memos_gov.backends.kafka.log import KafkaEventLog
from memos_gov.backends.kafka.topic import (
    create_topic,
    delete_topic,
    has_topic,
    require_topic,
    version_and_bytes,
)

__all__ = [
    "KafkaConnection",
    "KafkaEventLog",
    "create_topic",
    "delete_topic",
    "has_topic",
    "require_topic",
    "version_and_bytes",
]
