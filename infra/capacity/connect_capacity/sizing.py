"""How many of everything a load needs, and which resource of each tier is nearest to its limit."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from connect_capacity.load import Load
from connect_capacity.measurements import Measurements
from connect_capacity.prices import GIB, NodeType, Prices
from connect_capacity.scenario import Scenario

# Limits of AWS: https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/Shards.html (500 nodes, after
# the quota was raised from 90), …/dg/Durability.html (100 MiB/s of writes per primary),
# …/BestPractices.Clients.Redis.Connections.html (65,000 connections per node),
# https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html.
NODES_PER_CLUSTER = 500
NODES_PER_CLUSTER_DEFAULT = 90
CONNECTIONS_PER_NODE = 65_000
DURABLE_BYTES_PER_SECOND = 100 * 2**20
TARGETS_PER_LOAD_BALANCER = 1_000

# Limits and intervals of Connect (BusLimits, MessagingLimits, GatewayConfiguration).
PARTITIONS_DEFAULT = 16
PARTITIONS_MAXIMUM = 1_024
ENTRIES_PER_READ = 128
BACKLOG_LOOKS_PER_SECOND = 2  # of each gateway, at each partition
LEASE_LOOKS_PER_SECOND = 0.5  # of each messaging instance, at each partition
HEARTBEAT_SECONDS = 15
HEARTBEAT_COMMANDS = 5
SWEEP_GATEWAYS = 64
SWEEP_COMMANDS = 2  # for each of them
BLOCKING_READ_SECONDS = 5
# The default of --ping-seconds, with which `connect-bench idle` runs: what an idle connection costs,
# it costs once per ping period.
MEASURED_PING_SECONDS = 25

# Round trips to Redis that a partition's batch waits for, one after the other: read, store, push.
ROUND_TRIPS_PER_BATCH = 3

# Many small nodes cost as much as few large ones, but are more to connect to, and more to move.
FEWER_NODES_ARE_WORTH = 1.1

MICROSECONDS = 1_000_000
ROUNDS = 100
INSTANCES_TRIED = 1_000_000


@dataclass(frozen=True)
class Use:
    """How much of a resource is used at peak; 1 is all that the targets allow."""

    resource: str
    share: float


@dataclass(frozen=True)
class Tier:
    """A tier with as many instances as it needs, and what of it is nearest to a limit."""

    name: str
    uses: tuple[Use, ...]
    vcpus: float  # used at peak, by all instances

    @property
    def bottleneck(self) -> Use:
        return max(self.uses, key=lambda use: use.share)


@dataclass(frozen=True)
class Deployment:
    """One Connect for so many users."""

    load: Load
    scenario: Scenario  # with the size that tasks have
    partitions: int
    gateways: int
    messaging: int
    node: NodeType
    shards: int
    replicas: int
    load_balancers: int
    connections_per_node: float
    coordination_commands: float  # per second, of all services, without any message
    redis_commands: float  # per second, of all primaries
    durable_bytes_per_primary: float  # per second
    tiers: tuple[Tier, ...]

    @property
    def nodes(self) -> int:
        return self.shards * (1 + self.replicas)


class BeyondDesign(Exception):
    """No single Connect can carry this load: the message says what ends it."""


def size(load: Load, scenario: Scenario, measured: Measurements, prices: Prices) -> Deployment:
    """What stays within all targets at peak: of what costs hardly more than the cheapest, the smallest
    type of node that is there in sufficient number without asking AWS, or else the fewest nodes."""
    options = []
    reasons = []
    for node in prices.nodes:
        try:
            options.append(_with_node(load, node, scenario, measured))
        except BeyondDesign as error:
            reasons.append(str(error))
    if not options:
        raise BeyondDesign(reasons[-1])
    cheapest = min(option.nodes * option.node.hour for option in options)
    reasonable = [
        option for option in options
        if option.nodes * option.node.hour <= cheapest * FEWER_NODES_ARE_WORTH]
    at_once = [option for option in reasonable if option.nodes <= NODES_PER_CLUSTER_DEFAULT]
    if at_once:
        return min(at_once, key=lambda option: option.node.hour)
    return min(reasonable, key=lambda option: (option.nodes, option.node.hour))


def partition_limit(scenario: Scenario, measured: Measurements) -> float:
    """Entries per second that one partition may be given: as many as were seen to pass, or as many as
    a Redis can take that takes its time to write."""
    batches = 1_000 / (ROUND_TRIPS_PER_BATCH * scenario.write_milliseconds)
    return min(measured.partition_messages_per_second, ENTRIES_PER_READ * batches)


def partitions_needed(
    load: Load, shards: int, scenario: Scenario, measured: Measurements
) -> int:
    """A power of two, as many as keep each within its limits; the scenario's, if it says."""
    if scenario.partitions:
        return int(scenario.partitions)
    partitions = PARTITIONS_DEFAULT
    largest = replace(scenario, messaging_vcpus=scenario.messaging_vcpus * scenario.task_growth)
    while partitions <= PARTITIONS_MAXIMUM and any(
        use.share > 1 for use in partition_uses(load, partitions, shards, largest, measured)
    ):
        partitions *= 2
    return partitions


def partition_uses(
    load: Load, partitions: int, shards: int, scenario: Scenario, measured: Measurements
) -> tuple[Use, Use]:
    """Of one partition, whose messages pass one after the other, on one event loop."""
    entries = load.entries / partitions
    cpu = shards * measured.messaging.microseconds_per_second(entries / shards)
    return (
        Use("partitions",
            entries / partition_limit(scenario, measured) / scenario.limit_target),
        Use("CPU of a partition", cpu / _cpu_allowed(min(1.0, scenario.messaging_vcpus), scenario)),
    )


def _with_node(
    load: Load, node: NodeType, scenario: Scenario, measured: Measurements
) -> Deployment:
    shards = int(scenario.shards_minimum)
    for _ in range(ROUNDS):
        deployment = _deployment(load, node, shards, scenario, measured)
        redis = next(tier for tier in deployment.tiers if tier.name == "redis")
        if redis.bottleneck.share <= 1:
            _check(deployment)
            return deployment
        if redis.bottleneck.resource == "connections":
            _reject_connections(deployment)
        # All else shrinks with the number of shards, at best in proportion.
        shards = max(shards + 1, math.floor(shards * redis.bottleneck.share))
        if shards * (1 + scenario.replicas) > NODES_PER_CLUSTER:
            break
    raise BeyondDesign(
        f"redis: {redis.bottleneck.resource} needs more than {NODES_PER_CLUSTER} nodes of "
        f"{node.name}")


def _reject_connections(deployment: Deployment) -> None:
    """More shards do not help: each instance has a connection to each, from each event loop."""
    raise BeyondDesign(
        f"redis: {deployment.connections_per_node:,.0f} connections to each node, of "
        f"{deployment.gateways:,} gateways and {deployment.messaging:,} messaging instances")


def _check(deployment: Deployment) -> None:
    if deployment.messaging > deployment.partitions:
        raise BeyondDesign(
            f"messaging: {deployment.messaging} instances for {deployment.partitions} partitions")


def _deployment(
    load: Load, node: NodeType, shards: int, scenario: Scenario, measured: Measurements
) -> Deployment:
    partitions = partitions_needed(load, shards, scenario, measured)
    if partitions > PARTITIONS_MAXIMUM:
        raise BeyondDesign(f"messaging: more than {PARTITIONS_MAXIMUM} partitions")
    gateways, scenario = _tasks(
        "gateway", scenario,
        lambda count, sized: gateway_tier(load, count, shards, sized, measured))
    messaging, scenario = _tasks(
        "messaging", scenario,
        lambda count, sized: messaging_tier(load, count, shards, partitions, sized, measured))
    load_balancers = math.ceil(gateways / TARGETS_PER_LOAD_BALANCER)
    coordination = coordination_commands(gateways, messaging, partitions)
    connections = connections_per_node(
        gateways, messaging, partitions, shards, cores(scenario), bool(scenario.replicated))
    redis = redis_tier(
        load, node, shards, partitions, coordination, connections, scenario, measured)
    return Deployment(
        load=load,
        scenario=scenario,
        partitions=partitions,
        gateways=gateways,
        messaging=messaging,
        node=node,
        shards=shards,
        replicas=int(scenario.replicas),
        load_balancers=load_balancers,
        connections_per_node=connections,
        coordination_commands=coordination,
        redis_commands=(
            load.entries * measured.commands_per_message
            + load.connections * measured.idle.redis_commands_per_second
            * pings_per_measured(scenario)
            + load.connects * measured.idle.open_redis_commands
            + coordination),
        durable_bytes_per_primary=load.replication_bytes / shards * measured.busiest_primary,
        tiers=(
            balancer_tier(gateways, load_balancers),
            gateway_tier(load, gateways, shards, scenario, measured),
            messaging_tier(load, messaging, shards, partitions, scenario, measured),
            redis,
        ),
    )


def _tasks(
    name: str, scenario: Scenario, tier: Callable[[int, Scenario], Tier]
) -> tuple[int, Scenario]:
    """How many tasks a service has, and the scenario with their size: the smallest with which there
    are not too many, or else the largest."""
    field = f"{name}_vcpus"
    smallest = getattr(scenario, field)
    factor = 1.0
    while True:
        sized = replace(scenario, **{field: smallest * factor})
        is_largest = factor * 2 > scenario.task_growth
        try:
            count = _fewest(name, int(scenario.instances_minimum), lambda n: tier(n, sized))
            if is_largest or count <= scenario.tasks_maximum:
                return count, sized
        except BeyondDesign:
            if is_largest:
                raise
        factor *= 2


def _fewest(name: str, minimum: int, tier: Callable[[int], Tier]) -> int:
    """The fewest instances of which none is beyond its targets."""

    def suffices(count: int) -> bool:
        return tier(count).bottleneck.share <= 1

    high = minimum
    while not suffices(high):
        if high > INSTANCES_TRIED:
            raise BeyondDesign(f"{name}: {tier(high).bottleneck.resource}, however many instances")
        high *= 2
    low = minimum
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if suffices(middle) else (middle + 1, high)
    return high


def balancer_tier(gateways: int, load_balancers: int) -> Tier:
    share = gateways / load_balancers / TARGETS_PER_LOAD_BALANCER
    return Tier("load balancer", (Use("targets", share),), vcpus=0)


def gateway_tier(
    load: Load, gateways: int, shards: int, scenario: Scenario, measured: Measurements
) -> Tier:
    idle = measured.idle
    connections = load.connections / gateways
    # A gateway has a pipeline to each primary. A message goes out once per device of its recipient:
    # as if all of it were done so often, since accepting it was not measured apart.
    pipeline = load.entries / gateways / shards * scenario.devices_per_user
    cpu = (
        shards * measured.gateway.microseconds_per_second(pipeline)
        + connections * idle.gateway_microseconds_per_second * pings_per_measured(scenario)
        + load.connects / gateways * idle.open_gateway_microseconds)
    memory = idle.gateway_base_bytes + connections * idle.gateway_bytes
    return Tier("gateway", (
        Use("connections",
            connections / (scenario.connections_per_vcpu * scenario.gateway_vcpus)),
        Use("CPU", cpu / _cpu_allowed(scenario.gateway_vcpus, scenario)),
        Use("memory", memory / (
            scenario.gateway_vcpus * scenario.gib_per_vcpu * GIB * scenario.memory_target)),
    ), vcpus=cpu * gateways / _vcpu(scenario))


def messaging_tier(
    load: Load, messaging: int, shards: int, partitions: int, scenario: Scenario,
    measured: Measurements,
) -> Tier:
    pipelines = partitions * shards
    cpu = pipelines * measured.messaging.microseconds_per_second(load.entries / pipelines)
    # No instance has less than its whole partitions: where they do not divide evenly, one has more.
    busiest = math.ceil(partitions / messaging) / partitions
    return Tier("messaging", (
        Use("CPU", cpu * busiest / _cpu_allowed(scenario.messaging_vcpus, scenario)),
        *partition_uses(load, partitions, shards, scenario, measured),
    ), vcpus=cpu / _vcpu(scenario))


def redis_tier(
    load: Load, node: NodeType, shards: int, partitions: int, coordination: float,
    connections: float, scenario: Scenario, measured: Measurements,
) -> Tier:
    """Of the busiest primary. Its commands run on one processor, however many it has."""
    pipelines = partitions * shards
    cpu = (
        pipelines * measured.redis.microseconds_per_second(load.entries / pipelines)
        + load.connections * measured.idle.redis_microseconds_per_second
        * pings_per_measured(scenario)
        + load.connects * measured.idle.open_redis_microseconds
        + coordination * measured.redis_microseconds_per_command)
    busiest = measured.busiest_primary / shards
    memory = node.memory_bytes * (1 - scenario.redis_reserved) * scenario.memory_target
    # What replicas are sent leaves the node, too.
    network = load.redis_bytes + load.replication_bytes * scenario.replicas
    limit = scenario.limit_target
    return Tier("redis", (
        Use("memory", load.keys_bytes / shards / memory),
        Use("CPU", cpu * busiest / _cpu_allowed(1, scenario)),
        Use("durable log", load.replication_bytes * busiest / (DURABLE_BYTES_PER_SECOND * limit)),
        Use("network", network * busiest / (node.bytes_per_second * limit)),
        Use("connections", connections / (CONNECTIONS_PER_NODE * limit)),
    ), vcpus=cpu / _vcpu(scenario))


def pings_per_measured(scenario: Scenario) -> float:
    return MEASURED_PING_SECONDS / scenario.ping_seconds


def _cpu_allowed(vcpus: float, scenario: Scenario) -> float:
    """What so many vCPUs may do per second, in microseconds of the machine that measured."""
    return vcpus * _vcpu(scenario) * scenario.cpu_target


def _vcpu(scenario: Scenario) -> float:
    """What a vCPU can do per second, in microseconds of the machine that measured."""
    return scenario.vcpu_speed * MICROSECONDS


def cores(scenario: Scenario) -> int:
    """Event loops of an instance: one per processor that it sees."""
    return max(1, math.ceil(max(scenario.gateway_vcpus, scenario.messaging_vcpus)))


def connections_per_node(
    gateways: int, messaging: int, partitions: int, shards: int, event_loops: int,
    replicated: bool = False,
) -> float:
    """Redis.md#Connections: C·S·(G + M) + G + M + P in all, of which each primary has its
    share; twice the first term with `replicated:N`."""
    pipelines = event_loops * (2 if replicated else 1) * (gateways + messaging)
    readers = gateways + messaging + partitions
    return pipelines + math.ceil(readers / shards)


def coordination_commands(gateways: int, messaging: int, partitions: int) -> float:
    """Commands per second that the services cause by being there: each gateway asks for the length of
    each partition, each messaging instance for the owner of each, and so on."""
    sweep = min(SWEEP_GATEWAYS, gateways) * SWEEP_COMMANDS
    return (
        gateways * partitions * BACKLOG_LOOKS_PER_SECOND
        + gateways * (HEARTBEAT_COMMANDS + sweep) / HEARTBEAT_SECONDS
        + messaging * (partitions + 2) * LEASE_LOOKS_PER_SECOND
        + messaging * messaging * LEASE_LOOKS_PER_SECOND
        + (gateways + messaging + partitions) / BLOCKING_READ_SECONDS)
