"""A stand-in for the AWS CLI: an account as far as a deployment sees it, with the forms of AWS's answers."""

from __future__ import annotations

import json
import socket
import threading
import traceback
from typing import Any, BinaryIO

from cloud_formation import ACCOUNT, ARN, ROLES, CloudFormation, Error, State, Text


def fresh() -> State:
    """An account after --bootstrap: an image, a zone, and no deployment yet."""
    state: State = {
        "account": True, "stacks": {}, "clock": 0, "refuses": {}, "slow": {}, "change_sets": {}, "deleted": {},
        "buckets": ["connect-templates"], "roles": sorted(ROLES),
        "images": {"connect:0.4.0": None, "connect:0.4.1": None, "connect:broken": None},
        # Images whose tasks end at once.
        "broken": ["connect:broken"],
        "zones": {"eu-central-1a": "euc1-az2", "eu-central-1b": "euc1-az3", "eu-central-1c": "euc1-az1"},
        # Zones that lack Fargate on ARM, or Graviton nodes.
        "without_arm": ["use1-az3"],
        "hosted_zones": {"Z1": {
            "Name": "example.com.", "Private": False,
            "Servers": ["ns-1.awsdns-01.org", "ns-2.awsdns-02.net"],
            "Records": [{"Name": "example.com.", "Type": "NS"}, {"Name": "example.com.", "Type": "SOA"}],
        }},
        "prefix_lists": ["pl-6ea54007"],
        "stopped_tasks": [], "task": {"exitCode": 0, "log": ["STREAM", "incoming"], "page": 1000, "late": 0},
        # The dry run: of nested stacks, and of the root.
        "nested_change_sets_fail": False, "changes": True,
    }
    state["stacks"]["connect-bootstrap"] = {
        "StackName": "connect-bootstrap", "StackId": f"{ARN}connect-bootstrap/0", "StackStatus": "CREATE_COMPLETE",
        "Parameters": {}, "Outputs": {"TemplateBucket": "connect-templates"}, "Events": [],
    }
    return state


class Cloud(CloudFormation):
    """The account."""

    def __init__(self, state: State, arguments: list[str]) -> None:
        super().__init__(state)
        self.service, self.verb = arguments[0], arguments[1]
        self.options = _options(arguments[2:])

    def answer(self) -> Any:
        call = f"{self.service} {self.verb}"
        for refused, code in self.state["refuses"].items():
            if call == refused:
                raise Error(code, self.verb.title().replace("-", ""), "you are told why")
        method = getattr(self, call.replace(" ", "_").replace("-", "_"), None)
        if method is None:
            raise Error("Unknown", call, "the stand-in does not know this call")
        return method()

    # Accounts, images, zones, names

    def sts_get_caller_identity(self) -> Any:
        if not self.state["account"]:
            raise Error("InvalidClientTokenId", "GetCallerIdentity", "The security token is invalid.")
        return {"Account": ACCOUNT}

    def iam_create_service_linked_role(self) -> Any:
        name = self.option("--aws-service-name")
        if name in self.state["roles"]:
            raise Error("InvalidInput", "CreateServiceLinkedRole",
                        f"Service role name for {name} has been taken in this account, please try a different suffix.")
        self.state["roles"].append(name)
        return {"Role": {"RoleName": name}}

    def _image(self) -> Any:
        kind, _, value = self.option("--image-ids").partition("=")
        image = f"{self.option('--repository-name')}{':' if kind == 'imageTag' else '@'}{value}"
        if image not in self.state["images"]:
            raise Error("ImageNotFoundException", "DescribeImages", f"The image with imageId {value} does not exist")
        return self.state["images"][image]

    def ecr_describe_images(self) -> Any:
        self._image()
        return {"imageDetails": [{}]}

    def ecr_batch_get_image(self) -> Any:
        platforms = self._image()
        if platforms is None:
            return {"images": [{"imageManifest": json.dumps({"schemaVersion": 2, "config": {}})}]}
        images = [
            {"platform": dict(zip(("os", "architecture"), name.split("/"), strict=True))} for name in platforms
        ]
        return {"images": [{"imageManifest": json.dumps({"schemaVersion": 2, "manifests": images})}]}

    def ec2_describe_availability_zones(self) -> Any:
        zones = self.state["zones"].items()
        return {"AvailabilityZones": [{"ZoneName": name, "ZoneId": identity} for name, identity in zones]}

    def ec2_describe_managed_prefix_lists(self) -> Any:
        return {"PrefixLists": [{"PrefixListId": identity} for identity in self.state["prefix_lists"]]}

    def s3api_head_bucket(self) -> Any:
        if self.option("--bucket") not in self.state["buckets"]:
            raise Error("404", "HeadBucket", "Not Found")

    def _hosted_zone(self, operation: str, name: str) -> Any:
        identity = self.option(name)
        if identity not in self.state["hosted_zones"]:
            raise Error("NoSuchHostedZone", operation, f"No hosted zone found with ID: {identity}")
        return self.state["hosted_zones"][identity]

    def route53_get_hosted_zone(self) -> Any:
        zone = self._hosted_zone("GetHostedZone", "--id")
        return {"HostedZone": {"Name": zone["Name"], "Config": {"PrivateZone": zone["Private"]}},
                "DelegationSet": {"NameServers": zone["Servers"]}}

    def route53_list_resource_record_sets(self) -> Any:
        zone = self._hosted_zone("ListResourceRecordSets", "--hosted-zone-id")
        start = _reversed(self.option("--start-record-name"))
        return {"ResourceRecordSets": [it for it in zone["Records"] if _reversed(it["Name"]) >= start]}

    # Tasks and logs

    def ecs_list_tasks(self) -> Any:
        return {"taskArns": [f"task/{index}" for index in range(len(self.state["stopped_tasks"]))]}

    def ecs_run_task(self) -> Any:
        if self.state["task"].get("failure"):
            return {"tasks": [], "failures": [{"reason": self.state["task"]["failure"]}]}
        return {"tasks": [{"taskArn": f"arn:aws:ecs:eu-central-1:{ACCOUNT}:task/connect/0123"}], "failures": []}

    def ecs_describe_tasks(self) -> Any:
        if self.options["--tasks"][0].startswith("task/"):
            return {"tasks": self.state["stopped_tasks"]}
        task = self.state["task"]
        task["looks"] = task.get("looks", 0) + 1
        if task["looks"] < 3:
            return {"tasks": [{"lastStatus": "PENDING", "containers": [{"name": "operator"}]}]}
        ran = task["exitCode"] is not None
        code = {"exitCode": task["exitCode"]} if ran else {"reason": "CannotPullContainerError"}
        return {"tasks": [{"lastStatus": "STOPPED", "stoppedReason": "Task ended",
                           "containers": [{"name": "operator", **code}]}]}

    def logs_get_log_events(self) -> Any:
        """The same token at the end, and an empty page first, as CloudWatch may give one."""
        task = self.state["task"]
        if task["late"] > 0 or not task["log"]:
            task["late"] -= 1
            raise Error("ResourceNotFoundException", "GetLogEvents", "The specified log stream does not exist.")
        page = int(self.option("--next-token").partition("/")[2]) if "--next-token" in self.options else 0
        begin, end = (page - 1) * task["page"], page * task["page"]
        lines = task["log"][begin:end] if page > 0 else []
        last = (len(task["log"]) + task["page"] - 1) // task["page"]
        if page > last:
            # What CloudWatch shows only later.
            task["log"] = task["log"] + task.pop("later", [])
        return {"events": [{"timestamp": 0, "message": line} for line in lines],
                "nextForwardToken": f"f/{min(page + 1, last + 1)}", "nextBackwardToken": "b/0"}


def _options(arguments: list[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    name = ""
    for argument in arguments:
        if argument.startswith("--"):
            name = argument
            found[name] = []
        else:
            found.setdefault(name, []).append(argument)
    return found


def _reversed(name: str) -> list[str]:
    return name.rstrip(".").split(".")[::-1]


class Service:
    """Answers calls of the AWS CLI from a state: of this process, and of a program that hands them on, whose
    text is COMMAND. A process of Python for each call would take most of the time of the tests."""

    COMMAND = """#!/usr/bin/env bash
exec 3<>/dev/tcp/127.0.0.1/PORT
printf '%s\\0' $# "$@" >&3
read -r code <&3
if [ "$code" = 0 ]; then cat <&3; else cat <&3 >&2; fi
exit "$code"
"""

    def __init__(self) -> None:
        self.state = fresh()
        self.calls: list[list[str]] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.command = self.COMMAND.replace("PORT", str(self._listener.getsockname()[1]))
        self._closed = False
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._closed = True
        # Wakes the thread.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        while not self._closed:
            try:
                connection, _ = self._listener.accept()
                with connection, connection.makefile("rb") as stream:
                    code, text = self.answer(_arguments(stream))
                    connection.sendall(f"{code}\n{text}".encode())
            except OSError:
                # Of a client that has gone, or of the end.
                continue

    def answer(self, arguments: list[str]) -> tuple[int, str]:
        self.calls.append(arguments)
        try:
            answer = Cloud(self.state, arguments).answer()
        except Error as error:
            return 254, f"{error}\n"
        except Exception:
            return 255, f"the stand-in fails: {traceback.format_exc()}"
        if answer is None:
            return 0, ""
        return 0, f"{answer if isinstance(answer, Text) else json.dumps(answer)}\n"


def _arguments(stream: BinaryIO) -> list[str]:
    """A count, and as many words, each ended by a zero."""
    text = bytearray()
    while not text or text.count(0) <= int(text.partition(b"\0")[0] or 0):
        byte = stream.read(1)
        if not byte:
            raise ConnectionError("a call that is cut off")
        text += byte
    return text.decode().split("\0")[1:-1]
