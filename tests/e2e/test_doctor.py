"""`ipop doctor`: why the path to a member is as it is, tested by both ends at once."""
import json
import time
import unittest

from harness import LabTest, eventually

LIMIT_S = 16  # the longest that a diagnosis may take, and some for a busy machine


class Doctor(LabTest):
    def examine(self, node, member, exit_code=0):
        """The document of `ipop doctor`, which always comes in time."""
        begun = time.monotonic()
        run = node.command("--json", "doctor", member)
        self.assertEqual(run.returncode, exit_code, run.stderr + run.stdout)
        self.assertLess(time.monotonic() - begun, 2 * LIMIT_S)
        return json.loads(run.stdout)

    def comes_to(self, node, member, **verdict):
        """Its verdict comes to be this one; gives the document."""
        def probe():
            report = self.examine(node, member)
            self.assertLessEqual(verdict.items(), report["verdict"].items(), report)
            return report
        return eventually(f"{node.name}'s doctor says {verdict} of {member}", probe, limit_s=90)

    def results(self, side):
        return {test["address"]: test["result"] for test in side["tests"]}

    def outer(self, node):
        return f"{node.host.address}:{node.network()['port']}"

    def filter(self, node, hook, *rules):
        """A local firewall with these rules in one chain."""
        lines = "; ".join(rules)
        node.host.run("nft", f"table inet filter {{ chain {hook} {{ type filter hook {hook} "
                             f"priority 0; {lines}; }}; }}")

    def test_two_computers_on_one_cable(self):
        one, other = self.lab.wire("alice", "bob")
        alice, bob = self.node(one), self.node(other)
        alice.ipop("create", "family", "--name", "alice")
        self.join(bob, alice)
        self.reaches(alice, bob)
        report = self.examine(alice, "bob")
        self.assertEqual(report["version"], 1)
        self.assertEqual(report["verdict"]["cause"], "direct")
        self.assertRegex(report["verdict"]["text"], r"^direct by UDP, [0-9.]+ ms$")
        self.assertEqual(report["verdict"]["next"], [])
        self.assertEqual(report["far"], "answered")
        self.assertEqual(report["path"]["kind"], "direct")
        self.assertEqual(report["path"]["endpoint"], self.outer(bob))
        self.assertEqual((report["path"]["sent"], report["path"]["answered"]), (10, 10))
        self.assertEqual(report["path"]["mtu"], 1420)
        self.assertEqual(report["here"]["port"], alice.network()["port"])
        self.assertEqual(report["there"]["port"], bob.network()["port"])
        self.assertEqual(self.results(report["here"])[self.outer(bob)], "answered")
        self.assertEqual(self.results(report["there"])[self.outer(alice)], "answered")
        self.assertEqual(report["firewall"]["incoming"], "open")

        text = alice.command("doctor", "bob").stdout
        self.assertRegex(text, r"^bob: direct by UDP, [0-9.]+ ms\n")
        self.assertIn("answered in", text)
        self.assertIn("(in use)", text)
        self.assertIn("0 of 10 lost", text)
        by_address = alice.command("doctor", bob.self()["ipv4"], "family").stdout
        self.assertTrue(by_address.startswith("bob: direct"), by_address)

    def test_two_symmetric_routers(self):
        founder = self.founder("alice")
        told_by = [founder, self.public("rita"), self.public("ralf")]
        ends = [self.node(self.lab.site(name, "symmetric", v6=False)) for name in ("bob", "carol")]
        for node in (*told_by[1:], *ends):
            self.join(node, founder)
        for end in ends:
            for public in told_by:
                self.reaches(end, public)
        bob, carol = ends
        self.reaches(bob, carol)
        report = self.comes_to(bob, "carol", cause="both_hard")
        relay = report["path"]["via"]
        self.assertIn(relay, [node.name for node in told_by])
        self.assertRegex(report["verdict"]["text"],
                         f"^relayed through {relay}, [0-9.]+ ms, because both routers give every "
                         "connection another port$")
        self.assertIn(f"forward UDP port {bob.network()['port']}", report["verdict"]["next"][0])
        self.assertIn(f"forward UDP port {carol.network()['port']} to carol",
                      report["verdict"]["next"][1])
        for side in ("here", "there"):
            self.assertEqual(report[side]["ipv4"]["mapping"], "address_and_port_dependent")
            self.assertEqual(report[side]["path"], "relay")
            self.assertEqual(set(self.results(report[side]).values()) & {"answered"}, set())
            self.assertIn("silence", self.results(report[side]).values())
        text = bob.command("doctor", "carol").stdout
        self.assertIn("because both routers give every connection another port", text)
        self.assertIn("silence, after 5 datagrams", text)

    def test_a_local_firewall_that_drops_what_comes(self):
        alice, bob, carol = self.three()
        port = carol.network()["port"]
        self.filter(carol, "input", f"udp dport {port} drop")
        report = self.examine(carol, "bob", exit_code=1)
        self.assertEqual(report["verdict"]["cause"], "local_firewall")
        self.assertIn("this computer's own firewall drops what comes to "
                      f"UDP port {port} (nftables chain inet filter input, rule with handle",
                      report["verdict"]["text"])
        self.assertEqual(report["verdict"]["next"],
                         [f"let it in: nft insert rule inet filter input udp dport {port} accept"])
        self.assertEqual(report["firewall"]["incoming"], "drops")
        # What it says helps.
        carol.host.run("nft", "insert", "rule", "inet", "filter", "input", "udp", "dport", port,
                       "accept")
        self.reaches(carol, bob)
        self.comes_to(carol, "bob", cause="direct")

    def test_a_local_firewall_that_refuses_to_send(self):
        alice, bob, carol = self.three()
        port = carol.network()["port"]
        self.filter(carol, "output", f"ip daddr {bob.host.address} udp sport {port} drop")
        eventually("carol reaches bob through alice",
                   lambda: carol.ping(bob.self()["ipv4"])
                   and carol.members()["bob"]["path"]["kind"] == "relay", limit_s=60)
        report = self.comes_to(carol, "bob", cause="local_firewall")
        self.assertIn(f"this computer's own firewall refuses to send from UDP port {port}",
                      report["verdict"]["text"])
        self.assertEqual(self.results(report["here"])[self.outer(bob)], "refused")
        report = self.comes_to(bob, "carol", cause="far_firewall")
        self.assertIn("carol's own system refuses to send", report["verdict"]["text"])

    def test_who_is_not_there(self):
        alice, bob, carol = self.three()
        failure = self.fails("unknown_member", alice, "doctor", "dave")
        self.assertIn("ipop status", failure.next)
        self.fails("unknown_member", alice, "doctor", "alice")
        self.fails("unknown_network", alice, "doctor", "bob", "work")
        self.fails("usage", alice, "doctor", exit_code=2)
        bob.stop()
        eventually("alice has lost bob", lambda: not alice.members()["bob"]["online"])
        report = self.examine(alice, "bob", exit_code=1)
        self.assertEqual(report["verdict"]["cause"], "offline")
        self.assertEqual(report["verdict"]["text"], "no path, because bob does not answer")
        self.assertIn("switch bob's computer on", report["verdict"]["next"][0])
        self.assertEqual(report["far"], "unreached")
        self.assertIsNone(report["there"])
        self.assertIsNotNone(report["last_seen_s"])
        self.assertEqual(report["others_online"], 1)
        self.assertIn("silence", self.results(report["here"]).values())
        run = alice.command("doctor", "bob")
        self.assertEqual(run.returncode, 1)
        self.assertTrue(run.stdout.startswith("bob: no path, because bob does not answer\n"))


if __name__ == "__main__":
    unittest.main()
