"""A stand-in for the AWS CLI and the resolver, for `infra/aws/deploy` and `infra/aws/inspect`: in the process of
the tests, or, a second slower, by the scripts in a checkout of their own.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import pkgutil
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import deployment
from cloud import Service
from cloud_formation import State
from deployment.cli import Aws, Refused
from resolver import NS, Resolver

GOOD = (
    "# What is ours\nDomainName=chat.example.com\nHostedZoneId=Z1\nImage=connect:0.4.0\nAlarmEmail=team@example.com\n"
)
# Nobody waits.
_LIMITS = {
    "LOOK_SECONDS": 0, "CHANGE_SET_LOOK_SECONDS": 0, "INSPECT_LOOK_SECONDS": 0, "LOG_LOOK_SECONDS": 0,
    "DNS_SECONDS": 0.3,
}
_MODULES = [importlib.import_module(f"deployment.{it.name}") for it in pkgutil.iter_modules(deployment.__path__)]

Result = subprocess.CompletedProcess[str]


class Stand:
    """An account, and a directory in which nothing can be left of ours."""

    def __init__(self, directory: Path, templates: Path, resolver: Resolver, patch: pytest.MonkeyPatch) -> None:
        self.directory, self._templates, self._patch = directory, templates, patch
        self._service = Service()
        self.resolver = resolver
        resolver.records = [("example.com", NS, server) for server in self.state["hosted_zones"]["Z1"]["Servers"]]
        self.parameters = directory / "parameters"
        self.parameters.write_text(GOOD)
        self.tools = directory / ".build-tools"
        patch.setattr("deployment.deploy._BUILD", self.tools)
        patch.setattr(Aws, "run", lambda _, *arguments: self._run(list(arguments)))
        patch.setattr(Aws, "show", lambda _, *arguments: self._show(list(arguments)))
        self.limit(**_LIMITS)

    def close(self) -> None:
        self._service.close()

    @property
    def state(self) -> State:
        """What there is in the account."""
        return self._service.state

    @property
    def calls(self) -> list[list[str]]:
        """What was asked for last."""
        return self._service.calls

    def _run(self, arguments: list[str]) -> str:
        code, text = self._service.answer(arguments)
        if code != 0:
            raise Refused(text)
        return text

    def _show(self, arguments: list[str]) -> bool:
        code, text = self._service.answer(arguments)
        print(text, file=sys.stderr)
        return code == 0

    def limit(self, **values: float) -> None:
        """Changes limits, wherever they are used."""
        for module in _MODULES:
            for name, value in values.items():
                if hasattr(module, name):
                    self._patch.setattr(module, name, value)

    def _main(self, module: str, *arguments: str) -> Result:
        self._service.calls = []
        output, errors = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
            code = importlib.import_module(f"deployment.{module}").main("aws", *arguments)
        return subprocess.CompletedProcess([module, *arguments], code, output.getvalue(), errors.getvalue())

    def _options(self, stack: str, region: str) -> list[str]:
        return ["--stack", stack, "--region", region, "--parameters", str(self.parameters),
                "--resolver", self.resolver.address]

    def deploy(self, *more: str, stack: str = "connect", region: str = "eu-central-1") -> Result:
        return self._main("deploy", *self._options(stack, region), *more)

    def bootstrap(self) -> Result:
        return self._main("deploy", "--bootstrap", "--region", "eu-central-1")

    def inspect(self, *arguments: str) -> Result:
        return self._main("inspection", "connect", "eu-central-1", *arguments)

    def refused(self, *more: str) -> str:
        """What a deployment says that ends before anything is made."""
        before = json.dumps(self.state["stacks"])
        result = self.deploy(*more)
        assert result.returncode == 1, result.stdout
        assert not self.called("cloudformation deploy", "cloudformation package", "cloudformation delete-stack")
        assert json.dumps(self.state["stacks"]) == before
        line, = [line for line in result.stderr.splitlines() if line.startswith("deploy: ")]
        return line

    def called(self, *verbs: str) -> list[list[str]]:
        """The calls that are one of these, such as `ecs run-task`."""
        return [call for call in self.calls if " ".join(call[:2]) in verbs]

    def set(self, **lines: str) -> None:
        """Changes lines of the file of parameters."""
        kept = [line for line in self.parameters.read_text().splitlines() if line.partition("=")[0] not in lines]
        self.parameters.write_text("\n".join([*kept, *(f"{name}={value}" for name, value in lines.items())]) + "\n")

    def stack(self, name: str) -> dict[str, Any]:
        """A stack of the account."""
        found: dict[str, Any] = self.state["stacks"][name]
        return found

    def status(self, name: str) -> str:
        """How a stack stands; empty if it is not there."""
        return str(self.state["stacks"].get(name, {}).get("StackStatus", ""))


class Scripts:
    """A checkout with the scripts alone, and a program `aws` that asks a stand."""

    def __init__(self, stand: Stand, templates: Path) -> None:
        self.stand = stand
        self.directory = stand.directory / "checkout"
        self.infra = self.directory / "infra"
        shutil.copytree(
            templates, self.infra / "aws", ignore=shutil.ignore_patterns("tests", "__pycache__", "check")
        )
        shutil.copytree(templates.parent / "lib", self.infra / "lib")
        limits = self.infra / "aws/deployment/limits.py"
        with limits.open("a") as file:
            file.writelines(f"{name} = {value}\n" for name, value in _LIMITS.items())
        self.bin = self.directory / "bin"
        self.bin.mkdir()
        self.program("aws", stand._service.command)
        # A wrapper, such as pyenv's, takes as long as all the rest.
        (self.bin / "python3").symlink_to(sys.executable)

    def program(self, name: str, text: str) -> None:
        (self.bin / name).unlink(missing_ok=True)
        (self.bin / name).write_text(text)
        (self.bin / name).chmod(0o755)

    def run(self, script: str, *arguments: str, path: str = "") -> Result:
        self.stand._service.calls = []
        return subprocess.run(
            [self.infra / "aws" / script, *arguments], capture_output=True, text=True, check=False, timeout=60,
            stdin=subprocess.DEVNULL, cwd=self.directory, env={"PATH": path or f"{self.bin}:{os.environ['PATH']}"},
        )

    def deploy(self, *more: str, path: str = "") -> Result:
        return self.run("deploy", *self.stand._options("connect", "eu-central-1"), *more, path=path)
