"""Members that do not reach each other talk through one that reaches both."""
import re
import unittest

import harness
from harness import eventually
from test_mtu import AROUND4, finds
from test_traffic import Transfers

RELAYED = 37  # what a relay adds to AROUND4


class Relay(Transfers):
    def path(self, one, other):
        """"via NAME", "direct" or "none"."""
        path = one.members()[other.name]["path"]
        return f"via {path['via']}" if path["kind"] == "relay" else path["kind"]

    def relayed(self, one, other):
        """The first packets go through the overlay; then there is a relay. Which one."""
        self.reaches(one, other)
        for a, b in ((one, other), (other, one)):
            eventually(f"{a.name} reaches {b.name} by a relay",
                       lambda: self.path(a, b).startswith("via"))
        return self.path(one, other)

    def parted(self, *relays):
        """alice, who founded the network, and bob, who does not reach her; and those between."""
        alice = self.founder()
        bob = self.public("bob")
        self.lab.block(alice.host, bob.host)
        between = []
        for name in relays:
            relay = self.public(name)
            self.join(relay, alice)
            between.append(relay)
        self.join(bob, between[0])
        for relay in between:
            self.reaches(bob, relay)
        return alice, bob, *between

    def host_pings(self, one, other, count):
        one.host.run("ping", "-n", "-q", f"-c{count}", "-i0.05", "-W1", other.self()["ipv4"],
                     check=False)

    def flood(self, one, other, seconds):
        """Echoes every 20 ms; how many were lost."""
        count = int(seconds * 50)
        run = one.host.run("ping", "-n", "-q", f"-c{count}", "-i0.02", "-W2",
                           other.self()["ipv4"], check=False, timeout=seconds * 3 + 30)
        sent, received = map(int, re.search(r"(\d+) packets transmitted, (\d+) received",
                                            run.stdout).groups())
        return sent - received

    def test_a_third_member_carries_what_a_blocked_pair_says(self):
        alice, bob, rita = self.parted("rita")
        self.assertEqual(self.relayed(alice, bob), "via rita")
        self.reaches(bob, alice)
        self.assertIn("relay via rita", alice.command("status").stdout)
        self.assertIn("relay via rita", alice.command("ping", "bob", "--count", "2").stdout)
        self.assertEqual(self.flood(alice, bob, 4), 0)
        # It is somebody else's Internet line that is used, within bounds.
        self.transfer(alice, bob, 4 << 20)
        self.transfer(bob, alice, 4 << 20)

    def test_without_a_limit_large_transfers_arrive_whole(self):
        alice, bob, rita = self.parted("rita")
        rita.config.write_text(harness.config + "[relay]\nlimit = 0\n")
        rita.restart()
        self.relayed(alice, bob)
        self.transfer(alice, bob, 48 << 20)
        self.transfer(bob, alice, 48 << 20)
        self.assertEqual(self.path(alice, bob), "via rita")

    def test_a_narrow_second_leg_is_found_by_the_first_end(self):
        """Whose kernel knows nothing of it, and is told nothing."""
        alice, bob, rita = self.parted("rita")
        rita.config.write_text(harness.config + "[relay]\nlimit = 0\n")
        rita.restart()
        self.assertEqual(self.relayed(alice, bob), "via rita")
        self.lab.black_hole(bob.host, 1400)
        self.transfer(alice, bob, 4 << 20)
        finds(self, alice, bob, 1400 - AROUND4 - RELAYED)
        self.transfer(bob, alice, 4 << 20)
        self.assertGreater(self.lab.black_holed(), 0)
        self.assertEqual(self.path(alice, bob), "via rita")

    def test_another_relay_takes_over_from_one_that_is_killed(self):
        alice, bob, *relays = self.parted("rita", "ralf")
        used = self.relayed(alice, bob)
        relay = next(node for node in relays if used == f"via {node.name}")
        other = next(node for node in relays if node is not relay)
        self.assertEqual(self.flood(alice, bob, 2), 0)
        relay.kill()
        self.reaches(alice, bob)
        eventually("the other one relays", lambda: self.path(alice, bob) == f"via {other.name}")
        self.assertEqual(self.flood(alice, bob, 4), 0)

    def test_a_direct_path_takes_over_without_a_loss(self):
        alice, bob, _ = self.parted("rita")
        self.assertEqual(self.relayed(alice, bob), "via rita")
        self.lab.unblock()
        self.assertLessEqual(self.flood(alice, bob, 45), 1)
        self.assertEqual((self.path(alice, bob), self.path(bob, alice)), ("direct", "direct"))
        self.lab.block(alice.host, bob.host)
        self.reaches(alice, bob)
        eventually("rita relays again", lambda: self.path(alice, bob) == "via rita")

    def test_a_kicked_member_is_relayed_no_more(self):
        alice, bob, rita = self.parted("rita")
        self.relayed(alice, bob)
        address = alice.self()["ipv4"]
        self.assertTrue(bob.ping(address))
        alice.ipop("kick", "bob")
        eventually("rita sees bob gone", lambda: "bob" not in rita.members())
        for _ in range(5):
            self.assertFalse(bob.ping(address, wait_s=1))

    def test_who_does_not_relay_leaves_a_pair_apart(self):
        alice, bob, rita = self.parted("rita")
        self.relayed(alice, bob)
        rita.config.write_text(harness.config + "[relay]\nenabled = false\n")
        rita.restart()
        eventually("there is no path", lambda: self.path(alice, bob) == "none")
        self.reaches(alice, rita)
        # The overlay, which is for signals, carries a few packets for a moment and no more.
        self.host_pings(alice, bob, count=100)
        self.assertFalse(alice.ping(bob.self()["ipv4"]))
        self.assertEqual(self.path(alice, bob), "none")


if __name__ == "__main__":
    unittest.main()
