"""A replication group of ElastiCache: what it is made of, its snapshots, and how it goes and comes back."""

from __future__ import annotations

from typing import Any

from .cli import Aws, Failure, Refused


class Group:
    """A replication group, which may be there or not."""

    def __init__(self, aws: Aws, name: str) -> None:
        self._aws, self.name = aws, name

    def status(self) -> str:
        """Such as available; empty if there is no such group."""
        it = self._described()
        return str(it["Status"]) if it else ""

    def is_available(self) -> bool:
        """Ends if it never will be."""
        status = self.status()
        if status == "create-failed":
            raise Failure(f"{self.name} is create-failed: its events say why; delete it")
        return status == "available"

    def _described(self) -> dict[str, Any] | None:
        try:
            answer = self._aws.ask(
                "elasticache", "describe-replication-groups", "--replication-group-id", self.name)
        except Refused as refused:
            if refused.code == "ReplicationGroupNotFoundFault":
                return None
            raise
        found: dict[str, Any] = answer["ReplicationGroups"][0]
        return found

    def properties(self) -> list[str]:
        """What it is made of, as options of `create-replication-group`, but for its id and the snapshot."""
        it = self._described()
        if it is None:
            raise Failure(f"there is no cluster {self.name}: look at --cluster")
        if it["Status"] != "available":
            raise Failure(f"{self.name} is {it['Status']}: restore when it is available")
        shards = [len(shard["NodeGroupMembers"]) for shard in it["NodeGroups"]]
        if len(set(shards)) != 1:
            raise Failure(f"the shards of {self.name} have different numbers of replicas: make them even first")
        node = self._aws.ask(
            "elasticache", "describe-cache-clusters", "--cache-cluster-id", it["MemberClusters"][0],
        )["CacheClusters"][0]
        topic = (node.get("NotificationConfiguration") or {}).get("TopicArn")
        return [
            "--replication-group-description", it["Description"], "--engine", node["Engine"],
            # A patch release cannot be asked for.
            "--engine-version", ".".join(node["EngineVersion"].split(".")[:2]),
            "--port", str(it["ConfigurationEndpoint"]["Port"]), "--cache-node-type", it["CacheNodeType"],
            "--num-node-groups", str(len(shards)), "--replicas-per-node-group", str(shards[0] - 1),
            "--cache-parameter-group-name", node["CacheParameterGroup"]["CacheParameterGroupName"],
            "--cache-subnet-group-name", node["CacheSubnetGroupName"],
            "--security-group-ids", *(group["SecurityGroupId"] for group in node["SecurityGroups"]),
            "--user-group-ids", *it["UserGroupIds"],
            "--transit-encryption-enabled", "--transit-encryption-mode", it["TransitEncryptionMode"],
            "--at-rest-encryption-enabled", *_option("--kms-key-id", it.get("KmsKeyId")),
            "--automatic-failover-enabled", "--multi-az-enabled", "--no-auto-minor-version-upgrade",
            *_option("--durability", it.get("EffectiveDurability")),
            "--snapshot-retention-limit", str(it["SnapshotRetentionLimit"]),
            "--snapshot-window", it["SnapshotWindow"],
            "--preferred-maintenance-window", node["PreferredMaintenanceWindow"],
            *_option("--notification-topic-arn", topic),
        ]

    def snapshots(self) -> list[str]:
        """A line for each snapshot of this group, oldest first: its name, when and how it was made, its
        status."""
        answer = self._aws.ask("elasticache", "describe-snapshots", "--replication-group-id", self.name)
        lines = [
            (it["NodeSnapshots"][0].get("SnapshotCreateTime", "") if it.get("NodeSnapshots") else "", it)
            for it in answer["Snapshots"]
        ]
        return [
            f"{it['SnapshotName']}  {made}  {it['SnapshotSource']}  {it['SnapshotStatus']}"
            for made, it in sorted(lines, key=lambda line: str(line[0]))
        ]

    def _snapshot(self, name: str) -> dict[str, Any] | None:
        try:
            found = self._aws.ask("elasticache", "describe-snapshots", "--snapshot-name", name)["Snapshots"]
        except Refused as refused:
            if refused.code == "SnapshotNotFoundFault":
                return None
            raise
        return found[0] if found else None

    def require_snapshot(self, name: str) -> None:
        """Ends unless this group can be made of a snapshot."""
        it = self._snapshot(name)
        if it is None:
            raise Failure(f"there is no snapshot {name}: --list shows those that there are")
        if it.get("ReplicationGroupId") != self.name:
            raise Failure(
                f"the snapshot {name} is of {it.get('ReplicationGroupId')}, not of {self.name}: look at --cluster")
        if it["SnapshotStatus"] != "available":
            raise Failure(f"the snapshot {name} is {it['SnapshotStatus']}: restore when it is available")

    def has_snapshot(self, name: str) -> bool:
        it = self._snapshot(name)
        return it is not None and it["SnapshotStatus"] == "available"

    def copy(self, snapshot: str, name: str) -> None:
        """Copies a snapshot, if that is not done: those that ElastiCache makes by itself go with the group."""
        if self._snapshot(name) is None:
            self._aws.ask(
                "elasticache", "copy-snapshot", "--source-snapshot-name", snapshot,
                "--target-snapshot-name", name)

    def delete(self, last: str) -> None:
        """Begins to delete the group, with a last snapshot, if that is not under way: while the snapshot is
        made, the group is not yet said to be deleting."""
        if self.status() not in ("", "deleting") and self._snapshot(last) is None:
            self._aws.ask(
                "elasticache", "delete-replication-group", "--replication-group-id", self.name,
                "--final-snapshot-identifier", last)

    def make(self, snapshot: str, properties: list[str]) -> None:
        """Begins to make the group of a snapshot, if it is not there."""
        if self.status() == "":
            self._aws.ask(
                "elasticache", "create-replication-group", "--replication-group-id", self.name,
                "--snapshot-name", snapshot, *properties)


def _option(name: str, value: str | None) -> list[str]:
    return [name, value] if value else []
