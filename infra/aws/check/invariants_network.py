"""Invariants of the network: who may reach whom."""

from __future__ import annotations

from collections.abc import Iterator

from .evaluate import Deployment, Resource
from .invariant import as_list, invariant
from .project import Project

_WORLD = ("CidrIp", "CidrIpv6")
# Replaces EC2's rule that lets everything out.
_NOTHING = "127.0.0.1/32"
# Apps, their redirect, gateways, the API of messaging, Redis. No management port.
_PORTS = {443, 80, 8080, 8090, 6379}


def _ingress(deployment: Deployment) -> Iterator[tuple[str, str, dict]]:
    """All rules of what comes in: where it is written, the group's token, the rule."""
    for group in deployment.of("EC2::SecurityGroup"):
        for rule in as_list(group.get("SecurityGroupIngress")):
            yield group.path, group.token, rule
    for rule in deployment.of("EC2::SecurityGroupIngress"):
        yield rule.path, str(rule.get("GroupId")), rule.properties


def _egress(deployment: Deployment) -> Iterator[tuple[str, dict]]:
    for group in deployment.of("EC2::SecurityGroup"):
        for rule in as_list(group.get("SecurityGroupEgress")):
            yield group.path, rule
    for rule in deployment.of("EC2::SecurityGroupEgress"):
        yield rule.path, rule.properties


def _default_routes(deployment: Deployment, kind: str) -> set[str]:
    """The tokens of the subnets whose table has a route to a gateway of this kind."""
    tables = {
        route.get("RouteTableId") for route in deployment.of("EC2::Route") if route.get(kind)
    }
    return {
        association.get("SubnetId")
        for association in deployment.of("EC2::SubnetRouteTableAssociation")
        if association.get("RouteTableId") in tables
    }


def private_users(deployment: Deployment) -> Iterator[tuple[Resource, list]]:
    """What belongs into private subnets, and the subnets that it is in."""
    for service in deployment.of("ECS::Service"):
        yield service, service.get("NetworkConfiguration")["AwsvpcConfiguration"]["Subnets"]
    for group in deployment.of("ElastiCache::SubnetGroup"):
        yield group, group.get("SubnetIds")
    for endpoint in deployment.of("EC2::VPCEndpoint"):
        yield endpoint, endpoint.get("SubnetIds", [])
    for balancer in deployment.of("ElasticLoadBalancingV2::LoadBalancer"):
        if balancer.get("Scheme") == "internal":
            yield balancer, balancer.get("Subnets")


@invariant
def only_https_and_its_redirect_are_open_to_the_world(
    deployment: Deployment, project: Project
) -> Iterator[str]:
    """Nothing is open to the world but port 443 of the ALB, and its port 80, which only redirects."""
    public = {
        group
        for balancer in deployment.of("ElasticLoadBalancingV2::LoadBalancer")
        if balancer.get("Scheme") == "internet-facing"
        for group in balancer.get("SecurityGroups", [])
    }
    for path, group, rule in _ingress(deployment):
        if not any(rule.get(key) for key in _WORLD):
            continue
        ports = (rule.get("FromPort"), rule.get("ToPort"))
        if group not in public:
            yield f"{path} is open to {rule.get('CidrIp') or rule.get('CidrIpv6')}"
        elif ports not in ((443, 443), (80, 80)) or rule.get("IpProtocol") != "tcp":
            yield f"{path} opens ports {ports[0]} to {ports[1]} to the world"
    for listener in deployment.of("ElasticLoadBalancingV2::Listener"):
        if listener.get("Port") != 80:
            continue
        for action in listener.get("DefaultActions"):
            if action["Type"] != "redirect" or action["RedirectConfig"].get("Protocol") != "HTTPS":
                yield f"{listener.path} does more than redirect to HTTPS"


@invariant
def every_other_rule_names_a_group(deployment: Deployment, project: Project) -> Iterator[str]:
    """Whatever is not open to the world names the security group on the other side; only for AWS, the
    prefix list of S3, or with NAT any HTTPS, is allowed as a destination."""
    nat = bool(deployment.of("EC2::NatGateway"))
    groups = {group.token for group in deployment.of("EC2::SecurityGroup")}
    for path, _, rule in _ingress(deployment):
        if any(rule.get(key) for key in _WORLD):
            continue
        if rule.get("SourceSecurityGroupId") not in groups:
            yield f"{path} lets in what is not a group of this stack: {rule}"
    for group in deployment.of("EC2::SecurityGroup"):
        if not group.get("SecurityGroupEgress"):
            yield f"{group.path} says nothing of what goes out, so everything may"
    for path, rule in _egress(deployment):
        if rule.get("CidrIp") == _NOTHING or str(rule.get("DestinationPrefixListId", "")).startswith("pl-"):
            continue
        if nat and rule.get("CidrIp") and (rule["FromPort"], rule["ToPort"]) == (443, 443):
            continue
        if rule.get("DestinationSecurityGroupId") not in groups:
            yield f"{path} lets out to what is not a group of this stack: {rule}"


@invariant
def rules_open_single_known_ports(deployment: Deployment, project: Project) -> Iterator[str]:
    """A rule opens one port, and one that Connect or AWS uses; management ports are open to nobody."""
    rules = [(path, rule) for path, _, rule in _ingress(deployment)] + list(_egress(deployment))
    for path, rule in rules:
        if rule.get("CidrIp") == _NOTHING:
            continue
        if rule.get("FromPort") != rule.get("ToPort") or rule.get("FromPort") not in _PORTS:
            yield f"{path} opens ports {rule.get('FromPort')} to {rule.get('ToPort')}"


@invariant
def redis_is_reached_by_the_services_alone(deployment: Deployment, project: Project) -> Iterator[str]:
    """Redis lets in the groups of the two services, and nobody else."""
    redis = {
        group
        for cluster in deployment.of("ElastiCache::ReplicationGroup")
        for group in cluster.get("SecurityGroupIds")
    }
    services = {
        group
        for service in deployment.of("ECS::Service")
        for group in service.get("NetworkConfiguration")["AwsvpcConfiguration"]["SecurityGroups"]
    }
    allowed: set[str] = set()
    for path, group, rule in _ingress(deployment):
        if group in redis:
            allowed.add(rule.get("SourceSecurityGroupId"))
            if rule.get("SourceSecurityGroupId") not in services:
                yield f"{path} lets others than the services reach Redis"
    for group in sorted(services - allowed):
        yield f"{group} cannot reach Redis"


@invariant
def services_and_redis_are_in_private_subnets(deployment: Deployment, project: Project) -> Iterator[str]:
    """Tasks, Redis, endpoints and the internal load balancer are in private subnets, without public
    addresses."""
    public = _default_routes(deployment, "GatewayId")
    for resource, subnets in private_users(deployment):
        for subnet in subnets:
            if subnet in public:
                yield f"{resource.path} is in {subnet}, which is public"
    for service in deployment.of("ECS::Service"):
        if service.get("NetworkConfiguration")["AwsvpcConfiguration"].get("AssignPublicIp") != "DISABLED":
            yield f"{service.path} gives its tasks public addresses"


@invariant
def private_subnets_have_no_route_to_an_internet_gateway(
    deployment: Deployment, project: Project
) -> Iterator[str]:
    """No subnet but those of the ALB has a route to an internet gateway or gives out public addresses."""
    alb = {
        subnet
        for balancer in deployment.of("ElasticLoadBalancingV2::LoadBalancer")
        if balancer.get("Scheme") == "internet-facing"
        for subnet in balancer.get("Subnets")
    }
    for subnet in sorted(_default_routes(deployment, "GatewayId") - alb):
        yield f"{subnet} has a route to an internet gateway"
    for subnet in deployment.of("EC2::Subnet"):
        if subnet.get("MapPublicIpOnLaunch") is not False:
            yield f"{subnet.path} gives out public addresses"


@invariant
def only_the_alb_is_public(deployment: Deployment, project: Project) -> Iterator[str]:
    """One load balancer faces the internet, the ALB; public addresses are for NAT alone."""
    for balancer in deployment.of("ElasticLoadBalancingV2::LoadBalancer"):
        if balancer.get("Scheme") != "internal" and balancer.get("Type") != "application":
            yield f"{balancer.path} faces the internet"
    addresses = {gateway.get("AllocationId") for gateway in deployment.of("EC2::NatGateway")}
    for address in deployment.of("EC2::EIP"):
        if f"<{address.path}.AllocationId>" not in addresses:
            yield f"{address.path} is a public address without NAT"


@invariant
def everything_is_in_two_zones_or_more(deployment: Deployment, project: Project) -> Iterator[str]:
    """Load balancers, services and Redis are in subnets of at least two availability zones."""
    everywhere = list(private_users(deployment)) + [
        (balancer, balancer.get("Subnets"))
        for balancer in deployment.of("ElasticLoadBalancingV2::LoadBalancer")
    ]
    for resource, subnets in everywhere:
        zones = {
            subnet.get("AvailabilityZone") for subnet in map(deployment.resource, subnets) if subnet
        }
        if subnets and len(zones) < 2:
            yield f"{resource.path} is in {len(zones)} zone"


@invariant
def the_way_to_s3_is_for_images_unless_there_is_nat(deployment: Deployment, project: Project) -> Iterator[str]:
    """Without NAT the endpoint of S3 leads to the layers of images alone; with NAT to all of S3, since
    what a task asks of S3 takes the endpoint then as well."""
    nat = bool(deployment.of("EC2::NatGateway"))
    for endpoint in deployment.of("EC2::VPCEndpoint"):
        if endpoint.get("VpcEndpointType") != "Gateway":
            continue
        resources = [
            resource
            for statement in (endpoint.get("PolicyDocument") or {}).get("Statement", [])
            for resource in as_list(statement.get("Resource"))
        ]
        narrow = bool(resources) and all(item.endswith("-starport-layer-bucket/*") for item in resources)
        if narrow == nat:
            yield f"{endpoint.path} leads to {resources or 'everything'}"


@invariant
def tasks_reach_what_starts_them(deployment: Deployment, project: Project) -> Iterator[str]:
    """Without NAT there is an endpoint for each thing that Fargate asks of AWS, which takes over its
    name and lets the services in; ECS Exec has its own."""
    nat = bool(deployment.of("EC2::NatGateway"))
    endpoints = {
        endpoint.get("ServiceName").split(".", 3)[-1]: endpoint
        for endpoint in deployment.of("EC2::VPCEndpoint")
    }
    if nat:
        subnets = {subnet for _, users in private_users(deployment) for subnet in users}
        for subnet in sorted(subnets - _default_routes(deployment, "NatGatewayId")):
            yield f"{subnet} has no route to a NAT gateway"
        return
    needed = {"ecr.api", "ecr.dkr", "s3", "logs", "secretsmanager"}
    if any(service.get("EnableExecuteCommand") for service in deployment.of("ECS::Service")):
        needed.add("ssmmessages")
    for name in sorted(needed - set(endpoints)):
        yield f"there is no endpoint for {name}"
    allowed: dict[str, set] = {}
    for _, group, rule in _ingress(deployment):
        allowed.setdefault(group, set()).add(rule.get("SourceSecurityGroupId"))
    for name, endpoint in endpoints.items():
        if endpoint.get("VpcEndpointType") != "Interface":
            continue
        if endpoint.get("PrivateDnsEnabled") is not True:
            yield f"{endpoint.path} does not take over the name of {name}"
        sources = set().union(*(allowed.get(group, set()) for group in endpoint.get("SecurityGroupIds")))
        for service in deployment.of("ECS::Service"):
            groups = service.get("NetworkConfiguration")["AwsvpcConfiguration"]["SecurityGroups"]
            if not sources & set(groups):
                yield f"{service.path} cannot reach {endpoint.path}"
