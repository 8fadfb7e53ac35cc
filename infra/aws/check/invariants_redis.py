"""Invariants of Redis, which is ElastiCache: what is accepted must not get lost there."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .evaluate import Deployment, Resource
from .invariant import invariant
from .invariants_services import containers, environment
from .project import Project

# What we set, of the parameters that the family has (ElastiCache User Guide, "Engine specific parameters").
_PARAMETERS = {"cluster-enabled": "yes", "maxmemory-policy": "noeviction", "stream-node-max-bytes": "1024"}
# Node types whose clusters can have a log across zones.
_DURABLE = {"r6g", "r7g", "r8g", "m6g", "m7g", "m8g", "c7gn", "c8gn"}
# What an update can change only by another, empty ElastiCache.
_REPLACES = (
    "ReplicationGroupId", "KmsKeyId", "CacheSubnetGroupName", "Port", "AtRestEncryptionEnabled",
    "SnapshotName", "SnapshotArns", "GlobalReplicationGroupId", "NetworkType", "DataTieringEnabled",
    "PreferredCacheClusterAZs",
)


def _clusters(deployment: Deployment) -> list[Resource]:
    return deployment.of("ElastiCache::ReplicationGroup")


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
        if cluster.get("TransitEncryptionEnabled") is not True or (
            cluster.get("TransitEncryptionMode") != "required"
        ):
            yield f"{cluster.path} can be reached without TLS"
    for path, settings in _settings(deployment):
        for name in ("CONNECT_REDIS_URL", "CONNECT_REGISTRY_REDIS_URL"):
            url = settings.get(name, "")
            if url and not url.startswith("rediss://"):
                yield f"{path} has {name}={url}"
        if settings.get("CONNECT_REDIS_TLS_INSECURE", "false") != "false":
            yield f"{path} trusts any certificate"


@invariant
def redis_has_the_parameters_of_the_document(deployment: Deployment, project: Project) -> Iterator[str]:
    """Redis refuses writes when it is full, and removes nothing, which would be mailboxes; and it has what
    else Redis.md asks for, and no parameter that its family does not know."""
    for cluster in _clusters(deployment):
        group = deployment.resource(cluster.get("CacheParameterGroupName"))
        values = {} if group is None else group.get("Properties")
        for name in sorted(set(values) | set(_PARAMETERS)):
            if values.get(name) != _PARAMETERS.get(name):
                yield f"{cluster.path} has {name} {values.get(name)}"
        if group is not None and group.get("CacheParameterGroupFamily") != "valkey9":
            yield f"{group.path} is of the family {group.get('CacheParameterGroupFamily')}"


@invariant
def redis_survives_a_zone(deployment: Deployment, project: Project) -> Iterator[str]:
    """Redis is a cluster with at least one replica of each shard in another zone, which takes over by
    itself."""
    for cluster in _clusters(deployment):
        if cluster.get("MultiAZEnabled") is not True or cluster.get("AutomaticFailoverEnabled") is not True:
            yield f"{cluster.path} does not fail over to another zone"
        if cluster.get("ClusterMode") != "enabled":
            yield f"{cluster.path} is not in cluster mode"
        if int(cluster.get("ReplicasPerNodeGroup", 0)) < 1:
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
        user.get("UserName"): user for user in deployment.of("ElastiCache::User")
    }
    for name in sorted(set(documented) - set(users)):
        yield f"there is no user {name}"
    for name, user in users.items():
        access = user.get("AccessString")
        if access != documented.get(name):
            extra = set(access.split()) ^ set(documented.get(name, "").split())
            yield f"{user.path} differs from Redis.md in {sorted(extra) or 'the order'}"
    for cluster in _clusters(deployment):
        found = [deployment.resource(group) for group in cluster.get("UserGroupIds", [])]
        if not found or None in found:
            yield f"{cluster.path} has no users of its own"


@invariant
def redis_users_change_one_after_the_other(deployment: Deployment, project: Project) -> Iterator[str]:
    """Users, which are of one group, wait for each other, so that both passwords can be replaced in one
    deployment."""
    users = {user.path: user for user in deployment.of("ElastiCache::User")}
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
    for user in deployment.of("ElastiCache::User"):
        mode = user.get("AuthenticationMode") or {}
        passwords = mode.get("Passwords", [])
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
        if cluster.get("AtRestEncryptionEnabled") is not True:
            yield f"{cluster.path} is not encrypted at rest"
        if (cluster.get("KmsKeyId") or "") != key:
            yield f"{cluster.path} is encrypted with {cluster.get('KmsKeyId')}"


@invariant
def redis_has_snapshots(deployment: Deployment, project: Project) -> Iterator[str]:
    """There are snapshots of Redis every day, and it does not vanish with its stack without one."""
    for cluster in _clusters(deployment):
        if int(cluster.get("SnapshotRetentionLimit", 0)) < 1:
            yield f"{cluster.path} has no snapshots"
        for policy in ("DeletionPolicy", "UpdateReplacePolicy"):
            if cluster.body.get(policy) != "Snapshot":
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
        durability = cluster.get("Durability")
        if cluster.get("Engine") != "valkey" or float(cluster.get("EngineVersion")) < 9:
            yield f"{cluster.path}: {cluster.get('Engine')} {cluster.get('EngineVersion')} has no Durability"
        if durability == "disabled" and deployment.parameters["Durability"].startswith("log-"):
            yield f"{cluster.path} has no log, and is asked for one"
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
    """What cannot be changed of a Redis depends on no size, version or switch, so that no update asks for
    another one; and each has a name of its own, for which CloudFormation refuses to replace it."""
    for cluster in _clusters(deployment):
        for name in ("SnapshotName", "SnapshotArns", "GlobalReplicationGroupId"):
            if cluster.get(name):
                yield f"{cluster.path} has {name}"
        raw = cluster.body["Properties"]
        if not cluster.get("ReplicationGroupId"):
            yield f"{cluster.path} has no name of its own, and could be replaced by an empty one"
        for name in _REPLACES:
            text = str(raw.get(name, ""))
            for parameter in ("NodeType", "Shards", "Replicas", "Engine", "SnapshotDays"):
                if f"'{parameter}'" in text or f"${{{parameter}}}" in text:
                    yield f"{cluster.path}: {name} depends on {parameter}"
