"""The availability zones of a deployment: chosen once, and kept from then on."""

from __future__ import annotations

from .cli import Aws, Failure, Refused, say

# Left out, by id: which name has which id depends on the account. Each with the reason.
UNFIT_ZONES = {
    "use1-az3": "no Fargate on ARM (ECS guide, 64-bit ARM workloads), and hardly a Graviton node",
    "usw1-az2": "no Fargate (ECS guide, Regions of Fargate)",
    "apne1-az3": "no Fargate (ECS guide, Regions of Fargate)",
}


def choose_zones(aws: Aws, wanted: int) -> str:
    """The names of as many zones as wanted, with commas."""
    try:
        answer = aws.ask(
            "ec2", "describe-availability-zones",
            "--filters", "Name=zone-type,Values=availability-zone", "Name=state,Values=available",
        )
    except Refused as refused:
        raise Failure(
            f"you may not look up the zones of {aws.region} (ec2:DescribeAvailabilityZones): {refused}"
        ) from None
    zones = sorted((zone["ZoneId"], zone["ZoneName"]) for zone in answer["AvailabilityZones"])
    fit = [(identity, name) for identity, name in zones if identity not in UNFIT_ZONES]
    for identity, name in zones:
        if identity in UNFIT_ZONES:
            say(f"Left out: {name} ({identity}), {UNFIT_ZONES[identity]}.")
    if len(fit) < wanted:
        lower = f"lower that to {len(fit)}, or take" if len(fit) > 1 else "take"
        raise Failure(
            f"{aws.region} has {len(fit)} availability zones for your account that have all that is needed, and "
            f"Zones={wanted}: {lower} another Region"
        )
    return ",".join(name for _, name in fit[:wanted])


def require_kept(kept: str, wanted: int) -> None:
    """Ends if the number of zones is another than that with which the network was made."""
    count = len(kept.split(","))
    if count != wanted:
        raise Failure(
            f"Zones={wanted}, but this deployment was made in {count} zones ({kept}), which cannot be changed: "
            f"give Zones={count}, or make a deployment with another --stack"
        )
