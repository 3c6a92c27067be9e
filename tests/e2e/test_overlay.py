"""Ten members of whom few can talk directly: others carry for them, whoever comes or goes."""
import concurrent.futures
import re
import time
import unittest

import harness
from harness import LabTest, eventually

NAMES = "alice bob carol dave erin frank grace heidi ivan judy".split()


class Overlay(LabTest):
    def room(self, names, may_talk):
        """The named members; alice founded it, each other one joined by the one before it that it
        may talk to. `may_talk(i, j)` decides about each pair, i < j."""
        hosts = [self.lab.site(name, v6=False) for name in names]
        for j, other in enumerate(hosts):
            for i in range(j):
                if not may_talk(i, j):
                    self.lab.block(hosts[i], other)
        nodes = [self.node(host) for host in hosts]
        nodes[0].ipop("create", "family", "--name", names[0])
        for j in range(1, len(nodes)):
            inviter = next(i for i in range(j) if may_talk(i, j))
            self.join(nodes[j], nodes[inviter])
        return nodes

    def all_reach_each_other(self, nodes, limit_s=60):
        pairs = [(a, b.self()["ipv4"], b.name) for a in nodes for b in nodes if a is not b]
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda p: eventually(f"{p[0].name} pings {p[2]}",
                                               lambda: p[0].ping(p[1]), limit_s), pairs))

    def path(self, one, other):
        return one.members()[other.name]["path"]

    def test_ten_members_of_whom_few_talk_directly_all_reach_each_other(self):
        # Two that everybody reaches, and of the others every third pair.
        def may_talk(i, j):
            return i in (0, 5) or j == 5 or (i + j) % 3 == 0
        nodes = self.room(NAMES, may_talk)
        self.all_reach_each_other(nodes)
        for j, other in enumerate(nodes):
            for i in range(j):
                wanted = "direct" if may_talk(i, j) else "relay"
                shown = eventually(
                    f"{nodes[i].name} to {other.name} is {wanted}",
                    lambda: self.path(nodes[i], other)["kind"] == wanted
                    and self.path(nodes[i], other))
                if wanted == "relay":
                    self.assertIn(shown["via"], NAMES)
        # The founder's computer is off for good.
        alice, others = nodes[0], nodes[1:]
        alice.kill()
        self.all_reach_each_other(others)
        kate = self.public("kate")
        self.join(kate, others[2])
        self.all_reach_each_other([*others, kate])
        others[3].restart()
        self.all_reach_each_other([*others, kate])

    def test_a_killed_relay_is_replaced(self):
        alice, bob, carol, dave = self.room(["alice", "bob", "carol", "dave"],
                                            lambda i, j: (i, j) != (2, 3))
        self.reaches(carol, dave)
        via = eventually("carol reaches dave by a relay",
                         lambda: self.path(carol, dave).get("via"))
        relay = {"alice": alice, "bob": bob}[via]
        pinging = carol.host.start("ping", "-n", "-i0.1", "-c150", "-W1", dave.self()["ipv4"],
                                   stdout=harness.subprocess.PIPE, text=True)
        time.sleep(3)
        relay.kill()
        heard = sorted({int(n) for n in re.findall(r"icmp_seq=(\d+) ttl",
                                                   pinging.communicate(timeout=60)[0])})
        silence = max(b - a for a, b in zip([0, *heard], [*heard, 151])) / 10
        print(f"silence of {silence:.1f} s after the relay was killed", end=" ... ", flush=True)
        self.assertLess(silence, 8)
        other = eventually("the other one carries", lambda: self.path(carol, dave).get("via"))
        self.assertNotEqual(other, via)

    def test_two_behind_nats_talk_at_once_and_then_directly(self):
        alice = self.founder()
        bob, carol = (self.node(self.lab.site(name, nat="port-restricted", v6=False))
                      for name in ("bob", "carol"))
        self.join(bob, alice)
        self.join(carol, alice)
        self.reaches(bob, carol)
        for one, other in ((bob, carol), (carol, bob)):
            eventually(f"{one.name} reaches {other.name} directly",
                       lambda: self.path(one, other)["kind"] == "direct", 60)
        self.assertEqual(self.path(bob, carol)["endpoint"].rsplit(":", 1)[0], carol.host.wan)
        self.reaches(carol, bob)

    def test_who_was_away_finds_back_by_any_one_live_member(self):
        nodes = self.room(NAMES[:6], lambda i, j: True)
        alice, bob, carol, dave, erin, frank = nodes
        self.all_reach_each_other(nodes)
        frank.stop()
        kate = self.public("kate")
        self.join(kate, bob)
        alice.ipop("kick", "carol")
        eventually("carol is out", lambda: "carol" not in dave.members())
        for node in (alice, bob, dave):
            node.host.readdress(node.host.address.rsplit(".", 1)[0] + ".77")
        self.all_reach_each_other([alice, bob, dave, erin, kate])
        # Of those that frank knew, one is where it was.
        frank.start()
        self.all_reach_each_other([alice, bob, dave, erin, frank, kate], limit_s=120)
        self.assertNotIn("carol", frank.members())


if __name__ == "__main__":
    unittest.main()
