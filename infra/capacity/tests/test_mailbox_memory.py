"""What is put into Redis to measure it is what Connect puts there."""

from __future__ import annotations

import unittest

from tests.support import DIRECTORY

from connect_capacity import mailbox_memory


class EnvelopeTests(unittest.TestCase):
    def test_is_that_of_the_architecture(self) -> None:
        envelope = mailbox_memory._envelope(7, 200)
        version, kind, flags, sender, recipient, identity = envelope[:6]
        self.assertEqual((version, kind, flags), (1, 1, 0))
        self.assertEqual(
            (sender, recipient, identity),
            (mailbox_memory.USER_NAME_BYTES, mailbox_memory.USER_NAME_BYTES,
             mailbox_memory.MESSAGE_ID_BYTES))
        self.assertEqual(len(envelope), 6 + sender + recipient + identity + 200)

    def test_a_row_of_positions_is_that_of_the_script(self) -> None:
        scripts = DIRECTORY.parents[1] / "Sources/MessageBus/Scripts"
        script = (scripts / "advance_position.lua").read_text()
        pattern = script.partition("string.match(row, '^")[2].partition("$'")[0]
        expression = pattern.replace("%d", r"\d").replace("%-", "-")
        command = next(iter(mailbox_memory._positions(7, 1, 1)))
        self.assertRegex(command[3].decode(), f"^{expression}$")
        for field in command[4::2]:
            self.assertIn(field.decode(), script)

    def test_a_mailbox_gets_its_messages_in_order(self) -> None:
        offsets = [int(command[2].split(b"-")[0])
                   for command in mailbox_memory._mailboxes(5, 1, 4, 200)]
        self.assertEqual(offsets, sorted(set(offsets)))


if __name__ == "__main__":
    unittest.main()
