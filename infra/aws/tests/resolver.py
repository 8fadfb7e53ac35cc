"""A resolver on 127.0.0.1 that answers what a test tells it, over UDP and TCP."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable

NS, CNAME, CAA = 2, 5, 257
# Owner, kind, data; of CAA, (tag, value).
Data = tuple[str, int, "str | tuple[str, str]"]


def _encoded(name: str) -> bytes:
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".") if label) + b"\0"


def _bound() -> tuple[socket.socket, socket.socket]:
    """A port that is free for both: one that is for UDP may be somebody's for TCP."""
    for _ in range(100):
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind(("127.0.0.1", 0))
        try:
            return udp, socket.create_server(udp.getsockname())
        except OSError:
            udp.close()
    raise OSError("no port of 127.0.0.1 is free for both UDP and TCP")


class Resolver:
    """Answers from `records`: those of the owner and kind that are asked for, after an alias, too."""

    def __init__(self) -> None:
        self.records: list[Data] = []
        # The code of every answer; None, and it is silent.
        self.code: int | None = 0
        # Whether an answer over UDP is said not to fit.
        self.truncates = False
        self.asked: list[tuple[str, int]] = []
        self._closed = False
        self._udp, self._tcp = _bound()
        self.port: int = self._udp.getsockname()[1]
        self._serve(self._answer_udp)
        self._serve(self._answer_tcp)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def close(self) -> None:
        self._closed = True
        for one in (self._udp, self._tcp):
            # Wakes the thread that waits for it.
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            one.close()

    def _serve(self, answer: Callable[[], None]) -> None:
        def run() -> None:
            while not self._closed:
                try:
                    answer()
                except OSError:
                    # Of a client that has gone, or of the end.
                    continue

        threading.Thread(target=run, daemon=True).start()

    def _answer_udp(self) -> None:
        request, peer = self._udp.recvfrom(4096)
        if self._closed:
            return
        answer = self._answer(request)
        if answer and self.truncates:
            answer = request[:2] + struct.pack("!HHHHH", 0x8380, 1, 0, 0, 0) + self._question(request)
        if answer:
            self._udp.sendto(answer, peer)

    def _answer_tcp(self) -> None:
        connection, _ = self._tcp.accept()
        with connection, connection.makefile("rb") as stream:
            head = stream.read(2)
            # Empty, if the client has gone.
            answer = self._answer(stream.read(struct.unpack("!H", head)[0])) if len(head) == 2 else b""
            if answer:
                connection.sendall(struct.pack("!H", len(answer)) + answer)

    @staticmethod
    def _question(request: bytes) -> bytes:
        end = request.index(b"\0", 12)
        return request[12:end + 5]

    def _answer(self, request: bytes) -> bytes:
        question = self._question(request)
        labels, offset = [], 0
        while question[offset]:
            labels.append(question[offset + 1:offset + 1 + question[offset]].decode())
            offset += 1 + question[offset]
        name, (kind, _) = ".".join(labels), struct.unpack("!HH", question[-4:])
        self.asked.append((name, kind))
        if self.code is None:
            return b""
        aliases = {owner: data for owner, its, data in self.records if its == CNAME}
        found, owner = [], name
        while owner in aliases:
            found.append((owner, CNAME, aliases[owner]))
            owner = str(aliases[owner])
        found += [record for record in self.records if record[:2] == (owner, kind)]
        body = b"".join(self._record(record, name) for record in found)
        return request[:2] + struct.pack("!HHHHH", 0x8180 | self.code, 1, len(found), 0, 0) + question + body

    @staticmethod
    def _record(record: Data, asked: str) -> bytes:
        owner, kind, data = record
        if isinstance(data, str):
            content = _encoded(data)
        else:
            content = bytes([0, len(data[0])]) + data[0].encode() + data[1].encode()
        # A pointer to the question, as servers send it.
        head = b"\xc0\x0c" if owner == asked else _encoded(owner)
        return head + struct.pack("!HHIH", kind, 1, 300, len(content)) + content
