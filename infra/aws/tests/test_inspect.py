"""`infra/aws/inspect`, with a stand-in for the AWS CLI."""

from __future__ import annotations

import subprocess

import pytest

from stand import Scripts, Stand


@pytest.fixture
def up(stand: Stand) -> Stand:
    assert stand.deploy().returncode == 0
    return stand


def _inspect(stand: Stand, *arguments: str) -> subprocess.CompletedProcess[str]:
    stand.state["task"]["looks"] = 0
    return stand.inspect(*arguments)


def test_it_runs_a_task_waits_for_it_and_prints_its_log(up: Stand) -> None:
    result = _inspect(up, "user", "bob")
    assert result.returncode == 0, result.stderr
    assert result.stdout == "STREAM\nincoming\n"
    call, = up.called("ecs run-task")
    assert '"command": ["inspect", "user", "bob"]' in " ".join(call)
    assert "subnets=[the-PrivateSubnets],securityGroups=[the-MessagingGroup],assignPublicIp=DISABLED" in " ".join(call)
    assert call[call.index("--task-definition") + 1] == "connect-operator"
    assert len(up.called("ecs describe-tasks")) == 3


def test_its_exit_code_is_that_of_the_task(up: Stand) -> None:
    up.state["task"]["exitCode"] = 77
    assert _inspect(up).returncode == 77
    up.state["task"].update(exitCode=None, log=[])
    up.state["task"]["late"] = 0
    up.limit(LOG_SECONDS=0)
    result = _inspect(up)
    assert result.returncode == 1
    assert "never ran: CannotPullContainerError" in result.stderr


def test_the_script_hands_on_what_it_does_not_know(up: Stand, scripts: Scripts) -> None:
    for before in ([], ["--"]):
        up.state["task"].update(looks=0, exitCode=77)
        result = scripts.run("inspect", "--stack", "connect", "--region", "eu-central-1", *before, "user", "--all")
        assert (result.returncode, result.stdout) == (77, "STREAM\nincoming\n")
        call, = up.called("ecs run-task")
        assert '"command": ["inspect", "user", "--all"]' in " ".join(call)


def test_lines_that_are_shown_later_than_the_first_are_read(up: Stand) -> None:
    up.state["task"].update(page=1, later=["the last line"])
    assert _inspect(up).stdout == "STREAM\nincoming\nthe last line\n"


@pytest.mark.parametrize("page", [1, 7, 100, 1000])
def test_all_pages_of_the_log_are_read(up: Stand, page: int) -> None:
    up.state["task"].update(log=[f"line {number}" for number in range(20)], page=page)
    result = _inspect(up, "user", "--all")
    assert result.stdout.splitlines() == [f"line {number}" for number in range(20)]


def test_a_log_that_comes_late_is_waited_for(up: Stand) -> None:
    up.state["task"]["late"] = 2
    result = _inspect(up)
    assert result.stdout == "STREAM\nincoming\n"


def test_what_cannot_be_read_is_said(up: Stand) -> None:
    up.state["refuses"] = {"logs get-log-events": "AccessDenied"}
    result = _inspect(up)
    assert result.returncode == 1
    assert "the log /connect/connect/operator operator/operator/0123 cannot be read: you are told why" in result.stderr


def test_a_task_that_cannot_be_started_is_said(up: Stand) -> None:
    up.state["task"]["failure"] = "RESOURCE:FARGATE"
    result = _inspect(up)
    assert result.returncode == 1
    assert "the task could not be started: RESOURCE:FARGATE" in result.stderr


def test_a_task_that_does_not_end_is_not_waited_for_for_ever(up: Stand) -> None:
    up.limit(INSPECT_SECONDS=0)
    result = _inspect(up)
    assert result.returncode == 1
    assert "'aws ecs stop-task --cluster the-Cluster --task arn:aws:ecs:" in result.stderr


def test_a_deployment_that_is_not_there_is_said(stand: Stand) -> None:
    result = _inspect(stand)
    assert result.returncode == 1
    assert "connect-foundation in eu-central-1 is not there or not complete" in result.stderr
