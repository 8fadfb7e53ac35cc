"""Asks a resolver, as everybody else does.

Route 53 says what is in a zone, not whether the world asks that zone; and Python's library looks up
addresses alone. So this speaks the protocol (RFC 1035, 6891 and 8659), as little of it as is needed.
"""

from __future__ import annotations

import ipaddress
import random
import re
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .cli import Failure
from .limits import DNS_ATTEMPTS, DNS_NAME_STEPS, DNS_SECONDS

NS, CNAME, CAA = 2, 5, 257
_OPT = 41
_PORT = 53
_NO_ERROR, SERVER_FAILURE, _NO_SUCH_NAME = 0, 2, 3
_TRUNCATED = 0x0200
# Bytes of an answer over UDP that no network on the way cuts into pieces (DNS flag day 2020).
_UDP_BYTES = 1232
_CONFIGURATION = Path("/etc/resolv.conf")
_ADVICE = "name another with --resolver ADDRESS, or deploy with --skip-dns"


@dataclass(frozen=True)
class Record:
    """A record of an answer: of an alias, the name that it leads to; of a name server, its name."""

    owner: str
    kind: int
    value: str
    # Of a CAA record, such as `issue`.
    tag: str = ""


class Unanswered(Failure):
    """No resolver says what a name has. The code is that of the last answer; None, if there was none."""

    def __init__(self, text: str, code: int | None) -> None:
        self.code = code
        super().__init__(text)


class Resolver:
    """A recursive resolver: those of this machine, or the one given as ADDRESS or ADDRESS:PORT."""

    def __init__(self, given: str = "", configuration: Path = _CONFIGURATION) -> None:
        # The first is asked; after a failure, it is the last.
        self.servers = [_parsed(given)] if given else _configured(configuration)

    def records(self, name: str, kind: int) -> list[Record]:
        """The records of a kind that a name has; those of another owner come by an alias."""
        request, identity = _question(name, kind)
        reasons: dict[str, str] = {}
        code = None
        for _ in range(DNS_ATTEMPTS):
            server = self.servers[0]
            try:
                answer = _over_udp(server, request)
                if struct.unpack("!H", answer[2:4])[0] & _TRUNCATED:
                    answer = _over_tcp(server, request)
                code, records = _read(answer, identity)
            except (OSError, ValueError, IndexError, struct.error) as error:
                reasons[server[0]] = str(error) or "it does not answer"
            else:
                if code in (_NO_ERROR, _NO_SUCH_NAME):
                    return [record for record in records if record.kind == kind]
                reasons[server[0]] = f"it answers with the code {code}"
            self.servers = [*self.servers[1:], server]
        asked = ", ".join(f"{address}: {reason}" for address, reason in reasons.items())
        raise Unanswered(f"the resolver does not say what {name} has in DNS ({asked}); {_ADVICE}", code)


def _over_udp(server: tuple[str, int], request: bytes) -> bytes:
    # Only this finds the interface of a link-local address, such as fe80::1%eth0.
    family, _, _, _, address = socket.getaddrinfo(
        *server, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST)[0]
    with socket.socket(family, socket.SOCK_DGRAM) as udp:
        udp.settimeout(DNS_SECONDS)
        # Takes answers of this address alone.
        udp.connect(address)
        udp.send(request)
        return udp.recv(65535)


def _over_tcp(server: tuple[str, int], request: bytes) -> bytes:
    with socket.create_connection(server, timeout=DNS_SECONDS) as tcp:
        tcp.sendall(struct.pack("!H", len(request)) + request)
        with tcp.makefile("rb") as stream:
            length, = struct.unpack("!H", stream.read(2))
            return stream.read(length)


def _configured(configuration: Path) -> list[tuple[str, int]]:
    try:
        lines = configuration.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        lines = []
    found = []
    for line in lines:
        words = line.split()
        if words[:1] == ["nameserver"] and len(words) > 1:
            try:
                found.append((str(ipaddress.ip_address(words[1])), _PORT))
            except ValueError:
                continue
    if not found:
        raise Failure(f"{configuration} names no resolver; {_ADVICE}")
    return found


def _parsed(text: str) -> tuple[str, int]:
    match = re.fullmatch(r"\[([0-9a-fA-F:.]+(?:%[\w.-]+)?)\](?::(\d+))?|([0-9.]+)(?::(\d+))?", text)
    try:
        if match is None:
            raise ValueError
        address = str(ipaddress.ip_address(match.group(1) or match.group(3)))
        port = int(match.group(2) or match.group(4) or _PORT)
        if not 0 < port < 65536:
            raise ValueError
    except ValueError:
        raise Failure(f"--resolver {text}: give an address, such as 1.1.1.1, 127.0.0.1:5353 or [2001:db8::1]") from None
    return address, port


def _question(name: str, kind: int) -> tuple[bytes, int]:
    identity = random.SystemRandom().randrange(65536)
    labels = b"".join(bytes([len(label)]) + label.encode("ascii") for label in name.rstrip(".").split("."))
    # One question, and one additional record that says how long an answer may be. Recursion is desired.
    head = struct.pack("!HHHHHH", identity, 0x0100, 1, 0, 0, 1)
    option = b"\0" + struct.pack("!HHIH", _OPT, _UDP_BYTES, 0, 0)
    return head + labels + b"\0" + struct.pack("!HH", kind, 1) + option, identity


def _read(answer: bytes, identity: int) -> tuple[int, list[Record]]:
    """The code of an answer, and its records."""
    its, flags, questions, count = struct.unpack("!HHHH", answer[:8])
    if its != identity:
        raise ValueError("it answers another question")
    offset = 12
    for _ in range(questions):
        offset = _name(answer, offset)[1] + 4
    return flags & 15, list(_records(answer, offset, count))


def _records(answer: bytes, offset: int, count: int) -> Iterator[Record]:
    for _ in range(count):
        owner, offset = _name(answer, offset)
        kind, _, _, length = struct.unpack("!HHIH", answer[offset:offset + 10])
        offset += 10
        data = answer[offset:offset + length]
        if len(data) != length:
            raise ValueError("its answer is cut off")
        if kind in (NS, CNAME):
            yield Record(owner, kind, _name(answer, offset)[0])
        elif kind == CAA:
            end = 2 + data[1]
            tag, value = data[2:end].decode("ascii").lower(), data[end:].decode("ascii", "replace")
            yield Record(owner, kind, value, tag)
        offset += length


def _name(answer: bytes, offset: int) -> tuple[str, int]:
    """The name at an offset, in lower case and without a dot at its end, and where it ends."""
    labels: list[str] = []
    end = None
    for _ in range(DNS_NAME_STEPS):
        length = answer[offset]
        if length & 0xC0 == 0xC0:
            end = offset + 2 if end is None else end
            offset = struct.unpack("!H", answer[offset:offset + 2])[0] & 0x3FFF
        elif length == 0:
            return ".".join(labels).lower(), offset + 1 if end is None else end
        else:
            labels.append(answer[offset + 1:offset + 1 + length].decode("ascii", "replace"))
            offset += 1 + length
    raise ValueError("a name in its answer does not end")
