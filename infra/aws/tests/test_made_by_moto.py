"""What the templates describe is made through AWS's own interfaces, in moto, a stand-in for AWS, as far
as that has them. Not by its CloudFormation, which skips what it does not know without a word.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from check.evaluate import REGION, Deployment, Resource


class Account:
    """An empty account, and what was made in it: what AWS calls it, by the token of its resource."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self.made: dict[str, Any] = {}
        self.registered: dict[str, dict[str, Any]] = {}
        self.ec2 = boto3.client("ec2", REGION)
        self.elb = boto3.client("elbv2", REGION)
        self.iam = boto3.client("iam", REGION)
        self.ecs = boto3.client("ecs", REGION)
        self.logs = boto3.client("logs", REGION)
        self.secrets = boto3.client("secretsmanager", REGION)

    def real(self, value: Any) -> Any:
        """A value in which tokens have become what was made."""
        if isinstance(value, list):
            return [self.real(item) for item in value]
        if isinstance(value, dict):
            return {key: self.real(item) for key, item in value.items()}
        if isinstance(value, str):
            for token, identity in self.made.items():
                value = value.replace(token, identity)
        return value

    def network(self) -> None:
        for vpc in self.deployment.of("EC2::VPC"):
            made = self.ec2.create_vpc(CidrBlock=vpc.get("CidrBlock"))["Vpc"]
            self.made[vpc.token] = made["VpcId"]
        for subnet in self.deployment.of("EC2::Subnet"):
            made = self.ec2.create_subnet(
                VpcId=self.real(subnet.get("VpcId")), CidrBlock=subnet.get("CidrBlock"),
                AvailabilityZone=subnet.get("AvailabilityZone"),
            )["Subnet"]
            self.made[subnet.token] = made["SubnetId"]
        for gateway in self.deployment.of("EC2::InternetGateway"):
            made = self.ec2.create_internet_gateway()["InternetGateway"]
            self.made[gateway.token] = made["InternetGatewayId"]
        for attachment in self.deployment.of("EC2::VPCGatewayAttachment"):
            self.ec2.attach_internet_gateway(**self.real(attachment.properties))
        for table in self.deployment.of("EC2::RouteTable"):
            made = self.ec2.create_route_table(VpcId=self.real(table.get("VpcId")))["RouteTable"]
            self.made[table.token] = made["RouteTableId"]
        for address in self.deployment.of("EC2::EIP"):
            made = self.ec2.allocate_address(Domain="vpc")
            self.made[f"<{address.path}.AllocationId>"] = made["AllocationId"]
        for nat in self.deployment.of("EC2::NatGateway"):
            made = self.ec2.create_nat_gateway(**self.real(nat.properties))["NatGateway"]
            self.made[nat.token] = made["NatGatewayId"]
        for route in self.deployment.of("EC2::Route"):
            self.ec2.create_route(**self.real(route.properties))
        for association in self.deployment.of("EC2::SubnetRouteTableAssociation"):
            self.ec2.associate_route_table(**self.real(association.properties))

    def groups(self) -> None:
        groups = self.deployment.of("EC2::SecurityGroup")
        for group in groups:
            made = self.ec2.create_security_group(
                GroupName=group.path, Description=group.get("GroupDescription"),
                VpcId=self.real(group.get("VpcId")),
            )
            self.made[group.token] = made["GroupId"]
            everything = self.ec2.describe_security_groups(GroupIds=[made["GroupId"]])
            self.ec2.revoke_security_group_egress(
                GroupId=made["GroupId"], IpPermissions=everything["SecurityGroups"][0]["IpPermissionsEgress"]
            )
        for group in groups:
            for rule in group.get("SecurityGroupEgress", []):
                self.ec2.authorize_security_group_egress(
                    GroupId=self.made[group.token], IpPermissions=[self.permission(rule)])
            for rule in group.get("SecurityGroupIngress", []):
                self.ec2.authorize_security_group_ingress(
                    GroupId=self.made[group.token], IpPermissions=[self.permission(rule)])
        for rule in self.deployment.of("EC2::SecurityGroupIngress"):
            self.ec2.authorize_security_group_ingress(
                GroupId=self.real(rule.get("GroupId")), IpPermissions=[self.permission(rule.properties)])

    def permission(self, rule: dict[str, Any]) -> dict[str, Any]:
        rule = self.real(rule)
        made: dict[str, Any] = {"IpProtocol": rule["IpProtocol"]}
        if rule["IpProtocol"] != "-1":
            made |= {"FromPort": rule["FromPort"], "ToPort": rule["ToPort"]}
        group = rule.get("SourceSecurityGroupId") or rule.get("DestinationSecurityGroupId")
        if group:
            made["UserIdGroupPairs"] = [{"GroupId": group, "Description": rule["Description"]}]
        elif rule.get("DestinationPrefixListId"):
            made["PrefixListIds"] = [{"PrefixListId": rule["DestinationPrefixListId"]}]
        else:
            made["IpRanges"] = [{"CidrIp": rule["CidrIp"], "Description": rule["Description"]}]
        return made

    def balancers(self) -> None:
        for balancer in self.deployment.of("ElasticLoadBalancingV2::LoadBalancer"):
            made = self.elb.create_load_balancer(
                Name=balancer.path.replace("/", "-"), Type=balancer.get("Type"), Scheme=balancer.get("Scheme"),
                Subnets=self.real(balancer.get("Subnets")), SecurityGroups=self.real(balancer.get("SecurityGroups")),
            )["LoadBalancers"][0]
            self.made[balancer.token] = made["LoadBalancerArn"]
        for group in self.deployment.of("ElasticLoadBalancingV2::TargetGroup"):
            properties = self.real(group.properties)
            attributes = properties.pop("TargetGroupAttributes")
            made = self.elb.create_target_group(Name=group.path.replace("/", "-"), **properties)["TargetGroups"][0]
            self.made[group.token] = made["TargetGroupArn"]
            self.elb.modify_target_group_attributes(TargetGroupArn=made["TargetGroupArn"], Attributes=attributes)
        for certificate in self.deployment.of("CertificateManager::Certificate"):
            made = boto3.client("acm", REGION).request_certificate(DomainName=certificate.get("DomainName"))
            self.made[certificate.token] = made["CertificateArn"]
        for listener in self.deployment.of("ElasticLoadBalancingV2::Listener"):
            self.elb.create_listener(**self.real(listener.properties))

    def secrets_and_logs(self) -> None:
        for secret in self.deployment.of("SecretsManager::Secret"):
            rule = secret.get("GenerateSecretString")
            password = self.secrets.get_random_password(**rule)["RandomPassword"]
            made = self.secrets.create_secret(
                Name=secret.path, Description=secret.get("Description"), SecretString=password)
            self.made[secret.token] = made["ARN"]
        for group in self.deployment.of("Logs::LogGroup"):
            self.logs.create_log_group(logGroupName=group.get("LogGroupName"))
            self.logs.put_retention_policy(
                logGroupName=group.get("LogGroupName"), retentionInDays=int(group.get("RetentionInDays")))
            self.made[group.token] = group.get("LogGroupName")
            arn = self.logs.describe_log_groups(logGroupNamePrefix=group.get("LogGroupName"))["logGroups"][0]["arn"]
            self.made[f"<{group.path}.Arn>"] = arn

    def roles(self) -> None:
        for role in self.deployment.of("IAM::Role"):
            name = role.path.replace("/", "-")
            made = self.iam.create_role(
                RoleName=name, AssumeRolePolicyDocument=json.dumps(role.get("AssumeRolePolicyDocument")))["Role"]
            for policy in role.get("Policies", []):
                self.iam.put_role_policy(
                    RoleName=name, PolicyName=policy["PolicyName"],
                    PolicyDocument=json.dumps(self.real(policy["PolicyDocument"])))
            self.made[f"<{role.path}.Arn>"] = made["Arn"]

    def tasks(self) -> None:
        self.registered = {
            task.path: self.ecs.register_task_definition(**_lower(self.real(task.properties)))["taskDefinition"]
            for task in self.deployment.of("ECS::TaskDefinition")
        }


def _lower(value: Any, key: str = "") -> Any:
    """What ECS's interface wants: names that begin small, numbers as numbers, options as they are."""
    if isinstance(value, list):
        return [_lower(item, key) for item in value]
    if isinstance(value, dict):
        if key == "Options":
            return value
        return {name[0].lower() + name[1:]: _lower(item, name) for name, item in value.items()}
    return int(value) if key in ("StopTimeout", "SoftLimit", "HardLimit") else value


@pytest.fixture(scope="module", params=["default", "nat", "two zones"])
def account(request: pytest.FixtureRequest, deployments: dict[str, Deployment]) -> Iterator[Account]:
    """An account in which everything is made, in the order in which it is needed."""
    with pytest.MonkeyPatch.context() as environment, mock_aws():
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            environment.setenv(name, "testing")
        account = Account(deployments[request.param])
        account.network()
        account.groups()
        account.balancers()
        account.secrets_and_logs()
        account.roles()
        account.tasks()
        yield account


def _by_path(account: Account, kind: str) -> list[Resource]:
    return account.deployment.of(kind)


def test_subnets_lie_apart_within_the_vpc(account: Account) -> None:
    subnets = account.ec2.describe_subnets(
        Filters=[{"Name": "vpc-id", "Values": [account.made["<Network/Vpc>"]]}])["Subnets"]
    assert len(subnets) == len(_by_path(account, "EC2::Subnet")) in (4, 6)
    assert len({subnet["CidrBlock"] for subnet in subnets}) == len(subnets)
    zones = [subnet["AvailabilityZone"] for subnet in subnets]
    assert all(zones.count(zone) == 2 for zone in zones)


def test_private_subnets_reach_the_internet_by_nat_or_not_at_all(account: Account) -> None:
    for subnet in _by_path(account, "EC2::Subnet"):
        tables = account.ec2.describe_route_tables(
            Filters=[{"Name": "association.subnet-id", "Values": [account.made[subnet.token]]}])
        ways = {
            route.get("GatewayId") or route.get("NatGatewayId")
            for route in tables["RouteTables"][0]["Routes"]
            if route["DestinationCidrBlock"] == "0.0.0.0/0"
        }
        if "Public" in subnet.path:
            assert ways == {account.made["<Network/InternetGateway>"]}
        else:
            assert all(way.startswith("nat-") for way in ways)
            assert bool(ways) == (account.deployment.name == "nat")


def test_only_the_alb_is_open_to_the_world(account: Account) -> None:
    groups = account.ec2.describe_security_groups(
        GroupIds=[account.made[group.token] for group in _by_path(account, "EC2::SecurityGroup")]
    )["SecurityGroups"]
    opened = {
        (group["GroupName"], permission["FromPort"])
        for group in groups for permission in group["IpPermissions"] if permission["IpRanges"]
    }
    assert opened == {("Access/EdgeGroup", 443), ("Access/EdgeGroup", 80)}
    redis = next(group for group in groups if group["GroupName"] == "Access/RedisGroup")
    sources = {pair["GroupId"] for permission in redis["IpPermissions"] for pair in permission["UserIdGroupPairs"]}
    assert sources == {account.made["<Access/GatewayGroup>"], account.made["<Access/MessagingGroup>"]}


def test_load_balancers_listen_and_redirect(account: Account) -> None:
    alb = account.made["<Edge/LoadBalancer>"]
    listeners = {item["Port"]: item for item in account.elb.describe_listeners(LoadBalancerArn=alb)["Listeners"]}
    assert set(listeners) == {80, 443}
    assert listeners[80]["DefaultActions"][0]["RedirectConfig"]["Protocol"] == "HTTPS"
    assert listeners[443]["DefaultActions"][0]["TargetGroupArn"] == account.made["<Edge/Gateways>"]
    assert listeners[443]["SslPolicy"].startswith("ELBSecurityPolicy-TLS13-1-2")
    attributes = account.elb.describe_target_group_attributes(TargetGroupArn=account.made["<Edge/Gateways>"])
    values = {item["Key"]: item["Value"] for item in attributes["Attributes"]}
    assert values["deregistration_delay.timeout_seconds"] == "120"
    groups = account.elb.describe_target_groups()["TargetGroups"]
    assert {group["HealthCheckPath"] for group in groups} == {"/healthz"}


def test_task_definitions_are_registered_with_their_roles_and_secrets(account: Account) -> None:
    tasks = account.registered
    assert set(tasks) == {"Gateway/TaskDefinition", "Messaging/TaskDefinition", "Operator/TaskDefinition"}
    for task in tasks.values():
        container = task["containerDefinitions"][0]
        assert "FARGATE" in task["requiresCompatibilities"]
        for secret in container["secrets"]:
            value = account.secrets.get_secret_value(SecretId=secret["valueFrom"])["SecretString"]
            assert len(value) == 64 and value.isalnum()
        group = container["logConfiguration"]["options"]["awslogs-group"]
        assert account.logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"][0]["retentionInDays"] == 90
        role = task["taskRoleArn"].rpartition("/")[2]
        assert account.iam.list_role_policies(RoleName=role)["PolicyNames"] == []
    gateway = tasks["Gateway/TaskDefinition"]["containerDefinitions"][0]
    assert gateway["stopTimeout"] == 120
    assert gateway["readonlyRootFilesystem"] is True


def test_execution_roles_read_their_own_secrets_only(account: Account) -> None:
    policy = account.iam.get_role_policy(RoleName="GatewayRoles-ExecutionRole", PolicyName="start")["PolicyDocument"]
    read = next(
        statement["Resource"] for statement in policy["Statement"]
        if statement["Action"] == "secretsmanager:GetSecretValue"
    )
    assert set(read) == {account.made["<Secrets/AuthSecret>"], account.made["<Secrets/RedisPassword>"]}
