"""Direct paths through NATs that give each destination another port."""
import pathlib
import re
import subprocess
import time
import unittest

from harness import LabTest, eventually

PEER = pathlib.Path(__file__).resolve().parent / "peer.py"


class Punch(LabTest):
    def behind(self, *kinds, config="", counted=False):
        """Computers behind such routers, who joined by a public member; three more of these tell
        them how they are seen. The first talks with each of the others at once."""
        alice = self.founder()
        told_by = [alice, self.public("bob"), self.public("carol"), self.public("dave")]
        ends = [self.node(self.lab.site(f"home{number}", kind, v6=False), start=False)
                for number, kind in enumerate(kinds)]
        for end in ends:
            end.config.write_text(end.config.read_text() + config)
            end.start()
        if counted:
            self.count_probes(*ends)
            self.count_probes(*reversed(ends))
        for node in (*told_by[1:], *ends):
            self.join(node, alice)
        for end in ends:
            for public in told_by:
                self.reaches(end, public)
        for other in ends[1:]:
            self.reaches(ends[0], other)
        return ends

    def is_direct(self, one, other):
        paths = [a.members()[b.name]["path"]["kind"] for a, b in ((one, other), (other, one))]
        return one.ping(other.self()["ipv4"]) and paths == ["direct", "direct"]

    def test_a_nat_that_counts_its_ports(self):
        one, other = self.behind("port-restricted", "symmetric-seq")
        eventually("a direct path", lambda: self.is_direct(one, other))

    def test_a_nat_that_draws_from_a_small_block(self):
        # A search asks each port once, and now and then one fails; the next one comes soon.
        one, *others = self.behind("port-restricted-noport", *["symmetric-block"] * 3)
        eventually("direct paths to all",
                   lambda: all(self.is_direct(one, other) for other in others), limit_s=90)

    def count_probes(self, one, other):
        """Counts what one's router passes on to the other's address that nobody has answered yet:
        the probes, and a few challenges to addresses that were told."""
        one.host.router.run("nft", "-f", "-", stdin=None, input=f"""table ip probes {{
            chain forward {{ type filter hook forward priority -5;
                ip daddr {other.host.wan} meta l4proto udp ct state new counter
            }}
        }}""")

    def probes(self, one):
        listed = one.host.router.run("nft", "list", "table", "ip", "probes").stdout
        return int(re.search(r"counter packets (\d+)", listed)[1])

    def sockets(self, node):
        """UDP sockets of the daemon, by port."""
        listed = node.host.run("ss", "-Huanp").stdout.split("\n")
        return {line.split()[3].rsplit(":", 1)[1] for line in listed if '"ipopd"' in line}

    def transfers(self, sender, receiver, count=64 << 20):
        """So many bytes by TCP, whole."""
        address = receiver.self()["ipv4"]
        sink = receiver.host.start("/usr/bin/python3", PEER, "sink", address, 5000,
                                   stdout=subprocess.PIPE, text=True)
        self.assertEqual(sink.stdout.readline(), "ready\n")
        sent = sender.host.run("/usr/bin/python3", PEER, "source", address, 5000, count, 7,
                               timeout=300)
        self.assertEqual(sink.stdout.readline(), sent.stdout)
        sink.wait()
        sink.stdout.close()

    def test_a_nat_that_draws_from_all_ports(self):
        one, other = self.behind("port-restricted", "symmetric", counted=True)
        eventually("a direct path", lambda: self.is_direct(one, other), limit_s=90)
        for end in (one, other):
            self.assertGreater(self.probes(end), 16, "it was by a search")
            self.assertLess(self.probes(end), 2048 + 100)
        eventually("the sockets that were not found are closed",
                   lambda: len(self.sockets(other)) == len(self.sockets(one)) + 1)
        # It is from the spare socket that all goes now, both ways and by every worker.
        self.transfers(one, other)
        self.transfers(other, one)
        self.assertTrue(self.is_direct(one, other))

    def test_no_port_is_searched_for_where_that_is_off(self):
        one, other = self.behind("port-restricted", "symmetric", counted=True,
                                 config="\n[nat]\nsearch = false\n")
        until = time.monotonic() + 12  # where it is on, a search is over by then
        while time.monotonic() < until:
            self.reaches(one, other)
        self.assertEqual(one.members()[other.name]["path"]["kind"], "relay")
        self.assertLess(self.probes(one) + self.probes(other), 100)


if __name__ == "__main__":
    unittest.main()
