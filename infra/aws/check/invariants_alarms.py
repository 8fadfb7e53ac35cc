"""Invariants of what tells people and scaling: metrics, alarms, the dashboard, logs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from .evaluate import Deployment, Resource
from .invariant import invariant
from .invariants_services import containers, environment, tasks
from .project import AWS_METRICS, Project

# What there must be an alarm for.
_WATCHED = [
    "LagEntries", "OldestAgeSeconds", "DeadLetters", "Failed", "Leases", "PartitionsUnowned", "Rejected",
    "RedisErrors",
    "Evictions", "TrafficManagementActive", "HTTPCode_ELB_5XX_Count", "HTTPCode_Target_5XX_Count",
    "UnHealthyHostCount", "HealthyHostCount",
]
# The same of a Redis with a log, and of each Redis by its name: what else an alarm for it must say.
_WATCHED_OF_LOG = ["DurabilityLag", "DurabilityBufferExceededErrorCount"]
_WATCHED_OF_CLUSTER = {
    "DatabaseMemoryUsageCountedForEvictPercentage": {}, "EngineCPUUtilization": {"Role": "Primary"},
}
# What says by its absence that nothing runs.
_SILENCE = {"Leases", "PartitionsUnowned", "HealthyHostCount"}
# What the dashboard must show.
_SHOWN = {
    "Connections", "Accepted", "Stored", "Delivered", "LagEntries", "OldestAgeSeconds",
    "AcceptMilliseconds", "DeliverMilliseconds", "EngineCPUUtilization", "DatabaseMemoryUsagePercentage",
}

# A metric: its namespace, name, and dimension `Service`, where it has one.
Metric = tuple[str, str, str | None]


def alarm_metrics(alarm: Resource) -> Iterator[Metric]:
    """The metrics that an alarm looks at."""
    def service(dimensions: list[dict] | None) -> str | None:
        return next((item["Value"] for item in dimensions or [] if item["Name"] == "Service"), None)

    if alarm.get("MetricName"):
        yield alarm.get("Namespace"), alarm.get("MetricName"), service(alarm.get("Dimensions"))
    for query in alarm.get("Metrics", []):
        metric = query.get("MetricStat", {}).get("Metric")
        if metric:
            yield metric["Namespace"], metric["MetricName"], service(metric.get("Dimensions"))
        match = re.match(r'SELECT \w+\((\w+)\) FROM "([^"]+)"', str(query.get("Expression", "")))
        if match:
            yield match.group(2), match.group(1), None


def dashboard_metrics(dashboard: Resource) -> Iterator[Metric]:
    """The metrics that a dashboard shows; `.` and `...` repeat what was before."""
    for widget in json.loads(dashboard.get("DashboardBody"))["widgets"]:
        before: list[str] = []
        for entry in widget["properties"]["metrics"]:
            if isinstance(entry[0], dict):
                match = re.search(r'SEARCH\(\'\{([^,}]+).*MetricName="(\w+)"', entry[0]["expression"])
                if match:
                    yield match.group(1), match.group(2), None
                continue
            names = [item for item in entry if isinstance(item, str)]
            if names[0] == "...":
                names = before[: len(before) - len(names) + 1] + names[1:]
            names = [before[index] if name == "." else name for index, name in enumerate(names)]
            before = names
            service = names[3] if len(names) > 3 and names[2] == "Service" else None
            yield names[0], names[1], service


def _scaling_metrics(deployment: Deployment) -> Iterator[tuple[str, Metric]]:
    for policy in deployment.of("ApplicationAutoScaling::ScalingPolicy"):
        own = policy.get("TargetTrackingScalingPolicyConfiguration").get("CustomizedMetricSpecification")
        if own:
            service = {item["Name"]: item["Value"] for item in own.get("Dimensions", [])}.get("Service")
            yield policy.path, (own["Namespace"], own["MetricName"], service)


@invariant
def metrics_are_those_that_are_sent(deployment: Deployment, project: Project) -> Iterator[str]:
    """Alarms, dashboard and scaling look at metrics that Connect or AWS sends, under the namespace that
    the services are told: a misspelt one would be silent for ever."""
    namespaces = {
        environment(container)["CONNECT_METRICS_NAMESPACE"]
        for service in deployment.of("ECS::Service")
        for container in containers(deployment, service)
    }
    used: list[tuple[str, Metric]] = list(_scaling_metrics(deployment))
    for alarm in deployment.of("CloudWatch::Alarm"):
        found = list(alarm_metrics(alarm))
        if not found:
            yield f"{alarm.path} looks at nothing"
        used += [(alarm.path, metric) for metric in found]
    for dashboard in deployment.of("CloudWatch::Dashboard"):
        used += [(dashboard.path, metric) for metric in dashboard_metrics(dashboard)]
    for path, (namespace, name, service) in used:
        if namespace in namespaces:
            if name not in project.metrics.get(service or "", set()):
                yield f"{path}: {service} sends no {name}"
        elif name not in AWS_METRICS.get(namespace, set()):
            yield f"{path}: there is no {name} in {namespace}"


@invariant
def every_alarm_has_an_action(deployment: Deployment, project: Project) -> Iterator[str]:
    """Each alarm tells the topic, of its end, too."""
    topics = {topic.token for topic in deployment.of("SNS::Topic")}
    for alarm in deployment.of("CloudWatch::Alarm"):
        for name in ("AlarmActions", "OKActions"):
            if not topics & set(alarm.get(name) or []):
                yield f"{alarm.path} has no {name}"
        if alarm.get("ActionsEnabled") is False:
            yield f"{alarm.path} has its actions switched off"


@invariant
def every_alarm_has_a_runbook(deployment: Deployment, project: Project) -> Iterator[str]:
    """The description of each alarm, and of each rule that tells of an event, ends with the name of its
    section in AWS.md, Runbooks."""
    for alarm in deployment.of("CloudWatch::Alarm", "Events::Rule"):
        runbook = named_runbook(alarm)
        if runbook is None:
            yield f"{alarm.path} names no runbook"
        elif runbook not in project.runbooks:
            yield f"{alarm.path} names the runbook {runbook}, which AWS.md does not have"


def named_runbook(alarm: Resource) -> str | None:
    """The runbook that an alarm or a rule names."""
    text = alarm.get("AlarmDescription") or alarm.get("Description") or ""
    match = re.search(r"\. Runbook: (.+)$", text)
    return match and match.group(1)


@invariant
def what_must_be_watched_has_an_alarm(deployment: Deployment, project: Project) -> Iterator[str]:
    """There are alarms for what waits, fails, fills up or is gone, and for the log of Redis, if it has one."""
    watched = {
        name for alarm in deployment.of("CloudWatch::Alarm") for _, name, _ in alarm_metrics(alarm)
    }
    logs = any(
        cluster.get("Durability") != "disabled" for cluster in deployment.of("ElastiCache::ReplicationGroup"))
    for name in _WATCHED + (_WATCHED_OF_LOG if logs else []):
        if name not in watched:
            yield f"there is no alarm for {name}"


@invariant
def each_redis_has_alarms_of_its_own(deployment: Deployment, project: Project) -> Iterator[str]:
    """The memory and the primaries' CPU of each Redis have an alarm that looks at that Redis alone, and no
    alarm looks at one that is not there."""
    names = {cluster.get("ReplicationGroupId") for cluster in deployment.of("ElastiCache::ReplicationGroup")}
    found = set()
    for alarm in deployment.of("CloudWatch::Alarm"):
        dimensions = {item["Name"]: item["Value"] for item in alarm.get("Dimensions", [])}
        if name := dimensions.pop("ReplicationGroupId", None):
            if name not in names or _WATCHED_OF_CLUSTER.get(alarm.get("MetricName")) != dimensions:
                yield f"{alarm.path} looks at {name}, {dimensions}"
            found.add((name, alarm.get("MetricName")))
    for name in names:
        for metric in _WATCHED_OF_CLUSTER:
            if (name, metric) not in found:
                yield f"there is no alarm for {metric} of {name}"


@invariant
def failovers_and_failed_deployments_are_told(deployment: Deployment, project: Project) -> Iterator[str]:
    """ElastiCache tells the topic of failovers, new nodes and maintenance, and EventBridge of deployments
    that ECS gives up; and the topic takes it from either, under the conditions that these can meet."""
    topics = {topic.token for topic in deployment.of("SNS::Topic")}
    for cluster in deployment.of("ElastiCache::ReplicationGroup"):
        if cluster.get("NotificationTopicArn") not in topics:
            yield f"{cluster.path} tells nobody of a failover"
    told = {
        name
        for rule in deployment.of("Events::Rule")
        for name in rule.get("EventPattern")["detail"]["eventName"]
        if topics & {target["Arn"] for target in rule.get("Targets", [])} and rule.get("State") != "DISABLED"
        and all("service/<Cluster>/" in item["prefix"] for item in rule.get("EventPattern")["resources"])
    }
    if "SERVICE_DEPLOYMENT_FAILED" not in told:
        yield "nobody is told when ECS gives up a deployment"
    accepted = {
        str(statement["Principal"]): [key for test in statement.get("Condition", {}).values() for key in test]
        for policy in deployment.of("SNS::TopicPolicy") for statement in policy.get("PolicyDocument")["Statement"]
    }
    for who, condition in (
        ({"Service": "cloudwatch.amazonaws.com"}, ["aws:SourceAccount"]),
        ({"Service": "events.amazonaws.com"}, []),
        ({"AWS": "*"}, ["AWS:SourceOwner"]),
    ):
        if accepted.get(str(who)) != condition:
            yield f"the topic takes from {who} under {accepted.get(str(who), 'no statement')}, not {condition}"


@invariant
def silence_is_an_alarm(deployment: Deployment, project: Project) -> Iterator[str]:
    """Where missing data means that nothing runs, it is an alarm; and each alarm says what it means."""
    for alarm in deployment.of("CloudWatch::Alarm"):
        missing = alarm.get("TreatMissingData")
        if missing not in ("breaching", "notBreaching"):
            yield f"{alarm.path} does not say what missing data means"
        if missing != "breaching" and any(name in _SILENCE for _, name, _ in alarm_metrics(alarm)):
            yield f"{alarm.path} is silent when nothing reports"


@invariant
def alarms_of_silence_come_after_what_they_watch(deployment: Deployment, project: Project) -> Iterator[str]:
    """An alarm that takes a service's silence for its end is made after that service, or it would ring
    during the first deployment."""
    stacks = {
        container["Name"]: service.path.rpartition("/")[0]
        for service in deployment.of("ECS::Service")
        for container in containers(deployment, service)
    }
    for alarm in deployment.of("CloudWatch::Alarm"):
        stack = alarm.path.rpartition("/")[0]
        for _, name, service in alarm_metrics(alarm):
            if alarm.get("TreatMissingData") != "breaching" or service is None:
                continue
            if f"'{stacks[service]}'" not in str(deployment.stacks[stack]):
                yield f"{alarm.path} does not wait for {stacks[service]}, which sends {name}"


@invariant
def the_dashboard_shows_what_matters(deployment: Deployment, project: Project) -> Iterator[str]:
    """The dashboard has connections, messages per second, latency, what waits, and Redis."""
    shown = {
        name for dashboard in deployment.of("CloudWatch::Dashboard")
        for _, name, _ in dashboard_metrics(dashboard)
    }
    for name in sorted(_SHOWN - shown):
        yield f"there is no {name}"


@invariant
def searches_find_the_clusters(deployment: Deployment, project: Project) -> Iterator[str]:
    """Each search of the dashboard names each Redis, bound to a dimension, and without quotes: with
    them a whole value has to match, which no node of ElastiCache does."""
    names = [
        cluster.get("ReplicationGroupId")
        for cluster in deployment.of("ElastiCache::ReplicationGroup")
    ]
    for dashboard in deployment.of("CloudWatch::Dashboard"):
        searches = re.findall(r"SEARCH\('\{([^}]+)\} (.*?)'", dashboard.get("DashboardBody"))
        if not searches:
            yield f"{dashboard.path} searches for nothing"
        for schema, terms in searches:
            terms = re.sub(r'MetricName=\\"\w+\\"', "", terms)
            if '"' in terms:
                yield f"{dashboard.path} searches for a whole value: {terms.strip()}"
            dimensions = "|".join(schema.split(",")[1:])
            found = re.findall(rf"(?<!\w)(?:{dimensions})=([\w-]+)", terms)
            for name in names:
                if name not in found:
                    yield f"{dashboard.path} does not search for {name}"


@invariant
def logs_expire(deployment: Deployment, project: Project) -> Iterator[str]:
    """Each task logs to a group that keeps lines for a stated time. A slow log stops no service; people who
    start a task get every line of it."""
    groups = {group.get("LogGroupName"): group for group in deployment.of("Logs::LogGroup")}
    services = {service.get("TaskDefinition") for service in deployment.of("ECS::Service")}
    for task, container, _ in tasks(deployment):
        logging = container.get("LogConfiguration") or {}
        options = logging.get("Options", {})
        group = groups.get(options.get("awslogs-group"))
        if logging.get("LogDriver") != "awslogs" or group is None:
            yield f"{task.path} does not log to a group of this deployment"
        elif not group.get("RetentionInDays"):
            yield f"{group.path} keeps lines for ever"
        mode = "non-blocking" if task.token in services else "blocking"
        if options.get("mode") != mode:
            yield f"{task.path} has a log that is {options.get('mode')}, and must be {mode}"
