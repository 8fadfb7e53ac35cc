"""Invariants of the two services: how they run, stop, scale, and what they are told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .evaluate import Deployment, Resource
from .invariant import invariant
from .project import STOP_SECONDS, Project

# The most that Fargate gives between SIGTERM and SIGKILL, seconds.
_LONGEST_STOP = 120
# Settings that must be secrets, by the end of their names (a …_FILE is a path, and no file is mounted).
_SECRET_NAMES = ("_PASSWORD", "_SECRET", "_TOKEN")
# File descriptors of a gateway beside its connections: 1,024 for those that are being opened, and as many
# that it keeps for everything else.
_OTHER_FILES = 2_048


def definition(deployment: Deployment, service: Resource) -> Resource:
    """The task definition of a service."""
    task = deployment.resource(service.get("TaskDefinition"))
    if task is None:
        raise LookupError(f"{service.path} has no task definition")
    return task


def containers(deployment: Deployment, service: Resource) -> list[dict[str, Any]]:
    """The containers of a service."""
    return definition(deployment, service).get("ContainerDefinitions")


def environment(container: dict[str, Any]) -> dict[str, str]:
    """The variables of a container, but for its secrets."""
    return {item["Name"]: str(item["Value"]) for item in container.get("Environment", [])}


def most(deployment: Deployment, parameter: str) -> int:
    """The most that a parameter of the services may be."""
    return int(deployment.templates["services"]["Parameters"][parameter]["MaxValue"])


def _all(deployment: Deployment) -> Iterator[tuple[Resource, dict[str, Any]]]:
    for service in deployment.of("ECS::Service"):
        for container in containers(deployment, service):
            yield service, container


def tasks(deployment: Deployment) -> Iterator[tuple[Resource, dict[str, Any], bool]]:
    """Every task definition and container, those that people start included, and whether ECS Exec is
    on for it."""
    executes = {
        service.get("TaskDefinition")
        for service in deployment.of("ECS::Service")
        if service.get("EnableExecuteCommand")
    }
    for task in deployment.of("ECS::TaskDefinition"):
        for container in task.get("ContainerDefinitions"):
            yield task, container, task.token in executes


def scaling(deployment: Deployment, service: Resource) -> tuple[Resource | None, list[dict]]:
    """What bounds the tasks of a service, and the target tracking that moves them."""
    for target in deployment.of("ApplicationAutoScaling::ScalableTarget"):
        if target.get("ResourceId").endswith(f"/<{service.path}.Name>"):
            return target, [
                policy.get("TargetTrackingScalingPolicyConfiguration")
                for policy in deployment.of("ApplicationAutoScaling::ScalingPolicy")
                if policy.get("ScalingTargetId") == target.token
            ]
    return None, []


@invariant
def there_are_both_services(deployment: Deployment, project: Project) -> Iterator[str]:
    """There is a service of gateways and one of messaging, on Fargate, each of one container that is
    told which it is."""
    found = {container["Name"]: container for _, container in _all(deployment)}
    if set(found) != {"gateway", "messaging"}:
        yield f"there is {sorted(found)}"
    for name, container in found.items():
        if container.get("EntryPoint") != ["connect"] or container.get("Command") != [name]:
            yield f"{name} runs {container.get('EntryPoint')} {container.get('Command')}"
    for service in deployment.of("ECS::Service"):
        if service.get("LaunchType") != "FARGATE":
            yield f"{service.path} is not on Fargate"


@invariant
def stop_timeout_covers_the_drain(deployment: Deployment, project: Project) -> Iterator[str]:
    """SIGKILL comes later than the longest drain that may be set for a gateway and its 10 s, and than
    messaging's 10 s; and no later than Fargate allows."""
    for service, container in _all(deployment):
        drain = most(deployment, "DrainSeconds") if "CONNECT_DRAIN_SECONDS" in environment(container) else 0
        stop = int(container.get("StopTimeout", 30))
        if not drain + STOP_SECONDS < stop <= _LONGEST_STOP:
            yield f"{service.path} is killed after {stop} s and needs {drain + STOP_SECONDS} s"


@invariant
def each_service_has_two_tasks_or_more(deployment: Deployment, project: Project) -> Iterator[str]:
    """Scaling keeps at least two tasks of each service, and the template does not set their number back
    at each update."""
    for service in deployment.of("ECS::Service"):
        if "DesiredCount" in service.properties:
            yield f"{service.path} sets the number of tasks back to {service.get('DesiredCount')}"
        target, _ = scaling(deployment, service)
        if target is None or int(target.get("MinCapacity")) < 2:
            yield f"{service.path} may have fewer than two tasks"
        elif int(target.get("MaxCapacity")) < int(target.get("MinCapacity")):
            yield f"{target.path} has a maximum below its minimum"


@invariant
def messaging_has_no_more_tasks_than_partitions(deployment: Deployment, project: Project) -> Iterator[str]:
    """Each partition has one owner, so more messaging instances than partitions would idle."""
    for service, container in _all(deployment):
        target, _ = scaling(deployment, service)
        partitions = int(environment(container)["CONNECT_PARTITIONS"])
        if container["Name"] == "messaging" and target and int(target.get("MaxCapacity")) > partitions:
            yield f"{target.path} allows more than {partitions} tasks"


@invariant
def services_scale_on_load_and_gently_in(deployment: Deployment, project: Project) -> Iterator[str]:
    """Gateways scale on CPU and connections per task, messaging on CPU and lag, each out within a minute
    and in no sooner than ten after the last time."""
    wanted = {"gateway": "Connections", "messaging": "LagEntries"}
    for service, container in _all(deployment):
        found = set()
        for policy in scaling(deployment, service)[1]:
            own = policy.get("CustomizedMetricSpecification")
            known = policy.get("PredefinedMetricSpecification")
            found.add(own["MetricName"] if own else known["PredefinedMetricType"])
            if own and own.get("Statistic") != "Average":
                yield f"{service.path}: {own['MetricName']} must be the average, per task"
            if policy.get("DisableScaleIn") or not 600 <= int(policy.get("ScaleInCooldown", 0)):
                yield f"{service.path} scales in too fast, or never"
            if int(policy.get("ScaleOutCooldown", 300)) > 60:
                yield f"{service.path} scales out too slowly"
        if found != {wanted[container["Name"]], "ECSServiceAverageCPUUtilization"}:
            yield f"{service.path} scales on {sorted(found)}"


@invariant
def deployments_roll_back(deployment: Deployment, project: Project) -> Iterator[str]:
    """A deployment starts new tasks before old ones stop, and goes back by itself when they do not run."""
    for service in deployment.of("ECS::Service"):
        configuration = service.get("DeploymentConfiguration", {})
        breaker = configuration.get("DeploymentCircuitBreaker", {})
        if breaker.get("Enable") is not True or breaker.get("Rollback") is not True:
            yield f"{service.path} has no circuit breaker that rolls back"
        if int(configuration.get("MinimumHealthyPercent", 0)) < 100 or (
            int(configuration.get("MaximumPercent", 0)) <= 100
        ):
            yield f"{service.path} stops old tasks before new ones run"


@invariant
def a_single_task_can_be_replaced(deployment: Deployment, project: Project) -> Iterator[str]:
    """A service that is left at one task can roll: ECS rounds the most that may run down, and the least
    up, so of less than 200 % there is no room for a second task, and the first may not stop."""
    for service in deployment.of("ECS::Service"):
        configuration = service.get("DeploymentConfiguration", {})
        most = int(configuration.get("MaximumPercent", 0)) // 100
        least = -(-int(configuration.get("MinimumHealthyPercent", 100)) // 100)
        if most <= least:
            yield f"{service.path}: of one task, at least {least} and at most {most} may run"


@invariant
def containers_have_few_rights(deployment: Deployment, project: Project) -> Iterator[str]:
    """Containers run as a user who is not root, without capabilities, with a root file system that is
    read-only (but for ECS Exec, which writes there)."""
    for task, container, executes in tasks(deployment):
        user = str(container.get("User", "root")).split(":")[0]
        if not user.isdigit() or user == "0":
            yield f"{task.path} runs as {user}"
        if container.get("ReadonlyRootFilesystem") is not True and not executes:
            yield f"{task.path} may write into its root file system"
        capabilities = container.get("LinuxParameters", {}).get("Capabilities", {})
        if capabilities.get("Drop") != ["ALL"] or capabilities.get("Add") or container.get("Privileged"):
            yield f"{task.path} has capabilities"


@invariant
def execute_command_is_off_unless_asked_for(deployment: Deployment, project: Project) -> Iterator[str]:
    """Nobody gets a shell in a task unless ExecuteCommand is on."""
    for service in deployment.of("ECS::Service"):
        if service.get("EnableExecuteCommand") is not (deployment.parameters["ExecuteCommand"] == "on"):
            yield f"{service.path} has EnableExecuteCommand {service.get('EnableExecuteCommand')}"
    if deployment.name == "default" and deployment.parameters["ExecuteCommand"] != "off":
        yield "ExecuteCommand is on by default"


@invariant
def health_checks_ask_the_management_port(deployment: Deployment, project: Project) -> Iterator[str]:
    """ECS asks /healthz of the management port, which is where the service has it."""
    for service, container in _all(deployment):
        host = environment(container).get("CONNECT_MANAGEMENT_LISTEN")
        wanted = ["CMD", "connect", "health", f"http://{host}/healthz"]
        if (container.get("HealthCheck") or {}).get("Command") != wanted:
            yield f"{service.path} is not asked at {host}"
        if not str(host).startswith("127.0.0.1:"):
            yield f"{service.path} shows its management port to others"


@invariant
def ports_agree(deployment: Deployment, project: Project) -> Iterator[str]:
    """The load balancer sends to the port on which the service listens."""
    listens = {"gateway": "CONNECT_LISTEN", "messaging": "CONNECT_API_LISTEN"}
    for service, container in _all(deployment):
        port = int(environment(container)[listens[container["Name"]]].rpartition(":")[2])
        mapped = [mapping["ContainerPort"] for mapping in container.get("PortMappings", [])]
        if mapped != [port]:
            yield f"{service.path} listens on {port}, and {mapped} are mapped"
        balancers = service.get("LoadBalancers", [])
        if not balancers:
            yield f"{service.path} has no load balancer"
        for balancer in balancers:
            group = deployment.resource(balancer["TargetGroupArn"])
            if balancer["ContainerPort"] != port or group is None or group.get("Port") != port:
                yield f"{service.path} listens on {port}, and is sent to elsewhere"


@invariant
def settings_are_known_to_connect(deployment: Deployment, project: Project) -> Iterator[str]:
    """Every variable of a container is a setting of Connect: a misspelt one would be ignored."""
    for task, container, _ in tasks(deployment):
        names = [item["Name"] for item in container.get("Environment", []) + container.get("Secrets", [])]
        for name in names:
            if name not in project.settings:
                yield f"{task.path}: {name}"
            if names.count(name) > 1:
                yield f"{task.path} has {name} twice"


@invariant
def services_are_told_the_same(deployment: Deployment, project: Project) -> Iterator[str]:
    """What both services must agree upon is the same for both, and metrics are sent where they are
    looked for."""
    told = [environment(container) for _, container in _all(deployment)]
    for name in (
        "CONNECT_REDIS_URL", "CONNECT_REGISTRY_REDIS_URL", "CONNECT_REDIS_USER", "CONNECT_REDIS_MODE",
        "CONNECT_PARTITIONS", "CONNECT_DURABILITY", "CONNECT_KEY_PREFIX", "CONNECT_METRICS_NAMESPACE",
        "CONNECT_FRAME_BYTES", "CONNECT_BACKLOG_LIMIT",
    ):
        if len({values.get(name) for values in told}) > 1:
            yield f"{name} differs"
    for values in told:
        if values.get("CONNECT_METRICS_LOG") != "emf" or values.get("CONNECT_METRICS_LOG_SECONDS") != "60":
            yield "a service does not report its metrics every minute"


@invariant
def secrets_come_from_secrets_manager(deployment: Deployment, project: Project) -> Iterator[str]:
    """Secrets are made by Secrets Manager, outlive the stack, and reach a container by reference: none
    is in a variable, a flag or a parameter."""
    wanted = {
        "gateway": {"CONNECT_AUTH_SECRET", "CONNECT_REDIS_PASSWORD"},
        "messaging": {"CONNECT_SERVICE_TOKEN", "CONNECT_REDIS_PASSWORD"},
        "operator": {"CONNECT_REDIS_PASSWORD"},
    }
    if deployment.parameters["AuthSecrets"] == "both":
        wanted["gateway"].add("CONNECT_AUTH_PREVIOUS_SECRET")
    for task, container, _ in tasks(deployment):
        for name, value in environment(container).items():
            if name.endswith(_SECRET_NAMES) or "{{resolve:" in value:
                yield f"{task.path} has {name} in plain"
        found = {item["Name"]: item["ValueFrom"] for item in container.get("Secrets", [])}
        if set(found) != wanted[container["Name"]]:
            yield f"{task.path} has the secrets {sorted(found)}"
        for name, source in found.items():
            arn, _, version = source.partition("::")
            secret = deployment.resource(arn)
            if secret is None or secret.type != "AWS::SecretsManager::Secret":
                yield f"{task.path} has {name} from {source}"
            # Two of the same would take no token of the other.
            if version != ("AWSPENDING:" if name == "CONNECT_AUTH_PREVIOUS_SECRET" else ""):
                yield f"{task.path} has {name} of the version {version or 'AWSCURRENT'}"
    for secret in deployment.of("SecretsManager::Secret"):
        if secret.get("SecretString") or int(secret.get("GenerateSecretString", {}).get("PasswordLength", 0)) < 32:
            yield f"{secret.path} is not made by Secrets Manager, or too short"
        policies = (secret.body.get("DeletionPolicy"), secret.body.get("UpdateReplacePolicy"))
        if policies[0] not in ("Retain", "RetainExceptOnCreate") or policies[1] != "Retain":
            yield f"{secret.path} does not outlive the stack"
    for name, value in deployment.parameters.items():
        # Those that the services take of the foundation have the ARN of one.
        if name.upper().endswith(("PASSWORD", "SECRET", "TOKEN")) and deployment.resource(value) is None:
            yield f"the parameter {name} would have a secret"


@invariant
def gateways_have_files_for_their_connections(deployment: Deployment, project: Project) -> Iterator[str]:
    """A gateway may open as many files as it takes connections, and 2,048; and scaling aims at no more than
    half of that, so that one that fails finds room elsewhere."""
    for service, container in _all(deployment):
        if container["Name"] != "gateway":
            continue
        taken = int(environment(container)["CONNECT_MAX_CONNECTIONS"])
        limits = {item["Name"]: item for item in container.get("Ulimits", [])}
        files = int(limits.get("nofile", {}).get("SoftLimit", 65535))
        if files < taken + _OTHER_FILES:
            yield f"{service.path} may open {files} files and takes {taken} connections"
        for policy in scaling(deployment, service)[1]:
            own = policy.get("CustomizedMetricSpecification")
            if own and float(policy["TargetValue"]) * 2 > taken:
                yield f"{service.path} aims at {policy['TargetValue']} connections and takes {taken}"
