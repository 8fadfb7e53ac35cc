"""The AWS CLI, which knows the user's credentials."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import Any

_ERROR = re.compile(r"An error occurred \((\w+)\)(?: when calling the \w+ operation)?(?: \([^)]*\))?: (.*)", re.DOTALL)
_GUIDE = "https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html"


class Failure(Exception):
    """What ends a deployment: what happened, and what to do about it."""


class Refused(Exception):
    """AWS, or its CLI, refuses a call."""

    def __init__(self, text: str) -> None:
        match = _ERROR.search(text)
        # Such as AccessDenied; empty if the CLI did not get as far as AWS.
        self.code = match.group(1) if match else ""
        self.message = " ".join((match.group(2) if match else text).split()) or "no reason given"
        super().__init__(self.message)


def say(text: str) -> None:
    """To standard error: standard output is for results."""
    print(text, file=sys.stderr, flush=True)


class Aws:
    """The CLI, in one Region. Its path is found by a shell: a Python that a wrapper starts may have
    another PATH. It is empty if there is none."""

    def __init__(self, path: str, region: str) -> None:
        self.region = region
        if not path:
            raise Failure(f"there is no AWS CLI in PATH: see {_GUIDE}")
        self._path = path
        self._environment = {
            **os.environ, "AWS_REGION": region, "AWS_DEFAULT_REGION": region, "AWS_PAGER": "",
        }

    def require_credentials(self) -> None:
        try:
            self.ask("sts", "get-caller-identity")
        except Refused as refused:
            raise Failure(
                "AWS does not accept your credentials, or there are none: 'aws configure' or 'aws sso login' "
                f"sets them ({refused})"
            ) from None

    def ask(self, *arguments: str) -> Any:
        """What a call answers; None if that is nothing. Raises `Refused`."""
        answer = self.run(*arguments, "--output", "json")
        return json.loads(answer) if answer.strip() else None

    def run(self, *arguments: str) -> str:
        """What a call says that does not answer in JSON. Raises `Refused`."""
        answer = subprocess.run(
            [self._path, *arguments], env=self._environment, capture_output=True, text=True, check=False,
            stdin=subprocess.DEVNULL,
        )
        if answer.returncode != 0:
            raise Refused(answer.stderr)
        return answer.stdout

    def show(self, *arguments: str) -> bool:
        """Runs a call that takes long, with what it says on standard error. Whether it succeeds."""
        return subprocess.run(
            [self._path, *arguments], env=self._environment, stdout=sys.stderr, check=False,
            stdin=subprocess.DEVNULL,
        ).returncode == 0

    def command(self, arguments: str) -> str:
        """A call for the user to type."""
        return f"'aws {arguments} --region {self.region}'"
