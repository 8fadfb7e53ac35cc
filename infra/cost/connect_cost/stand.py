"""A Redis, a messaging instance and two gateways as processes on this machine, each service under a program that
counts."""

from __future__ import annotations

import contextlib
import os
import random
import re
import secrets
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from connect_cost.failure import CountFailed
from connect_cost.programs import SAID_CHARACTERS

# Until all of them serve, in seconds: under valgrind it takes ten on an idle machine.
START_SECONDS = 120
# Until one has ended that was told to, in seconds.
END_SECONDS = 20
POLL_SECONDS = 0.05
# Below those that a system gives to connections, and apart from those that tests and infra/api/check take.
PORTS = range(8_200, 9_000)
PORT_ATTEMPTS = 10
SERVICES = ("messaging", "gateway-1", "gateway-2")
# Reads that wait in Redis once all serve: of the partition, of changes of leases, of each gateway's stream.
WAITING_READS = 4
LISTENING = re.compile(r"\baddress=\S*:(\d+)\s.*gateway\.listening")


def eventually(what: str, is_so: Callable[[], bool]) -> None:
    """Asks until it is so."""
    end = time.monotonic() + START_SECONDS
    while not is_so():
        if time.monotonic() > end:
            raise CountFailed(f"{what}: not within {START_SECONDS} s")
        time.sleep(POLL_SECONDS)


def end_process(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Redis:
    """A redis-server on a free port of 127.0.0.1, which keeps nothing."""

    def __init__(self, directory: Path) -> None:
        for port in random.sample(PORTS, PORT_ATTEMPTS):
            self.port = port
            self.process = subprocess.Popen(
                ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "",
                 "--dir", str(directory)], stdout=subprocess.DEVNULL)
            # Somebody else may have the port: then this one ends, and what answers is not it.
            try:
                eventually("the start of Redis", lambda: self.has_ended() or self.answers())
            except BaseException:
                self.end()
                raise
            if not self.has_ended():
                return
        raise CountFailed(f"Redis: none of {PORT_ATTEMPTS} ports of {PORTS.start} to {PORTS.stop - 1} was free")

    def has_ended(self) -> bool:
        return self.process.poll() is not None

    def answers(self) -> bool:
        return f"process_id:{self.process.pid}\r\n" in self.info("server")

    def info(self, section: str) -> str:
        """What INFO says; empty if Redis cannot be reached."""
        with contextlib.suppress(OSError), socket.create_connection(
                ("127.0.0.1", self.port), timeout=5) as connection:
            connection.sendall(f"INFO {section}\r\nQUIT\r\n".encode())
            with connection.makefile("rb") as reply:
                return reply.read().decode()
        return ""

    def commands(self) -> dict[str, int]:
        """How often each was called, by its name."""
        calls = re.findall(r"^cmdstat_([^:]+):calls=(\d+)", self.info("commandstats"), re.MULTILINE)
        if not calls:
            raise CountFailed("Redis does not say which commands were called")
        return {name.upper().replace("|", " "): int(count) for name, count in calls}

    def waiting_reads(self) -> int:
        found = re.search(r"^blocked_clients:(\d+)", self.info("clients"), re.MULTILINE)
        return int(found[1]) if found else 0

    def end(self) -> None:
        end_process(self.process)


class Stand:
    """What runs; see `running`."""

    def __init__(self, directory: Path, redis: Redis) -> None:
        self.directory = directory
        self.redis = redis
        # Nothing else, so that what is counted does not depend on the environment of whoever calls this.
        self.environment = {
            "PATH": os.environ["PATH"], "SWIFT_DETERMINISTIC_HASHING": "1",
            "CONNECT_REDIS_URL": f"redis://127.0.0.1:{redis.port}",
            "CONNECT_AUTH_SECRET": secrets.token_hex(32)}
        if "LD_LIBRARY_PATH" in os.environ:
            self.environment["LD_LIBRARY_PATH"] = os.environ["LD_LIBRARY_PATH"]
        self.services: dict[str, subprocess.Popen[bytes]] = {}

    def start(
        self, connect: Path, counted: Callable[[str], list[str]], further: dict[str, str],
    ) -> None:
        """Starts the services, and waits until all of them serve."""
        for name in SERVICES:
            command = [
                *counted(name), str(connect), name.split("-")[0], "--management-listen", "off",
                "--instance-id", name, "--partitions", "1"]
            if name != "messaging":
                command += ["--listen", "127.0.0.1:0", "--sends-per-second", "0"]
            with self.log(name).open("wb") as log:
                self.services[name] = subprocess.Popen(
                    command, env=self.environment | further, stdout=log, stderr=log)
        eventually("the start of the services", self.serves)

    def log(self, name: str) -> Path:
        return self.directory / f"{name}.log"

    def said(self, name: str) -> str:
        return self.log(name).read_text(errors="replace")

    def serves(self) -> bool:
        for name, process in self.services.items():
            if process.poll() is not None:
                said = self.said(name).strip()[-SAID_CHARACTERS:]
                raise CountFailed(f"{name} has ended; it said: {said}")
        return len(self.urls()) == 2 and self.redis.waiting_reads() == WAITING_READS

    def urls(self) -> list[str]:
        """Of the gateways that listen."""
        found = [LISTENING.search(self.said(name)) for name in SERVICES[1:]]
        return [f"ws://127.0.0.1:{match[1]}" for match in found if match]

    def end(self) -> None:
        for process in reversed(self.services.values()):
            end_process(process)


@contextlib.contextmanager
def running(
    connect: Path, wrapper: Callable[[Path], Callable[[str], list[str]]],
    environment: dict[str, str] | None = None,
) -> Iterator[Stand]:
    """Starts all of it, and ends it, the services before their Redis.

    `wrapper` says, by the folder of all files and the name of a service, what its command begins with, and
    `environment` its further variables.
    """
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="connect-cost-"))
        directory = Path(folder)
        redis = Redis(directory)
        stack.callback(redis.end)
        stand = Stand(directory, redis)
        stack.callback(stand.end)
        stand.start(connect, wrapper(directory), environment or {})
        yield stand
