"""What so many users ask of a deployment at peak, and what they leave in Redis."""

from __future__ import annotations

import math
from dataclasses import dataclass

from connect_capacity.measurements import Measurements
from connect_capacity.scenario import Scenario, ScenarioError

DAY_SECONDS = 86_400
MONTH_DAYS = 365 / 12

# MessagingLimits.mailboxLookEntries: a mailbox grows by so many entries beyond its history before it is
# trimmed, by half of them on average.
TRIM_ENTRIES = 256

# A TCP/IPv4 header with timestamps (20 + 32) and TLS 1.3's record (5 + 1 + 16), per frame: each goes
# into a packet of its own.
FRAME_OVERHEAD_BYTES = 74
# A ping of the gateway's, and a client's pong: 2 bytes of WebSocket, 4 more with a mask.
PING_BYTES = 2 + FRAME_OVERHEAD_BYTES
PONG_BYTES = 6 + FRAME_OVERHEAD_BYTES
# A `position` to a device, and a `read` from one, without TLS and TCP: with names of 20 bytes.
POSITION_BYTES = 200
READ_BYTES = 110
# TLS handshake with a certificate chain, HTTP upgrade with its token, `welcome` and `live`; out, in.
CONNECT_OUT_BYTES = 5_000
CONNECT_IN_BYTES = 2_500


@dataclass(frozen=True)
class Load:
    """Rates are per second and at peak, unless they say otherwise."""

    users: float
    messages: float
    messages_mean: float
    entries: float  # on the bus: messages, copies and positions
    connections: float
    connections_mean: float
    connects: float
    connects_mean: float
    mailbox_entries: float  # in a user's mailbox
    keys_bytes: float  # of Redis, of all users
    client_out_bytes: float  # mean
    client_in_bytes: float  # mean
    replication_bytes: float
    redis_bytes: float
    redis_bytes_mean: float


def load_of(users: float, scenario: Scenario, measured: Measurements) -> Load:
    mean = users * scenario.messages_per_day / DAY_SECONDS
    devices = users * scenario.devices_per_user
    connections = devices * scenario.online_share
    connects_mean = devices * scenario.connects_per_day / DAY_SECONDS
    # What a body is longer than the measured one crosses every hop, too: to Redis, from it to
    # messaging, to the mailbox and the gateway's stream, from that to the gateway.
    longer = scenario.body_bytes - measured.body_bytes
    entry_redis = max(0.0, measured.redis_bytes + 5 * longer)
    entry_replication = max(0.0, measured.replication_bytes + 3 * longer)
    # Out: `accepted`, and the message to each device. In: the message, and the devices' acks.
    overhead = FRAME_OVERHEAD_BYTES * (1 + scenario.devices_per_user)
    out = (measured.client_out_bytes + longer) * scenario.devices_per_user + overhead
    into = measured.client_in_bytes + longer + overhead
    entries = mean * scenario.entries_per_message
    positions = mean * scenario.positions_per_message
    # A position has no body and is in no mailbox, but is published, read and pushed like a message. What
    # it costs was not measured: it is taken for a message without a body.
    bodyless = max(0.0, entry_redis - 5 * scenario.body_bytes)
    bodyless_replication = max(0.0, entry_replication - 3 * scenario.body_bytes)
    redis = entries * entry_redis + positions * bodyless
    replication = entries * entry_replication + positions * bodyless_replication
    position_out = (POSITION_BYTES + FRAME_OVERHEAD_BYTES) * scenario.devices_per_user
    position_in = READ_BYTES + FRAME_OVERHEAD_BYTES
    pings = connections * scenario.online_mean / scenario.ping_seconds
    mailbox = mailbox_entries(scenario)
    return Load(
        users=users,
        messages=mean * scenario.peak_factor,
        messages_mean=mean,
        entries=(entries + positions) * scenario.peak_factor,
        connections=connections,
        connections_mean=connections * scenario.online_mean,
        connects=connects_mean * scenario.peak_factor,
        connects_mean=connects_mean,
        mailbox_entries=mailbox,
        keys_bytes=users * user_bytes(mailbox, scenario, measured),
        client_out_bytes=entries * out + positions * position_out + pings * PING_BYTES
        + connects_mean * CONNECT_OUT_BYTES,
        client_in_bytes=entries * into + positions * position_in + pings * PONG_BYTES
        + connects_mean * CONNECT_IN_BYTES,
        replication_bytes=replication * scenario.peak_factor,
        redis_bytes=redis * scenario.peak_factor,
        redis_bytes_mean=redis,
    )


def mailbox_entries(scenario: Scenario) -> float:
    """What a user's mailbox holds in the long run."""
    received = (
        scenario.messages_per_day * scenario.entries_per_message * scenario.retention_days)
    return min(received, scenario.history_limit + TRIM_ENTRIES / 2 + scenario.unacked_entries)


def user_bytes(entries: float, scenario: Scenario, measured: Measurements) -> float:
    """What a user takes in Redis: mailbox, cursors, sessions and positions."""
    node = int(scenario.stream_node_bytes)
    if node not in measured.mailboxes:
        known = ", ".join(str(size) for size in sorted(measured.mailboxes))
        raise ScenarioError(f"stream_node_bytes: {node} was not measured, but {known}")
    devices = min(math.ceil(scenario.devices_per_user), max(measured.cursor_bytes))
    online = min(1.0, scenario.devices_per_user * scenario.online_share)
    return (
        measured.mailboxes[node].mailbox_bytes(entries, scenario.body_bytes)
        + measured.cursor_bytes[devices]
        + online * measured.session_bytes[devices]
        + measured.positions.bytes(scenario.conversations_per_user))
