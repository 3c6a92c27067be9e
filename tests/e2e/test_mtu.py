"""Paths that are narrower than the kernel believes, because nobody tells it."""
import unittest

from harness import eventually
from test_traffic import Transfers

# IP, UDP, DATA header and tag.
AROUND4, AROUND6 = 20 + 8 + 32, 40 + 8 + 32
# How much below what fits the search may end.
STEP = 8


def mtu(one, other):
    return one.members()[other.name]["path"]["mtu"]


def finds(test, one, other, best):
    """The largest size, or a little less. Needs traffic of a moment ago."""
    eventually(f"{one.name} finds {best} to {other.name}",
               lambda: test.assertIn(mtu(one, other), range(best - STEP + 1, best + 1)) is None)


class BlackHoles(Transfers):
    def carried(self, alice, bob, best):
        """Both ways, by both families, however wide each was believed to be."""
        self.transfer(alice, bob, 8 << 20)
        self.transfer(bob, alice, 8 << 20)
        for one, other in ((alice, bob), (bob, alice)):
            finds(self, one, other, best)
        if best >= 1280:
            self.transfer(alice, bob, 8 << 20, bob.self()["ipv6"])
            self.transfer(bob, alice, 8 << 20, alice.self()["ipv6"])
        self.assertGreater(self.lab.black_holed(), 0, "something was lost")
        self.assertEqual(bob.members()["alice"]["path"]["kind"], "direct")

    def test_an_open_path_is_as_wide_as_the_interface(self):
        alice, bob = self.pair()
        self.transfer(alice, bob, 8 << 20)
        self.assertEqual(mtu(alice, bob), alice.network()["mtu"])
        self.assertEqual(mtu(bob, alice), bob.network()["mtu"])

    def test_large_transfers_pass_a_path_that_swallows_large_packets(self):
        alice, bob = self.pair()
        for node in (alice, bob):
            self.lab.black_hole(node.host, 1400)
        self.carried(alice, bob, 1400 - AROUND4)

    def test_a_path_below_what_ipv6_would_need_inside(self):
        alice, bob = self.pair()
        for node in (alice, bob):
            self.lab.black_hole(node.host, 1300)
        self.carried(alice, bob, 1300 - AROUND4)

    def test_over_ipv6(self):
        alice, bob = self.pair(v4=False, v6=True)
        for node in (alice, bob):
            self.lab.black_hole(node.host, 1400)
        self.carried(alice, bob, 1400 - AROUND6)

    def test_a_path_that_narrows_under_a_transfer(self):
        alice, bob = self.pair()
        self.transfer(alice, bob, 8 << 20)
        self.assertEqual(mtu(alice, bob), alice.network()["mtu"])
        self.lab.black_hole(bob.host, 1400)
        # Connections that begin now, and hang until the size is found.
        self.transfer(alice, bob, 8 << 20)
        finds(self, alice, bob, 1400 - AROUND4)
        self.assertGreater(self.lab.black_holed(), 0)


if __name__ == "__main__":
    unittest.main()
