"""Ports that routers forward when they are asked by UPnP, and routers that mean harm by it."""
import pathlib
import time
import unittest

import harness
import test_nat
from harness import eventually
from nat_table import DIRECT

BAD_IGD = pathlib.Path(__file__).resolve().parent / "bad_igd.py"
END_LIMIT_S = 2.0  # the daemon's own second, and what the machine takes


class Upnp(test_nat.NatTest):
    def setUp(self):
        super().setUp()
        if not test_nat.MINIUPNPD.exists():
            self.fail("miniupnpd is not unpacked below build/miniupnpd: `./run test` brings it")
        self.stun = self.lab.stun_server()

    def home(self, name, **site):
        """A computer, or several, behind a symmetric router that speaks UPnP and nothing else."""
        hosts = self.behind(name, "symmetric", **site)
        router = (hosts[0] if isinstance(hosts, list) else hosts).router
        router.serve_port_mapping(test_nat.MINIUPNPD, self.stun, upnp_alone=True)
        return hosts

    def gateway(self, node):
        gateways = node.ipop("netcheck")["gateways"]
        return gateways[0] if gateways else {}

    def forwards(self, node):
        """The router comes to forward the daemon's port; gives what netcheck says of it."""
        return eventually(f"{node.name}'s router forwards a port by UPnP",
                          lambda: self.gateway(node)["protocol"] == "upnp" and self.gateway(node))

    def ends_in_time(self, node):
        began = time.monotonic()
        self.assertEqual(node.stop(), 0)
        self.assertLess(time.monotonic() - began, END_LIMIT_S)

    def test_a_symmetric_router_with_upnp_alone(self):
        bob, carol = self.home("bob"), self.behind("carol", "symmetric")
        router = bob.router
        bob, carol = self.room(bob, carol)
        gateway = self.forwards(bob)
        port = bob.network()["port"]
        self.assertEqual(gateway["external"], f"{bob.host.wan}:{port}")
        self.assertIn("(UPnP)", bob.command("netcheck").stdout)
        self.assertEqual(len(router.forwarded()), 1)
        self.assertIn(f"{bob.host.address}:{port}", router.forwarded()[0])
        self.settles(bob, carol, DIRECT)
        self.assertEqual(carol.members()["bob"]["path"]["endpoint"], gateway["external"])
        self.ends_in_time(bob)
        self.assertEqual(router.forwarded(), [], "nothing is left behind")

    def test_what_a_killed_daemon_left_behind_is_taken_over(self):
        bob = self.home("bob")
        router = bob.router
        bob, = self.room(bob)
        before = self.forwards(bob)
        bob.kill()
        self.assertEqual(len(router.forwarded()), 1)
        bob.start()
        self.assertEqual(self.forwards(bob), before)
        self.assertEqual(len(router.forwarded()), 1)

    def test_two_computers_with_one_port(self):
        """The second takes another one outside."""
        bob, ben = self.home("bob", hosts=2)
        nodes = [self.node(host, "--listen", "41820") for host in (bob, ben)]
        said = [self.forwards(node)["external"] for node in nodes]
        self.assertEqual(len(set(said)), 2, said)
        self.assertEqual(len(bob.router.forwarded()), 2)

    def test_another_network_is_asked_and_a_setting_forbids_it(self):
        bob, cafe = self.home("bob"), self.home("cafe")
        cafe, home = cafe.router, bob.router
        bob, = self.room(bob)
        self.forwards(bob)
        bob.host.roam(cafe)
        eventually("the new router forwards the port",
                   lambda: self.gateway(bob)["external"] == f"{bob.host.wan}:"
                   f"{bob.network()['port']}")
        self.assertEqual(len(cafe.forwarded()), 1)
        bob.stop()
        self.assertEqual(cafe.forwarded(), [])
        self.assertEqual(len(home.forwarded()), 1, "it cannot be reached, and its lease will end")
        bob.config.write_text(harness.config + "[nat]\nupnp = false\n")
        bob.start()
        eventually("PCP and NAT-PMP were tried",
                   lambda: self.gateway(bob)["protocol"] == "none")
        report = bob.ipop("netcheck")
        self.assertIs(report["upnp"], False)
        self.assertEqual(cafe.forwarded(), [])
        self.assertIn("switched off", bob.command("netcheck").stdout)

    def test_a_router_that_restarts_is_asked_again(self):
        bob, carol = self.home("bob"), self.behind("carol", "symmetric")
        router = bob.router
        bob, carol = self.room(bob, carol)
        self.forwards(bob)
        self.settles(bob, carol, DIRECT)
        router.reboot()
        self.assertEqual(router.forwarded(), [])
        self.first_answer(bob, carol)
        eventually("the port is forwarded again", lambda: len(router.forwarded()) == 1, 120)
        self.settles(bob, carol, DIRECT)


class BadRouters(test_nat.NatTest):
    def harmless(self, how, sign="asked\n"):
        host = self.behind("bob", "port-restricted")
        bad = host.router.start("/usr/bin/python3", BAD_IGD, how, f"{host.router.lan}.1",
                                stdout=-1, text=True)
        self.addCleanup(bad.stdout.close)
        self.assertEqual(bad.stdout.readline(), "ready\n")
        bob, = self.room(host)
        self.assertEqual(bad.stdout.readline(), sign)
        for _ in range(20):
            began = time.monotonic()
            bob.ipop("networks")
            self.assertLess(time.monotonic() - began, 1, "it answers others meanwhile")
            time.sleep(0.1)
        self.assertLess(bob.memory_kb(), 60_000)
        eventually("it gave up", lambda: [g["protocol"] for g in bob.ipop("netcheck")["gateways"]]
                   == ["none"], 60)
        began = time.monotonic()
        self.assertEqual(bob.stop(), 0)
        self.assertLess(time.monotonic() - began, END_LIMIT_S)
        return host, bad

    def test_one_that_never_answers(self):
        self.harmless("silent")

    def test_one_that_answers_garbage(self):
        self.harmless("garbage")

    def test_one_that_never_ends(self):
        self.harmless("endless")

    def test_one_that_lies(self):
        self.harmless("liar")

    def test_one_that_points_elsewhere(self):
        host, bad = self.harmless("elsewhere", "searched\n")
        # The same call as the daemon's would have been, which shows that it would have been seen.
        call = "import socket; socket.create_connection(('203.0.113.77', 5000), 5).close()"
        host.run("/usr/bin/python3", "-c", call)
        said = []
        while not said or said[-1].startswith("searched"):
            said.append(bad.stdout.readline())
        self.assertEqual(said[-1], "called 203.0.113.77\n")
        time.sleep(0.2)
        bad.kill()
        self.assertEqual(bad.stdout.read().count("called"), 0, "the only one is this test's")

    def test_the_end_does_not_wait_for_one_that_is_being_asked(self):
        host = self.behind("bob", "port-restricted")
        bad = host.router.start("/usr/bin/python3", BAD_IGD, "silent", f"{host.router.lan}.1",
                                stdout=-1, text=True)
        self.addCleanup(bad.stdout.close)
        self.assertEqual(bad.stdout.readline(), "ready\n")
        bob = self.node(host)
        self.assertEqual(bad.stdout.readline(), "asked\n")
        began = time.monotonic()
        self.assertEqual(bob.stop(), 0)
        self.assertLess(time.monotonic() - began, END_LIMIT_S)


if __name__ == "__main__":
    unittest.main()
