"""Invariants of what tells people and scaling: metrics, alarms, the dashboard, logs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from .evaluate import Deployment, Resource
from .invariant import invariant
from .invariants_services import containers, environment
from .project import AWS_METRICS, Project

# What there must be an alarm for; any of a group will do.
_WATCHED = [
    {"LagEntries"}, {"OldestAgeSeconds"}, {"DeadLetters"}, {"Failed"}, {"Leases"},
    {"PartitionsUnowned"}, {"Rejected"}, {"RedisErrors"},
    {"DatabaseMemoryUsageCountedForEvictPercentage", "DatabaseMemoryUsagePercentage"},
    {"EngineCPUUtilization"}, {"Evictions"}, {"HTTPCode_ELB_5XX_Count"},
    {"HTTPCode_Target_5XX_Count"}, {"UnHealthyHostCount"}, {"HealthyHostCount"},
]
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
    """The description of each alarm ends with the name of its section in AWS.md, Runbooks."""
    for alarm in deployment.of("CloudWatch::Alarm"):
        match = re.search(r"\. Runbook: (.+)$", alarm.get("AlarmDescription") or "")
        if match is None:
            yield f"{alarm.path} names no runbook"
        elif match.group(1) not in project.runbooks:
            yield f"{alarm.path} names the runbook {match.group(1)}, which AWS.md does not have"


@invariant
def what_must_be_watched_has_an_alarm(deployment: Deployment, project: Project) -> Iterator[str]:
    """There are alarms for what waits, fails, fills up or is gone; and each cluster's memory has one."""
    watched: dict[str, int] = {}
    for alarm in deployment.of("CloudWatch::Alarm"):
        for _, name, _ in alarm_metrics(alarm):
            watched[name] = watched.get(name, 0) + 1
    for names in _WATCHED:
        if not names & set(watched):
            yield f"there is no alarm for {' or '.join(sorted(names))}"
    clusters = deployment.of("ElastiCache::ReplicationGroup", "MemoryDB::Cluster")
    memory = sum(count for name, count in watched.items() if name.startswith("DatabaseMemoryUsage"))
    if memory != len(clusters):
        yield f"there are {len(clusters)} clusters and {memory} alarms for their memory"


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
        cluster.get("ReplicationGroupId") or cluster.get("ClusterName")
        for cluster in deployment.of("ElastiCache::ReplicationGroup", "MemoryDB::Cluster")
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
    """Each service logs to a group of this stack, which keeps lines for a stated time; a slow log does
    not stop the service."""
    for service in deployment.of("ECS::Service"):
        for container in containers(deployment, service):
            logging = container.get("LogConfiguration") or {}
            options = logging.get("Options", {})
            group = deployment.resource(options.get("awslogs-group"))
            if logging.get("LogDriver") != "awslogs" or group is None:
                yield f"{service.path} does not log to a group of this stack"
            elif not group.get("RetentionInDays"):
                yield f"{group.path} keeps lines for ever"
            if options.get("mode") != "non-blocking":
                yield f"{service.path} waits for its log"
