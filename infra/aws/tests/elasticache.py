"""A stand-in for the AWS CLI in which a deployment runs whose Redis can be deleted and made of a snapshot, as
ElastiCache and ECS do it: what takes time shows its state once before it is done.

`call` answers a call. It may also be run as a program, python elasticache.py STATE ARGUMENTS...: STATE is a
JSON file with what there is.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, NoReturn

State = dict[str, Any]


def running() -> State:
    """A deployment of three gateways and two messaging instances, with a snapshot of each kind."""
    return {
        "groups": {"connect-bus": {
            "Status": "available", "Data": "today", "Description": "Connect connect",
            "CacheNodeType": "cache.r7g.large", "Shards": 3, "Replicas": 1,
            "TransitEncryptionMode": "required", "EffectiveDurability": "sync",
            "UserGroupIds": ["connect-users"], "SnapshotRetentionLimit": 7, "SnapshotWindow": "02:00-04:00",
            "Engine": "valkey", "EngineVersion": "9.0.1", "CacheParameterGroupName": "parameters",
            "CacheSubnetGroupName": "subnets", "SecurityGroupIds": ["sg-1"], "KmsKeyId": "arn:aws:kms:key",
            "PreferredMaintenanceWindow": "tue:04:30-tue:06:00", "TopicArn": "arn:aws:sns:topic", "Port": 6379,
        }},
        "snapshots": {
            "automatic.connect-bus-1": ["connect-bus", "automated", "yesterday", "available"],
            "by-hand": ["connect-bus", "manual", "last week", "available"],
            "half": ["connect-bus", "manual", "an hour ago", "creating"],
            "of-another": ["connect-registry", "manual", "yesterday", "available"],
        },
        "services": {name: {"desired": count, "running": count, "minimum": 2, "suspended": False}
                     for name, count in (("gateways", 3), ("messaging", 2))},
        "stacks": {
            "connect-foundation": {"Cluster": "tasks"},
            "connect-services": {"GatewayService": "gateways", "MessagingService": "messaging"},
        },
        # Of the foundation; and what the CLI is too old to know.
        "durability": "log-sync", "unknown": [],
        # What differs from the template, the beginning of a call that is refused once, and what was done wrong.
        "drifts": [], "refuses": "", "wrong": [], "calls": [],
    }


class Error(Exception):
    """What the CLI writes to standard error."""


def refuse(code: str, message: str) -> NoReturn:
    raise Error(f"An error occurred ({code}) when calling the X operation: {message}")


class Cloud:
    """Answers one call."""

    def __init__(self, state: State, arguments: list[str]) -> None:
        self.state = state
        self.given: dict[str, list[str]] = {}
        name = ""
        for argument in arguments[2:]:
            if argument.startswith("--"):
                name = argument[2:]
                self.given[name] = []
            else:
                self.given[name].append(argument)

    def one(self, name: str) -> str:
        return self.given[name][0]

    def get_caller_identity(self) -> Any:
        return {"Account": "123456789012"}

    # ElastiCache.

    def describe_replication_groups(self) -> Any:
        name = self.one("replication-group-id")
        it = self.state["groups"].get(name) or refuse("ReplicationGroupNotFoundFault", f"{name} not found.")
        answer = {key: it[key] for key in (
            "Status", "Description", "CacheNodeType", "TransitEncryptionMode", "EffectiveDurability", "UserGroupIds",
            "SnapshotRetentionLimit", "SnapshotWindow", "KmsKeyId") if key not in self.state["unknown"]}
        answer |= {
            "ConfigurationEndpoint": {"Port": it["Port"]}, "MemberClusters": [f"{name}-0001-001"],
            "NodeGroups": [{"NodeGroupMembers": [{}] * (1 + it["Replicas"])}] * it["Shards"],
        }
        if it["Status"] == "deleting":
            del self.state["groups"][name]
        else:
            it["Status"] = {"creating": "available", "snapshotting": "deleting"}.get(it["Status"], it["Status"])
        return {"ReplicationGroups": [answer]}

    def describe_cache_clusters(self) -> Any:
        it = self.state["groups"][self.one("cache-cluster-id").removesuffix("-0001-001")]
        return {"CacheClusters": [{
            "Engine": it["Engine"], "EngineVersion": it["EngineVersion"],
            "CacheParameterGroup": {"CacheParameterGroupName": it["CacheParameterGroupName"]},
            "CacheSubnetGroupName": it["CacheSubnetGroupName"],
            "SecurityGroups": [{"SecurityGroupId": group} for group in it["SecurityGroupIds"]],
            "PreferredMaintenanceWindow": it["PreferredMaintenanceWindow"],
            "NotificationConfiguration": {"TopicArn": it["TopicArn"]},
        }]}

    def describe_snapshots(self) -> Any:
        wanted, group = self.given.get("snapshot-name"), self.given.get("replication-group-id")
        found = []
        for name, it in self.state["snapshots"].items():
            if (wanted and name != wanted[0]) or (group and it[0] != group[0]):
                continue
            found.append({
                "SnapshotName": name, "ReplicationGroupId": it[0], "SnapshotSource": it[1], "SnapshotStatus": it[3],
                "NodeSnapshots": [{"SnapshotCreateTime": it[2]}]})
            if it[3] == "copying":
                it[3] = "available"
        return {"Snapshots": found}

    def copy_snapshot(self) -> Any:
        group, _, data, _ = self.state["snapshots"][self.one("source-snapshot-name")]
        self.state["snapshots"][self.one("target-snapshot-name")] = [group, "manual", data, "copying"]
        return {}

    def delete_replication_group(self) -> Any:
        name = self.one("replication-group-id")
        if any(service["running"] for service in self.state["services"].values()):
            self.state["wrong"].append("the cluster was deleted while tasks ran")
        it, snapshots = self.state["groups"][name], self.state["snapshots"]
        if it["Status"] != "available":
            refuse("InvalidReplicationGroupState", f"{name} is {it['Status']}")
        it["Status"] = "snapshotting"
        snapshots[self.one("final-snapshot-identifier")] = [name, "manual", it["Data"], "available"]
        for snapshot in [key for key, value in snapshots.items() if value[:2] == [name, "automated"]]:
            del snapshots[snapshot]
        return {}

    def create_replication_group(self) -> Any:
        name, snapshot = self.one("replication-group-id"), self.state["snapshots"].get(self.one("snapshot-name"))
        if name in self.state["groups"]:
            refuse("ReplicationGroupAlreadyExistsFault", f"{name} is there")
        if snapshot is None or snapshot[3] != "available":
            refuse("SnapshotNotFoundFault", "there is no such snapshot")
        for flag in ("transit-encryption-enabled", "at-rest-encryption-enabled", "automatic-failover-enabled",
                     "multi-az-enabled", "no-auto-minor-version-upgrade"):
            if self.given[flag]:
                refuse("InvalidParameterValue", flag)
        self.state["groups"][name] = {
            "Status": "creating", "Data": snapshot[2], "Description": self.one("replication-group-description"),
            "CacheNodeType": self.one("cache-node-type"), "Shards": int(self.one("num-node-groups")),
            "Replicas": int(self.one("replicas-per-node-group")),
            "TransitEncryptionMode": self.one("transit-encryption-mode"), "EffectiveDurability": self.one("durability"),
            "UserGroupIds": self.given["user-group-ids"],
            "SnapshotRetentionLimit": int(self.one("snapshot-retention-limit")),
            "SnapshotWindow": self.one("snapshot-window"), "Engine": self.one("engine"),
            "EngineVersion": self.one("engine-version") + ".1",
            "CacheParameterGroupName": self.one("cache-parameter-group-name"),
            "CacheSubnetGroupName": self.one("cache-subnet-group-name"),
            "SecurityGroupIds": self.given["security-group-ids"], "KmsKeyId": self.one("kms-key-id"),
            "PreferredMaintenanceWindow": self.one("preferred-maintenance-window"),
            "TopicArn": self.one("notification-topic-arn"), "Port": int(self.one("port")),
        }
        return {}

    # ECS and what scales it.

    def describe_services(self) -> Any:
        it = self.state["services"][self.one("services")]
        answer = {
            "desiredCount": it["desired"], "runningCount": it["running"],
            "deployments": [{"rolloutState": "COMPLETED" if it["running"] == it["desired"] else "IN_PROGRESS"}]}
        it["running"] = it["desired"]
        return {"services": [answer]}

    def update_service(self) -> Any:
        it, count = self.state["services"][self.one("service")], int(self.one("desired-count"))
        group = self.state["groups"].get("connect-bus", {"Status": "none"})
        if count and group["Status"] != "available":
            self.state["wrong"].append("tasks were started without a Redis")
        it["desired"] = count
        if not it["suspended"] and count < it["minimum"]:
            it["desired"] = it["minimum"]
        return {}

    def describe_scalable_targets(self) -> Any:
        name = self.one("resource-ids").rpartition("/")[2]
        return {"ScalableTargets": [{"MinCapacity": self.state["services"][name]["minimum"]}]}

    def register_scalable_target(self) -> Any:
        it = self.state["services"][self.one("resource-id").rpartition("/")[2]]
        it["minimum"] = int(self.one("min-capacity"))
        it["suspended"] = "DynamicScalingOutSuspended=true" in self.one("suspended-state")
        it["desired"] = max(it["desired"], it["minimum"])
        return {}

    # CloudFormation.

    def describe_stacks(self) -> Any:
        outputs = self.state["stacks"].get(self.one("stack-name"))
        if outputs is None:
            refuse("ValidationError", f"Stack with id {self.one('stack-name')} does not exist")
        return {"Stacks": [{"StackStatus": "UPDATE_COMPLETE", "Parameters": [
            {"ParameterKey": "Durability", "ParameterValue": self.state["durability"]},
        ], "Outputs": [{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()]}]}

    def describe_stack_resource(self) -> Any:
        return {"StackResourceDetail": {"PhysicalResourceId": "nested"}}

    def detect_stack_drift(self) -> Any:
        return {"StackDriftDetectionId": "drift"}

    def describe_stack_drift_detection_status(self) -> Any:
        return {"DetectionStatus": "DETECTION_COMPLETE"}

    def describe_stack_resource_drifts(self) -> Any:
        return {"StackResourceDrifts": self.state["drifts"]}


def call(state: State, arguments: list[str]) -> Any:
    """What a call answers. Raises `Error`."""
    state["calls"].append(arguments)
    if state["refuses"] and " ".join(arguments).startswith(state["refuses"]):
        state["refuses"] = ""
        refuse("ThrottlingException", f"{arguments[1]} is refused this time")
    return getattr(Cloud(state, arguments), arguments[1].replace("-", "_"))()


def main(file: Path, arguments: list[str]) -> int:
    state = json.loads(file.read_text())
    try:
        print(json.dumps(call(state, arguments)))
    except Error as error:
        print(f"\n{error}", file=sys.stderr)
        return 254
    finally:
        file.write_text(json.dumps(state))
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
