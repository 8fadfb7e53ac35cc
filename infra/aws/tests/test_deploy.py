"""`infra/aws/deploy` and `infra/aws/inspect`, with a stand-in for the AWS CLI that notes what it is asked."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from stand import GOOD, Stand


def _good_but_for(lines: str) -> str:
    """Good parameters, but for those of some lines."""
    names = [line.partition("=")[0] for line in lines.splitlines()]
    kept = [line for line in GOOD.splitlines() if line.partition("=")[0] not in names]
    return "\n".join([*kept, lines]) + "\n"


def test_help_is_the_head_of_the_script(stand: Stand) -> None:
    for script in ("deploy", "inspect"):
        result = stand.run(script, "--help")
        assert result.returncode == 0
        assert f"infra/aws/{script} --" in result.stdout
        assert "set -euo" not in result.stdout


def test_a_deployment_packages_and_deploys_all_parameters(stand: Stand) -> None:
    result = stand.deploy()
    assert result.returncode == 0, result.stderr
    calls = stand.calls.read_text().splitlines()
    verbs = [" ".join(call.split()[:2]) for call in calls]
    assert verbs.index("ecr describe-images") < verbs.index("cloudformation package")
    assert verbs.index("cloudformation package") < verbs.index("cloudformation deploy")
    assert verbs.index("cloudformation deploy") < verbs.index("cloudformation update-termination-protection")
    assert any("--s3-bucket connect-templates" in call for call in calls)
    given = dict(item.split("=", 1) for item in json.loads((stand.tools / "connect.json").read_text()))
    assert given["Image"] == "connect:0.4.0"
    assert given["S3PrefixListId"] == "pl-6ea54007"
    # A default, so that what the file leaves out does not keep its former value.
    assert given["PingSeconds"] == "25"
    assert given["AlarmEmail"] == ""


def test_a_dry_run_shows_what_would_be_replaced_and_changes_nothing(stand: Stand) -> None:
    result = stand.deploy("--dry-run")
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines() == [
        "Modify ElastiCache (AWS::CloudFormation::Stack)",
        "  Modify Bus (AWS::ElastiCache::ReplicationGroup) REPLACED",
        "Add Cluster (AWS::ECS::Cluster)",
    ]
    calls = stand.calls.read_text()
    assert "cloudformation create-change-set" in calls
    assert "cloudformation delete-change-set --change-set-name root" in calls
    assert "--change-set-type UPDATE" in calls
    for never in ("cloudformation deploy", "execute-change-set", "termination-protection", "delete-stack"):
        assert never not in calls
    assert "REVIEW_IN_PROGRESS" not in result.stderr


@pytest.mark.parametrize(
    "answer", [{"AWS_STACK_STATUS": "REVIEW_IN_PROGRESS"}, {"AWS_REFUSES": "cloudformation describe-stacks"}]
)
def test_a_dry_run_of_a_new_stack_says_how_to_remove_what_it_leaves(stand: Stand, answer: dict[str, str]) -> None:
    result = stand.deploy("--dry-run", "--bucket", "connect-templates", **answer)
    assert result.returncode == 0, result.stderr
    assert "--change-set-type CREATE" in stand.calls.read_text()
    assert "delete-stack --stack-name connect --region eu-central-1" in result.stderr
    assert "cloudformation delete-stack" not in stand.calls.read_text()


def test_a_dry_run_without_changes_says_so(stand: Stand) -> None:
    result = stand.deploy("--dry-run", AWS_REFUSES="cloudformation wait")
    assert result.returncode == 0
    assert "Nothing to show" in result.stderr


@pytest.mark.parametrize(
    ("refused", "said"),
    [
        ("sts get-caller-identity", "aws configure"),
        ("ecr describe-images", "push it first"),
        ("ec2 describe-availability-zones", "ec2:DescribeAvailabilityZones"),
        ("s3api head-bucket", "connect-templates does not exist"),
        ("cloudformation describe-stacks", "--bootstrap"),
        ("ec2 describe-managed-prefix-lists", "ec2:DescribeManagedPrefixLists"),
        ("cloudformation package", "could not be packaged"),
        ("cloudformation deploy", "takes back what it did"),
    ],
)
def test_what_aws_refuses_is_said_in_one_line_with_what_to_do(stand: Stand, refused: str, said: str) -> None:
    result = stand.deploy(AWS_REFUSES=refused)
    assert result.returncode == 1
    lines = [line for line in result.stderr.splitlines() if line.startswith("deploy: ")]
    assert len(lines) == 1 and said in lines[0]


def _index(*platforms: str) -> str:
    images = [
        {"digest": "sha256:0", "platform": dict(zip(("os", "architecture"), name.split("/"), strict=True))}
        for name in platforms
    ]
    return json.dumps({"schemaVersion": 2, "manifests": images})


@pytest.mark.parametrize(
    ("line", "manifest", "said"),
    [
        ("Architecture=ARM64", _index("linux/amd64", "unknown/unknown"),
         "connect:0.4.0 is for linux/amd64, and Architecture=ARM64 needs linux/arm64"),
        ("Architecture=X86_64", _index("linux/arm64"), "is for linux/arm64, and Architecture=X86_64 needs linux/amd64"),
    ],
)
def test_an_image_for_another_architecture_is_refused(stand: Stand, line: str, manifest: str, said: str) -> None:
    stand.parameters.write_text(_good_but_for(line))
    result = stand.deploy(AWS_MANIFEST=manifest)
    assert result.returncode == 1
    assert said in result.stderr
    assert "cloudformation package" not in stand.calls.read_text()


def test_an_image_for_the_architecture_or_several_is_taken(stand: Stand) -> None:
    for manifest in (_index("linux/arm64", "unknown/unknown"), _index("linux/amd64", "linux/arm64")):
        result = stand.deploy(AWS_MANIFEST=manifest)
        assert result.returncode == 0, result.stderr
        assert "Not checked" not in result.stderr


@pytest.mark.parametrize("manifest", ['{"schemaVersion": 2, "config": {}}', "None", ""])
def test_it_is_said_when_the_architecture_of_an_image_is_not_known(stand: Stand, manifest: str) -> None:
    result = stand.deploy(AWS_MANIFEST=manifest)
    assert result.returncode == 0, result.stderr
    assert "Not checked: whether the image connect:0.4.0 is for linux/arm64" in result.stderr


def test_a_region_with_fewer_zones_than_asked_for_is_refused(stand: Stand) -> None:
    result = stand.deploy(AWS_ZONES="2")
    assert result.returncode == 1
    assert "eu-central-1 has 2 availability zones for your account, and Zones=3" in result.stderr
    assert "cloudformation package" not in stand.calls.read_text()
    stand.parameters.write_text(GOOD + "Zones=2\n")
    assert stand.deploy(AWS_ZONES="2").returncode == 0


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("Imagine=connect:1", "there is no parameter Imagine"),
        ("IdleTimeoutSeconds=60\nPingSeconds=40", "twice PingSeconds"),
        ("StopSeconds=110", "StopSeconds must be more"),
        ("DeregistrationDelaySeconds=60", "DeregistrationDelaySeconds must be at least"),
        ("MessagingMaximum=17", "each partition has one owner"),
        ("GatewayMinimum=20", "minimum is above the maximum"),
        ("Durability=replicas", "RedisReplicas=2"),
        ("RedisNodeType=t4g.small", "has no log"),
        ("GatewayMemory=1024", "Fargate has 2048 to 8192 MiB"),
        ("MessagingCpu=256\nMessagingMemory=1536", "Fargate has 512 to 2048 MiB"),
        ("GatewayMemory=2GB", "GatewayMemory=2GB: allowed is a whole number"),
        ("GatewayMaximum=many", "GatewayMaximum=many: allowed is a whole number from 2\n"),
        ("PingSeconds=90", "PingSeconds=90: allowed is a whole number from 1 to 60"),
        ("Zones=1", "Zones=1: allowed is 2 or 3"),
        ("Architecture=arm64", "Architecture=arm64: allowed is ARM64 or X86_64"),
        ("DomainName=x", "DomainName=x: allowed is a name of"),
        ("Image=1.dkr.ecr.eu-central-1.amazonaws.com/connect", "without the registry in front"),
        ("HostedZoneId=/hostedzone/Z1", "allowed is the id of a hosted zone"),
        ("AlarmEmail=foo", "AlarmEmail=foo: allowed is an e-mail address"),
        ("AllowedOrigins=app.example.com", "AllowedOrigins=app.example.com: allowed is origins such as https://"),
        ("AllowedOrigins=https://app.example.com/", "allowed is origins such as https://"),
        ("AllowedOrigins=https://*", "allowed is origins such as https://"),
        ("AllowedOrigins=https://a.*.b.example", "allowed is origins such as https://"),
        ("AllowedOrigins=https://user@a.example", "allowed is origins such as https://"),
        ("AllowedOrigins=https://a.example:0", "allowed is origins such as https://"),
        ("AllowedOrigins=https://a.example?x", "allowed is origins such as https://"),
        ("RedisNodeType=cache.r7g.large", "without cache. or db. in front, such as r7g.large"),
        ("Image", "'Image' is not Name=Value"),
        ("Zones = 2", "'Zones = 2': no spaces around ="),
        ("Zones= 2", "'Zones= 2': no spaces around ="),
        ("Zones=2\nZones=2", "Zones is given twice"),
        ("DomainName=", "DomainName is missing"),
        ("HostedZoneId=", "neither HostedZoneId nor CertificateArn"),
    ],
)
def test_parameters_that_cannot_be_are_refused_before_aws_is_asked(stand: Stand, line: str, said: str) -> None:
    stand.parameters.write_text(_good_but_for(line))
    result = stand.deploy()
    assert result.returncode == 1
    assert said in result.stderr
    assert stand.calls.read_text() == ""


@pytest.mark.parametrize(
    "line",
    [
        "AllowedOrigins=https://app.Example.com,http://localhost:3000, capacitor://localhost,"
        "file://,https://*.example.com:8443,http://[::1]",
        "AlarmEmail=first.last+connect@mail.example.com",
        "HostedZoneId=\nCertificateArn=arn:aws:acm:eu-central-1:123456789012:certificate/0",
        f"Image=team/connect@sha256:{'0' * 64}",
    ],
)
def test_parameters_that_can_be_are_taken(stand: Stand, line: str) -> None:
    stand.parameters.write_text(_good_but_for(line))
    result = stand.deploy()
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("left", [["--stack", "connect"], ["--region", "eu-central-1"]])
def test_an_option_that_is_missing_is_named_before_the_parameters_are_read(stand: Stand, left: list[str]) -> None:
    stand.parameters.write_text("Imagine=connect:1\n")
    result = stand.run("deploy", *left, "--parameters", str(stand.parameters))
    assert result.returncode == 1
    missing = "--region" if left[0] == "--stack" else "--stack"
    assert f"deploy: {missing} is missing" in result.stderr
    assert "Imagine" not in result.stderr
    assert stand.calls.read_text() == ""


@pytest.mark.parametrize("stack", ["Connect", "1connect", "a--b", "connect-", "a" * 21])
def test_a_stack_whose_name_redis_would_not_take_is_refused(stand: Stand, stack: str) -> None:
    result = stand.run("deploy", "--stack", stack, "--region", "eu-central-1", "--parameters", str(stand.parameters))
    assert result.returncode == 1
    assert "--stack" in result.stderr


def test_without_the_aws_cli_it_says_where_it_is_to_be_had(stand: Stand) -> None:
    (stand.bin / "aws").unlink()
    tools = stand.bin
    for name in ("bash", "env", "dirname", "basename", "sed", "tail", "tr", "python3", "cat"):
        (tools / name).symlink_to(sys.executable if name == "python3" else shutil.which(name))
    result = stand.deploy(PATH=str(tools))
    assert result.returncode == 1
    assert "there is no AWS CLI" in result.stderr


def test_bootstrap_needs_a_region_and_says_where_to_push(stand: Stand) -> None:
    assert "--region is missing" in stand.run("deploy", "--bootstrap").stderr
    result = stand.run("deploy", "--bootstrap", "--region", "eu-central-1")
    assert result.returncode == 0
    assert "Push the image" in result.stderr


def test_inspect_runs_a_task_and_prints_its_log(stand: Stand) -> None:
    arguments = ("--stack", "connect", "--region", "eu-central-1", "user", "bob")
    result = stand.run("inspect", *arguments, AWS_EXIT_CODE="0")
    assert result.returncode == 0, result.stderr
    assert result.stdout == "STREAM\nincoming\n"
    assert '"command": ["inspect", "user", "bob"]' in stand.calls.read_text()
    assert "assignPublicIp=DISABLED" in stand.calls.read_text()
    assert stand.run("inspect", *arguments, AWS_EXIT_CODE="77").returncode == 77
    assert stand.run("inspect", *arguments, AWS_EXIT_CODE="None").returncode == 1


def test_a_broken_template_ends_the_check_with_the_name_of_what_is_broken(
    altered: Callable[..., Path], templates: Path
) -> None:
    copy = altered("templates/redis.yaml", "maxmemory-policy: noeviction", "maxmemory-policy: allkeys-lru")
    result = subprocess.run(
        [sys.executable, "-m", "check", str(copy)], capture_output=True, text=True, check=False, timeout=120,
        env={**os.environ, "PYTHONPATH": str(templates), "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert result.returncode == 1
    assert "BROKEN redis_never_evicts: " in result.stdout
    assert "1 broken" in result.stdout
