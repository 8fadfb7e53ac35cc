"""A client of Connect's WebSocket protocol, small enough to be the start of your own.

Written from the page Protocol and the AsyncAPI document alone, by the page's rules for clients.

    async with Client("wss://chat.example.com", lambda: token, "phone", print) as client:
        await client.send("bob", {"text": "Hello"}, receipt=True, copy=True)
"""
import asyncio
import contextlib
import json
import random
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from urllib.parse import urlencode
from uuid import uuid4

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

FINAL_CLOSES = {1002, 1003, 1007, 1009, 4002, 4004}  # Returning would only meet the same end.
NOT_ENTRIES = {"welcome", "live", "accepted"}  # They name an offset; all else that has one is in the mailbox.


class Rejected(Exception):
    """The server did not take a frame. The argument is the `rejected` that says why."""


class Ended(Exception):
    """Reconnecting would not help. The first argument is the code of the close, or the status of the refusal."""


@dataclass
class Outgoing:
    """A `send` or a `read` that has no answer yet."""
    frame: dict
    answer: asyncio.Future
    sent_at: int | None = None  # While it is under way: since when, by the server's clock.
    not_before: float = 0


@dataclass
class State:
    """What a device keeps; an app that restarts stores it: an entry before its offset, and both before the ack."""
    offset: str | None = None  # The highest that was handled.
    stamp: int = 0
    positions: dict[str, dict[str, str]] = field(default_factory=dict)
    seen: dict[tuple, None] = field(default_factory=dict)  # A dict, since it remembers the order.
    outbox: dict[str, Outgoing] = field(default_factory=dict)


def place(offset: str | None) -> tuple[int, int]:
    """An offset as what it is compared as: two numbers. As texts, 9-10 would come before 9-9."""
    milliseconds, _, sequence = (offset or "0").partition("-")
    return int(milliseconds), int(sequence or 0)


def clock() -> float:
    """Seconds by a clock that does not step and, where the system has one, counts sleep."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


def settle(answer: asyncio.Future, frame: dict) -> None:
    answer.set_exception(Rejected(frame)) if frame["type"] == "rejected" else answer.set_result(frame)


class Client:
    """One device of one user. `on_frame` is called with what the server tells, in order and without repeats.

    An entry counts as handled when `on_frame` returns, and is acked then: so it must not wait for this client.
    `token` is called for each connection, since the old one may have expired. `ended` says why the client gave up."""

    def __init__(self, url: str, token: Callable[[], str], device: str, on_frame: Callable[[dict], None],
                 state: State | None = None):
        self.url, self.token, self.device, self.on_frame = url.rstrip("/"), token, device, on_frame
        self.state, self.welcome, self.watched, self.ended = state or State(), {}, [], None
        self.live, self._connected, self._work = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._requests, self._socket, self._tasks = {}, None, set()

    async def __aenter__(self) -> "Client":
        self.ended = asyncio.create_task(self._run())
        live = asyncio.create_task(self.live.wait())
        await asyncio.wait({self.ended, live}, return_when=asyncio.FIRST_COMPLETED)
        live.cancel()
        if self.ended.done():
            self.ended.result()
        return self

    async def __aexit__(self, *_) -> None:
        if self._socket:
            await self._quietly(self._ack(0))
            await self._socket.close()
        self.ended.cancel()
        await asyncio.gather(self.ended, return_exceptions=True)

    async def send(self, to: str, body, **options) -> dict:
        """Returns what says that the message is durable: `accepted`, or its `sent`. Options: id, receipt, copy, quiet.
        It is sent again, in its place in the order, until there is an answer; without a connection it waits."""
        return await self._queue({"type": "send", "to": to, "body": body, **options})

    async def read(self, peer: str, offset: str, private: bool = False) -> dict:
        """All of `peer` is read up to `offset`. Each is kept until its own answer, which alone shows that it counts."""
        return await self._queue({"type": "read", "peer": peer, "offset": offset, "private": private})

    async def conversations(self, limit: int = 20, before: str | None = None) -> dict:
        """A part of the list. Go on with its `next` while there is one, and skip a peer that an earlier part named."""
        return await self.request({"type": "conversations", "limit": limit, "before": before})

    async def history(self, peer: str | None = None, limit: int = 50, before: str | None = None) -> dict:
        """A part of the mailbox, newest first; with `peer` only that conversation. None of it is acked."""
        return await self.request({"type": "history", "with": peer, "limit": limit, "before": before})

    async def presence(self, users: list[str], watch: bool = False) -> dict:
        """Who is online; with `watch`, changes go to `on_frame`, over all connections to come, until the next call."""
        self.watched = users if watch else []
        return (await self.request({"type": "presence", "users": users, "watch": watch}))["users"]

    async def signal(self, to: str, name: str, **body) -> None:
        """For whoever is connected now, perhaps with `body=…`. Dropped without a connection: it would be late."""
        await self._quietly(self._transmit({"type": "signal", "to": to, "name": name, "id": uuid4().hex, **body}))

    async def request(self, frame: dict, patience: float = 20) -> dict:
        """Asks until there is an answer: again after a reconnect, and after a wait that the server asks for."""
        async with asyncio.timeout(patience):
            while True:
                await self._connected.wait()
                id = uuid4().hex
                answer = self._requests[id] = asyncio.get_running_loop().create_future()
                try:
                    await self._transmit({**frame, "id": id})
                    return await answer
                except Rejected as rejected:
                    if not rejected.args[0]["retryable"]:
                        raise
                    await asyncio.sleep(rejected.args[0].get("retryAfterMs", 1000) / 1000)
                except (ConnectionError, ConnectionClosed):
                    await asyncio.sleep(0)
                finally:
                    self._requests.pop(id, None)

    def server_now(self) -> int:
        return self.welcome["now"] + int((clock() - self._welcome_clock) * 1000)

    async def _run(self) -> None:
        """Connects again and again, until the server says that this is in vain."""
        failures = 0
        while True:
            began, self._wait = clock(), 0.0
            try:
                await self._serve()
            except InvalidStatus as refusal:
                status = refusal.response.status_code
                if status < 500 and status != 429:
                    raise Ended(status, json.loads(refusal.response.body)["message"]) from None
                self._wait = float(refusal.response.headers.get("Retry-After", 0))
            except ConnectionClosed as closed:
                if closed.rcvd and closed.rcvd.code in FINAL_CLOSES:
                    raise Ended(closed.rcvd.code, closed.rcvd.reason) from None
            except (OSError, TimeoutError, InvalidHandshake):
                pass
            finally:
                self._socket = None
                self._connected.clear()
                self.live.clear()
                for task in self._tasks:
                    task.cancel()
                for outgoing in self.state.outbox.values():
                    if outgoing.sent_at:  # Then it may have been taken, and only then `retry` is worth its cost.
                        outgoing.frame.setdefault("retry", outgoing.sent_at)
                    outgoing.sent_at, outgoing.not_before = None, 0
                for answer in (answer for answer in self._requests.values() if not answer.done()):
                    answer.set_exception(ConnectionError("the connection was lost"))
            failures = 0 if clock() - began > 5 else failures + 1  # One that soon fails again is not a success.
            # Full jitter: clients that fell together must not return together.
            await asyncio.sleep(self._wait or random.uniform(0, min(15, 0.5 * 2 ** min(failures, 10))))

    async def _serve(self) -> None:
        """One connection, from the upgrade until it closes."""
        query = {"device": self.device, "positions": self.state.stamp}
        if self.state.offset:
            query["since"] = self.state.offset
        self._unacked, self._stamp = None, self.state.stamp
        # The library's own pings find a dead line, in 40 s at most: it does not show the server's.
        async with connect(f"{self.url}/v1/connect?{urlencode(query)}", subprotocols=["connect.v1.json"],
                           additional_headers={"Authorization": f"Bearer {self.token()}"}, compression=None,
                           max_size=2 ** 24) as self._socket:
            while True:
                self._receive(json.loads(await self._socket.recv()))

    def _receive(self, frame: dict) -> None:
        kind, id = frame.get("type"), frame.get("id")
        if "offset" in frame and kind not in NOT_ENTRIES:
            if self._is_new(frame):
                self.on_frame(frame)
            self.state.offset = max(self.state.offset, frame["offset"], key=place)
            if not self._unacked:  # One ack for a burst. Of repeats, too, for on this connection they are unacked.
                self._start(self._ack(0.05))
            self._unacked = max(self._unacked, frame["offset"], key=place)
            if kind == "sent" and id in self.state.outbox:
                self._answered(id, frame)  # It says all that `accepted` would.
            return
        if kind == "welcome":
            self._welcomed(frame)
        elif kind == "live":
            self.state.stamp = max(self._stamp, self.welcome["positions"])
            self.live.set()
        elif kind == "position":  # The greater holds, since one may come late and twice.
            known = self.state.positions.setdefault(frame["peer"], {})
            known.update({name: max(known.get(name), frame[name], key=place)
                          for name in ("delivered", "read", "mine") if frame.get(name)})
            self._stamp = max(self._stamp, frame["stamp"])
        elif kind == "goodbye":
            self._wait = frame["reconnectAfterMs"] / 1000
        if kind in ("accepted", "position", "rejected") and id in self.state.outbox:
            self._answered(id, frame)
        elif id in self._requests and not self._requests[id].done():
            settle(self._requests[id], frame)
        self.on_frame(frame)

    def _welcomed(self, welcome: dict) -> None:
        self.welcome, self._welcome_clock, since = welcome, clock(), self.state.offset
        if not since or place(welcome["offset"]) < place(since):  # The latter: another Redis, or another clock.
            self.state.offset, self._stamp = welcome["offset"], 0
        self._connected.set()
        self._start(self._pump())
        if self.watched:  # A watch ends with its connection.
            self._start(self.presence(self.watched, True))

    def _is_new(self, entry: dict) -> bool:
        """Rarely, a message is in a mailbox twice: then it is known by its names."""
        kind, name = entry["type"], tuple(entry.get(key) for key in ("from", "to", "id", "peerOffset"))
        known = kind in ("message", "sent") and name in self.state.seen
        if known or place(entry["offset"]) <= place(self.state.offset):
            return False
        if kind == "failed":  # What is copied behind it was stored after all, and is news.
            self.state.seen = {seen: None for seen in self.state.seen if seen[1:3] != (entry["to"], entry["id"])}
        self.state.seen[name] = None
        if len(self.state.seen) > 4096:
            del self.state.seen[next(iter(self.state.seen))]
        return True

    async def _queue(self, frame: dict) -> dict:
        frame = {"id": uuid4().hex, **frame}
        outgoing = self.state.outbox[frame["id"]] = Outgoing(frame, asyncio.get_running_loop().create_future())
        self._work.set()
        return await asyncio.shield(outgoing.answer)

    def _answered(self, id: str, frame: dict) -> None:
        outgoing = self.state.outbox[id]
        if not frame.get("retryable"):
            return settle(self.state.outbox.pop(id).answer, frame)
        if frame["code"] == "unavailable":
            outgoing.frame.setdefault("retry", outgoing.sent_at)
        wait = frame.get("retryAfterMs", 1000) / 1000
        outgoing.sent_at, outgoing.not_before = None, clock() + wait
        asyncio.get_running_loop().call_later(wait, self._work.set)

    def _next(self) -> Outgoing | None:
        """What may go now. One that must wait holds back all that are later for the same user: order counts."""
        held = set()
        for outgoing in self.state.outbox.values():
            to = outgoing.frame.get("to")
            if outgoing.sent_at is None and outgoing.not_before <= clock() and to not in held:
                return outgoing
            if outgoing.sent_at is None and to:
                held.add(to)
        return None

    async def _pump(self) -> None:
        """Sends what the outbox holds, in its order, and no faster than the server takes it."""
        rate = self.welcome["limits"]["sendsPerSecond"]
        while True:
            if outgoing := self._next():
                outgoing.sent_at = self.server_now()
                await self._transmit(outgoing.frame)
                await asyncio.sleep(1 / rate if rate else 0)
            else:
                self._work.clear()
                await self._work.wait()

    async def _ack(self, delay: float) -> None:
        await asyncio.sleep(delay)
        offset, self._unacked = self._unacked, None
        if offset:
            await self._transmit({"type": "ack", "offset": offset})

    async def _transmit(self, frame: dict) -> None:
        if not self._socket:
            raise ConnectionError("not connected")
        await self._socket.send(json.dumps(frame))

    def _start(self, work: Coroutine) -> None:
        task = asyncio.create_task(self._quietly(work))  # The loop alone would not keep it.
        self._tasks = {task, *(other for other in self._tasks if not other.done())}

    async def _quietly(self, work: Coroutine) -> None:
        """For what the next connection does again by itself, or what nobody wants by then."""
        with contextlib.suppress(ConnectionError, ConnectionClosed, TimeoutError, Rejected):
            await work
