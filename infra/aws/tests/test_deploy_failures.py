"""What `infra/aws/deploy` does when a deployment fails, or takes longer than the AWS CLI waits for."""

from __future__ import annotations

import json

import pytest

from stand import Stand

_ARN = "arn:aws:cloudformation:eu-central-1:123456789012:stack/"
_NEVER_UP = ["REVIEW_IN_PROGRESS", "CREATE_FAILED", "UPDATE_FAILED"]


def _event(stack: str, name: str, status: str, itself: str = "", reason: str = "", at: str = "2999") -> dict[str, str]:
    return {
        "StackId": _ARN + stack, "LogicalResourceId": name, "PhysicalResourceId": itself,
        "ResourceType": "AWS::CloudFormation::Stack" if itself.startswith(_ARN) else "AWS::EC2::VPC",
        "Timestamp": f"{at}-01-01T00:00:00.123000+00:00", "ResourceStatus": status,
        **({"ResourceStatusReason": reason} if reason else {}),
    }


def _tell(stand: Stand, stack: str, *events: dict[str, str]) -> None:
    """What AWS answers for a stack: its events, the newest first."""
    (stand.events / f"{stack}.json").write_text(json.dumps({"StackEvents": events[::-1]}))


def _deploys(stand: Stand) -> list[str]:
    return [call for call in stand.calls.read_text().splitlines() if call.startswith("cloudformation deploy")]


@pytest.mark.parametrize("status", _NEVER_UP)
def test_what_was_never_up_is_not_rolled_back(stand: Stand, status: str) -> None:
    result = stand.deploy(AWS_STACK_STATUS=status)
    assert result.returncode == 0, result.stderr
    call, = _deploys(stand)
    assert "--disable-rollback" in call


def test_a_stack_that_is_not_there_is_not_rolled_back_and_one_that_is_up_is(stand: Stand) -> None:
    stand.deploy("--bucket", "connect-templates", AWS_REFUSES="cloudformation describe-stacks")
    assert "--disable-rollback" in _deploys(stand)[0]
    stand.deploy(AWS_STACK_STATUS="UPDATE_ROLLBACK_COMPLETE")
    assert "--disable-rollback" not in _deploys(stand)[0]


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("ROLLBACK_COMPLETE", "'aws cloudformation delete-stack --stack-name connect --region eu-central-1' removes it"),
        ("ROLLBACK_FAILED", "aws cloudformation delete-stack"),
        ("DELETE_FAILED", "aws cloudformation delete-stack"),
        ("UPDATE_ROLLBACK_FAILED", "aws cloudformation continue-update-rollback --stack-name connect"),
        ("UPDATE_IN_PROGRESS", "deploy again when that is over"),
    ],
)
@pytest.mark.parametrize("option", [[], ["--dry-run"]])
def test_a_stack_that_cannot_be_updated_is_refused_with_what_to_do(
    stand: Stand, status: str, said: str, option: list[str]
) -> None:
    result = stand.deploy(*option, AWS_STACK_STATUS=status)
    assert result.returncode == 1
    assert f"is in {status}" in result.stderr
    assert said in result.stderr
    assert "cloudformation package" not in stand.calls.read_text()


def test_a_stack_that_may_not_be_looked_up_is_not_taken_for_a_new_one(stand: Stand) -> None:
    result = stand.deploy(AWS_REFUSES="cloudformation describe-stacks", AWS_ERROR="AccessDenied")
    assert result.returncode == 1
    assert "connect cannot be looked up: An error occurred (AccessDenied)" in result.stderr
    assert not _deploys(stand)


def test_failures_of_all_nested_stacks_are_told(stand: Stand) -> None:
    _tell(
        stand, "connect",
        _event("connect", "Old", "CREATE_FAILED", reason="long ago", at="2001"),
        _event("connect", "connect", "CREATE_IN_PROGRESS", _ARN + "connect"),
        _event("connect", "Network", "CREATE_IN_PROGRESS"),
        _event("connect", "Network", "CREATE_IN_PROGRESS", _ARN + "network"),
        _event("connect", "Edge", "CREATE_IN_PROGRESS", _ARN + "edge"),
        _event("connect", "Edge", "DELETE_COMPLETE", _ARN + "edge"),
        _event("connect", "Secrets", "CREATE_FAILED", _ARN + "secrets", "Resource creation cancelled"),
        _event("connect", "Network", "CREATE_FAILED", _ARN + "network", "Embedded stack was not created"),
    )
    _tell(
        stand, "network",
        _event("network", "Vpc", "CREATE_FAILED", reason="The maximum number of VPCs has been reached."),
        _event("network", "Deep", "CREATE_COMPLETE", _ARN + "deep"),
    )
    _tell(stand, "deep", _event("deep", "Route", "CREATE_FAILED"))
    _tell(stand, "edge", _event("edge", "Certificate", "DELETE_FAILED", reason="in use"))
    result = stand.deploy(AWS_REFUSES="cloudformation deploy", AWS_STACK_STATUS="REVIEW_IN_PROGRESS CREATE_FAILED")
    assert result.returncode == 1
    told = result.stderr.partition("nests:\n")[2].splitlines()
    assert told[:-1] == [
        "Network (AWS::CloudFormation::Stack) CREATE_FAILED: Embedded stack was not created",
        "Network/Vpc (AWS::EC2::VPC) CREATE_FAILED: The maximum number of VPCs has been reached.",
        "Network/Deep/Route (AWS::EC2::VPC) CREATE_FAILED: no reason given",
        "Edge/Certificate (AWS::EC2::VPC) DELETE_FAILED: in use",
        "Secrets: its events cannot be read: An error occurred (AccessDenied)",
    ]
    assert "deploy again, which goes on from there" in told[-1]
    assert "termination-protection" not in stand.calls.read_text()


def test_an_update_that_fails_is_taken_back(stand: Stand) -> None:
    result = stand.deploy(AWS_REFUSES="cloudformation deploy")
    assert result.returncode == 1
    assert "takes back what it did" in result.stderr
    assert "delete-stack" not in result.stderr


@pytest.mark.parametrize(
    ("statuses", "code"),
    [
        ("REVIEW_IN_PROGRESS CREATE_IN_PROGRESS CREATE_IN_PROGRESS CREATE_COMPLETE", 0),
        ("UPDATE_COMPLETE UPDATE_IN_PROGRESS UPDATE_COMPLETE_CLEANUP_IN_PROGRESS UPDATE_COMPLETE", 0),
        ("UPDATE_COMPLETE UPDATE_IN_PROGRESS UPDATE_ROLLBACK_IN_PROGRESS UPDATE_ROLLBACK_COMPLETE", 1),
        ("REVIEW_IN_PROGRESS CREATE_IN_PROGRESS CREATE_FAILED", 1),
    ],
)
def test_what_takes_longer_than_the_cli_waits_is_waited_for(stand: Stand, statuses: str, code: int) -> None:
    result = stand.deploy(AWS_REFUSES="cloudformation deploy", AWS_STACK_STATUS=statuses)
    assert result.returncode == code, result.stderr
    assert "waiting for up to 6 hours more" in result.stderr
    assert ("update-termination-protection" in stand.calls.read_text()) == (code == 0)


def test_it_does_not_wait_for_ever(stand: Stand) -> None:
    script = stand.infra / "aws" / "deploy"
    text = script.read_text()
    assert "longest_wait=21600" in text
    script.write_text(text.replace("longest_wait=21600", "longest_wait=120"))
    result = stand.deploy(
        AWS_REFUSES="cloudformation deploy", AWS_STACK_STATUS="UPDATE_COMPLETE UPDATE_IN_PROGRESS"
    )
    assert result.returncode == 1
    assert "CloudFormation is not done (UPDATE_IN_PROGRESS)" in result.stderr
