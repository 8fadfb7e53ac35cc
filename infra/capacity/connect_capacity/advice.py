"""What to turn when a resource of a tier is the first to run out."""

from __future__ import annotations

WHAT_TO_TURN: dict[tuple[str, str], str] = {
    ("load balancer", "targets"):
        "a second load balancer (weighted names), a higher quota, or fewer, larger gateways",
    ("gateway", "connections"):
        "more gateways, or more per gateway if a larger herd is acceptable when one dies",
    ("gateway", "CPU"): "more gateways, or more vCPUs each",
    ("gateway", "memory"): "more memory per task: it is the cheap part",
    ("messaging", "CPU"): "more instances, up to one per partition, or more vCPUs each",
    ("messaging", "partitions"): "--partitions, before the first start: they are part of the data",
    ("messaging", "CPU of a partition"):
        "--partitions, before the first start; faster processors",
    ("redis", "memory"):
        "--history-limit and --retention-days; stream-node-max-bytes 4096 for full mailboxes; "
        "larger nodes, then more shards",
    ("redis", "CPU"):
        "more shards: commands run on one processor of each; --ping-seconds, for idle connections",
    ("redis", "durable log"): "more shards; smaller bodies",
    ("redis", "network"): "larger nodes, or more shards",
    ("redis", "connections"):
        "fewer, larger gateways (each has a connection per core to every primary)",
}


def what_to_turn(tier: str, resource: str) -> str:
    return WHAT_TO_TURN[tier, resource]
