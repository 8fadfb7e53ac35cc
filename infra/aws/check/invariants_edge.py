"""Invariants of what apps and backends reach: load balancers, TLS, and how a gateway leaves."""

from __future__ import annotations

from collections.abc import Iterator

from .evaluate import Deployment
from .invariant import attributes, invariant
from .invariants_services import containers, environment, most
from .project import STOP_SECONDS, Project

# Policies that take TLS 1.2 and 1.3, and nothing older.
_TLS_POLICIES = {
    "ELBSecurityPolicy-TLS13-1-2-2021-06",
    "ELBSecurityPolicy-TLS13-1-2-Res-2021-06",
    "ELBSecurityPolicy-TLS13-1-3-2021-06",
}
# Seconds beyond which a deployment would wait for nothing.
_LONGEST_DEREGISTRATION = 300
# Seconds for which a device may be bound to a gateway that refuses it.
_LONGEST_STICKINESS = 60


def _gateway_targets(deployment: Deployment) -> Iterator:
    for service in deployment.of("ECS::Service"):
        for container in containers(deployment, service):
            if container["Name"] == "gateway":
                for balancer in service.get("LoadBalancers", []):
                    yield deployment.resource(balancer["TargetGroupArn"]), environment(container)


@invariant
def tls_is_1_2_or_newer(deployment: Deployment, project: Project) -> Iterator[str]:
    """Every listener ends TLS 1.2 or 1.3 with a certificate, but that of port 80."""
    for listener in deployment.of("ElasticLoadBalancingV2::Listener"):
        if listener.get("Port") == 80:
            continue
        if listener.get("Protocol") not in ("HTTPS", "TLS"):
            yield f"{listener.path} speaks {listener.get('Protocol')}"
        elif listener.get("SslPolicy") not in _TLS_POLICIES:
            yield f"{listener.path} has the policy {listener.get('SslPolicy')}"
        elif not all(item.get("CertificateArn") for item in listener.get("Certificates", [])):
            yield f"{listener.path} has no certificate"


@invariant
def idle_timeout_is_twice_the_ping_period(deployment: Deployment, project: Project) -> Iterator[str]:
    """The ALB keeps an idle socket for at least two of the longest ping periods that may be set, so that a
    late ping cuts nothing."""
    for balancer in deployment.of("ElasticLoadBalancingV2::LoadBalancer"):
        if balancer.get("Type") != "application":
            continue
        idle = int(attributes(balancer.get("LoadBalancerAttributes"))["idle_timeout.timeout_seconds"])
        ping = most(deployment, "PingSeconds")
        if idle < 2 * ping:
            yield f"{balancer.path} cuts after {idle} s, gateways may ping every {ping} s"


@invariant
def deregistration_delay_covers_the_drain(deployment: Deployment, project: Project) -> Iterator[str]:
    """The ALB leaves a gateway's sockets alone for no less than the longest drain that may be set and 10 s,
    so that no order of deregistration and SIGTERM cuts what is being drained; and not beyond 300 s."""
    for group, _ in _gateway_targets(deployment):
        values = attributes(group.get("TargetGroupAttributes"))
        delay = int(values.get("deregistration_delay.timeout_seconds", 300))
        needed = most(deployment, "DrainSeconds") + STOP_SECONDS
        if not needed <= delay <= _LONGEST_DEREGISTRATION:
            yield f"{group.path} waits for {delay} s, a gateway needs {needed} s"


@invariant
def load_balancers_ask_healthz(deployment: Deployment, project: Project) -> Iterator[str]:
    """Load balancers ask /healthz, never /readyz: an outage of Redis must not take all sockets away."""
    for group in deployment.of("ElasticLoadBalancingV2::TargetGroup"):
        if group.get("HealthCheckProtocol") != "HTTP" or group.get("HealthCheckPath") != "/healthz":
            yield f"{group.path} asks {group.get('HealthCheckPath')}"
        if group.get("HealthCheckPort") != "traffic-port":
            yield f"{group.path} asks port {group.get('HealthCheckPort')}, which is open to nobody"


@invariant
def sessions_stick_to_gateways(deployment: Deployment, project: Project) -> Iterator[str]:
    """A device that reconnects soon comes back to its gateway, by the ALB's cookie; after a minute it may
    go to any, so that none stays with one that refuses it."""
    for group, _ in _gateway_targets(deployment):
        values = attributes(group.get("TargetGroupAttributes"))
        if values.get("stickiness.enabled") != "true" or values.get("stickiness.type") != "lb_cookie":
            yield f"{group.path} has no stickiness"
        seconds = int(values.get("stickiness.lb_cookie.duration_seconds", 86400))
        if seconds > _LONGEST_STICKINESS:
            yield f"{group.path} binds devices for {seconds} s"


@invariant
def no_gateway_draws_connections_by_refusing(deployment: Deployment, project: Project) -> Iterator[str]:
    """The ALB sends new connections in turn: by the fewest requests, a gateway that refuses at once would
    get nearly all; and weights cannot be had together with stickiness."""
    for group, _ in _gateway_targets(deployment):
        values = attributes(group.get("TargetGroupAttributes"))
        algorithm = values.get("load_balancing.algorithm.type", "round_robin")
        if algorithm != "round_robin":
            yield f"{group.path} chooses by {algorithm}"


@invariant
def access_logs_are_kept_in_private(deployment: Deployment, project: Project) -> Iterator[str]:
    """Load balancers log to a bucket that is encrypted, not public, asked by TLS only, and expires."""
    for balancer in deployment.of("ElasticLoadBalancingV2::LoadBalancer"):
        values = attributes(balancer.get("LoadBalancerAttributes"))
        bucket = deployment.resource(values.get("access_logs.s3.bucket"))
        if values.get("access_logs.s3.enabled") != "true" or bucket is None:
            yield f"{balancer.path} keeps no access log"
    policies = {policy.get("Bucket"): policy for policy in deployment.of("S3::BucketPolicy")}
    for bucket in deployment.of("S3::Bucket"):
        if not all((bucket.get("PublicAccessBlockConfiguration") or {}).get(key) is True for key in (
            "BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets",
        )):
            yield f"{bucket.path} may become public"
        if not bucket.get("BucketEncryption"):
            yield f"{bucket.path} is not encrypted"
        rules = (bucket.get("LifecycleConfiguration") or {}).get("Rules", [])
        if not any(rule.get("ExpirationInDays") for rule in rules):
            yield f"{bucket.path} keeps logs for ever"
        statements = policies[bucket.token].get("PolicyDocument")["Statement"] if bucket.token in policies else []
        if not any(
            statement["Effect"] == "Deny" and "aws:SecureTransport" in str(statement.get("Condition"))
            for statement in statements
        ):
            yield f"{bucket.path} answers without TLS"


@invariant
def certificates_are_for_both_names(deployment: Deployment, project: Project) -> Iterator[str]:
    """A certificate that is made here is validated by DNS and is for the public name and that of the
    internal API."""
    domain = deployment.parameters["DomainName"]
    for certificate in deployment.of("CertificateManager::Certificate"):
        names = {certificate.get("DomainName"), *certificate.get("SubjectAlternativeNames", [])}
        if certificate.get("ValidationMethod") != "DNS" or names != {domain, f"messaging.{domain}"}:
            yield f"{certificate.path} is for {sorted(names)}"
        validated = {
            option["DomainName"]
            for option in certificate.get("DomainValidationOptions", [])
            if option.get("HostedZoneId")
        }
        for name in sorted(names - validated):
            yield f"{certificate.path}: nobody would validate {name}"


@invariant
def the_internal_api_stays_internal(deployment: Deployment, project: Project) -> Iterator[str]:
    """The NLB is internal, its name is in a zone of this VPC only, and its target is the API's port."""
    vpcs = {vpc.token for vpc in deployment.of("EC2::VPC")}
    balancers = [
        balancer
        for balancer in deployment.of("ElasticLoadBalancingV2::LoadBalancer")
        if balancer.get("Type") == "network"
    ]
    if not balancers:
        yield "there is no NLB"
    for balancer in balancers:
        if balancer.get("Scheme") != "internal" or not balancer.get("SecurityGroups"):
            yield f"{balancer.path} is not internal, or has no security group"
    zones = {zone.token: zone for zone in deployment.of("Route53::HostedZone")}
    for zone in zones.values():
        if {item["VPCId"] for item in zone.get("VPCs", [])} - vpcs or not zone.get("VPCs"):
            yield f"{zone.path} is not private"
    for record in deployment.of("Route53::RecordSet"):
        target = deployment.resource(record.get("AliasTarget")["DNSName"])
        if target in balancers and record.get("HostedZoneId") not in zones:
            yield f"{record.path} tells the world of the internal API"
