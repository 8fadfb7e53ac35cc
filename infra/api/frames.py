"""Holds what apps and gateways say to each other against the AsyncAPI document.

Used by infra/api/check. Every frame of Protocol.md must validate; then two users talk through a gateway
until each message of the document has been seen on the wire, and every frame of both directions must
validate, those of the server without a field that the document does not know.
"""

import argparse
import asyncio
import contextlib
import copy
import json
import pathlib
import re
import sys
import time
import urllib.request

import jsonschema
import websockets

# How long one frame is waited for, in seconds: watched users are looked at every 15 s.
PATIENCE = 25


class Document:
    """The schemas of an AsyncAPI document, by direction and type."""

    def __init__(self, document):
        self.document = document
        self.seen = set()
        self.client = self._types("clientSends")
        self.server = self._types("serverSends")
        strict = copy.deepcopy(document)
        for message in strict["components"]["messages"].values():
            message["payload"]["additionalProperties"] = False
        for schema in strict["components"]["schemas"].values():
            if "properties" in schema:
                schema["additionalProperties"] = False
        self.strict = strict

    def _resolve(self, reference):
        part = self.document
        for name in reference.removeprefix("#/").split("/"):
            part = part[name]
        return part

    def _types(self, operation):
        types = {}
        for message in self.document["operations"][operation]["messages"]:
            key = self._resolve(message["$ref"])["$ref"].rsplit("/", 1)[1]
            types[self.document["components"]["messages"][key]["name"]] = key
        return types

    def check_references(self):
        """Each reference leads somewhere, and each schema and message is referred to."""
        references = set(re.findall(r'"\$ref": "([^"]+)"', json.dumps(self.document)))
        for reference in references:
            self._resolve(reference)
        for kind in ("schemas", "messages"):
            for name in self.document["components"][kind]:
                path = f"#/components/{kind}/{name}"
                assert any(r == path or r.startswith(path + "/") for r in references), f"{path} is not used"

    def check(self, frame, types, *, strict=False):
        key = types.get(frame.get("type"))
        assert key, f"the document does not know the type of {frame}"
        root = self.strict if strict else self.document
        schema = {"$ref": f"#/components/messages/{key}/payload", "components": root["components"]}
        jsonschema.Draft202012Validator(schema).validate(frame)
        return key


def frames_of_block(lines):
    """One frame, broken into lines for reading, or a frame in each line."""
    try:
        return [json.loads(" ".join(lines))]
    except json.JSONDecodeError:
        return [json.loads(line) for line in lines]


def frames_of_page(page):
    """The frames of Protocol.md with the direction of the section in which each stands."""
    direction = None
    fence = None
    for line in page.splitlines():
        if fence is None and line.startswith("### "):
            title = line.removeprefix("### ")
            direction = {"From the client": "client", "From the server": "server",
                         "Messages about messages": "client"}.get(title)
        if fence is None:
            if line.startswith("```json"):
                fence = []
        elif line.startswith("```"):
            lines, fence = fence, None
            if direction and any('"type"' in line for line in lines):
                for frame in frames_of_block(lines):
                    yield direction, frame
        else:
            fence.append(line)


class Device:
    """One connection, whose frames are all checked."""

    def __init__(self, document, socket):
        self.document = document
        self.socket = socket
        self.passed = []  # Frames that were read while another was waited for.

    async def send(self, **frame):
        key = self.document.check(frame, self.document.client)
        self.document.seen.add(key)
        await self.socket.send(json.dumps(frame))

    async def send_raw(self, text):
        await self.socket.send(text)

    async def receive(self, kind, **fields):
        """The first frame of this type with these fields that it has not returned yet, as some come in either
        order: a copy before `accepted`, say. Acks what it reads of the mailbox."""
        def is_it(frame):
            return frame["type"] == kind and all(frame.get(k) == v for k, v in fields.items())

        for index, frame in enumerate(self.passed):
            if is_it(frame):
                return self.passed.pop(index)
        while True:
            try:
                text = await asyncio.wait_for(self.socket.recv(), PATIENCE)
            except asyncio.TimeoutError:
                raise AssertionError(f"no {kind} {fields} within {PATIENCE} s") from None
            frame = json.loads(text)
            self.document.seen.add(self.document.check(frame, self.document.server, strict=True))
            if frame["type"] in ("message", "sent", "failed"):
                # What comes before a close may be read after it.
                with contextlib.suppress(websockets.ConnectionClosed):
                    await self.send(type="ack", offset=frame["offset"])
            if is_it(frame):
                return frame
            self.passed.append(frame)


def connect(url, token, device):
    return websockets.connect(
        f"{url}/v1/connect?device={device}&since=0-0&positions=0",
        subprotocols=["connect.v1.json", f"connect.bearer.{token}"])


async def talk(document, arguments):
    async with connect(arguments.gateway, arguments.token["ann"], "web") as socket:
        ann = Device(document, socket)
        await ann.receive("live")
        async with connect(arguments.gateway, arguments.token["ben"], "phone") as other:
            ben = Device(document, other)
            await ben.receive("live")
            await conversation(ann, ben)
        left = await ann.receive("presence")
        assert not left["users"]["ben"]["online"] and "lastSeen" in left["users"]["ben"], left
        await refusals(ann)
        await full_mailbox(arguments, ann)
        disconnect(arguments, "ann")
        await ann.receive("goodbye")


async def conversation(ann, ben):
    await ann.send(type="presence", id="p-1", users=["ben", "carol"], watch=True)
    answer = await ann.receive("presence", id="p-1")
    assert answer["users"]["ben"]["online"], answer
    assert not answer["users"]["carol"]["online"], answer
    await ann.send(type="signal", to="ben", name="typing", body={"on": True})
    signal = await ben.receive("signal", name="typing")
    assert signal["from"] == "ann" and signal["body"] == {"on": True}, signal
    now = int(time.time() * 1000)
    await ann.send(type="send", id="f-1", to="ben", body={"text": "Hello"}, receipt=True, copy=True,
                     retry=now)
    await ann.receive("accepted", id="f-1")
    message = await ben.receive("message", id="f-1")
    await ann.receive("sent", id="f-1")
    await ben.send(type="read", id="r-1", peer="ann", offset=message["offset"])
    await ben.receive("position", id="r-1")
    while "read" not in await ann.receive("position", peer="ben"):
        pass
    await ben.send(type="send", id="f-2", to="ann", body=1, quiet=True, copy=True)
    await ann.receive("message", id="f-2")
    await ben.send(type="send", id="f-3", to="ann", body=2)
    await ann.receive("message", id="f-3")
    await ann.send(type="conversations", id="c-1", limit=10)
    listed = await ann.receive("conversations", id="c-1")
    assert listed["items"][0]["peer"] == "ben" and listed["items"][0]["unread"] == 1, listed
    assert listed["items"][0]["last"]["id"] == "f-3", listed
    await ann.send(type="history", **{"with": "ben"}, limit=2)
    page = await ann.receive("history")
    assert [entry["id"] for entry in page["entries"]] == ["f-3", "f-2"], page
    await ann.send(type="history", id="h-2", **{"with": "ben"}, before=page["next"])
    page = await ann.receive("history", id="h-2")
    assert [entry["type"] for entry in page["entries"]] == ["sent"], page
    await ann.send(type="ping", id="7")
    await ann.receive("pong", id="7")


async def refusals(ann):
    await ann.send_raw('{"type":"send","id":"bad","to":"a b","body":0}')
    await ann.receive("rejected", id="bad", code="invalid_recipient")
    await ann.send_raw('{"type":"later"}')
    await ann.receive("error", code="unknown_type")
    await ann.send_raw('{"type":"later","id":"bad-2"}')
    await ann.receive("rejected", id="bad-2", code="unknown_type")


async def full_mailbox(arguments, ann):
    """Nobody reads the mailbox of `full`, and messaging was started with room for few entries."""
    for number in range(arguments.mailbox_limit + 5):
        await ann.send(type="send", id=f"x-{number}", to="full", body=0)
    await ann.receive("failed", code="mailbox_full")


def disconnect(arguments, user):
    request = urllib.request.Request(
        f"{arguments.api}/v1/users/{user}/disconnect", b"", method="POST",
        headers={"Authorization": f"Bearer {arguments.service_token}"})
    urllib.request.urlopen(request, timeout=PATIENCE).close()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--api", required=True)
    parser.add_argument("--service-token", required=True)
    parser.add_argument("--gateway", required=True)
    parser.add_argument("--page", type=pathlib.Path, required=True)
    parser.add_argument("--mailbox-limit", type=int, required=True)
    parser.add_argument("--token", action="append", default=[], metavar="USER=TOKEN")
    arguments = parser.parse_args()
    arguments.token = dict(pair.split("=", 1) for pair in arguments.token)

    with urllib.request.urlopen(f"{arguments.api}/asyncapi.json", timeout=PATIENCE) as answer:
        document = Document(json.load(answer))
    document.check_references()
    count = 0
    for direction, frame in frames_of_page(arguments.page.read_text()):
        types = document.client if direction == "client" else document.server
        document.check(frame, types, strict=direction == "server")
        count += 1
    assert count >= len(document.document["components"]["messages"]), f"only {count} frames in Protocol.md"
    asyncio.run(talk(document, arguments))
    unseen = set(document.document["components"]["messages"]) - document.seen
    assert not unseen, f"never seen on the wire: {sorted(unseen)}"
    print(f"AsyncAPI: {count} frames of Protocol.md and all {len(document.seen)} messages on the wire are as described.")


if __name__ == "__main__":
    try:
        main()
    except (AssertionError, jsonschema.ValidationError) as error:
        sys.exit(f"AsyncAPI: {error}")
