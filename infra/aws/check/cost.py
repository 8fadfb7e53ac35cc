"""What a deployment costs a month before anybody uses it, by the list prices of infra/capacity: what is
there by the hour. What grows with use (traffic, lines of logs, snapshots) is infra/capacity/model's.
"""

from __future__ import annotations

import json
from pathlib import Path

from .evaluate import Deployment, Resource
from .invariants_services import definition, scaling
from .project import Project

# About as many as Container Insights reports of two services; infra/capacity's model has the same.
_INSIGHTS_METRICS = 30


def read_prices(root: Path) -> dict:
    return json.loads((root / "infra/capacity/prices.json").read_text(encoding="utf-8"))


def monthly(deployment: Deployment, project: Project) -> dict[str, float]:
    """US dollars a month, by what they are for. A Fargate task is priced as its architecture."""
    prices = read_prices(project.root)
    hours, network, observability = prices["hoursPerMonth"], prices["network"], prices["observability"]
    balancers = deployment.of("ElasticLoadBalancingV2::LoadBalancer")
    public = [balancer for balancer in balancers if balancer.get("Scheme") == "internet-facing"]
    endpoints = [
        subnet for endpoint in deployment.of("EC2::VPCEndpoint") for subnet in endpoint.get("SubnetIds", [])]
    metrics = sum(len(names) for names in project.metrics.values())
    if deployment.parameters["ContainerInsights"] != "disabled":
        metrics += _INSIGHTS_METRICS
    return {
        "Redis": hours * sum(
            _nodes(cluster) * prices["elasticache"]["nodes"][cluster.get("CacheNodeType")]["hour"]
            for cluster in deployment.of("ElastiCache::ReplicationGroup")),
        "gateways and messaging": hours * sum(
            _tasks(deployment, service, prices["fargate"]) for service in deployment.of("ECS::Service")),
        "load balancers": hours * (
            sum(prices["loadBalancer"]["albHour" if balancer in public else "nlbHour"] for balancer in balancers)
            + sum(len(balancer.get("Subnets")) for balancer in public)
            * prices["loadBalancer"]["publicAddressHour"]),
        "endpoints": hours * len(endpoints) * network["endpointHour"],
        "metrics, alarms, dashboard": metrics * observability["customMetricMonth"]
        + len(deployment.of("CloudWatch::Alarm")) * observability["alarmMonth"]
        + len(deployment.of("CloudWatch::Dashboard")) * observability["dashboardMonth"],
        "secrets, private zone": len(deployment.of("SecretsManager::Secret")) * network["secretMonth"]
        + len(deployment.of("Route53::HostedZone")) * network["hostedZoneMonth"],
    }


def _nodes(cluster: Resource) -> int:
    return int(cluster.get("NumNodeGroups")) * (1 + int(cluster.get("ReplicasPerNodeGroup")))


def _tasks(deployment: Deployment, service: Resource, prices: dict) -> float:
    """What the tasks of a service cost an hour, as many as there are at least."""
    task = definition(deployment, service)
    target, _ = scaling(deployment, service)
    each = prices["arm" if deployment.parameters["Architecture"] == "ARM64" else "x86"]
    cores, gibibytes = int(task.get("Cpu")) / 1024, int(task.get("Memory")) / 1024
    return int(target.get("MinCapacity")) * (cores * each["vcpuHour"] + gibibytes * each["gibHour"])
