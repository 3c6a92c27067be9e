"""Names through the real systemd-resolved, for programs that know of nothing else."""
import pathlib
import subprocess
import sys
import unittest

from harness import LabTest, eventually
from resolved import Resolved

PEER = pathlib.Path(__file__).resolve().parent / "peer.py"
ADVICE = "names_not_integrated"  # the health line
PUBLIC = "192.0.2.53"  # what the other name server answers


class Names(LabTest):
    def setUp(self):
        super().setUp()
        self.site = self.lab.site("alice", v6=False)
        self.upstream = "198.18.1.1"  # the core's end of alice's access link
        server = self.lab.core.start("/usr/bin/python3", PEER, "names", self.upstream, PUBLIC,
                                     stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.assertEqual(server.stdout.readline(), "ready\n")
        self.asked = server.stdout
        self.resolved = Resolved(self.site, self.folder)
        self.addCleanup(self.end_resolved)

    def end_resolved(self):
        self.resolved.stop()
        if self.troubles() > self.troubles_before:
            print(f"--- resolved\n{self.resolved.log_path.read_text()}", file=sys.stderr)

    def found(self, alice, name="bob.family.internal"):
        return self.resolved.addresses(name) >= {alice.members()["bob"]["ipv4"],
                                                 alice.members()["bob"]["ipv6"]}

    def family(self):
        """alice, on the computer with resolved, founded the network; bob joined."""
        alice, bob = self.node(self.site), self.public("bob")
        alice.ipop("create", "family", "--name", "alice")
        self.join(bob, alice)
        return alice, bob

    def codes(self, node):
        return [line["code"] for line in node.ipop("status")["health"]]

    def test_members_names_and_only_those_go_to_the_daemon(self):
        self.resolved.start(self.upstream)
        alice, bob = self.family()
        eventually("the C library finds bob", lambda: self.found(alice))
        query = self.resolved.ask("query", "bob.family.internal")
        self.assertIn(bob.self()["ipv4"], query.stdout, query.stderr)
        self.assertIn("ipop0", query.stdout)
        self.assertIn(alice.self()["ipv4"], self.resolved.addresses("alice.family.internal"))
        for address in (bob.self()["ipv4"], bob.self()["ipv6"]):
            self.assertIn("bob.family.internal", self.resolved.ask("query", address).stdout)
        self.assertNotIn(ADVICE, self.codes(alice))
        # Other names go to the server that this computer had before, and no short name gets ours.
        self.assertEqual(self.resolved.addresses("host.example"), {PUBLIC})
        self.assertEqual(self.resolved.addresses("bob"), set())
        self.assertEqual(self.resolved.addresses("nobody.family.internal"), set())
        self.assertEqual(self.upstream_was_asked(), {"host.example"})

    def test_a_name_that_was_missing_is_found_when_its_member_has_come(self):
        self.resolved.start(self.upstream)
        alice, _ = self.family()
        self.assertEqual(self.resolved.addresses("carol.family.internal"), set())
        carol = self.public("carol")
        self.join(carol, alice)
        address = carol.self()["ipv4"]
        # resolved keeps "no such name" for as long as our answer allows, ten seconds.
        eventually("carol is found", limit_s=60, probe=lambda: address in self.resolved.addresses(
            "carol.family.internal"))

    def test_a_network_that_is_down_leaves_nothing_behind(self):
        self.resolved.start(self.upstream)
        alice, _ = self.family()
        eventually("the C library finds bob", lambda: self.found(alice))
        alice.ipop("down")
        eventually("bob's name is gone",
                   lambda: not self.resolved.addresses("bob.family.internal") - {PUBLIC})
        self.assertNotIn("family.internal", self.resolved.ask("domain").stdout)
        alice.ipop("up")
        eventually("and is back", lambda: self.found(alice))

    def test_a_restart_of_either_daemon(self):
        self.resolved.start(self.upstream)
        alice, _ = self.family()
        self.resolved.restart()
        eventually("resolved came back", lambda: self.found(alice))
        alice.restart()
        eventually("ipopd came back", lambda: self.found(alice))
        self.assertNotIn(ADVICE, self.codes(alice))

    def test_without_resolved_the_user_is_told_and_with_it_no_more(self):
        alice, _ = self.family()
        self.assertIn(ADVICE, self.codes(alice))
        self.resolved.start(self.upstream)
        alice.ipop("down")
        alice.ipop("up")
        eventually("resolved serves the names", lambda: self.found(alice))
        self.assertNotIn(ADVICE, self.codes(alice))

    def upstream_was_asked(self):
        """Empties what the other server wrote down: the names, once the last one is there."""
        last, names = "end.example", set()
        self.resolved.addresses(last)
        for line in self.asked:
            if line.strip() == last:
                return names
            names.add(line.strip())
        raise AssertionError("the other server ended")


if __name__ == "__main__":
    unittest.main()
