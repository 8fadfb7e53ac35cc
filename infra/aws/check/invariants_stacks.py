"""Invariants of the two stacks: what each holds, and what passes from one to the other."""

from __future__ import annotations

from collections.abc import Iterator

from .evaluate import Deployment
from .invariant import invariant
from .project import Project

_GROUPS = ("Must be set", "Size", "Rarely", "Looked up by deploy", "Passed by deploy from the foundation")
_PASSED = _GROUPS[-1]
# What a deployment of services that fails must not take along: data, what others have put their trust in,
# what takes long to make, and the lines that say why it failed.
_SURVIVES = (
    "ElastiCache::ReplicationGroup", "SecretsManager::Secret", "CertificateManager::Certificate", "EC2::VPC",
    "Logs::LogGroup", "SNS::Topic", "ECS::Cluster",
)
# Names that no second resource can have while the first is there.
_NAMES = ("ReplicationGroupId", "LogGroupName", "BucketName", "UserId", "TopicName", "Name")


def groups(template: dict) -> dict[str, list[str]]:
    """The parameters of a root template by the label of their group, as infra/aws/deploy reads them."""
    interface = template["Metadata"]["AWS::CloudFormation::Interface"]
    return {group["Label"]["default"]: group["Parameters"] for group in interface["ParameterGroups"]}


@invariant
def failed_services_take_nothing_of_the_foundation(deployment: Deployment, project: Project) -> Iterator[str]:
    """Data, secrets, the certificate, the network and logs are in the foundation, which a deployment of
    services that fails, and is taken back, does not touch."""
    for resource in deployment.of(*_SURVIVES):
        if resource.root != "foundation":
            yield f"{resource.path} is in {resource.root}"
    for service in deployment.of("ECS::Service"):
        if service.root != "services":
            yield f"{service.path} is in {service.root}, which then fails with it"


@invariant
def a_first_deployment_can_be_repeated(deployment: Deployment, project: Project) -> Iterator[str]:
    """When the first deployment of a stack fails and is taken back, nothing is left whose name the next
    one needs."""
    for resource in deployment.resources.values():
        names = [name for name in _NAMES if resource.get(name)]
        # A nested stack that is up when another fails is deleted like any other: nothing says that
        # RetainExceptOnCreate still counts as the creation then.
        if resource.body.get("DeletionPolicy", "").startswith("Retain") and names:
            yield f"{resource.path} would stay, with its {names[0]}"


@invariant
def redis_is_made_after_what_fails_sooner(deployment: Deployment, project: Project) -> Iterator[str]:
    """The foundation makes Redis once the edge is there: a certificate that is not issued takes back no cluster
    that is still being made, which ElastiCache refuses to delete."""
    redis = deployment.templates["foundation"]["Resources"]["Redis"]
    if redis.get("DependsOn") != "Edge":
        yield "Redis does not wait for Edge"


@invariant
def every_parameter_is_in_one_group(deployment: Deployment, project: Project) -> Iterator[str]:
    """Each parameter of a root template stands in one group, from which infra/aws/deploy knows who sets it;
    and those that somebody must set have no default, but for the hosted zone and the second Redis."""
    for root, template in deployment.templates.items():
        grouped = [name for names in groups(template).values() for name in names]
        for name in sorted(set(template["Parameters"]) ^ set(grouped)):
            yield f"{root}: {name} is in no group, or no parameter"
        for name in {name for name in grouped if grouped.count(name) > 1}:
            yield f"{root}: {name} is in several groups"
        for label, names in groups(template).items():
            if label not in _GROUPS:
                yield f"{root}: there is no group {label}"
            for name in names:
                must = label not in ("Size", "Rarely") and name not in ("HostedZoneId", "RegistryRedisUrl")
                if ("Default" in template["Parameters"][name]) == must:
                    yield f"{root}: {name} is in {label}, and {'has a' if must else 'has no'} default"


@invariant
def services_get_what_the_foundation_has(deployment: Deployment, project: Project) -> Iterator[str]:
    """What services take of the foundation are outputs of it by the same name, which no file of parameters
    can set; and nothing is exported, which could not change while it is used."""
    foundation, services = (deployment.templates[root] for root in ("foundation", "services"))
    passed = groups(services)[_PASSED]
    for name in passed:
        if name not in foundation["Outputs"]:
            yield f"the foundation has no output {name}"
        if name in foundation["Parameters"]:
            yield f"{name} is a parameter of the foundation, too: which one would a file set?"
    for root, template in deployment.templates.items():
        for name, output in template["Outputs"].items():
            if "Export" in output:
                yield f"{root} exports {name}"
