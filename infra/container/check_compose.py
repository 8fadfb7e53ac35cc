#!/usr/bin/env python3
"""Holds the compose file against what must be true of it.

    docker compose --file infra/container/compose.yaml config --format json |
        infra/container/check_compose.py

Prints what is wrong, one line each, and exits with 1 if there is any.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
REDIS = HERE.parents[1] / "Sources/ConnectCommand/Documentation.docc/Redis.md"

# A gateway lets its clients go over --drain-seconds (100 by default), and needs so long for the rest.
DRAIN_SECONDS = 100
DRAIN_REST_SECONDS = 10

# Settings that hold a secret themselves; each has another one that names a file.
SECRETS = (
    "CONNECT_AUTH_SECRET",
    "CONNECT_AUTH_PREVIOUS_SECRET",
    "CONNECT_REDIS_PASSWORD",
    "CONNECT_SERVICE_TOKEN",
)

# The one that may be root, to give files to the others; and what runs once, without a health check.
GIVES_FILES = "credentials"
ONCE = {"credentials", "cluster"}


def seconds(duration: str) -> int:
    """The length of a duration such as 2m0s."""
    units = {"h": 3600, "m": 60, "s": 1}
    return sum(int(n) * units[unit] for n, unit in re.findall(r"(\d+)([hms])", duration))


def service_faults(name: str, service: dict[str, Any]) -> list[str]:
    """What is wrong with any service, whatever it does."""
    faults = []
    if service.get("read_only") is not True:
        faults.append("its root file system can be written to")
    if service.get("cap_drop") != ["ALL"]:
        faults.append("it keeps capabilities")
    if service.get("cap_add", []) != (["CHOWN"] if name == GIVES_FILES else []):
        faults.append("it is given capabilities")
    if "no-new-privileges:true" not in service.get("security_opt", []):
        faults.append("it may gain privileges")
    if service.get("privileged"):
        faults.append("it is privileged")
    if name != GIVES_FILES and not re.fullmatch(r"[1-9]\d*:[1-9]\d*", service.get("user", "")):
        faults.append("it runs as root, or as a user without a number")
    limits = service.get("deploy", {}).get("resources", {}).get("limits", {})
    faults += [f"no limit of {key}" for key in ("cpus", "memory", "pids") if not limits.get(key)]
    if name not in ONCE and not service.get("healthcheck", {}).get("test"):
        faults.append("no health check")
    if name in ONCE and service.get("restart") != "no":
        faults.append("it is started again, though it is to run once")
    for port in service.get("ports", []):
        if port.get("host_ip") != "127.0.0.1":
            faults.append(f"port {port.get('published')} can be reached from other machines")
    for volume in service.get("volumes", []):
        if volume["target"].startswith("/credentials/") and not volume.get("read_only"):
            if name != GIVES_FILES:
                faults.append(f"it may change {volume['target']}")
    return faults


def waits_for(service: dict[str, Any], other: str, condition: str) -> bool:
    """Whether a service starts only when another is in a condition."""
    return service.get("depends_on", {}).get(other, {}).get("condition") == condition


def role_faults(services: dict[str, dict[str, Any]]) -> list[str]:
    """What is wrong with what the services are to each other."""
    faults = []
    roles: dict[str, list[str]] = {"gateway": [], "messaging": [], "redis": []}
    for name in services:
        for role, names in roles.items():
            if re.fullmatch(rf"{role}-\d+", name):
                names.append(name)
    for role, count in (("gateway", 2), ("messaging", 2), ("redis", 6)):
        if len(roles[role]) != count:
            faults.append(f"{len(roles[role])} of {role}, not {count}")
    for name in roles["gateway"] + roles["messaging"]:
        service = services[name]
        if service["command"] != [name.split("-")[0]]:
            faults.append(f"{name}: runs {service['command']}")
        environment = service["environment"]
        if not environment["CONNECT_REDIS_URL"].startswith("rediss://"):
            faults.append(f"{name}: no TLS to Redis")
        faults += [
            f"{name}: {key} holds a secret; give a file"
            for key in SECRETS
            if key in environment
        ]
        if not waits_for(service, "cluster", "service_completed_successfully"):
            faults.append(f"{name}: starts before the cluster is whole")
        if not waits_for(services["balancer"], name, "service_healthy"):
            faults.append(f"balancer: starts before {name} is healthy")
        outside = [net for key, net in service["networks"].items() if key != "redis"]
        if not all((net or {}).get("ipv4_address") for net in outside):
            faults.append(f"{name}: HAProxy would lose it when its address changes")
    for name in roles["gateway"]:
        service = services[name]
        drain = int(service["environment"].get("CONNECT_DRAIN_SECONDS", DRAIN_SECONDS))
        if seconds(service["stop_grace_period"]) < drain + DRAIN_REST_SECONDS:
            faults.append(f"{name}: is killed before its clients are gone")
    for name in roles["redis"]:
        if list(services[name]["networks"]) != ["redis"]:
            faults.append(f"{name}: can be reached from other networks than its own")
        if not waits_for(services["cluster"], name, "service_healthy"):
            faults.append(f"cluster: is made before {name} is healthy")
    if "redis" in services["balancer"]["networks"]:
        faults.append("balancer: reaches Redis")
    return faults


def rights_faults() -> list[str]:
    """Whether the stand's user of Redis has the documented rights, no more and no less."""
    documented = re.search(r"ACL SETUSER connect on >PASSWORD (.*)", REDIS.read_text("utf-8"))
    script = (HERE / "stand/make-credentials").read_text("utf-8")
    given = re.search(r'^readonly rights="(.*?)"', script.replace("\\\n", ""), re.MULTILINE)
    if documented is None or given is None:
        return ["the rights of Redis's user were not found in Redis.md or make-credentials"]
    wanted, has = set(documented[1].split()), set(given[1].split())
    return [f"make-credentials: lacks {right}" for right in sorted(wanted - has)] + [
        f"make-credentials: gives {right}, which is not documented" for right in sorted(has - wanted)
    ]


def faults_of(composition: dict[str, Any]) -> list[str]:
    """All that is wrong."""
    services = composition["services"]
    faults = [
        f"{name}: {fault}"
        for name, service in services.items()
        for fault in service_faults(name, service)
    ]
    if composition["networks"]["redis"].get("internal") is not True:
        faults.append("network redis: has a way out")
    return faults + role_faults(services) + rights_faults()


def main() -> int:
    faults = faults_of(json.load(sys.stdin))
    for fault in faults:
        print(f"compose.yaml: {fault}", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
