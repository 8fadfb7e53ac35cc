"""Measures what the keys of users take in Redis: `mailbox_memory.py` prints JSON.

Starts a private redis-server, fills it with many equal keys in the very form that Connect writes, and
divides the growth of `used_memory` by their number. So all is counted: the key, its entry in the table
of keys, and what the allocator rounds up.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

USER_NAME_BYTES = 20  # as long as a short e-mail address
MESSAGE_ID_BYTES = 36  # a UUID as text, which apps commonly take for it
DEVICE_NAME_BYTES = 8
BODY_BYTES = (200, 1000)
MESSAGES = (1, 3, 10, 100, 1000)
DEVICES = (1, 2)
ROWS = (1, 10, 100, 1000)  # of positions, of which a user has 1,000 at most
NODE_BYTES = (1024, 4096)  # stream-node-max-bytes: what Redis.md#Memory advises, and Redis's default

KEYS_AT_LEAST = 30
MESSAGES_IN_ALL = 30_000
COMMANDS_PER_PIPELINE = 500
START_SECONDS = 10
FIRST_OFFSET_MILLISECONDS = 1_795_000_000_000


class Server:
    """A redis-server of our own, on a socket in a temporary directory."""

    def __init__(self, directory: Path, node_bytes: int) -> None:
        path = directory / "redis.sock"
        self._process = subprocess.Popen(
            ["redis-server", "--port", "0", "--unixsocket", str(path), "--save", "",
             "--stream-node-max-bytes", str(node_bytes)],
            stdout=subprocess.DEVNULL, cwd=directory,
        )
        self._socket = socket.socket(socket.AF_UNIX)
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self._socket.connect(str(path))
                break
            except OSError:
                if time.monotonic() > deadline:
                    self._process.kill()
                    raise
                time.sleep(0.02)
        self._replies = self._socket.makefile("rb")

    def stop(self) -> None:
        self._socket.close()
        self._process.terminate()
        self._process.wait()

    def execute(self, commands: Iterable[list[bytes]]) -> None:
        batch: list[list[bytes]] = []
        for command in commands:
            batch.append(command)
            if len(batch) == COMMANDS_PER_PIPELINE:
                self._send(batch)
                batch = []
        self._send(batch)

    def info(self, section: str) -> dict[str, str]:
        self._socket.sendall(_encode([b"INFO", section.encode()]))
        text = self._reply().decode()
        pairs = (line.split(":", 1) for line in text.splitlines() if ":" in line)
        return {name: value for name, value in pairs}

    def used_bytes(self) -> int:
        return int(self.info("memory")["used_memory"])

    def _send(self, batch: list[list[bytes]]) -> None:
        self._socket.sendall(b"".join(_encode(command) for command in batch))
        for _ in batch:
            self._reply()

    def _reply(self) -> bytes:
        line = self._replies.readline()
        if line.startswith(b"-") or not line:
            raise RuntimeError(f"redis-server: {line.decode().strip()}")
        if not line.startswith(b"$"):
            return line[1:].strip()
        return self._replies.read(int(line[1:]) + 2)[:-2]


def _encode(command: list[bytes]) -> bytes:
    parts = [b"*%d\r\n" % len(command)]
    parts += [b"$%d\r\n%s\r\n" % (len(word), word) for word in command]
    return b"".join(parts)


def _name(number: int) -> bytes:
    return b"user-%0*d" % (USER_NAME_BYTES - len("user-"), number)


def _envelope(number: int, body_bytes: int) -> bytes:
    """A message as Architecture.md ("Keys") has it, of version 1, kind 1 and without flags."""
    sender = _name(10**9 + number)
    identity = b"%0*d" % (MESSAGE_ID_BYTES, number)
    header = bytes([1, 1, 0, len(sender), USER_NAME_BYTES, len(identity)])
    body = b'"' + b"x" * (body_bytes - 2) + b'"'
    return header + sender + _name(number) + identity + body


def _offset(number: int, message: int) -> bytes:
    """Offsets of one mailbox are some hours apart, and none has a sequence of its own."""
    return b"%d-0" % (FIRST_OFFSET_MILLISECONDS + number + message * 7_000_001)


def _mailboxes(first: int, count: int, messages: int, body_bytes: int) -> Iterable[list[bytes]]:
    # Message by message, as they come: all mailboxes grow side by side.
    for message in range(messages):
        for number in range(first, first + count):
            yield [b"XADD", b"connect:mailbox:{%s}" % _name(number), _offset(number, message),
                   b"m", _envelope(number, body_bytes)]


def _cursors(first: int, count: int, devices: int) -> Iterable[list[bytes]]:
    for number in range(first, first + count):
        for device in range(devices):
            yield [b"HSET", b"connect:cursor:{%s}" % _name(number),
                   b"%0*d" % (DEVICE_NAME_BYTES, device),
                   b"%s %d" % (_offset(number, device), FIRST_OFFSET_MILLISECONDS // 1000)]


def _sessions(first: int, count: int, devices: int) -> Iterable[list[bytes]]:
    gateway = b"4q7w2e9r1t5y8u3i"  # an instance's id, if none is given, has 16 characters or so
    for number in range(first, first + count):
        for device in range(devices):
            yield [b"HSET", b"connect:session:{%s}" % _name(number),
                   b"%0*d" % (DEVICE_NAME_BYTES, device), gateway + b"/%d" % (number * 7 + device)]


def _positions(first: int, count: int, rows: int) -> Iterable[list[bytes]]:
    # A row that is delivered, and read on both sides.
    for row in range(rows):
        for number in range(first, first + count):
            stamp = _stamp(number, row)
            yield [b"HSET", b"connect:positions:{%s}" % _name(number),
                   _name(10**9 + row), b" ".join([_offset(number, row)] * 3 + [stamp]),
                   b"!top", stamp, b"!delivered", _offset(number, row), b"!swept", stamp]


def _stamp(number: int, row: int) -> bytes:
    return b"%d" % (FIRST_OFFSET_MILLISECONDS + number + row)


def measure() -> dict[str, object]:
    mailboxes: list[dict[str, object]] = []
    cursors: list[dict[str, object]] = []
    sessions: list[dict[str, object]] = []
    positions: list[dict[str, object]] = []
    version = ""
    for node_bytes in NODE_BYTES:
        with tempfile.TemporaryDirectory() as directory:
            server = Server(Path(directory), node_bytes)
            try:
                version = server.info("server")["redis_version"]
                first = 0

                def per_key(make: object, *arguments: int, count: int) -> float:
                    nonlocal first
                    before = server.used_bytes()
                    server.execute(make(first, count, *arguments))  # type: ignore[operator]
                    first += count
                    return round((server.used_bytes() - before) / count, 1)

                # The table of keys doubles now, and moves with each command, not while we count.
                server.execute(_cursors(10**8, 2**16 + 1, 1))
                server.execute(_cursors(10**8, 2**16 + 1, 1))
                for body_bytes in BODY_BYTES:
                    for messages in MESSAGES:
                        count = max(KEYS_AT_LEAST, MESSAGES_IN_ALL // messages // 4)
                        mailboxes.append({
                            "streamNodeMaxBytes": node_bytes, "bodyBytes": body_bytes,
                            "entryBytes": len(_envelope(1, body_bytes)), "messages": messages,
                            "bytes": per_key(_mailboxes, messages, body_bytes, count=count)})
                if node_bytes == NODE_BYTES[0]:
                    for devices in DEVICES:
                        cursors.append(
                            {"devices": devices, "bytes": per_key(_cursors, devices, count=5000)})
                        sessions.append(
                            {"devices": devices, "bytes": per_key(_sessions, devices, count=5000)})
                    for rows in ROWS:
                        count = max(KEYS_AT_LEAST, MESSAGES_IN_ALL // rows // 4)
                        positions.append(
                            {"rows": rows, "bytes": per_key(_positions, rows, count=count)})
            finally:
                server.stop()
    return {
        "redis": version, "mailboxes": mailboxes, "cursors": cursors, "sessions": sessions,
        "positions": positions}


if __name__ == "__main__":
    json.dump(measure(), sys.stdout, indent=2)
    print()
