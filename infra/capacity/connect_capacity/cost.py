"""What a deployment costs per month."""

from __future__ import annotations

from dataclasses import dataclass

from connect_capacity.load import DAY_SECONDS, MONTH_DAYS
from connect_capacity.prices import GIB, Prices
from connect_capacity.scenario import Scenario
from connect_capacity.sizing import Deployment

MONTH_SECONDS = MONTH_DAYS * DAY_SECONDS
GIGABYTE = 10**9

# Of infra/aws, whose tests hold these to its templates: interface endpoints for ECR (two), CloudWatch Logs and
# Secrets Manager; S3's is free.
INTERFACE_ENDPOINTS = 4
# HS256 secret, two passwords of Redis, service token.
SECRETS = 4
# The metrics of both services, the one dimension of which is the service, and about as many of ECS's
# Container Insights; alarms; one dashboard.
CUSTOM_METRICS = 22 + 30
ALARMS = 23
DASHBOARDS = 1
# One line of metrics per minute, and what else an instance logs.
LOG_BYTES_PER_INSTANCE_MINUTE = 3_000
MONTH_MINUTES = MONTH_SECONDS / 60


@dataclass(frozen=True)
class Cost:
    """US dollars per month."""

    gateways: float
    messaging: float
    redis: float
    load_balancers: float
    data_out: float
    between_zones: float
    observability: float
    network: float
    balancer_dimension: str  # what the ALB's capacity units are paid for

    @property
    def parts(self) -> dict[str, float]:
        return {
            "gateways": self.gateways, "messaging": self.messaging, "redis": self.redis,
            "loadBalancers": self.load_balancers, "dataOut": self.data_out,
            "betweenZones": self.between_zones, "observability": self.observability,
            "network": self.network,
        }

    @property
    def total(self) -> float:
        return sum(self.parts.values())


def cost_of(deployment: Deployment, prices: Prices) -> Cost:
    load, scenario = deployment.load, deployment.scenario
    units, dimension = capacity_units(deployment, prices)
    balancers = prices.hours * (
        deployment.load_balancers * (
            prices.of("loadBalancer.albHour")
            + scenario.zones * prices.of("loadBalancer.publicAddressHour"))
        + units * prices.of("loadBalancer.lcuHour")
        + prices.of("loadBalancer.nlbHour"))
    instances = deployment.gateways + deployment.messaging
    log_bytes = instances * MONTH_MINUTES * LOG_BYTES_PER_INSTANCE_MINUTE
    access_bytes = load.connects_mean * MONTH_SECONDS * scenario.log_bytes_per_connect
    return Cost(
        gateways=deployment.gateways * _task(scenario.gateway_vcpus, scenario, prices),
        messaging=deployment.messaging * _task(scenario.messaging_vcpus, scenario, prices),
        redis=_redis(deployment, scenario, prices),
        load_balancers=balancers,
        data_out=prices.out_to_internet(load.client_out_bytes * MONTH_SECONDS / GIGABYTE),
        between_zones=_between_zones(deployment, scenario, prices),
        observability=(
            CUSTOM_METRICS * prices.of("observability.customMetricMonth")
            + ALARMS * prices.of("observability.alarmMonth")
            + DASHBOARDS * prices.of("observability.dashboardMonth")
            + log_bytes / GIGABYTE * prices.of("observability.logIngestGigabyte")
            + access_bytes / GIGABYTE * prices.of("observability.s3GigabyteMonth")),
        network=(
            INTERFACE_ENDPOINTS * scenario.zones * prices.hours * prices.of("network.endpointHour")
            + SECRETS * prices.of("network.secretMonth") + prices.of("network.hostedZoneMonth")),
        balancer_dimension=dimension,
    )


def capacity_units(deployment: Deployment, prices: Prices) -> tuple[float, str]:
    """The ALB's capacity units in a mean hour, and the dimension that has the most of them."""
    load = deployment.load
    hourly = (load.client_out_bytes + load.client_in_bytes) * 3_600 / GIGABYTE
    units = {
        "active connections":
            load.connections_mean / prices.of("loadBalancer.lcuActiveConnections"),
        "new connections":
            load.connects_mean / prices.of("loadBalancer.lcuNewConnectionsPerSecond"),
        "bytes": hourly / prices.of("loadBalancer.lcuGigabytesPerHour"),
    }
    dimension = max(units, key=lambda name: units[name])
    return units[dimension], dimension


def _task(vcpus: float, scenario: Scenario, prices: Prices) -> float:
    of = f"fargate.{scenario.architecture}"
    return prices.hours * vcpus * (
        prices.of(f"{of}.vcpuHour") + scenario.gib_per_vcpu * prices.of(f"{of}.gibHour"))


def _redis(deployment: Deployment, scenario: Scenario, prices: Prices) -> float:
    load = deployment.load
    snapshots = (
        load.keys_bytes / GIB * scenario.snapshots * prices.of("elasticache.snapshotGibMonth"))
    writes = load.messages_mean / load.messages * load.replication_bytes * MONTH_SECONDS / GIB
    return (
        deployment.nodes * deployment.node.hour * prices.hours
        + snapshots
        + writes * (prices.durable_write_gib or 0.0))


def _between_zones(deployment: Deployment, scenario: Scenario, prices: Prices) -> float:
    """Between tasks and Redis: a task is charged for what it sends to another zone and for what it
    gets from there; ElastiCache is not, nor is what replicas get."""
    foreign = (scenario.zones - 1) / scenario.zones
    month = deployment.load.redis_bytes_mean * MONTH_SECONDS / GIGABYTE
    return month * foreign * prices.of("transfer.betweenZonesGigabyte")
