"""Packets: whole, from whom they say, over any underlay; and quiet where there are none."""
import pathlib
import re
import subprocess
import time
import unittest

import harness
from harness import LabTest, eventually
from wireguard import wg

PEER = pathlib.Path(__file__).resolve().parent / "peer.py"


def peer(node, *arguments):
    """Starts peer.py in the node's namespace; waits until it says that it is ready."""
    process = node.host.start("/usr/bin/python3", PEER, *arguments, stdout=subprocess.PIPE,
                              text=True)
    return process


class Transfers(LabTest):
    def transfer(self, sender, receiver, count, address=None):
        """Sends bytes by TCP through the tunnel and compares the sums of both ends."""
        address = address or receiver.self()["ipv4"]
        sink = peer(receiver, "sink", address, 5000)
        self.assertEqual(sink.stdout.readline(), "ready\n")
        sent = sender.host.run("/usr/bin/python3", PEER, "source", address, 5000, count, 7,
                               timeout=300)
        self.assertEqual(sink.stdout.readline(), sent.stdout)
        sink.wait()
        sink.stdout.close()


class Traffic(Transfers):
    def test_a_large_transfer_arrives_whole_both_ways(self):
        alice, bob = self.pair()
        size = (1 << 30) if harness.soak else (48 << 20)
        self.transfer(bob, alice, size)
        self.transfer(alice, bob, size)
        self.transfer(bob, alice, 8 << 20, alice.self()["ipv6"])

    def test_libraries_of_both_ends_differ(self):
        """One end is told to use OpenSSL; the other takes what is fastest here."""
        alice, bob = self.pair()
        alice.config.write_text('crypto = "openssl"\n')
        alice.restart()
        self.reaches(bob, alice)
        self.transfer(bob, alice, 8 << 20)
        self.transfer(alice, bob, 8 << 20)
        first, second = re.findall("AES-256-GCM by.*", alice.log_path.read_text())
        self.assertEqual(second, "AES-256-GCM by OpenSSL, ChaCha20-Poly1305 by OpenSSL")
        self.assertIn(first, bob.log_path.read_text(), "one processor, one choice")

    def test_a_narrow_underlay(self):
        """1280 bytes outside; the inner size follows, so nothing stalls."""
        alice, bob = self.pair()
        for host, device in ((bob.host, "eth0"), (self.lab.core, "c2")):
            host.run("ip", "link", "set", device, "mtu", "1280")
        bob.restart()
        self.reaches(bob, alice)
        self.transfer(bob, alice, 8 << 20)
        self.transfer(alice, bob, 8 << 20)

    def test_an_ipv6_only_underlay(self):
        alice, bob = self.pair(v4=False, v6=True)
        self.reaches(bob, alice)
        self.assertTrue(bob.ping(alice.self()["ipv6"], wait_s=5))
        self.assertIn(alice.host.address6, bob.members()["alice"]["path"]["endpoint"])
        self.transfer(bob, alice, 8 << 20)

    def test_too_big_a_packet_is_answered(self):
        alice, bob = self.pair()
        self.reaches(bob, alice)
        mtu = bob.network()["mtu"]
        address = alice.self()["ipv4"]
        self.assertTrue(bob.ping(address, "-M", "do", "-s", str(mtu - 28), wait_s=5))
        run = bob.host.run("ping", "-c1", "-W1", "-M", "do", "-s", str(mtu - 27), address,
                           check=False)
        self.assertRegex(run.stdout + run.stderr, "too long|needed")

    def test_a_spoofed_inner_source_is_dropped_and_counted(self):
        alice, bob, carol = self.three()
        self.reaches(bob, alice)
        to = alice.self()["ipv4"]
        ear = peer(alice, "hear", to, 6000)
        self.assertEqual(ear.stdout.readline(), "ready\n")
        foreign = [carol.self()["ipv4"], "192.0.2.1", to]
        for source in foreign:
            bob.host.run("/usr/bin/python3", PEER, "say", source, to, 6000, "forged")
        eventually("bob counts them",
                   lambda: bob.ipop("status")["drops"]["foreign_source"] >= len(foreign))
        # What comes after them on the same way arrives, so the forged ones are not merely late.
        own = bob.self()["ipv4"]
        bob.host.run("/usr/bin/python3", PEER, "say", own, to, 6000, "true")
        self.assertEqual(ear.stdout.readline(), f"{own} true\n")
        ear.kill()
        ear.wait()
        ear.stdout.close()

    def test_a_member_that_lies_about_its_source_is_dropped_and_counted(self):
        """The receiver does not rely on the sender's look at its own packets (see liar.c)."""
        alice, bob, carol = self.three()
        bob.config.write_text('crypto = "openssl"\n' + harness.config)
        bob.preload = self.library("liar")
        bob.restart()
        self.reaches(bob, alice)
        own, to = bob.self()["ipv4"], alice.self()["ipv4"]
        ear = peer(alice, "hear", to, 6000)
        self.assertEqual(ear.stdout.readline(), "ready\n")
        before = alice.ipop("status")["drops"]["spoofed_source"]
        foreign = [carol.self()["ipv4"], "192.0.2.1", to]
        for source in foreign:
            bob.host.run("/usr/bin/python3", PEER, "say", own, to, 6000, f"as {source}")
        eventually("alice counts them", lambda: before + len(foreign) ==
                   alice.ipop("status")["drops"]["spoofed_source"])
        self.assertEqual(bob.ipop("status")["drops"]["foreign_source"], 0, "they left bob's")
        # What the library makes of bob's own address arrives, so the others were whole, too.
        bob.host.run("/usr/bin/python3", PEER, "say", own, to, 6000, f"as {own}")
        self.assertEqual(ear.stdout.readline(), f"{own} as {own}\n")
        ear.kill()
        ear.wait()
        ear.stdout.close()

    def test_garbage_does_not_disturb(self):
        alice, bob = self.pair()
        self.reaches(bob, alice)
        stranger = self.lab.site("stranger", v6=False)
        port, before = alice.network()["port"], alice.memory_kb()
        count = 200_000 if harness.soak else 10_000
        stranger.run("/usr/bin/python3", PEER, "noise", alice.host.address, port, count, 3,
                     timeout=300)
        self.assertTrue(bob.ping(alice.self()["ipv4"], wait_s=5))
        drops = alice.ipop("status")["drops"]
        self.assertGreater(sum(drops.values()), 0, "the noise arrived")
        self.assertLess(alice.memory_kb() - before, 8192)

    def test_a_stranger_hears_nothing(self):
        """No member's key, no answer: a scanner cannot tell that a daemon is there."""
        alice = self.founder()
        stranger = self.lab.site("stranger", v6=False)
        port = alice.network()["port"]
        stranger.run("nft", "add table ip t; "
                     "add chain ip t i { type filter hook input priority 0; };"
                     f"add rule ip t i udp sport {port} counter")
        stranger.run("/usr/bin/python3", PEER, "noise", alice.host.address, port, 3000, 5)
        alice.ipop("status")
        self.assertIn("packets 0 ", stranger.run("nft", "list", "chain", "ip", "t", "i").stdout)

    def test_two_networks_on_one_daemon(self):
        alice, bob, carol = self.founder(network="work"), self.public("bob"), self.public("carol")
        alice.ipop("create", "play", "--name", "al")
        self.fails("ambiguous_network", alice, "invite")
        self.join(bob, alice, network="work")
        self.join(carol, alice, network="play")
        self.reaches(bob, alice, network="work")
        self.reaches(carol, alice, network="play")
        self.assertNotEqual(alice.network("work")["interface"], alice.network("play")["interface"])
        self.assertEqual(alice.network("work")["port"], alice.network("play")["port"])
        self.assertEqual(set(alice.members("work")), {"bob"})
        self.assertEqual(set(alice.members("play")), {"carol"})
        self.assertFalse(bob.ping(carol.self()["ipv4"], wait_s=1))
        alice.ipop("leave", "play", "--yes")
        self.reaches(alice, bob, network="work")

    def test_an_idle_daemon_uses_no_processor(self):
        """With a member connected; it is the processor's time that is counted, so that others on
        this machine cost nothing."""
        alice, bob = self.pair()
        self.reaches(bob, alice)
        window_s = 60.0 if harness.soak else 20.0
        before, began = [alice.cpu_s(), bob.cpu_s()], time.monotonic()
        while time.monotonic() < began + window_s:
            time.sleep(0.5)  # the silence is what is measured
        used = [node.cpu_s() - then for node, then in zip((alice, bob), before)]
        self.assertLess(max(used), 0.01 * window_s, used)
        for node, other in ((alice, "bob"), (bob, "alice")):
            self.assertTrue(node.members()[other]["online"], "they were connected")


class Offloads(Transfers):
    """What the kernel does for many packets at once, and what must work without it."""

    SETTINGS = ("tun_tcp_offload", "tun_udp_offload", "udp_segment", "udp_group")

    def configured(self, node, *lines):
        node.config.write_text("".join(f"{line}\n" for line in lines))
        node.restart()

    def test_each_setting_can_be_off_alone(self):
        alice, bob = self.pair()
        for setting in self.SETTINGS:
            with self.subTest(setting):
                self.configured(bob, f"{setting} = false", "workers = 2")
                self.reaches(bob, alice)
                self.transfer(bob, alice, 6 << 20)
                self.transfer(alice, bob, 6 << 20)

    def test_the_log_says_what_the_kernel_granted(self):
        alice = self.founder()
        self.configured(alice, "workers = 2")
        self.assertRegex(alice.log_tail(), "2 queues, large packets: TCP")
        self.configured(alice, *(f"{setting} = false" for setting in self.SETTINGS), "workers = 1")
        self.assertRegex(alice.log_tail(), "1 queue, large packets: none")

    def test_several_flows_at_once_arrive_whole(self):
        alice, bob = self.pair()
        for node in (alice, bob):
            self.configured(node, "workers = 2")
        self.reaches(bob, alice)
        address, flows = alice.self()["ipv4"], range(5001, 5009)
        sinks = [peer(alice, "sink", address, port) for port in flows]
        for sink in sinks:
            self.assertEqual(sink.stdout.readline(), "ready\n")
        sources = [peer(bob, "source", address, port, 4 << 20, port) for port in flows]
        for sink, source in zip(sinks, sources):
            self.assertEqual(sink.stdout.readline(), source.stdout.readline())
            for process in (sink, source):
                process.wait()
                process.stdout.close()

    def test_every_start_with_two_threads_passes_a_first_ping(self):
        """One echo, and no second one: what is sent before there is a session waits for it."""
        pair = self.pair()
        addresses = [node.self()["ipv4"] for node in pair]
        for node in pair:
            self.configured(node, "workers = 2")
        for i in range(200 if harness.soak else 8):
            with self.subTest(start=i):
                self.configured(pair[i % 2], "workers = 2")
                self.assertTrue(pair[i % 2].ping(addresses[1 - i % 2], wait_s=20))


class Names(LabTest):
    def resolves(self, node, name):
        run = node.host.run("getent", "hosts", name, check=False, timeout=30)
        return run.stdout.split()[0] if run.returncode == 0 else None

    def test_members_are_reachable_by_name(self):
        alice, bob, carol = self.three()
        for node in (alice, bob, carol):
            node.host.etc("resolv.conf", f"nameserver {node.self()['ipv4']}\noptions timeout:2\n")
        for node in (alice, bob, carol):
            for other in (alice, bob, carol):
                wanted = {other.self()["ipv4"], other.self()["ipv6"]}
                name = f"{other.name}.family.internal"
                eventually(f"{node.name} resolves {name}",
                           lambda n=node, m=name, w=wanted: self.resolves(n, m) in w)
        self.assertTrue(bob.ping("alice.family.internal", wait_s=5))
        self.assertIsNone(self.resolves(bob, "nobody.family.internal"))
        alice.ipop("kick", "carol")
        eventually("a kicked member's name is gone",
                   lambda: self.resolves(bob, "carol.family.internal") is None)

    def test_the_machines_resolver_file_is_left_alone(self):
        text = pathlib.Path("/etc/resolv.conf").read_bytes()
        alice, bob = self.pair()
        self.reaches(bob, alice)
        self.assertEqual(pathlib.Path("/etc/resolv.conf").read_bytes(), text)

    def test_it_is_no_open_resolver(self):
        """Neither from outside, nor for a member that asks another member's daemon."""
        alice, bob = self.pair()
        self.reaches(bob, alice)
        stranger = self.lab.site("stranger", v6=False)
        for host, address in ((stranger, alice.host.address), (bob.host, alice.self()["ipv4"])):
            host.etc("resolv.conf", f"nameserver {address}\noptions timeout:1 attempts:1\n")
            run = host.run("getent", "hosts", "alice.family.internal", check=False, timeout=30)
            self.assertNotEqual(run.returncode, 0)


class Rekey(LabTest):
    def test_traffic_goes_on_over_a_rekey(self):
        """A keypair that carries IP is replaced after 120 s; the soak waits for two of them."""
        alice, bob = self.pair()
        self.reaches(bob, alice)
        if not harness.soak:
            return self.nothing_is_lost(bob, alice, seconds=8, most=0)
        rekeys, before = 2, self.handshakes(alice, bob)
        self.nothing_is_lost(bob, alice, seconds=150 * rekeys, most=rekeys)
        for name, began in self.handshakes(alice, bob).items():
            self.assertGreaterEqual(began - before[name], 110 * rekeys, f"{name} has new keys")

    def nothing_is_lost(self, one, other, seconds, most):
        """Of fifty echoes a second no more than `most`."""
        count = seconds * 50
        run = one.host.run("ping", "-q", "-n", "-i0.02", f"-c{count}", "-W10",
                           other.self()["ipv4"], check=False, timeout=2 * seconds + 60)
        sent, received = map(int, re.search(r"(\d+) packets transmitted, (\d+) received",
                                            run.stdout).groups())
        self.assertEqual(sent, count)
        self.assertLessEqual(sent - received, most, run.stdout)

    def handshakes(self, *nodes):
        """When the session of each was begun, as `wg show` tells."""
        shown = {node.name: wg(node.host, "show", node.network()["interface"],
                               "latest-handshakes").split() for node in nodes}
        return {name: int(at) for name, (_, at) in shown.items()}


if __name__ == "__main__":
    unittest.main()
