"""`infra/aws/deploy`, with a stand-in for the AWS CLI: deployments, and what is refused before them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from stand import GOOD, Scripts, Stand


def test_help_is_the_head_of_the_script(scripts: Scripts) -> None:
    for script in ("deploy", "inspect"):
        result = scripts.run(script, "--help")
        assert result.returncode == 0
        assert f"infra/aws/{script} --" in result.stdout
        assert "set -euo" not in result.stdout


def test_a_first_deployment_makes_the_foundation_then_the_services(stand: Stand) -> None:
    result = stand.deploy()
    assert result.returncode == 0, result.stderr
    made = stand.called("cloudformation deploy")
    assert [call[call.index("--stack-name") + 1] for call in made] == ["connect-foundation", "connect-services"]
    for call in made:
        assert "--disable-rollback" not in call
        assert call[call.index("--s3-bucket") + 1] == "connect-templates"
    for name in ("connect-foundation", "connect-services"):
        assert stand.status(name) == "CREATE_COMPLETE"
        assert stand.stack(name)["Protected"]
    foundation, services = stand.stack("connect-foundation"), stand.stack("connect-services")
    assert foundation["Parameters"]["S3PrefixListId"] == "pl-6ea54007"
    assert services["Parameters"]["Image"] == "connect:0.4.0"
    # What the foundation says of itself.
    assert services["Parameters"]["Cluster"] == foundation["Outputs"]["Cluster"]
    # A default, so that what the file leaves out does not keep its former value.
    assert services["Parameters"]["PingSeconds"] == "25"
    printed = dict(line.split() for line in result.stdout.splitlines())
    assert {"Url", "AuthSecret", "ServiceToken", "ApiUrl"} <= set(printed)
    # What the one stack tells the other alone.
    assert "TargetGroupArn" not in printed


def test_a_second_deployment_updates_both(stand: Stand) -> None:
    stand.deploy()
    stand.set(Image="connect:0.4.1")
    result = stand.deploy()
    assert result.returncode == 0, result.stderr
    assert stand.status("connect-foundation") == stand.status("connect-services") == "UPDATE_COMPLETE"
    assert stand.stack("connect-services")["Parameters"]["Image"] == "connect:0.4.1"


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("cloudformation describe-stacks", "connect-foundation cannot be looked up: you are told why"),
        ("ecr describe-images", "push it first"),
        ("ec2 describe-availability-zones", "ec2:DescribeAvailabilityZones"),
        ("ec2 describe-managed-prefix-lists", "ec2:DescribeManagedPrefixLists"),
        ("route53 get-hosted-zone", "route53:GetHostedZone"),
        ("route53 list-resource-record-sets", "route53:ListResourceRecordSets"),
        ("s3api head-bucket", "connect-templates does not exist, or you may not use it"),
    ],
)
def test_what_aws_refuses_is_said_in_one_line_with_what_to_do(stand: Stand, call: str, said: str) -> None:
    stand.state["refuses"] = {call: "AccessDenied"}
    assert said in stand.refused()


def test_without_credentials_it_says_how_to_get_them(stand: Stand) -> None:
    stand.state["account"] = False
    assert "aws configure" in stand.refused()


def test_templates_that_cannot_be_uploaded_end_it(stand: Stand) -> None:
    stand.state["refuses"] = {"cloudformation package": "AccessDenied"}
    result = stand.deploy()
    assert result.returncode == 1
    assert "foundation.yaml could not be packaged to s3://connect-templates: you are told why" in result.stderr
    assert not stand.called("cloudformation deploy")


def test_without_bootstrap_it_says_to_do_that(stand: Stand) -> None:
    del stand.state["stacks"]["connect-bootstrap"]
    assert "'infra/aws/deploy --bootstrap --region eu-central-1' makes one" in stand.refused()
    result = stand.deploy("--bucket", "connect-templates")
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    ("architecture", "platforms", "said"),
    [
        ("ARM64", ["linux/amd64", "unknown/unknown"],
         "connect:0.4.0 is for linux/amd64, and Architecture=ARM64 needs linux/arm64"),
        ("X86_64", ["linux/arm64"], "is for linux/arm64, and Architecture=X86_64 needs linux/amd64"),
    ],
)
def test_an_image_for_another_architecture_is_refused(
    stand: Stand, architecture: str, platforms: list[str], said: str
) -> None:
    stand.set(Architecture=architecture)
    stand.state["images"]["connect:0.4.0"] = platforms
    assert said in stand.refused()


def test_an_image_for_the_architecture_or_several_is_taken(stand: Stand) -> None:
    for platforms in (["linux/arm64", "unknown/unknown"], ["linux/amd64", "linux/arm64"]):
        stand.state["images"]["connect:0.4.0"] = platforms
        result = stand.deploy("--dry-run")
        assert result.returncode == 0, result.stderr
        assert "Not checked" not in result.stderr


@pytest.mark.parametrize("refused", [False, True])
def test_it_is_said_when_the_architecture_of_an_image_is_not_known(stand: Stand, refused: bool) -> None:
    stand.state["refuses"] = {"ecr batch-get-image": "AccessDenied"} if refused else {}
    result = stand.deploy("--dry-run")
    assert result.returncode == 0, result.stderr
    assert "Not checked: whether the image connect:0.4.0 is for linux/arm64" in result.stderr


def test_an_image_that_is_not_there_is_refused(stand: Stand) -> None:
    stand.set(Image=f"team/connect@sha256:{'0' * 64}")
    assert "there is no image team/connect@sha256:" in stand.refused()


def test_zones_that_lack_something_are_left_out_by_their_id(stand: Stand) -> None:
    zones = {"us-east-1a": "use1-az4", "us-east-1b": "use1-az3", "us-east-1c": "use1-az6", "us-east-1d": "use1-az1"}
    stand.state["zones"] = zones
    result = stand.deploy(region="us-east-1")
    assert result.returncode == 0, result.stderr
    # In the order of the ids, which are the same in every account.
    assert stand.stack("connect-foundation")["Parameters"]["ZoneNames"] == "us-east-1d,us-east-1a,us-east-1c"
    assert "Left out: us-east-1b (use1-az3), no Fargate on ARM" in result.stderr


def test_a_region_with_fewer_fit_zones_than_asked_for_is_refused(stand: Stand) -> None:
    stand.state["zones"] = {"us-west-1a": "usw1-az1", "us-west-1b": "usw1-az2", "us-west-1c": "usw1-az3"}
    said = stand.refused()
    assert "has 2 availability zones for your account that have all that is needed" in said
    assert "and Zones=3: lower that to 2" in said
    stand.set(Zones="2")
    assert stand.deploy().returncode == 0
    assert stand.stack("connect-foundation")["Parameters"]["ZoneNames"] == "us-west-1a,us-west-1c"


def test_zones_are_kept_when_those_of_the_account_change(stand: Stand) -> None:
    stand.deploy()
    kept = stand.stack("connect-foundation")["Parameters"]["ZoneNames"]
    stand.state["zones"] = {"eu-central-1d": "euc1-az0", **stand.state["zones"]}
    del stand.state["zones"]["eu-central-1b"]
    result = stand.deploy()
    assert result.returncode == 0, result.stderr
    assert stand.stack("connect-foundation")["Parameters"]["ZoneNames"] == kept
    stand.set(Zones="2")
    assert f"made in 3 zones ({kept}), which cannot be changed: give Zones=3" in stand.refused()


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("Imagine=connect:1", "there is no parameter Imagine: infra/aws/foundation.yaml and infra/aws/services.yaml"),
        ("S3PrefixListId=pl-0", "S3PrefixListId is not yours to set, infra/aws/deploy looks it up: remove the line"),
        ("ZoneNames=a,b,c", "ZoneNames is not yours to set"),
        ("RedisUrl=redis://x", "RedisUrl is not yours to set, infra/aws/deploy takes it from the foundation: remove"),
        ("MessagingMaximum=17", "each partition has one owner"),
        ("GatewayMinimum=20", "minimum is above the maximum"),
        ("GatewayConnections=50000", "scaling would aim at more than is taken"),
        ("Durability=replicas", "RedisReplicas=2"),
        ("RedisNodeType=t4g.small", "has no log"),
        ("GatewayMemory=1024", "Fargate has 2048 to 8192 MiB"),
        ("MessagingCpu=256\nMessagingMemory=1536", "Fargate has 512 to 2048 MiB"),
        ("GatewayMemory=2GB", "GatewayMemory=2GB: allowed is a whole number"),
        ("GatewayMaximum=many", "GatewayMaximum=many: allowed is a whole number from 2\n"),
        ("PingSeconds=90", "PingSeconds=90: allowed is a whole number from 1 to 60"),
        ("Zones=1", "Zones=1: allowed is 2 or 3"),
        ("Architecture=arm64", "Architecture=arm64: allowed is ARM64 or X86_64"),
        ("DomainName=x", "DomainName=x: allowed is a host name in lower case, at most 64 characters"),
        ("DomainName=-a.example.com", "allowed is a host name"),
        ("DomainName=a..example.com", "allowed is a host name"),
        (f"DomainName={'a' * 64}.de", "allowed is a host name"),
        (f"DomainName={'a' * 50}.{'b' * 11}.com", "allowed is a host name"),
        ("Image=1.dkr.ecr.eu-central-1.amazonaws.com/connect", "without the registry in front"),
        ("HostedZoneId=/hostedzone/Z1", "allowed is the id of a hosted zone"),
        ("AlarmEmail=foo", "AlarmEmail=foo: allowed is an e-mail address"),
        ("AlarmEmail=", "AlarmEmail is missing"),
        ("AllowedOrigins=app.example.com", "AllowedOrigins=app.example.com: allowed is origins such as https://"),
        ("AllowedOrigins=https://app.example.com/", "allowed is origins such as https://"),
        ("AllowedOrigins=https://*", "allowed is origins such as https://"),
        ("AllowedOrigins=https://a.*.b.example", "allowed is origins such as https://"),
        ("AllowedOrigins=https://user@a.example", "allowed is origins such as https://"),
        ("AllowedOrigins=https://a.example:0", "allowed is origins such as https://"),
        ("AllowedOrigins=https://a.example?x", "allowed is origins such as https://"),
        ("RedisNodeType=cache.r7g.large", "without cache. in front, such as r7g.large"),
        ("Image", "'Image' is not Name=Value"),
        ("Zones = 2", "'Zones = 2': no spaces around ="),
        ("Zones= 2", "'Zones= 2': no spaces around ="),
        ("Zones=2\nZones=2", "Zones is given twice"),
        ("DomainName=", "DomainName is missing"),
        ("HostedZoneId=", "neither HostedZoneId nor CertificateArn"),
    ],
)
def test_parameters_that_cannot_be_are_refused_before_aws_is_asked(stand: Stand, lines: str, said: str) -> None:
    names = [line.partition("=")[0] for line in lines.splitlines()]
    kept = [line for line in GOOD.splitlines() if line.partition("=")[0] not in names]
    stand.parameters.write_text("\n".join([*kept, lines]) + "\n")
    result = stand.deploy()
    assert result.returncode == 1
    assert said in result.stderr
    assert stand.calls == []


@pytest.mark.parametrize(
    "lines",
    [
        {"AllowedOrigins": "https://app.Example.com,http://localhost:3000, capacitor://localhost,"
         "file://,https://*.example.com:8443,http://[::1]"},
        {"DomainName": f"{'a' * 40}.{'b' * 11}.example.com"},
        {"AlarmEmail": "first.last+connect@mail.example.com"},
        {"HostedZoneId": "", "CertificateArn": "arn:aws:acm:eu-central-1:123456789012:certificate/0"},
        {"Durability": "replicas", "RedisReplicas": "2", "RedisNodeType": "t4g.small"},
    ],
)
def test_parameters_of_other_forms_are_taken(stand: Stand, lines: dict[str, str]) -> None:
    stand.set(**lines)
    result = stand.deploy("--dry-run")
    assert result.returncode == 0, result.stderr


def test_a_file_that_cannot_be_read_is_said(stand: Stand) -> None:
    stand.parameters.write_bytes(b"DomainName=\xff\n")
    assert "cannot be read" in stand.deploy().stderr
    stand.parameters.unlink()
    assert "cannot be read" in stand.deploy().stderr


@pytest.mark.parametrize(
    "stack", ["Connect", "1connect", "a--b", "connect-", "a" * 21, "connect-services", "a-foundation-b"]
)
def test_a_stack_whose_name_would_not_be_taken_is_refused(stand: Stand, stack: str) -> None:
    result = stand.deploy(stack=stack)
    assert result.returncode == 1
    assert "--stack" in result.stderr
    assert stand.calls == []


@pytest.mark.parametrize("option", ["--stack", "--region", "--parameters"])
def test_what_is_not_given_is_asked_for(stand: Stand, scripts: Scripts, option: str) -> None:
    arguments = {"--stack": "connect", "--region": "eu-central-1", "--parameters": str(stand.parameters)}
    del arguments[option]
    result = scripts.run("deploy", *(word for pair in arguments.items() for word in pair))
    assert result.returncode == 1
    assert f"{option} is missing" in result.stderr


def test_nothing_of_the_folder_where_the_user_is_is_run(scripts: Scripts) -> None:
    package = scripts.directory / "deployment"
    package.mkdir()
    (package / "__init__.py").write_text("raise SystemExit('of the user')\n")
    assert scripts.deploy("--dry-run").returncode == 0


def test_an_old_python_is_said(scripts: Scripts) -> None:
    program = f'exec "{sys.executable}" -c "import sys\nsys.version_info = (3, 8)\n$program" "$@"'
    scripts.program("python3", f"#!/bin/sh\nshift\nprogram=$1\nshift\n{program}\n")
    result = scripts.deploy("--dry-run")
    assert result.returncode == 1
    assert result.stderr == "python3 is too old: 3.9 or newer is needed\n"


def test_without_the_aws_cli_it_says_where_it_is_to_be_had(scripts: Scripts) -> None:
    (scripts.bin / "aws").unlink()
    for name in ("bash", "env", "dirname", "basename", "sed"):
        (scripts.bin / name).symlink_to(str(shutil.which(name)))
    result = scripts.deploy(path=str(scripts.bin))
    assert result.returncode == 1
    assert "there is no AWS CLI" in result.stderr


def test_the_script_deploys_and_says_what_fails(stand: Stand, scripts: Scripts) -> None:
    result = scripts.deploy()
    assert result.returncode == 0, result.stderr
    assert stand.status("connect-services") == "CREATE_COMPLETE"
    assert (scripts.directory / ".build-tools/connect-services.yaml").exists()
    stand.set(Image="connect:broken")
    result = scripts.deploy()
    assert result.returncode == 1
    assert "deploy: the stack connect-services failed. The services run as before" in result.stderr


def test_what_is_asked_of_aws_is_there(stand: Stand) -> None:
    """Each call and option, against the descriptions of AWS's API that its CLI is made from."""
    from botocore import xform_name
    from botocore.session import get_session

    stand.set(Image="connect:broken")
    calls: list[list[str]] = []
    for option in ([], ["--dry-run"]):
        stand.deploy(*option)
        calls += stand.calls
    stand.set(Image="connect:0.4.1")
    for option in ([], ["--dry-run"]):
        stand.deploy(*option)
        calls += stand.calls
    stand.bootstrap()
    calls += stand.calls
    stand.inspect()
    calls += stand.calls
    session = get_session()
    # Of the CLI itself.
    own = {"cloudformation deploy", "cloudformation package", "cloudformation wait"}
    always = {"output", "max-items"}
    seen = set()
    for service, verb, *rest in calls:
        seen.add(f"{service} {verb}")
        if f"{service} {verb}" in own:
            continue
        model = session.get_service_model({"s3api": "s3"}.get(service, service))
        operations = {xform_name(name, "-"): name for name in model.operation_names}
        assert verb in operations, f"{service} {verb}"
        shape = model.operation_model(operations[verb]).input_shape
        members = {xform_name(name, "-"): member for name, member in (shape.members if shape else {}).items()}
        given = {word[2:] for word in rest if word.startswith("--")}
        # The forms that the CLI gives to a flag.
        assert given - always - {"start-from-head", "include-nested-stacks"} <= set(members), f"{service} {verb}"
        required = {xform_name(name, "-") for name in (shape.required_members if shape else [])}
        assert required <= given, f"{service} {verb}"
    assert {"route53 get-hosted-zone", "ecs run-task", "logs get-log-events", "ecs list-tasks"} <= seen


def test_a_broken_template_ends_the_check_with_the_name_of_what_is_broken(
    altered: Callable[..., Path], templates: Path
) -> None:
    copy = altered("templates/redis.yaml", "maxmemory-policy: noeviction", "maxmemory-policy: allkeys-lru")
    result = subprocess.run(
        [sys.executable, "-m", "check", str(copy)], capture_output=True, text=True, check=False, timeout=120,
        env={**os.environ, "PYTHONPATH": str(templates), "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert result.returncode == 1
    assert "BROKEN redis_has_the_parameters_of_the_document: " in result.stdout
    assert "1 broken" in result.stdout


def test_what_was_deployed_last_is_left_to_look_at(stand: Stand) -> None:
    stand.deploy()
    given = dict(item.split("=", 1) for item in json.loads((stand.tools / "connect-services.json").read_text()))
    assert given == stand.stack("connect-services")["Parameters"]
