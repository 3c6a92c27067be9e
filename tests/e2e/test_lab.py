"""The laboratory itself does what the other tests rely on."""
import concurrent.futures
import json
import re
import unittest

import harness
import peer
from harness import LabTest, eventually

CLASSIFY = harness.ROOT / "natlab" / "classify.py"
MAP_PORT = harness.ROOT / "natlab" / "map_port.py"
PEER = peer.__file__
MINIUPNPD = harness.ROOT / "build" / "miniupnpd" / "usr" / "sbin" / "miniupnpd"

# What the name of a kind promises: (mapping, filtering, port kept), in classify.py's words. A pair
# is an operator's NAT before a home router.
FREE, BY_ADDRESS, BY_BOTH = "endpoint", "address", "address and port"
ZOO = {
    "full-cone": (FREE, FREE, True),
    "full-cone-noport": (FREE, FREE, False),
    "restricted-cone": (FREE, BY_ADDRESS, True),
    "port-restricted": (FREE, BY_BOTH, True),
    "port-restricted-noport": (FREE, BY_BOTH, False),
    "port-restricted-leaky": (FREE, BY_BOTH, True),
    "symmetric": (BY_BOTH, BY_BOTH, False),
    "symmetric-seq": (BY_BOTH, BY_BOTH, False),
    "symmetric-adm": (BY_ADDRESS, BY_BOTH, False),
    "symmetric-block": (BY_BOTH, BY_BOTH, False),
    "udp-blocked": None,
    "v6fw": (FREE, BY_BOTH, True),
    ("port-restricted", "port-restricted"): (FREE, BY_BOTH, True),
    ("full-cone", "full-cone"): (FREE, FREE, True),
    ("port-restricted", "symmetric"): (BY_BOTH, BY_BOTH, False),
}


class Lab(LabTest):
    def pings(self, one, address):
        return one.run("ping", "-n", "-c1", "-W1", address, check=False).returncode == 0

    def classified(self, host, *options):
        server = self.stun.address if host.address else self.stun.address6
        return json.loads(host.run("/usr/bin/python3", CLASSIFY, server, *options).stdout)

    def all_classified(self, hosts):
        """What each host finds out, by the same keys; all at once, as each mostly waits."""
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            return dict(zip(hosts, pool.map(self.classified, hosts.values())))


class Lines(Lab):
    def test_public_hosts_reach_each_other_by_both_families(self):
        one, other = self.lab.site("one"), self.lab.site("other")
        self.assertTrue(self.pings(one, other.address))
        self.assertTrue(self.pings(one, other.address6))

    def test_two_hosts_behind_one_router_share_a_lan(self):
        one, other = self.lab.site("home", nat="symmetric", hosts=2, v6=False)
        self.assertTrue(self.pings(one, other.address))

    def test_a_blocked_pair_is_cut_and_nobody_else(self):
        one, two, three = (self.lab.site(name) for name in ("one", "two", "three"))
        self.lab.block(one, two)
        self.assertFalse(self.pings(one, two.address))
        self.assertTrue(self.pings(one, three.address))
        self.lab.unblock()
        self.assertTrue(self.pings(one, two.address))

    def test_one_cable_joins_two_hosts(self):
        one, other = self.lab.wire("one", "other")
        self.assertTrue(self.pings(one, other.address))

    def test_a_black_hole_takes_what_is_small_and_says_nothing_of_the_rest(self):
        one, other = self.lab.site("one"), self.lab.site("other")
        self.lab.black_hole(other, 1400)
        for address, headers in ((other.address, 28), (other.address6, 48)):
            before = self.lab.black_holed()
            for size, passes in ((1400, True), (1401, False)):
                run = one.run("ping", "-n", "-c1", "-W1", "-M", "do", "-s", str(size - headers),
                              address, check=False)
                self.assertEqual(run.returncode == 0, passes, run.stdout)
                self.assertNotRegex(run.stdout + run.stderr, "too|needed")
            self.assertEqual(self.lab.black_holed(), before + 1)

    def test_a_bad_line_loses_delays_and_overtakes_what_its_host_sends(self):
        one, other = (self.lab.site(name, v6=False) for name in ("one", "other"))
        line = self.lab.impair(one, harness.bin_dir / "impair",
                               loss=10, delay=5, late=10, late_by=50)
        asked = one.run("ping", "-n", "-c200", "-i0.002", "-W1", other.address, check=False).stdout
        did = line.end()["out"]
        self.assertEqual(did["seen"], 200)
        self.assertGreater(did["lost"], 0)
        self.assertGreater(did["late"], 0)
        answers = re.findall(r"icmp_seq=(\d+) .* time=([\d.]+)", asked)
        self.assertEqual(len(answers), 200 - did["lost"])
        numbers = [int(number) for number, _ in answers]
        self.assertNotEqual(numbers, sorted(numbers))
        self.assertGreaterEqual(min(float(time_ms) for _, time_ms in answers), 5)

    def test_the_line_of_a_site_behind_a_nat_is_bad_both_ways_until_it_is_mended(self):
        inside = self.lab.site("inside", nat="port-restricted")
        outside = self.lab.site("outside")
        line = self.lab.impair(inside, harness.bin_dir / "impair", ways=("out", "in"),
                               loss=5, delay=10)
        for address in (outside.address, outside.address6):
            asked = inside.run("ping", "-n", "-c200", "-i0.002", "-W1", address,
                               check=False).stdout
            times_ms = [float(text) for text in re.findall(r"time=([\d.]+)", asked)]
            self.assertGreaterEqual(min(times_ms), 20)
            self.assertLess(len(times_ms), 200)
        did = line.end()
        self.assertEqual(did["out"]["seen"], 400)
        self.assertEqual(did["in"]["seen"], 400 - did["out"]["lost"])
        self.assertGreater(did["in"]["lost"], 0)
        asked = inside.run("ping", "-n", "-c50", "-i0.002", "-W1", outside.address).stdout
        self.assertIn("50 received", asked)


class Routers(Lab):
    def setUp(self):
        super().setUp()
        self.stun = self.lab.stun_server()

    def test_a_nat_lets_out_and_not_in(self):
        inside = self.lab.site("inside", nat="port-restricted", v6=False)
        outside = self.lab.site("outside", v6=False)
        outside.run("ip", "route", "add", f"{inside.address}/32", "via",
                    f"{outside.address[:-1]}1")
        self.assertTrue(self.pings(inside, outside.address))
        self.assertFalse(self.pings(outside, inside.address))

    def test_every_kind_is_what_its_name_says(self):
        hosts = {}
        for number, kind in enumerate(ZOO):
            home, operator = kind if isinstance(kind, tuple) else (kind, None)
            hosts[kind] = self.lab.site(f"home{number}", nat=home, cgn=operator)
        found = self.all_classified(hosts)
        shown = {kind: of and (of["mapping"], of["filtering"], of["port_kept"])
                 for kind, of in found.items()}
        self.assertEqual(shown, ZOO)
        for kind, of in found.items():
            if of:
                outside = hosts[kind].wan or hosts[kind].address6
                self.assertEqual(of["mapped"][0], outside, kind)
        ports = found["symmetric-seq"]["ports"]
        self.assertEqual(ports, list(range(ports[0], ports[0] + len(ports))))
        self.assertLess(self.span(found["symmetric-block"]["ports"]), 512)
        self.assertGreater(self.span(found["symmetric"]["ports"]), 512)

    def span(self, ports):
        return max(ports) - min(ports)

    def test_a_leaky_router_gives_another_port_to_a_peer_who_was_first(self):
        """And one that drops on input keeps the port, although the peer sent first."""
        outside = self.lab.site("outside", v6=False)
        kept = {}
        for kind in ("port-restricted", "port-restricted-leaky"):
            inside = self.lab.site(f"in{len(kept)}", nat=kind, v6=False)
            self.say(outside, 41000, inside.wan, 40000)
            heard = outside.start("/usr/bin/python3", PEER, "hear_from", outside.address, 41000,
                                  stdout=-1, text=True)
            self.assertEqual(heard.stdout.readline(), "ready\n")
            self.say(inside, 40000, outside.address, 41000)
            address, port = heard.stdout.readline().split()
            self.assertEqual(address, inside.wan)
            kept[kind] = int(port) == 40000
            heard.kill()
            heard.wait()
            heard.stdout.close()
        self.assertEqual(kept, {"port-restricted": True, "port-restricted-leaky": False})

    def say(self, host, own_port, target, port):
        host.run("/usr/bin/python3", "-c", "import socket, sys\n"
                 "mouth = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
                 "mouth.bind(('', int(sys.argv[1])))\n"
                 "mouth.sendto(b'x', (sys.argv[2], int(sys.argv[3])))", own_port, target, port)

    def test_hairpinning_is_there_where_it_is_asked_for(self):
        kinds = ("full-cone", "restricted-cone", "port-restricted")
        hosts = {(kind, hairpin): self.lab.site(f"{kind}{hairpin:d}", nat=kind, hairpin=hairpin)
                 for kind in kinds for hairpin in (False, True)}
        shown = {key: of["hairpin"] for key, of in self.all_classified(hosts).items()}
        self.assertEqual(shown, {key: key[1] for key in hosts})

    def test_a_mapping_lives_as_long_as_it_should(self):
        short, long = (self.lab.site(name, nat="port-restricted", udp_timeout_s=timeout_s)
                       for name, timeout_s in (("short", 4), ("long", None)))
        asked = {(long, 7): True, (short, 7): False, (short, 0.5): True}
        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            alive = pool.map(lambda key: self.classified(key[0], "--alive-after", key[1]), asked)
            self.assertEqual([found["alive"] for found in alive], list(asked.values()))

    def test_a_reboot_forgets_every_mapping_and_draws_other_ports(self):
        redrawn = ("full-cone-noport", "port-restricted-noport", "symmetric-seq", "symmetric-adm",
                   "symmetric-block")
        hosts = {kind: self.lab.site(kind, nat=kind) for kind in (*redrawn, "port-restricted")}
        before = {kind: self.mapped(host) for kind, host in hosts.items()}
        for host in hosts.values():
            host.router.reboot()
        after = {kind: self.mapped(host) for kind, host in hosts.items()}
        self.assertEqual([kind for kind in hosts if before[kind] == after[kind]],
                         ["port-restricted"])
        host = hosts["port-restricted"]
        self.assertEqual(self.flows(host.router), 1)  # the question after the reboot
        host.router.reboot()
        self.assertEqual(self.flows(host.router), 0)

    def flows(self, router):
        return router.run("conntrack", "-L", "-p", "udp", "--sport", "40404").stdout.count("udp ")

    def mapped(self, host):
        """Where a socket that is always the same comes out."""
        text = host.run("/usr/bin/python3", CLASSIFY, self.stun.address, "--from", 40404).stdout
        return json.loads(text)["mapped"]

    def test_a_provider_gives_another_address(self):
        host = self.lab.site("home", nat="port-restricted")
        before = host.wan
        self.assertEqual(self.mapped(host), [before, 40404])
        host.router.renumber()
        self.assertNotEqual(host.wan, before)
        self.assertEqual(self.mapped(host), [host.wan, 40404])
        self.assertFalse(self.pings(self.stun, before))

    def test_a_host_roams_to_another_router(self):
        host, stays = self.lab.site("home", nat="port-restricted", hosts=2)
        other = self.lab.site("cafe", nat="port-restricted")
        before = host.address
        host.roam(other.router)
        self.assertEqual((host.wan, host.access), (other.wan, other.access))
        self.assertNotEqual(host.address, before)
        self.assertEqual(self.mapped(host)[0], other.wan)
        self.assertTrue(self.pings(host, self.stun.address6))
        self.assertTrue(self.pings(host, other.address), "the LAN of the other router")
        self.assertFalse(self.pings(host, stays.address), "no more that of the first")
        self.assertTrue(self.pings(stays, self.stun.address))

    def test_two_sites_may_have_the_same_private_network(self):
        one, other = (self.lab.site(name, nat="port-restricted", lan="192.168.1")
                      for name in ("one", "other"))
        self.assertEqual(one.address, other.address)
        self.assertNotEqual(self.mapped(one)[0], self.mapped(other)[0])

    def test_a_port_may_be_forwarded_by_hand(self):
        inside = self.lab.site("inside", nat="symmetric", v6=False, forward_port=7001)
        outside = self.lab.site("outside", v6=False)
        self.lets_in(outside, inside, 7001)
        inside.router.reboot()
        self.lets_in(outside, inside, 7001)

    def lets_in(self, outside, inside, port):
        """What is said to the outer port arrives."""
        ear = inside.start("/usr/bin/python3", PEER, "hear", inside.address, port,
                           stdout=-1, text=True)
        self.assertEqual(ear.stdout.readline(), "ready\n")
        outside.run("/usr/bin/python3", PEER, "say", outside.address, inside.wan, port, "hello")
        self.assertEqual(ear.stdout.readline(), f"{outside.address} hello\n")
        ear.kill()
        ear.wait()
        ear.stdout.close()

    def test_the_router_opens_a_port_by_each_of_three_protocols(self):
        if not MINIUPNPD.exists():
            self.fail("miniupnpd is not unpacked below build/miniupnpd: `./run test` brings it")
        inside = self.lab.site("inside", nat="symmetric", v6=False)
        outside = self.lab.site("outside", v6=False)
        inside.router.serve_port_mapping(MINIUPNPD, self.stun)
        for port, protocol in enumerate(("pcp", "nat-pmp", "upnp"), 7001):
            opened = eventually(f"{protocol} gives a port",
                                lambda: self.opened(inside, protocol, port))
            self.assertEqual(opened, [inside.wan, str(port)])
            self.lets_in(outside, inside, port)
        inside.router.reboot()
        self.assertEqual(inside.router.forwarded(), [], "it forgot what it had opened")
        eventually("it is there again", lambda: self.opened(inside, "pcp", 7001))

    def opened(self, host, protocol, port):
        return host.run("/usr/bin/python3", MAP_PORT, protocol, f"{host.router.lan}.1", port,
                        check=False).stdout.split()


class Stun(Lab):
    def test_the_server_answers_as_the_rfc_says_and_survives_noise(self):
        server, client = self.lab.stun_server(), self.lab.site("client")
        client.run("/usr/bin/python3", PEER, "noise", server.address, 3478, 2000, 7)
        said = client.run("/usr/bin/python3", "-c", STRICT, CLASSIFY.parent, server.address).stdout
        self.assertEqual(said.split("\n")[:-1], [
            "success with a right fingerprint", "error 420 about 0x7ffe",
            "silence about a wrong fingerprint"])


# A client that asks what the classifier does not.
STRICT = """
import socket, struct, sys
sys.path.insert(0, sys.argv[1])
import stun
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
client.connect((sys.argv[2], 3478))
client.settimeout(2)
name = bytes(range(12))
client.send(stun.write_message(stun.BINDING_REQUEST, name, [], fingerprint=True))
kind, answered, attributes = stun.read_message(client.recv(2048))
own = client.getsockname()
assert (kind, answered) == (stun.BINDING_SUCCESS, name)
assert stun.read_address(attributes[stun.XOR_MAPPED_ADDRESS], name) == own
assert stun.read_address(attributes[stun.MAPPED_ADDRESS]) == own
assert stun.read_address(attributes[stun.RESPONSE_ORIGIN]) == (sys.argv[2], 3478)
print("success with a right fingerprint" if stun.FINGERPRINT in attributes else "without")
client.send(stun.write_message(stun.BINDING_REQUEST, name, [(0x7ffe, b"abc")]))
kind, answered, attributes = stun.read_message(client.recv(2048))
assert (kind, answered) == (stun.BINDING_ERROR, name)
hundreds, rest = attributes[stun.ERROR_CODE][2:4]
unknown, = struct.unpack("!H", attributes[stun.UNKNOWN_ATTRIBUTES])
print("error", hundreds * 100 + rest, "about", hex(unknown))
wrong = bytearray(stun.write_message(stun.BINDING_REQUEST, name, [], fingerprint=True))
wrong[-1] ^= 1
client.send(wrong)
client.settimeout(0.5)
try:
    print("an answer to", client.recv(2048))
except socket.timeout:
    print("silence about a wrong fingerprint")
"""


if __name__ == "__main__":
    unittest.main()
