"""Kafka: the event log. One node is broker and controller; it makes no topic by itself."""

from __future__ import annotations

import base64
import shutil
import uuid
from collections.abc import Sequence
from pathlib import Path

from scripts.services.cache import cached, tool, work
from scripts.services.engine import Engine
from scripts.services.network import kafka_answers
from scripts.services.places import HOST

VERSION = "4.3.1"
SCALA = "2.13"
LOGGING_VERSION = "1.7.36"

POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>memos-gov</groupId> <artifactId>kafka</artifactId> <version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_{SCALA}</artifactId>
      <version>{VERSION}</version><scope>runtime</scope></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId>
      <version>{LOGGING_VERSION}</version><scope>runtime</scope></dependency>
  </dependencies>
</project>
"""

PROPERTIES = """process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=PLAINTEXT://{host}:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
controller.quorum.bootstrap.servers={host}:{controller_port}
log.dirs={data}
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
"""


class Kafka(Engine):
    """The pinned Kafka."""

    name = "kafka"
    ports = ("kafka", "kafka_controller")

    def version(self) -> str:
        """Return the pinned version."""
        return VERSION

    @property
    def libraries(self) -> Path:
        """Where its jars lie once they are fetched."""
        return self.places.caches / f"kafka-{VERSION}" / "libs"

    @property
    def properties(self) -> Path:
        """Its configuration."""
        return self.folder / "server.properties"

    def lacks(self) -> list[str]:
        """Return Java, and Maven where the jars are not in the cache."""
        needed = ["java"] if self.libraries.exists() else ["java", "mvn"]
        return [name for name in needed if shutil.which(name) is None]

    def obtain(self) -> None:
        """Fetch the jars with Maven, where they are not in the cache."""
        cached(self.libraries, self._fetch)

    def _fetch(self, draft: Path) -> Path:
        self.say(f"fetching kafka {VERSION}, takes about 10 seconds")
        (draft / "pom.xml").write_text(POM)
        copy = "dependency:copy-dependencies"
        options = ["-DoutputDirectory=libs", "-DincludeScope=runtime"]
        work([tool("mvn"), "-q", "-B", copy, *options], folder=draft, say=self.say)
        return draft / "libs"

    def lay_out(self) -> None:
        """Write the configuration, and format the data folder once."""
        words = PROPERTIES.format(
            host=HOST,
            port=self.port(),
            controller_port=self.port("kafka_controller"),
            data=self.data,
        )
        self.properties.write_text(words)
        if not (self.data / "meta.properties").exists():
            step = self._java("kafka.tools.StorageTool", "format", "--standalone")
            step += ["-t", cluster_id(), "-c", str(self.properties)]
            work(step, folder=self.folder, say=self.say)

    def _java(self, *arguments: str) -> list[str]:
        return [tool("java"), "-Xmx512m", "-cp", f"{self.libraries}/*", *arguments]

    def command(self) -> Sequence[str | Path]:
        """Run broker and controller in one process."""
        return [*self._java("kafka.Kafka"), self.properties]

    def answers(self) -> bool:
        """Tell whether the broker serves."""
        return kafka_answers(HOST, self.port())


def cluster_id() -> str:
    """Return a fresh id in Kafka's form: 16 bytes in base64 for URLs, not beginning with a dash."""
    made = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    return cluster_id() if made.startswith("-") else made
