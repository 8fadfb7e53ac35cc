"""Thirty steps through Connect's protocol against any server, as the apps of two users would take them.

    python infra/api/steps.py --url ws://127.0.0.1:8080 --token alice=… --token bob=… [--hook-kill-messaging COMMAND]

Prints a line per step, and ends with 1 at the first that fails. The same users can be taken again and again: what a
run sends bears its own name, and it compares from where it began. The hook is a command of the shell that kills
messaging and starts it again; without one that step is skipped, and does not count.

Needs Python 3.11 and what requirements.txt says. Takes about a minute: presence is told every 15 s.
"""
import argparse
import asyncio
import contextlib
import json
import sys
import time
from collections.abc import Callable

from client import Client, Ended, Rejected, State, place

PATIENCE = 10
WATCH_PATIENCE = 45  # A gateway looks about every 15 s.
KILL_PATIENCE = 90  # A lease must lapse before another instance takes over.


class Failed(Exception):
    """A step did not see what it must."""


def check(condition, what: str) -> None:
    if not condition:
        raise Failed(what)


class Device(Client):
    """A client that remembers what it was told, so that a step can wait for it, however early it came."""

    def __init__(self, url: str, token: str, name: str, state: State | None = None):
        self.told: list[dict] = []
        self.news = asyncio.Event()
        super().__init__(url, lambda: token, name, self._note, state)

    def _note(self, frame: dict) -> None:
        self.told.append(frame)
        self.news.set()

    def all(self, type: str, **fields) -> list[dict]:
        return [frame for frame in self.told
                if frame["type"] == type and all(frame.get(name) == value for name, value in fields.items())]

    async def until(self, what: str, condition: Callable[[], object], patience: float = PATIENCE):
        """Waits until `condition` holds, looked at after each frame, and returns what it returned."""
        try:
            async with asyncio.timeout(patience):
                while not (value := condition()):
                    self.news.clear()
                    await self.news.wait()
                return value
        except TimeoutError:
            if self.ended.done():
                self.ended.result()
            raise Failed(f"{what} did not come within {patience} s") from None

    async def one(self, type: str, patience: float = PATIENCE, **fields) -> dict:
        what = f"`{type}` with {json.dumps(fields)} for {self.welcome.get('user')}'s {self.device}"
        return (await self.until(what, lambda: self.all(type, **fields), patience))[0]

    async def moved(self, peer: str, name: str, offset: str) -> None:
        """Waits until the position of `peer` has got as far as `offset`."""
        await self.until(f"{name} of {peer} up to {offset}", lambda: any(
            place(frame.get(name)) >= place(offset) for frame in self.all("position", peer=peer)))

    async def ask(self, frame: dict) -> dict:
        """Sends a frame as it is, past the outbox, and returns what answers it: for what a client would not do."""
        before = len(self.told)
        await self._transmit(frame)
        return await self.until(f"the answer to {frame['id']}", lambda: next(
            (answer for answer in self.told[before:] if answer.get("id") == frame["id"]
             and answer["type"] in ("accepted", "rejected", "position", "pong")), None))


class Steps:
    """What the steps share. Each is a method; its doc string is the line that is printed."""

    def __init__(self, url: str, tokens: dict[str, str], hook: str | None):
        self.url, self.tokens, self.hook = url, tokens, hook
        self.alice, self.bob = tokens
        self.run = f"{time.time_ns() // 1_000_000:x}"
        self.stranger = f"stranger.{self.run}"
        self.devices = contextlib.AsyncExitStack()

    async def connect(self, user: str, name: str, state: State | None = None) -> Device:
        device = Device(self.url, self.tokens[user], name, state)
        async with asyncio.timeout(30):
            await self.devices.enter_async_context(device)
        return device

    def id(self, name: str) -> str:
        return f"{self.run}:{name}"

    async def conversation(self, device: Device, peer: str) -> dict:
        return next((item for item in (await device.conversations())["items"] if item["peer"] == peer), {})

    # The steps, in their order.

    async def welcome(self):
        """a device is told its name by `welcome`, and `live` when it has caught up"""
        self.alices_phone = await self.connect(self.alice, "phone")
        welcome, live = self.alices_phone.told[0], self.alices_phone.all("live")
        check(welcome["type"] == "welcome" and (welcome["user"], welcome["device"]) == (self.alice, "phone"), welcome)
        check(len(live) == 1, "`live` must come once")

    async def more_devices(self):
        """three more devices of two users connect beside it"""
        self.alices_laptop = await self.connect(self.alice, "laptop")
        self.bobs_phone = await self.connect(self.bob, "phone")
        self.bobs_laptop = await self.connect(self.bob, "laptop")
        check(not self.alices_phone.ended.done(), "another device must not replace the first")

    async def bad_token(self):
        """a token with another signature is refused with 401"""
        head, claims, signature = self.tokens[self.alice].split(".")
        bad = f"{head}.{claims}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"
        try:
            async with Device(self.url, bad, "phone"):
                raise Failed("it was taken")
        except Ended as ended:
            check(ended.args[0] == 401, f"it was refused with {ended}")

    async def ping(self):
        """`pong` answers `ping` by its id"""
        answer = await self.alices_phone.ask({"type": "ping", "id": "any id"})
        check(answer == {"type": "pong", "id": "any id"}, answer)

    async def accepted(self):
        """what alice's phone sends is accepted"""
        self.hello = await self.alices_phone.send(self.bob, {"text": "Hello 👍"}, id=self.id("hello"),
                                                  receipt=True, copy=True)

    async def message(self):
        """both of bob's devices get it, once, in step"""
        for device in (self.bobs_phone, self.bobs_laptop):
            message = await device.one("message", id=self.id("hello"))
            check(message["from"] == self.alice and message["body"] == {"text": "Hello 👍"}, message)
            if self.hello["type"] == "accepted":
                check(message["offset"] == self.hello["offset"], "`accepted` names another offset")
            self.hello_at_bobs = message["offset"]
            check(len(device.all("message", id=self.id("hello"))) == 1, "it came twice")

    async def copy(self):
        """alice's laptop sees the copy of what her phone wrote, and so does the phone"""
        for device in (self.alices_laptop, self.alices_phone):
            sent = await device.one("sent", id=self.id("hello"))
            check((sent["to"], sent["peerOffset"]) == (self.bob, self.hello_at_bobs), sent)

    async def delivered(self):
        """alice is told on both devices that it is delivered"""
        for device in (self.alices_phone, self.alices_laptop):
            await device.moved(self.bob, "delivered", self.hello_at_bobs)

    async def read(self):
        """bob's phone reads it, and is answered by its own position"""
        position = await self.bobs_phone.read(self.alice, self.hello_at_bobs)
        check(position["type"] == "position" and position.get("mine") == self.hello_at_bobs, position)

    async def read_elsewhere(self):
        """bob's laptop sees what his phone has read"""
        await self.bobs_laptop.moved(self.alice, "mine", self.hello_at_bobs)

    async def read_told(self):
        """alice is told on both devices that bob has read it"""
        for device in (self.alices_phone, self.alices_laptop):
            await device.moved(self.bob, "read", self.hello_at_bobs)

    async def unread(self):
        """bob's list counts what came since he read: 3"""
        check((await self.conversation(self.bobs_phone, self.alice)).get("unread") == 0, "there is unread already")
        for n in range(3):
            await self.alices_phone.send(self.bob, n, id=self.id(f"unread-{n}"))
        await self.bobs_phone.one("message", id=self.id("unread-2"))
        item = await self.conversation(self.bobs_phone, self.alice)
        check(item.get("unread") == 3 and item["last"]["id"] == self.id("unread-2"), item)

    async def quiet(self):
        """a quiet message says so, and is neither counted as unread nor the last of the list"""
        about = {"from": self.alice, "id": self.id("unread-2")}
        await self.alices_phone.send(self.bob, {"reaction": "👍", "about": about}, id=self.id("quiet"), quiet=True)
        check((await self.bobs_laptop.one("message", id=self.id("quiet"))).get("quiet") is True, "it does not say so")
        item = await self.conversation(self.bobs_laptop, self.alice)
        check(item.get("unread") == 3 and item["last"]["id"] == self.id("unread-2"), item)

    async def own_last(self):
        """bob's own answer is the last of his list, and leaves his unread as they are"""
        await self.bobs_phone.send(self.alice, "Hi", id=self.id("hi"), copy=True)
        await self.bobs_phone.one("sent", id=self.id("hi"))
        item = await self.conversation(self.bobs_phone, self.alice)
        check(item.get("unread") == 3 and item["last"]["type"] == "sent", item)

    async def private_read(self):
        """what bob reads in private his laptop knows, and alice does not"""
        offset = (await self.bobs_phone.one("message", id=self.id("unread-2")))["offset"]
        await self.bobs_phone.read(self.alice, offset, private=True)
        await self.bobs_laptop.moved(self.alice, "mine", offset)
        check((await self.conversation(self.bobs_phone, self.alice)).get("unread") == 0, "there is unread still")
        await asyncio.sleep(2)
        read = place(self.alices_phone.state.positions[self.bob].get("read"))
        check(read < place(offset), "alice was told")

    async def history_of_peer(self):
        """bob's history with alice comes in parts, newest first, each entry once"""
        entries, before = [], None
        while not any(entry["id"] == self.id("hello") for entry in entries):
            part = await self.bobs_phone.history(self.alice, limit=2, before=before)
            check(len(part["entries"]) <= 2, "there are more than were asked for")
            entries += part["entries"]
            before = part.get("next")
            check(before or entries[-1]["id"] == self.id("hello"), "it ended too early")
        names = [entry["id"] for entry in entries if entry["id"].startswith(self.run)]
        check(names == [self.id(name) for name in ("hi", "quiet", "unread-2", "unread-1", "unread-0", "hello")], names)
        places = [place(entry["offset"]) for entry in entries]
        check(places == sorted(places, reverse=True), "they are not in order")

    async def history_of_all(self):
        """history without a peer has what went to a stranger, that with bob has not"""
        await self.alices_phone.send(self.stranger, "Is there somebody?", id=self.id("stranger"), copy=True)
        await self.alices_laptop.one("sent", id=self.id("stranger"))
        newest = [(await self.alices_phone.history(peer, limit=1))["entries"][0]["id"]
                  for peer in (None, self.bob, self.stranger)]
        check(newest == [self.id(name) for name in ("stranger", "hi", "stranger")], newest)

    async def paged_list(self):
        """alice's list comes in parts, the newest conversation first"""
        peers, before = [], None
        while len(peers) < 2:
            part = await self.alices_laptop.conversations(limit=1, before=before)
            peers += [item["peer"] for item in part["items"] if item["peer"] not in peers]
            check((before := part.get("next")) or len(peers) >= 2, f"the list ended behind {peers}")
        check(peers == [self.stranger, self.bob], peers)

    async def typing(self):
        """both of bob's devices see that alice is typing, and what an app says by a signal of its own"""
        await self.alices_phone.signal(self.bob, "typing")
        await self.alices_phone.signal(self.bob, "ring", body={"room": self.run})
        for device in (self.bobs_phone, self.bobs_laptop):
            check("body" not in await device.one("signal", name="typing", **{"from": self.alice}), "it has a body")
            await device.one("signal", name="ring", body={"room": self.run})

    async def presence(self):
        """bob is online, and of a stranger nothing is known"""
        users = await self.alices_phone.presence([self.bob, self.stranger], watch=True)
        check(users == {self.bob: {"online": True}, self.stranger: {"online": False}}, users)

    async def last_seen(self):
        """alice, who watches, is told when bob goes, and when he was last seen"""
        for device in (self.bobs_laptop, self.bobs_phone):
            await device.__aexit__()
        gone = await self.alices_phone.until("that bob has gone", lambda: next(
            (frame for frame in self.alices_phone.all("presence", id=None)
             if frame["users"].get(self.bob, {}).get("online") is False), None), WATCH_PATIENCE)
        now = self.alices_phone.server_now()
        check(abs(now - gone["users"][self.bob].get("lastSeen", 0)) < 60_000, gone)

    async def reconnect(self):
        """bob's phone comes back by `since`, and gets in order and once what he missed"""
        for n in range(5):
            await self.alices_phone.send(self.bob, n, id=self.id(f"missed-{n}"), receipt=True, copy=True)
        # `accepted` is told before they are in his mailbox, a copy after it: else the last could come after `live`.
        await self.alices_phone.one("sent", id=self.id("missed-4"))
        since = self.bobs_phone.state.offset
        self.bobs_phone = await self.connect(self.bob, "phone", self.bobs_phone.state)
        check(self.bobs_phone.welcome["offset"] == since, "the replay begins elsewhere")
        missed = self.bobs_phone.all("message")
        check([message["id"] for message in missed] == [self.id(f"missed-{n}") for n in range(5)], missed)
        self.missed = missed[-1]["offset"]

    async def positions(self):
        """bob's laptop comes back by `positions`, and knows before `live` what his phone has read"""
        await self.bobs_phone.read(self.alice, self.missed)
        self.bobs_laptop = await self.connect(self.bob, "laptop", self.bobs_laptop.state)
        told = self.bobs_laptop.told
        before_live = told[:told.index(self.bobs_laptop.all("live")[0])]
        check(any(frame.get("mine") == self.missed for frame in before_live if frame["type"] == "position"), told)
        await self.alices_phone.moved(self.bob, "read", self.missed)

    async def online_again(self):
        """alice is told that bob is back"""
        await self.alices_phone.until("that bob is back", lambda: any(
            frame["users"].get(self.bob) == {"online": True} for frame in self.alices_phone.all("presence", id=None)),
            WATCH_PATIENCE)

    async def repeat(self):
        """a message that is sent again with `retry` is recognised, and its copy says where it stands"""
        send = {"type": "send", "id": self.id("repeat"), "to": self.bob, "body": "once", "copy": True}
        first_sent = self.alices_phone.server_now()
        first = await self.alices_phone.ask(send)
        again = await self.alices_phone.ask({**send, "retry": first_sent})
        check(first["type"] == again["type"] == "accepted" and again["offset"] != first["offset"], again)
        await self.alices_phone.send(self.bob, "behind it", id=self.id("behind"), copy=True)
        await self.bobs_phone.one("message", id=self.id("behind"))
        entries = (await self.bobs_phone.history(self.alice, limit=5))["entries"]
        check([entry["offset"] for entry in entries if entry["id"] == send["id"]] == [first["offset"]], entries)
        await self.alices_laptop.one("sent", id=self.id("behind"))
        copies = {copy["peerOffset"] for copy in self.alices_laptop.all("sent", id=send["id"])}
        check(copies == {first["offset"]}, copies)

    async def bad_recipient(self):
        """a recipient or a reader that cannot be is rejected for good"""
        for frame in ({"type": "send", "id": self.id("bad-1"), "to": "not a user", "body": None},
                      {"type": "read", "id": self.id("bad-2"), "peer": self.alice, "offset": "1-0"}):
            answer = await self.alices_phone.ask(frame)
            check((answer.get("code"), answer.get("retryable")) == ("invalid_recipient", False), answer)

    async def bad_frame(self):
        """a frame of no type that is served is answered by `error`, and the connection stays"""
        await self.alices_phone._transmit({"type": "no.such.type"})
        await self.alices_phone.one("error", code="unknown_type")
        answer = await self.alices_phone.ask({"type": "signal", "to": self.bob, "name": "big", "id": self.id("big"),
                                              "body": "x" * 2048})
        check((answer.get("code"), answer.get("retryable")) == ("too_large", False), answer)

    async def rate_limit(self):
        """too many signals at once are rejected as `rate_limited`, with a time to wait"""
        for n in range(3 * 20):
            await self.alices_phone.signal(self.bob, "burst")
        rejected = await self.alices_phone.one("rejected", code="rate_limited")
        check(rejected["retryable"] and rejected.get("retryAfterMs", 0) > 0, rejected)

    async def replaced(self):
        """a newer connection of a device replaces the older, which is closed with 4002"""
        older, self.alices_laptop = self.alices_laptop, await self.connect(self.alice, "laptop",
                                                                           self.alices_laptop.state)
        try:
            async with asyncio.timeout(PATIENCE):
                await asyncio.shield(older.ended)
        except Ended as ended:
            check(ended.args[0] == 4002, f"it was closed with {ended}")

    async def killed(self):
        """messaging is killed while messages flow: each and its copy come once, in the order of the sends"""
        names = [self.id(f"killed-{n}") for n in range(200)]
        sends = [asyncio.create_task(self.alices_phone.send(self.bob, name, id=name, copy=True)) for name in names]
        await asyncio.wait(sends[:50])
        hook = await asyncio.create_subprocess_shell(self.hook, stdout=asyncio.subprocess.DEVNULL)
        await asyncio.gather(*sends)
        check(await hook.wait() == 0, "the hook has failed")
        in_bobs_mailbox = await self.come(self.bobs_phone, "message", "offset", names)
        for device, type, key in ((self.bobs_laptop, "message", "offset"), (self.alices_phone, "sent", "peerOffset"),
                                  (self.alices_laptop, "sent", "peerOffset")):
            check(await self.come(device, type, key, names) == in_bobs_mailbox, "it stands elsewhere than for bob")

    async def come(self, device: Device, type: str, key: str, names: list[str]) -> list[str]:
        """Waits until all of these have come, once and in this order, and returns their places."""
        def entries() -> list[dict]:
            return [entry for entry in device.all(type) if entry["id"] in wanted]
        wanted = set(names)
        await device.until(f"the last `{type}`", lambda: len(entries()) >= len(names), KILL_PATIENCE)
        check([entry["id"] for entry in entries()] == names, f"not every `{type}` has come once and in order")
        return [entry[key] for entry in entries()]


STEPS = [Steps.welcome, Steps.more_devices, Steps.bad_token, Steps.ping, Steps.accepted, Steps.message, Steps.copy,
         Steps.delivered, Steps.read, Steps.read_elsewhere, Steps.read_told, Steps.unread, Steps.quiet, Steps.own_last,
         Steps.private_read, Steps.history_of_peer, Steps.history_of_all, Steps.paged_list, Steps.typing,
         Steps.presence, Steps.last_seen, Steps.reconnect, Steps.positions, Steps.online_again, Steps.repeat,
         Steps.bad_recipient, Steps.bad_frame, Steps.rate_limit, Steps.replaced, Steps.killed]


async def walk(steps: Steps) -> int:
    passed = 0
    async with steps.devices:
        for number, step in enumerate(STEPS, 1):
            if step is Steps.killed and not steps.hook:
                print(f"--  {number:2}  skipped, without --hook-kill-messaging: {step.__doc__}", flush=True)
                continue
            try:
                await step(steps)
            except (Failed, Rejected, Ended, TimeoutError, KeyError, IndexError) as failure:
                print(f"BAD {number:2}  {step.__doc__}: {type(failure).__name__}: {failure}", flush=True)
                return 1
            passed += 1
            print(f"ok  {number:2}  {step.__doc__}", flush=True)
    print(f"{passed} of {len(STEPS)} steps have passed.")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--url", required=True, help="of a gateway, such as ws://127.0.0.1:8080")
    parser.add_argument("--token", action="append", required=True, metavar="USER=TOKEN", help="two of them")
    parser.add_argument("--hook-kill-messaging", metavar="COMMAND", help="kills messaging and starts it again")
    arguments = parser.parse_args()
    tokens = dict(token.split("=", 1) for token in arguments.token if "=" in token)
    if len(tokens) != 2:
        parser.error("--token USER=TOKEN must be given for two users")
    return asyncio.run(walk(Steps(arguments.url, tokens, arguments.hook_kill_messaging)))


if __name__ == "__main__":
    sys.exit(main())
