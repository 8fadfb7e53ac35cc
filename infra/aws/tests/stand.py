"""A stand-in for the AWS CLI that notes what it is asked, and a checkout for the scripts that ask it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

# Answers what the scripts ask, unless the beginning of the call is in AWS_REFUSES. How the stack stands is
# AWS_STACK_STATUS; of several, separated by spaces, each is told once, and the last for ever.
_AWS = """#!/usr/bin/env bash
printf '%s\\n' "$*" >>"$AWS_CALLS"
case "$*" in
  ${AWS_REFUSES:-nothing}*)
    case "$*" in
      *describe-stacks*) echo "An error occurred (${AWS_ERROR:-Stack with id connect does not exist})" >&2 ;;
      *) echo "An error occurred" >&2 ;;
    esac
    exit 254 ;;
  *OutputKey==\\'TemplateBucket\\'*) echo connect-templates ;;
  *OutputKey==*) echo output ;;
  *StackStatus*)
    told=$(grep -c StackStatus "$AWS_CALLS")
    statuses=(${AWS_STACK_STATUS:-UPDATE_COMPLETE})
    echo "${statuses[told <= ${#statuses[@]} ? told - 1 : ${#statuses[@]} - 1]}" ;;
  *describe-stack-events*)
    cat "$AWS_EVENTS/${4##*/}.json" 2>/dev/null || { echo "An error occurred (AccessDenied)" >&2; exit 254; } ;;
  *"describe-change-set --change-set-name root"*)
    printf 'Modify\\tFalse\\tElastiCache\\tAWS::CloudFormation::Stack\\tnested\\n'
    printf 'Add\\tNone\\tCluster\\tAWS::ECS::Cluster\\tNone\\n' ;;
  *"describe-change-set --change-set-name nested"*)
    printf 'Modify\\tTrue\\tBus\\tAWS::ElastiCache::ReplicationGroup\\tNone\\n' ;;
  "cloudformation create-change-set"*) echo root ;;
  "sts get-caller-identity"*) echo 123456789012 ;;
  "ec2 describe-managed-prefix-lists"*) echo pl-6ea54007 ;;
  "ecr batch-get-image"*) echo "$AWS_MANIFEST" ;;
  "ec2 describe-availability-zones"*) echo "${AWS_ZONES:-3}" ;;
  "ecs run-task"*) echo arn:aws:ecs:eu-central-1:123456789012:task/connect/0123 ;;
  "logs get-log-events"*) echo '{"events": [{"message": "STREAM"}, {"message": "incoming"}]}' ;;
  "ecs describe-tasks"*) echo "${AWS_EXIT_CODE:-0}" ;;
esac
"""

GOOD = "# What is ours\nDomainName=chat.example.com\nHostedZoneId=Z1\nImage=connect:0.4.0\n"


class Stand:
    """A checkout with nothing but the scripts, in which they cannot leave anything of ours."""

    def __init__(self, directory: Path, templates: Path) -> None:
        self.infra = directory / "infra"
        shutil.copytree(templates, self.infra / "aws", ignore=shutil.ignore_patterns("tests", "__pycache__"))
        shutil.copytree(templates.parent / "lib", self.infra / "lib")
        self.bin = directory / "bin"
        self.bin.mkdir()
        (self.bin / "aws").write_text(_AWS)
        (self.bin / "aws").chmod(0o755)
        # Nobody waits.
        (self.bin / "sleep").write_text("#!/bin/sh\n")
        (self.bin / "sleep").chmod(0o755)
        self.events = directory / "events"
        self.events.mkdir()
        self.calls = directory / "calls"
        self.parameters = directory / "parameters"
        self.parameters.write_text(GOOD)
        self.tools = directory / ".build-tools"

    def run(self, script: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        self.calls.write_text("")
        return subprocess.run(
            [self.infra / "aws" / script, *arguments], capture_output=True, text=True, check=False, timeout=60,
            stdin=subprocess.DEVNULL,
            env={"PATH": f"{self.bin}:{os.environ['PATH']}", "AWS_CALLS": str(self.calls),
                 "AWS_EVENTS": str(self.events), **environment},
        )

    def deploy(self, *more: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return self.run("deploy", "--stack", "connect", "--region", "eu-central-1",
                        "--parameters", str(self.parameters), *more, **environment)
