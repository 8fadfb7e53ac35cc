"""A look at DNS before anything is made: what is wrong there shows hours later as a certificate that
waits, or as a record that cannot be made when all else is.
"""

from __future__ import annotations

from typing import Any

from .cli import Aws, Failure, Refused, say
from .dns import CAA, NS, SERVER_FAILURE, Resolver, Unanswered

# AWS's own authorities, as a CAA record has to name one of them (ACM guide, "Configure a CAA record").
_AUTHORITIES = ("amazon.com", "amazontrust.com", "awstrust.com", "amazonaws.com")
_SKIP = "if you know better, --skip-dns"


def require_names(aws: Aws, resolver: Resolver, domain: str, zone_id: str, makes_certificate: bool) -> None:
    """Ends with what stands in the way of the records of DOMAIN, and of its certificate."""
    zone, servers = _zone(aws, zone_id)
    if domain != zone and not domain.endswith(f".{zone}"):
        raise Failure(
            f"DomainName={domain} is not in the hosted zone {zone_id}, which is that of {zone}: correct one of them"
        )
    _require_delegation(resolver, zone, servers, zone_id)
    _require_no_other_zone(resolver, domain, zone, zone_id)
    if makes_certificate:
        for name in (domain, f"messaging.{domain}"):
            _require_authority(resolver, name)
    _require_no_record(aws, domain, zone_id)
    say(f"DNS: {zone} is delegated to Route 53, and {domain} is free there.")


def _zone(aws: Aws, zone_id: str) -> tuple[str, list[str]]:
    """The name of a public hosted zone, and its name servers."""
    try:
        answer: dict[str, Any] = aws.ask("route53", "get-hosted-zone", "--id", zone_id)
    except Refused as refused:
        if refused.code == "NoSuchHostedZone":
            raise Failure(
                f"HostedZoneId={zone_id}: this account has no such hosted zone; 'aws route53 list-hosted-zones' "
                "lists those that it has"
            ) from None
        raise Failure(
            f"you may not look at the hosted zone {zone_id} (route53:GetHostedZone): {refused}; {_SKIP}"
        ) from None
    name = _plain(answer["HostedZone"]["Name"])
    if answer["HostedZone"].get("Config", {}).get("PrivateZone"):
        raise Failure(f"HostedZoneId={zone_id} is a private zone of {name}: give the public one, or make it")
    return name, [_plain(server) for server in answer["DelegationSet"]["NameServers"]]


def _plain(name: str) -> str:
    return name.rstrip(".").lower()


def _require_delegation(resolver: Resolver, zone: str, servers: list[str], zone_id: str) -> None:
    wanted = ", ".join(sorted(servers))
    where = f"Set these at the registrar of {zone}, or as its NS records in the zone above: {wanted}"
    try:
        found = sorted({record.value for record in resolver.records(zone, NS) if record.owner == zone})
    except Unanswered as unanswered:
        if unanswered.code != SERVER_FAILURE:
            raise
        raise Failure(
            f"{zone} is delegated, but not to name servers that answer for it (SERVFAIL), as after a hosted zone was "
            f"deleted and made again, or with a DS record of before. {where}; remove such a DS record; then deploy "
            f"again. If only your resolver is at fault, name another with --resolver ADDRESS; {_SKIP}"
        ) from None
    if not found:
        raise Failure(
            f"{zone} is not delegated: public DNS has no name servers for it, so nobody would find {zone_id}, "
            f"and no certificate would be issued. {where}; then deploy again. What resolvers remember of before "
            f"may take hours to expire; {_SKIP}"
        )
    if not set(found) <= set(servers):
        raise Failure(
            f"{zone} is delegated to {', '.join(found)}, which is not the hosted zone {zone_id}: records that are "
            f"made there would not be seen. {where}; or give the HostedZoneId of the zone that is delegated to; {_SKIP}"
        )


def _require_no_other_zone(resolver: Resolver, domain: str, zone: str, zone_id: str) -> None:
    """A name between the two may be delegated further, which hides what the zone has of it."""
    name = domain
    while name != zone:
        if any(record.owner == name for record in resolver.records(name, NS)):
            raise Failure(
                f"{name} has name servers of its own, so {zone} does not decide about {domain}: give the "
                f"HostedZoneId of {name} rather than {zone_id}; {_SKIP}"
            )
        name = name.partition(".")[2]


def _require_authority(resolver: Resolver, domain: str) -> None:
    """The records of the name itself count, or else those of the nearest name above that has any."""
    name = domain
    while name:
        records = resolver.records(name, CAA)
        if records:
            break
        name = name.partition(".")[2]
    else:
        return
    allowed = [record.value.partition(";")[0].strip().lower() for record in records if record.tag == "issue"]
    if allowed and not set(allowed) & set(_AUTHORITIES):
        only = " and ".join(sorted(authority or "nobody" for authority in set(allowed)))
        raise Failure(
            f"the CAA records of {name} let only {only} issue certificates, so ACM would get none for {domain}: "
            f"add the record '{name}. CAA 0 issue \"amazon.com\"', or give CertificateArn; {_SKIP}"
        )


def _require_no_record(aws: Aws, domain: str, zone_id: str) -> None:
    try:
        answer = aws.ask(
            "route53", "list-resource-record-sets", "--hosted-zone-id", zone_id,
            "--start-record-name", domain, "--max-items", "20",
        )
    except Refused as refused:
        raise Failure(
            f"you may not look at the records of {zone_id} (route53:ListResourceRecordSets): {refused}; {_SKIP}"
        ) from None
    for record in answer["ResourceRecordSets"]:
        if _plain(record["Name"]) == domain and record["Type"] in ("A", "AAAA", "CNAME"):
            raise Failure(
                f"the hosted zone {zone_id} has a record {record['Type']} of {domain} already, which this "
                "deployment would have to replace: delete it (Route 53 in the console, or 'aws route53 "
                f"change-resource-record-sets'), or take another DomainName; {_SKIP}"
            )
