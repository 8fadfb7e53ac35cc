"""The results as text and as JSON."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any

from connect_capacity.advice import what_to_turn
from connect_capacity.model import Model, Result
from connect_capacity.prices import GIB
from connect_capacity.scenario import Scenario
from connect_capacity.sizing import (
    CONNECTIONS_PER_NODE, DURABLE_BYTES_PER_SECOND, NODES_PER_CLUSTER, Deployment,
    partition_limit)

MIB = 2**20


def short(number: float) -> str:
    """1234567 as 1.2 M: three digits at most, and a unit."""
    for size, unit in ((1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k")):
        if number >= size * 0.9995:
            return f"{number / size:.3g}{unit}"
    return f"{number:.3g}" if number < 10 else f"{number:.0f}"


def money(dollars: float) -> str:
    return f"{dollars:,.0f}" if dollars >= 10 else f"{dollars:.2g}"


def memory(count: float) -> str:
    for size, unit in ((2**40, "TiB"), (GIB, "GiB"), (MIB, "MiB")):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count / 1024:.3g} KiB"


def table(rows: list[list[str]]) -> str:
    """A Markdown table, which also reads as it is. The first row is the head."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |"
        for row in rows
    ]
    lines.insert(1, "| " + " | ".join("-" * width for width in widths) + " |")
    return "\n".join(lines)


def deployments(results: list[Result]) -> str:
    def row(name: str, value: Any) -> list[str]:
        return [name] + [value(result) for result in results]

    def deployed(value: Any) -> Any:
        return lambda result: value(result.deployment)

    rows = [
        row("users", lambda result: short(result.users)),
        row("connections at peak", deployed(lambda d: short(d.load.connections))),
        row("messages per second at peak", deployed(lambda d: short(d.load.messages))),
        row("gateways × vCPUs", deployed(
            lambda d: f"{d.gateways:,} × {d.scenario.gateway_vcpus:g}")),
        row("messaging instances × vCPUs", deployed(
            lambda d: f"{d.messaging:,} × {d.scenario.messaging_vcpus:g}")),
        row("partitions", deployed(lambda d: f"{d.partitions:,}")),
        row("shards × node type", deployed(
            lambda d: f"{d.shards} × {d.node.name.removeprefix('cache.')}")),
        row(f"nodes of Redis with replicas (of {NODES_PER_CLUSTER})", deployed(
            lambda d: f"{d.nodes:,}")),
        row("vCPUs used: gateways, messaging, Redis", deployed(_vcpus)),
        row("memory of keys", deployed(lambda d: memory(d.load.keys_bytes))),
        row("commands per second and primary", deployed(
            lambda d: short(d.redis_commands / d.shards))),
        row("… of which coordination", deployed(
            lambda d: f"{100 * d.coordination_commands / d.redis_commands:.0f} %")),
        row(f"durable log per primary (of {DURABLE_BYTES_PER_SECOND // MIB} MiB/s)", deployed(
            lambda d: f"{memory(d.durable_bytes_per_primary)}/s")),
        row(f"connections per node (of {CONNECTIONS_PER_NODE:,})", deployed(
            lambda d: f"{d.connections_per_node:,.0f}")),
        row("network of all Redis at peak", deployed(
            lambda d: f"{short(d.load.redis_bytes * 8)}bit/s")),
        row("load balancers pay for", lambda result: result.cost.balancer_dimension),
        row("to clients, mean", deployed(
            lambda d: f"{short(d.load.client_out_bytes * 8)}bit/s")),
    ]
    if any(result.cells > 1 for result in results):
        rows.insert(1, row("Connects (cells)", lambda result: str(result.cells)))
    return table(rows)


def _vcpus(deployment: Deployment) -> str:
    return ", ".join(
        f"{tier.vcpus:.2g}" if tier.vcpus < 10 else f"{tier.vcpus:.0f}"
        for tier in deployment.tiers if tier.name != "load balancer")


def costs(results: list[Result]) -> str:
    rows = [["US$ per month"] + [short(result.users) for result in results]]
    for part, name in (
        ("gateways", "gateways"), ("messaging", "messaging"), ("redis", "Redis"),
        ("loadBalancers", "load balancers"), ("dataOut", "data out"),
        ("betweenZones", "between zones"), ("observability", "logs, metrics, alarms"),
        ("network", "endpoints, secrets, zone"),
    ):
        rows.append([name] + [money(r.cells * r.cost.parts[part]) for r in results])
    rows.append(["all"] + [money(result.total) for result in results])
    rows.append(["cents per user"] + [f"{100 * result.per_user:.2g}" for result in results])
    return table(rows)


def bottlenecks(results: list[Result]) -> str:
    rows = [["first bottleneck of"] + [short(result.users) for result in results]]
    for index, tier in enumerate(results[0].deployment.tiers):
        cells = []
        for result in results:
            use = result.deployment.tiers[index].bottleneck
            cells.append(f"{use.resource} {100 * use.share:.0f} %")
        rows.append([tier.name] + cells)
    return table(rows)


def advice(results: list[Result]) -> str:
    seen: dict[tuple[str, str], None] = {}
    for result in results:
        for tier in result.deployment.tiers:
            seen[tier.name, tier.bottleneck.resource] = None
    return "\n".join(
        f"- {tier}, {resource}: {what_to_turn(tier, resource)}" for tier, resource in sorted(seen))


def ending(model: Model) -> str:
    users, reason = model.end()
    return (
        f"One Connect ends at {short(users)} users: {reason}. (ElastiCache takes "
        f"{NODES_PER_CLUSTER} nodes per cluster, on request.) Beyond that: several Connects, each "
        "with its own Redis and its share of the users; what is written from one to another is the app's to carry over.")


def text(model: Model, results: list[Result]) -> str:
    measured = model.measured
    unknown = "" if model.prices.durable_write_gib is not None else (
        " A price of ElastiCache's Durability is not known, and not in the sums.")
    parts = [
        f"Measured {measured.date} on {measured.machine}, Connect {measured.version} "
        f"({measured.commit}). Prices of {model.prices.date}, {model.prices.region}, list, to be "
        f"checked.{unknown}",
        deployments(results),
        costs(results),
        "Per cent of what is allowed at peak (--list: *_target); at 100 % the tier grows.\n\n"
        + bottlenecks(results),
        "What to turn:\n\n" + advice(results),
        f"A partition is given {short(_partition_target(model))} entries per second at most.",
        ending(model),
    ]
    for result in results:
        if result.cells > 1:
            parts.append(
                f"{short(result.users)} users need {result.cells} Connects: {result.beyond}.")
    return "\n\n".join(parts)


def _partition_target(model: Model) -> float:
    return partition_limit(model.scenario, model.measured) * model.scenario.limit_target


def document(model: Model, results: list[Result]) -> dict[str, Any]:
    """All of it for programs."""
    end, reason = model.end()
    return {
        "measurements": {
            "date": model.measured.date, "version": model.measured.version,
            "commit": model.measured.commit, "machine": model.measured.machine},
        "prices": {"date": model.prices.date, "region": model.prices.region},
        "scenario": asdict(model.scenario),
        "end": {"users": end, "reason": reason},
        "results": [_result(result) for result in results],
    }


def _result(result: Result) -> dict[str, Any]:
    deployment = result.deployment
    return {
        "users": result.users,
        "cells": result.cells,
        "beyond": result.beyond,
        "load": asdict(deployment.load),
        "gateways": deployment.gateways,
        "gatewayVCPUs": deployment.scenario.gateway_vcpus,
        "messagingVCPUs": deployment.scenario.messaging_vcpus,
        "messaging": deployment.messaging,
        "partitions": deployment.partitions,
        "shards": deployment.shards,
        "nodeType": deployment.node.name,
        "nodes": deployment.nodes,
        "loadBalancers": deployment.load_balancers,
        "connectionsPerNode": deployment.connections_per_node,
        "redisCommandsPerSecond": deployment.redis_commands,
        "coordinationCommandsPerSecond": deployment.coordination_commands,
        "durableBytesPerSecondAndPrimary": deployment.durable_bytes_per_primary,
        "tiers": {
            tier.name: {
                "bottleneck": tier.bottleneck.resource,
                "vcpus": tier.vcpus,
                "uses": {use.resource: use.share for use in tier.uses},
                "turn": what_to_turn(tier.name, tier.bottleneck.resource)}
            for tier in deployment.tiers
        },
        "balancerPaidFor": result.cost.balancer_dimension,
        "costPerMonth": {**result.cost.parts, "all": result.cost.total},
        "totalPerMonth": result.total,
        "perUserAndMonth": result.per_user,
    }


def parameters(scenario: Scenario) -> str:
    rows = [["parameter", "value", "meaning", "source"]]
    for item in fields(scenario):
        value = getattr(scenario, item.name)
        rows.append([
            item.name, value if isinstance(value, str) else f"{value:g}",
            item.metadata["meaning"], item.metadata["source"]])
    return table(rows)
