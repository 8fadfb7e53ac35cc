"""Invariants of Redis, ElastiCache or MemoryDB: what is accepted must not get lost there."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .evaluate import Deployment, Resource
from .invariant import as_list, invariant
from .invariants_services import containers, environment
from .project import Project

# What we set, of the parameters that the families have (ElastiCache User Guide, "Engine specific
# parameters"; MemoryDB Developer Guide, likewise).
_PARAMETERS = {
    "ElastiCache::ParameterGroup": {"cluster-enabled", "maxmemory-policy", "stream-node-max-bytes"},
    "MemoryDB::ParameterGroup": {"maxmemory-policy", "stream-node-max-bytes"},
}
_FAMILIES = {"valkey9", "valkey8", "valkey7", "redis7", "memorydb_valkey7"}
# Node types whose clusters can have a log across zones.
_DURABLE = {"r6g", "r7g", "r8g", "m6g", "m7g", "m8g", "c7gn", "c8gn"}
# What makes a new, empty ElastiCache out of an update.
_REPLACES = (
    "ReplicationGroupId", "KmsKeyId", "CacheSubnetGroupName", "Port", "AtRestEncryptionEnabled",
    "SnapshotName", "SnapshotArns", "GlobalReplicationGroupId", "NetworkType", "DataTieringEnabled",
    "PreferredCacheClusterAZs",
)


def _clusters(deployment: Deployment) -> list[Resource]:
    return deployment.of("ElastiCache::ReplicationGroup", "MemoryDB::Cluster")


def _is_elasticache(cluster: Resource) -> bool:
    return cluster.type == "AWS::ElastiCache::ReplicationGroup"


def _parameters(deployment: Deployment, cluster: Resource) -> dict[str, str]:
    name = cluster.get("CacheParameterGroupName") or cluster.get("ParameterGroupName")
    group = deployment.resource(name)
    return {} if group is None else group.get("Properties") or group.get("Parameters") or {}


def _settings(deployment: Deployment) -> Iterator[tuple[str, dict[str, str]]]:
    for service in deployment.of("ECS::Service"):
        for container in containers(deployment, service):
            yield service.path, environment(container)


@invariant
def redis_speaks_tls_only(deployment: Deployment, project: Project) -> Iterator[str]:
    """Redis takes TLS and nothing else, and the services are told so."""
    if not _clusters(deployment):
        yield "there is no Redis"
    for cluster in _clusters(deployment):
        if _is_elasticache(cluster):
            encrypted = (
                cluster.get("TransitEncryptionEnabled") is True
                and cluster.get("TransitEncryptionMode") == "required"
            )
        else:
            encrypted = cluster.get("TLSEnabled") is True
        if not encrypted:
            yield f"{cluster.path} can be reached without TLS"
    for path, settings in _settings(deployment):
        for name in ("CONNECT_REDIS_URL", "CONNECT_REGISTRY_REDIS_URL"):
            url = settings.get(name, "")
            if url and not url.startswith("rediss://"):
                yield f"{path} has {name}={url}"
        if settings.get("CONNECT_REDIS_TLS_INSECURE", "false") != "false":
            yield f"{path} trusts any certificate"


@invariant
def redis_never_evicts(deployment: Deployment, project: Project) -> Iterator[str]:
    """Redis refuses writes when it is full, and removes nothing: any other policy deletes mailboxes."""
    for cluster in _clusters(deployment):
        policy = _parameters(deployment, cluster).get("maxmemory-policy")
        if policy != "noeviction":
            yield f"{cluster.path} has the policy {policy}"


@invariant
def redis_parameters_are_known(deployment: Deployment, project: Project) -> Iterator[str]:
    """Parameter groups set only what their families have, and what Redis.md asks for."""
    for kind, known in _PARAMETERS.items():
        for group in deployment.of(kind):
            family = group.get("CacheParameterGroupFamily") or group.get("Family")
            values = group.get("Properties") or group.get("Parameters") or {}
            if family not in _FAMILIES:
                yield f"{group.path} is of the family {family}"
            for name in sorted(set(values) ^ known):
                yield f"{group.path}: {name} is unknown, or missing"
            if str(values.get("stream-node-max-bytes")) != "1024":
                yield f"{group.path} has stream-node-max-bytes {values.get('stream-node-max-bytes')}"


@invariant
def redis_survives_a_zone(deployment: Deployment, project: Project) -> Iterator[str]:
    """Redis is a cluster with at least one replica of each shard in another zone, which takes over by
    itself."""
    for cluster in _clusters(deployment):
        if _is_elasticache(cluster):
            replicas = int(cluster.get("ReplicasPerNodeGroup", 0))
            if cluster.get("MultiAZEnabled") is not True or cluster.get("AutomaticFailoverEnabled") is not True:
                yield f"{cluster.path} does not fail over to another zone"
            if cluster.get("ClusterMode") != "enabled" or (
                _parameters(deployment, cluster).get("cluster-enabled") != "yes"
            ):
                yield f"{cluster.path} is not in cluster mode"
        else:
            replicas = int(cluster.get("NumReplicasPerShard", 0))
        if replicas < 1:
            yield f"{cluster.path} has no replicas"


@invariant
def redis_users_have_the_documented_rights(deployment: Deployment, project: Project) -> Iterator[str]:
    """The services' user may do exactly what Redis.md documents, people's what `connect inspect`
    needs beyond, and nobody else anything; in words that AWS takes."""
    services = {settings["CONNECT_REDIS_USER"] for _, settings in _settings(deployment)}
    people = {
        environment(container)["CONNECT_REDIS_USER"]
        for task in deployment.of("ECS::TaskDefinition")
        for container in task.get("ContainerDefinitions")
    } - services
    documented = {name: project.aws_access_string for name in services}
    documented |= {name: project.operator_access_string for name in people}
    users = {
        user.get("UserName"): user for user in deployment.of("ElastiCache::User", "MemoryDB::User")
    }
    for name in sorted(set(documented) - set(users)):
        yield f"there is no user {name}"
    for name, user in users.items():
        access = user.get("AccessString")
        if access.startswith("off ") and access.endswith(" -@all"):
            continue
        if access != documented.get(name):
            extra = set(access.split()) ^ set(documented.get(name, "").split())
            yield f"{user.path} differs from Redis.md in {sorted(extra) or 'the order'}"
    for cluster in _clusters(deployment):
        groups = as_list(cluster.get("UserGroupIds")) or as_list(cluster.get("ACLName"))
        found = [deployment.resource(group) for group in groups]
        if not found or any(group is None for group in found):
            yield f"{cluster.path} has no users of its own"


@invariant
def redis_users_change_one_after_the_other(deployment: Deployment, project: Project) -> Iterator[str]:
    """Users, which are of one group, wait for each other, so that both passwords can be replaced in one
    deployment."""
    users = {user.path: user for user in deployment.of("ElastiCache::User", "MemoryDB::User")}
    waited_for: dict[str | None, str] = {}
    for path, user in users.items():
        before = user.body.get("DependsOn")
        if before:
            before = f"{path.rpartition('/')[0]}/{before}"
        if before in waited_for:
            yield f"{path} and {waited_for[before]} change at the same time"
        waited_for[before] = path


@invariant
def redis_passwords_come_from_secrets_manager(deployment: Deployment, project: Project) -> Iterator[str]:
    """Passwords of users are read from Secrets Manager when the user is made or changed."""
    for user in deployment.of("ElastiCache::User", "MemoryDB::User"):
        mode = user.get("AuthenticationMode") or {}
        passwords = mode.get("Passwords", []) + as_list(user.get("Passwords"))
        if mode.get("Type") != "password" or not passwords or user.get("NoPasswordRequired"):
            yield f"{user.path} needs no password"
        for password in passwords:
            match = re.match(r"\{\{resolve:secretsmanager:(<[^>]+>):SecretString::", str(password))
            secret = deployment.resource(match.group(1)) if match else None
            if secret is None or secret.type != "AWS::SecretsManager::Secret":
                yield f"{user.path} has a password that is not in Secrets Manager"


@invariant
def redis_is_encrypted_at_rest(deployment: Deployment, project: Project) -> Iterator[str]:
    """What Redis writes to disk is encrypted; with a key of one's own, by that."""
    key = deployment.parameters["KmsKeyArn"]
    for cluster in _clusters(deployment):
        if _is_elasticache(cluster) and cluster.get("AtRestEncryptionEnabled") is not True:
            yield f"{cluster.path} is not encrypted at rest"
        if (cluster.get("KmsKeyId") or "") != key:
            yield f"{cluster.path} is encrypted with {cluster.get('KmsKeyId')}"


@invariant
def redis_has_snapshots(deployment: Deployment, project: Project) -> Iterator[str]:
    """There are snapshots of Redis every day, and it does not vanish with its stack without one."""
    for cluster in _clusters(deployment):
        if int(cluster.get("SnapshotRetentionLimit", 0)) < 1:
            yield f"{cluster.path} has no snapshots"
        kept = {"Retain", "RetainExceptOnCreate"} | ({"Snapshot"} if _is_elasticache(cluster) else set())
        for policy in ("DeletionPolicy", "UpdateReplacePolicy"):
            if cluster.body.get(policy) not in kept:
                yield f"{cluster.path} has {policy} {cluster.body.get(policy)}"


@invariant
def durability_fits_the_engine(deployment: Deployment, project: Project) -> Iterator[str]:
    """A log across zones is asked only of an engine that has it; where replicas must confirm, there is
    one more than that; and both services are told the same."""
    told = {settings["CONNECT_DURABILITY"] for _, settings in _settings(deployment)}
    if len(told) != 1:
        yield f"the services are told {sorted(told)}"
    asked = 0
    if any(value.startswith("replicated:") for value in told):
        asked = max(int(value.partition(":")[2] or 0) for value in told)
    for cluster in _clusters(deployment):
        if not _is_elasticache(cluster):
            continue
        durability = cluster.get("Durability")
        durable = cluster.get("Engine") == "valkey" and float(cluster.get("EngineVersion")) >= 9
        if durability is not None and not durable:
            yield f"{cluster.path}: {cluster.get('Engine')} {cluster.get('EngineVersion')} has no Durability"
        if durability in ("sync", "async") and cluster.get("CacheNodeType").split(".")[1] not in _DURABLE:
            yield f"{cluster.path}: {cluster.get('CacheNodeType')} has no log"
        if asked and int(cluster.get("ReplicasPerNodeGroup", 0)) <= asked:
            yield f"{cluster.path} stops when one of its replicas is away"


@invariant
def both_clusters_are_used(deployment: Deployment, project: Project) -> Iterator[str]:
    """The services are told of each Redis that there is, and of no other."""
    made = {cluster.path for cluster in _clusters(deployment)}
    for path, settings in _settings(deployment):
        used = set()
        for name in ("CONNECT_REDIS_URL", "CONNECT_REGISTRY_REDIS_URL"):
            host = settings.get(name, "").removeprefix("rediss://").removesuffix(":6379")
            cluster = deployment.resource(host)
            if cluster:
                used.add(cluster.path)
        if used != made:
            yield f"{path} knows {sorted(used)}, there is {sorted(made)}"


@invariant
def an_update_replaces_no_redis(deployment: Deployment, project: Project) -> Iterator[str]:
    """What cannot be changed of a Redis depends on no size, version or switch, so that no update makes
    a new and empty one (but for the key, which says so)."""
    for cluster in _clusters(deployment):
        if not _is_elasticache(cluster):
            continue
        for name in ("SnapshotName", "SnapshotArns", "GlobalReplicationGroupId"):
            if cluster.get(name):
                yield f"{cluster.path} has {name}"
        raw = cluster.body["Properties"]
        for name in _REPLACES:
            text = str(raw.get(name, ""))
            for parameter in ("NodeType", "Shards", "Replicas", "Engine", "SnapshotDays"):
                if f"'{parameter}'" in text or f"${{{parameter}}}" in text:
                    yield f"{cluster.path}: {name} depends on {parameter}"
