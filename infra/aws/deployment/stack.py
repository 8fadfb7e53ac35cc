"""One of the stacks: how it stands, what may be done with it, and deploying it.

Both roll back when they fail. With rollback disabled, CloudFormation refuses every change that replaces
a resource, and from then on every update that has it enabled; and a new image replaces a task definition.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from .cli import Aws, Failure, Refused, say
from .failures import newest_event
from .limits import LONGEST_WAIT_SECONDS, LOOK_SECONDS

# Of a stack that is up, and may be updated.
_UP = (
    "CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE", "IMPORT_ROLLBACK_COMPLETE",
)
# Of one that is not there, or has nothing in it.
_NEW = ("", "REVIEW_IN_PROGRESS", "ROLLBACK_COMPLETE")


class Stack:
    """A stack of a deployment. `look` before anything else."""

    def __init__(self, aws: Aws, name: str) -> None:
        self._aws = aws
        self.name = name
        self._described: dict[str, Any] | None = None

    def look(self) -> Stack:
        """Asks how the stack stands."""
        try:
            answer = self._aws.ask("cloudformation", "describe-stacks", "--stack-name", self.name)
        except Refused as refused:
            if "does not exist" not in refused.message:
                raise Failure(f"the stack {self.name} cannot be looked up: {refused}") from None
            self._described = None
        else:
            self._described = answer["Stacks"][0]
        return self

    @property
    def status(self) -> str:
        """Empty if there is no such stack."""
        return self._described["StackStatus"] if self._described else ""

    @property
    def is_new(self) -> bool:
        """Whether it was never up."""
        return self.status in _NEW

    @property
    def outputs(self) -> dict[str, str]:
        found = (self._described or {}).get("Outputs", [])
        return {output["OutputKey"]: output["OutputValue"] for output in found}

    @property
    def described_outputs(self) -> list[tuple[str, str]]:
        """Those that the template describes: they are for people, the others for the other stack."""
        found = (self._described or {}).get("Outputs", [])
        return sorted((it["OutputKey"], it["OutputValue"]) for it in found if it.get("Description"))

    @property
    def parameters(self) -> dict[str, str]:
        """Those that it was last deployed with; none if it was never up."""
        if self.is_new or not self._described:
            return {}
        return {
            it["ParameterKey"]: it.get("ParameterValue", "") for it in self._described.get("Parameters", [])
        }

    def require_deployable(self) -> None:
        """Ends with what to do first, if the stack is in a state that CloudFormation does not update."""
        if not (self.status in _UP or self.is_new):
            raise Failure(f"the stack {self.name} is in {self.status}: {self.remedy()}")

    def remedy(self) -> str:
        """What to do about a status that cannot be updated."""
        def command(verb: str) -> str:
            return self._aws.command(f"cloudformation {verb} --stack-name {self.name}")

        if self.status in ("ROLLBACK_FAILED", "DELETE_FAILED"):
            return (
                f"it can only be removed. Its events name what could not be deleted; fix that, then "
                f"{command('delete-stack')}, wait until it is gone, and deploy again"
            )
        if self.status in ("UPDATE_ROLLBACK_FAILED", "IMPORT_ROLLBACK_FAILED"):
            return (
                f"the rollback failed, too. Its events name why; fix that, then "
                f"{command('continue-update-rollback')}, wait for UPDATE_ROLLBACK_COMPLETE, and deploy again"
            )
        if self.status in ("CREATE_FAILED", "UPDATE_FAILED"):
            return (
                f"somebody deployed it with its rollback disabled: {command('rollback-stack')} takes it back; "
                "wait for that, and deploy again"
            )
        return "something is under way: deploy again when that is over"

    def remove_empty(self) -> None:
        """Removes what is left of a first deployment that failed: such a stack can only be removed, and
        it is empty, for what was made has been taken back."""
        if self.status != "ROLLBACK_COMPLETE":
            return
        say(f"The stack {self.name} is in ROLLBACK_COMPLETE, what a failed first deployment leaves: removing it.")
        try:
            self._aws.ask("cloudformation", "delete-stack", "--stack-name", self.name)
            self._aws.run("cloudformation", "wait", "stack-delete-complete", "--stack-name", self.name)
        except Refused as refused:
            raise Failure(
                f"the stack {self.name} could not be removed ({refused}): see its events, then "
                + self._aws.command(f"cloudformation delete-stack --stack-name {self.name}")
                + ", wait until it is gone, and deploy again"
            ) from None

    def deploy(self, template: Path, values: list[str], bucket: str = "") -> str | None:
        """Creates or updates the stack, and waits for the end. If it fails, the time after which what went
        wrong did; else None."""
        self.remove_empty()
        since = newest_event(self._aws, self.name)
        parameters = []
        if values:
            file = template.with_suffix(".json")
            # The one form that both versions of the CLI take from a file.
            file.write_text(json.dumps(values, indent=1), encoding="utf-8")
            parameters = ["--parameter-overrides", f"file://{file}"]
        store = ["--s3-bucket", bucket, "--s3-prefix", self.name] if bucket else []
        succeeded = self._aws.show(
            "cloudformation", "deploy", "--stack-name", self.name, "--template-file", str(template), *store,
            "--capabilities", "CAPABILITY_IAM", "--no-fail-on-empty-changeset", *parameters,
        )
        if not succeeded and not self._ends_well(since):
            return since
        self.look()
        return None

    def _ends_well(self, since: str) -> bool:
        """Waits for what CloudFormation is still at, and says whether that ends well."""
        self.look()
        if not self._is_under_way():
            # The CLI may have lost the network, and CloudFormation was done before this looks. Of a change that
            # was refused there is no event.
            return self._is_complete() and newest_event(self._aws, self.name) > since
        say(f"CloudFormation goes on with {self.name} ({self.status}): waiting for up to "
            f"{LONGEST_WAIT_SECONDS // 3600} hours more. Ctrl-C ends the waiting only.")
        end = time.monotonic() + LONGEST_WAIT_SECONDS
        while time.monotonic() < end:
            time.sleep(LOOK_SECONDS)
            try:
                self.look()
            except Failure:
                # Whoever waits for hours may lose the network for a moment.
                continue
            if not self._is_under_way():
                return self._is_complete()
        raise Failure(
            f"CloudFormation is not done with {self.name} ({self.status}), and this waits no longer: deploy again "
            "when it is"
        )

    def _is_complete(self) -> bool:
        return self.status in ("CREATE_COMPLETE", "UPDATE_COMPLETE")

    def _is_under_way(self) -> bool:
        return self.status.endswith("_IN_PROGRESS") and self.status != "REVIEW_IN_PROGRESS"

    def protect(self) -> None:
        """Now that it is up, nobody deletes it by mistake."""
        try:
            self._aws.ask(
                "cloudformation", "update-termination-protection", "--stack-name", self.name,
                "--enable-termination-protection",
            )
        except Refused as refused:
            say(f"The stack {self.name} is up, but may be deleted: you may not protect it ({refused}).")
