"""What `infra/aws/deploy` does when a deployment fails, or takes longer than the AWS CLI waits for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import cloud
from deployment.cli import Aws, Failure
from deployment.failures import ADVICE
from deployment.stack import Stack
from stand import Stand

PAGE = Path(__file__).resolve().parents[3] / "Sources/ConnectCommand/Documentation.docc/FirstDeployment.md"


def _stand_in(stand: Stand, status: str, root: str = "services") -> None:
    """Puts a stack of the deployment into a state."""
    name = f"connect-{root}"
    stack: dict[str, Any] = stand.state["stacks"].setdefault(
        name, {"StackName": name, "StackId": f"arn:{name}", "Parameters": {}, "Outputs": {}, "Events": []}
    )
    stack["StackStatus"] = status


def test_a_first_deployment_that_failed_goes_on_by_the_same_command(stand: Stand) -> None:
    """A bad image, the commonest failure: the services roll back, and the foundation stays."""
    stand.set(Image="connect:broken")
    result = stand.deploy()
    assert result.returncode == 1
    assert stand.status("connect-foundation") == "CREATE_COMPLETE"
    assert stand.status("connect-services") == "ROLLBACK_COMPLETE"
    assert "the stack connect-services failed. What it had made was taken back; connect-foundation" in result.stderr
    assert "Gateway/Service (AWS::ECS::Service) CREATE_FAILED: Error occurred during operation 'ECS" in result.stderr
    assert "connect-gateway: Essential container in task exited; gateway ended with exit code 64" in result.stderr
    # Each reason once.
    assert result.stderr.count("exit code 64") == 1
    assert "To do: tasks of a service do not start" in result.stderr
    foundation = stand.stack("connect-foundation")["StackId"]

    stand.set(Image="connect:0.4.1")
    result = stand.deploy()
    assert result.returncode == 0, result.stderr
    assert "connect-services is in ROLLBACK_COMPLETE, what a failed first deployment leaves: removing" in result.stderr
    assert stand.stack("connect-foundation")["StackId"] == foundation
    assert stand.status("connect-services") == "CREATE_COMPLETE"


def test_a_bad_image_later_leaves_the_services_as_they_were(stand: Stand) -> None:
    stand.deploy()
    stand.set(Image="connect:broken")
    result = stand.deploy()
    assert result.returncode == 1
    assert "the stack connect-services failed. The services run as before" in result.stderr
    assert stand.status("connect-services") == "UPDATE_ROLLBACK_COMPLETE"
    assert stand.stack("connect-services")["Parameters"]["Image"] == "connect:0.4.0"
    stand.set(Image="connect:0.4.1")
    assert stand.deploy().returncode == 0


def test_a_foundation_that_failed_first_is_removed_and_made_again(stand: Stand) -> None:
    """A fresh account, in which nobody ran --bootstrap of this version."""
    stand.state["roles"] = []
    result = stand.deploy()
    assert result.returncode == 1
    assert "the stack connect-foundation failed. What it had made was taken back." in result.stderr
    assert "Redis/Cluster (AWS::ElastiCache::ReplicationGroup) CREATE_FAILED: Unable to assume the" in result.stderr
    assert "To do: 'infra/aws/deploy --bootstrap' makes the roles that AWS itself needs" in result.stderr
    assert stand.status("connect-services") == ""
    result = stand.bootstrap()
    assert result.returncode == 0, result.stderr
    assert "Push the image to the-Repository" in result.stderr
    assert sorted(stand.state["roles"]) == cloud.fresh()["roles"]
    result = stand.deploy()
    assert result.returncode == 0, result.stderr
    assert stand.status("connect-foundation") == "CREATE_COMPLETE"


def test_a_zone_without_arm_would_fail_the_foundation(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    """That the stand-in knows such a zone: without the list, the deployment meets it."""
    stand.state["zones"] = {"us-east-1a": "use1-az3", "us-east-1b": "use1-az4", "us-east-1c": "use1-az5"}
    stand.set(Zones="2")
    assert stand.deploy("--dry-run").returncode == 0
    monkeypatch.setattr("deployment.zones.UNFIT_ZONES", {})
    result = stand.deploy()
    assert result.returncode == 1
    assert "not supported in the specified zone us-east-1a" in result.stderr


def test_bootstrap_twice_is_fine(stand: Stand) -> None:
    for _ in range(2):
        result = stand.bootstrap()
        assert result.returncode == 0, result.stderr
        assert "Made the service-linked role" not in result.stderr
    stand.state["refuses"] = {"iam create-service-linked-role": "AccessDenied"}
    result = stand.bootstrap()
    assert result.returncode == 1
    assert "iam:CreateServiceLinkedRole" in result.stderr


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("ROLLBACK_FAILED", "'aws cloudformation delete-stack --stack-name NAME --region eu-central-1'"),
        ("DELETE_FAILED", "'aws cloudformation delete-stack --stack-name NAME --region eu-central-1'"),
        ("UPDATE_ROLLBACK_FAILED", "'aws cloudformation continue-update-rollback --stack-name NAME --region"),
        ("IMPORT_ROLLBACK_FAILED", "'aws cloudformation continue-update-rollback --stack-name NAME --region"),
        ("CREATE_FAILED", "'aws cloudformation rollback-stack --stack-name NAME --region eu-central-1' takes it back"),
        ("UPDATE_FAILED", "'aws cloudformation rollback-stack --stack-name NAME --region eu-central-1' takes it back"),
        ("CREATE_IN_PROGRESS", "deploy again when that is over"),
        ("UPDATE_IN_PROGRESS", "deploy again when that is over"),
        ("ROLLBACK_IN_PROGRESS", "deploy again when that is over"),
        ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "deploy again when that is over"),
        ("DELETE_IN_PROGRESS", "deploy again when that is over"),
    ],
)
@pytest.mark.parametrize("root", ["foundation", "services"])
def test_a_stack_that_cannot_be_updated_is_refused_with_what_to_do(
    stand: Stand, root: str, status: str, said: str
) -> None:
    stand.limit(LONGEST_WAIT_SECONDS=1)
    _stand_in(stand, status, root)
    line = stand.refused()
    assert f"the stack connect-{root} is in {status}" in line
    assert said.replace("NAME", f"connect-{root}") in line


def test_every_state_that_aws_knows_is_updated_or_has_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    from botocore.session import get_session

    states = get_session().get_service_model("cloudformation").shape_for("StackStatus").enum
    # Nobody sees the last by name.
    for state in set(states) - {"DELETE_COMPLETE"}:
        stack = Stack(Aws("aws", "eu-central-1"), "connect-services")
        monkeypatch.setattr(Stack, "status", state)
        try:
            stack.require_deployable()
        except Failure as failure:
            assert ("something is under way" in str(failure)) == state.endswith("_IN_PROGRESS"), state
        else:
            assert state.endswith("_COMPLETE") or state == "REVIEW_IN_PROGRESS", state


@pytest.mark.parametrize("status", ["CREATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE"])
def test_a_stack_that_is_up_is_updated(stand: Stand, status: str) -> None:
    stand.deploy()
    _stand_in(stand, status)
    assert stand.deploy().returncode == 0
    assert stand.status("connect-services") == "UPDATE_COMPLETE"


def test_a_stack_that_is_left_of_a_change_set_is_made(stand: Stand) -> None:
    _stand_in(stand, "REVIEW_IN_PROGRESS", "foundation")
    assert stand.deploy().returncode == 0
    assert stand.status("connect-foundation") == "CREATE_COMPLETE"


def test_what_failed_before_is_not_told_again(stand: Stand) -> None:
    stand.deploy()
    stand.set(Image="connect:broken")
    for _ in range(2):
        assert stand.deploy().stderr.count("Gateway (AWS::CloudFormation::Stack) UPDATE_FAILED") == 1
    stand.state["refuses"] = {"cloudformation deploy": "AccessDenied"}
    result = stand.deploy()
    assert result.returncode == 1
    assert "An error occurred (AccessDenied)" in result.stderr
    assert "CloudFormation changed nothing; the AWS CLI says why, above." in result.stderr
    assert "Circuit Breaker" not in result.stderr
    assert "connect-foundation failed. It is as it was before, and the services were not touched" in result.stderr


def test_failures_of_all_nested_stacks_are_told(stand: Stand) -> None:
    stand.set(Image="connect:broken")
    told = [line for line in stand.deploy().stderr.splitlines() if line.startswith("  ")]
    assert told[:2] == [
        "  Gateway (AWS::CloudFormation::Stack) CREATE_FAILED: Embedded stack "
        f"{cloud.ARN}connect-services-Gateway/1 was not successfully created",
        "  Gateway/Service (AWS::ECS::Service) CREATE_FAILED: "
        "Error occurred during operation 'ECS Deployment Circuit Breaker was triggered'.",
    ]
    # What was given up because of it, such as `Other`, is not.
    assert "Other" not in "".join(told)


def test_events_that_may_not_be_read_are_said(stand: Stand) -> None:
    stand.set(Image="connect:broken")
    stand.state["refuses"] = {
        "cloudformation describe-stack-events": "AccessDenied", "ecs list-tasks": "AccessDenied",
    }
    result = stand.deploy()
    assert result.returncode == 1
    assert "connect-services: its events cannot be read: you are told why" in result.stderr
    assert "the tasks of the cluster the-Cluster cannot be read: you are told why" in result.stderr


def test_a_rollback_that_fails_is_said_with_what_to_do(stand: Stand) -> None:
    stand.deploy()
    stand.state["slow"] = {"connect-services": ["UPDATE_ROLLBACK_IN_PROGRESS", "UPDATE_ROLLBACK_FAILED"]}
    result = stand.deploy()
    assert result.returncode == 1
    assert "It is in UPDATE_ROLLBACK_FAILED: the rollback failed, too" in result.stderr


@pytest.mark.parametrize(
    ("statuses", "code"),
    [
        (["CREATE_IN_PROGRESS", "CREATE_IN_PROGRESS", "CREATE_COMPLETE"], 0),
        (["CREATE_IN_PROGRESS", "ROLLBACK_IN_PROGRESS", "ROLLBACK_COMPLETE"], 1),
    ],
)
def test_what_takes_longer_than_the_cli_waits_is_waited_for(stand: Stand, statuses: list[str], code: int) -> None:
    stand.state["slow"] = {"connect-foundation": statuses}
    result = stand.deploy()
    assert result.returncode == code, result.stderr
    assert "CloudFormation goes on with connect-foundation (CREATE_IN_PROGRESS): waiting for up to 6 h" in result.stderr
    assert (stand.status("connect-services") == "CREATE_COMPLETE") == (code == 0)


def test_what_was_done_while_the_cli_had_no_network_has_not_failed(stand: Stand) -> None:
    stand.state["network_is_lost"] = True
    for status in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
        result = stand.deploy()
        assert result.returncode == 0, result.stderr
        assert stand.status("connect-services") == status
        assert stand.stack("connect-services")["Protected"]


def test_a_first_deployment_that_is_refused_has_made_nothing(stand: Stand) -> None:
    stand.state["refuses"] = {"cloudformation deploy": "AccessDenied"}
    result = stand.deploy()
    assert result.returncode == 1
    assert "connect-foundation failed. Nothing of it was made. Fix the cause" in result.stderr


def test_it_does_not_wait_for_ever(stand: Stand) -> None:
    stand.limit(LONGEST_WAIT_SECONDS=0.5, LOOK_SECONDS=0.1)
    stand.state["slow"] = {"connect-foundation": ["CREATE_IN_PROGRESS"]}
    result = stand.deploy()
    assert result.returncode == 1
    assert "CloudFormation is not done with connect-foundation (CREATE_IN_PROGRESS)" in result.stderr


def test_a_stack_that_cannot_be_removed_is_said(stand: Stand) -> None:
    stand.deploy()
    _stand_in(stand, "ROLLBACK_COMPLETE")
    stand.state["refuses"] = {"cloudformation delete-stack": "AccessDenied"}
    result = stand.deploy()
    assert result.returncode == 1
    assert "connect-services could not be removed (you are told why)" in result.stderr


def test_a_stack_that_may_not_be_protected_is_up_all_the_same(stand: Stand) -> None:
    stand.state["refuses"] = {"cloudformation update-termination-protection": "AccessDenied"}
    result = stand.deploy()
    assert result.returncode == 0
    assert "connect-services is up, but may be deleted" in result.stderr


def test_a_dry_run_shows_what_would_be_replaced_and_changes_nothing(stand: Stand) -> None:
    stand.deploy()
    before = json.dumps(stand.state["stacks"])
    result = stand.deploy("--dry-run")
    assert result.returncode == 0, result.stderr
    changes = [
        "  Modify Redis (AWS::CloudFormation::Stack)",
        "    Modify Bus (AWS::ElastiCache::ReplicationGroup) REPLACED",
        "  Add Cluster (AWS::ECS::Cluster)",
    ]
    assert result.stdout.splitlines() == ["connect-foundation:", *changes, "connect-services:", *changes]
    assert json.dumps(stand.state["stacks"]) == before
    assert stand.state["change_sets"] == {}


def test_a_dry_run_of_a_new_deployment_leaves_nothing(stand: Stand) -> None:
    result = stand.deploy("--dry-run")
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines() == [
        "connect-foundation: is not there yet, would be made", "connect-services: is not there yet, would be made",
    ]
    assert list(stand.state["stacks"]) == ["connect-bootstrap"]
    stand.set(Image="connect:missing")
    assert "push it first" in stand.refused("--dry-run")


def test_a_dry_run_without_changes_says_so(stand: Stand) -> None:
    stand.deploy()
    stand.state["changes"] = False
    result = stand.deploy("--dry-run")
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines() == ["connect-foundation:", "  nothing", "connect-services:", "  nothing"]


def test_a_dry_run_goes_without_nested_stacks_where_those_fail(stand: Stand) -> None:
    stand.deploy()
    stand.state["nested_change_sets_fail"] = True
    result = stand.deploy("--dry-run")
    assert result.returncode == 0, result.stderr
    assert "Redis: Template error: Fn::Select cannot select nonexistent value): trying without them" in result.stderr
    assert "  (of nested stacks, only which" in result.stdout
    assert "  Modify Redis (AWS::CloudFormation::Stack)" in result.stdout
    assert stand.state["change_sets"] == {}


def test_a_dry_run_that_fails_says_why_and_exits_with_1(stand: Stand) -> None:
    stand.deploy()
    stand.state["nested_change_sets_fail"] = "both"
    result = stand.deploy("--dry-run")
    assert result.returncode == 1
    assert "CloudFormation cannot say what would change in connect-foundation, and nothing was changed" in result.stderr
    assert stand.state["change_sets"] == {}
    stand.state["refuses"] = {"cloudformation create-change-set": "AccessDenied"}
    result = stand.deploy("--dry-run")
    assert result.returncode == 1
    assert "there is no change set of connect-foundation" in result.stderr


def test_the_page_says_of_each_failure_what_the_command_says() -> None:
    table = PAGE.read_text().partition("\n## When it fails\n")[2].partition("\n## ")[0].lower()
    for phrases, _ in ADVICE:
        assert any(phrase in table for phrase in phrases), phrases
