"""`python -m deploy.local.jars_lock` writes kafka.lock anew, after KAFKA was changed. Needs the network.

The classes of what is left out were never loaded in a run with idempotent and transactional producers, consumer
groups, every codec, format and restart; without them there is less to fetch and less to keep free of known weaknesses.
"""

import hashlib
import tempfile
from pathlib import Path
from typing import Any

from deploy.local.jars import LOCK

KAFKA = "org.apache.kafka:kafka_2.13:4.2.1"
LOGGING = "org.apache.logging.log4j:log4j-slf4j-impl:2.25.4"  # Kafka ships it, but does not declare it
LEFT_OUT = {
    "caffeine",
    "commons-beanutils",
    "commons-collections",
    "commons-digester",
    "commons-logging",
    "jackson-dataformat-csv",
    "jackson-dataformat-yaml",  # with snakeyaml: only for a log4j configuration written in YAML
    "jackson-datatype-jdk8",
    "jspecify",
    "kafka-tools-api",
    "scala-reflect",
    "snakeyaml",
}
HEADER = (
    "# SHA-256, size and coordinate of every jar of the embedded Kafka; written by `python -m deploy.local.jars_lock`."
)


def _artifacts(staging: Path) -> list[Any]:
    from jgo.maven import MavenContext

    context = MavenContext(repo_cache=staging, local_repos=[], timeout=30)
    root, transitive = context.resolver.get_dependency_list([context.create_dependency(KAFKA)])
    group, artifact, version = LOGGING.split(":")
    # Resolved apart: as a second root its own dependency management would change Kafka's versions.
    logging = context.project(group, artifact).at_version(version).artifact()
    found = [node.dep.artifact for node in (*root.children, *transitive)]
    return [*(each for each in found if each.artifactId not in LEFT_OUT), logging]


def main() -> None:
    with tempfile.TemporaryDirectory() as staging:
        lines = []
        for artifact in _artifacts(Path(staging)):
            content = artifact.resolve().read_bytes()
            coordinate = f"{artifact.groupId}:{artifact.artifactId}:{artifact.version}"
            lines.append((coordinate, f"{hashlib.sha256(content).hexdigest()} {len(content)} {coordinate}"))
    LOCK.write_text("\n".join([HEADER, *(line for _, line in sorted(lines))]) + "\n")


if __name__ == "__main__":
    main()
