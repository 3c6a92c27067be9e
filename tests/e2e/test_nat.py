"""Members behind NATs of every kind talk at once, and directly where that is possible today."""
import itertools
import re
import statistics
import time
import unittest

import harness
from harness import LabTest, eventually
from nat_table import DIRECT, EITHER, KINDS, RELAY, expected

MINIUPNPD = harness.ROOT / "build" / "miniupnpd" / "usr" / "sbin" / "miniupnpd"

# Each mechanism once; `--soak` has them all, both ways of a line bad.
FAST_PAIRS = (
    ("public", "symmetric"),
    ("full-cone-noport", "symmetric-seq"),
    ("restricted-cone", "symmetric"),
    ("port-restricted", "port-restricted-noport"),
    ("double port-restricted", "double port-restricted"),
    ("port-restricted", "symmetric-seq"),
    ("port-restricted-noport", "symmetric-block"),
    ("port-restricted", "symmetric"),
    ("symmetric-block", "symmetric-adm"),
)
BAD_LINE = {"loss": 1, "delay": 25}
ROUNDS = 3
PATH_LIMIT_S = 90


class NatTest(LabTest):
    def behind(self, name, nat, **site):
        return self.lab.site(name, nat=nat, **{"v6": False, **site})

    def room(self, *hosts, public=None):
        """A daemon on each of the hosts, all in the network of one who is public."""
        founder = self.node(public or self.lab.site("alice"))
        founder.ipop("create", "family", "--name", founder.name)
        others = []
        for host in hosts:
            others.append(self.node(host))
            self.join(others[-1], founder)
        return others

    def path(self, one, other):
        return one.members()[other.name]["path"]

    def kinds(self, one, other):
        return self.path(one, other)["kind"], self.path(other, one)["kind"]

    def settles(self, one, other, kind):
        """They talk at once; then both ends have a path of this kind, and keep it under traffic.
        Gives the seconds from the first ping to the first answer, and to the path at both ends, and
        what that is."""
        wanted = {DIRECT, RELAY} if kind == EITHER else {kind}

        def kinds():
            found = self.kinds(one, other)
            self.assertLessEqual(set(found), wanted, f"the path is {found}")
            return found
        began = time.monotonic()
        self.first_answer(one, other)
        answered = time.monotonic() - began
        eventually(f"{one.name} and {other.name} have a {kind} path", kinds, PATH_LIMIT_S)
        settled = time.monotonic() - began
        self.flood(one, other, 20)
        return answered, settled, "/".join(sorted(set(kinds())))

    def first_answer(self, one, other):
        """Ten echoes a second until one comes back."""
        run = one.host.run("ping", "-n", "-i0.1", "-c1", f"-w{harness.LIMIT_S:.0f}",
                           other.self()["ipv4"], check=False)
        self.assertIn(" ttl=", run.stdout, f"{one.name} pings {other.name}")

    def flood(self, one, other, count, interval_s=0.05):
        """The numbers of the echoes that came back."""
        run = one.host.run("ping", "-n", f"-c{count}", f"-i{interval_s}", "-W2",
                           other.self()["ipv4"], check=False, timeout=count * interval_s + 60)
        return [int(number) for number in re.findall(r"icmp_seq=(\d+) ttl", run.stdout)]

    def silence(self, one, other, seconds, happens):
        """The longest time without an echo, of ten a second, while something happens."""
        pinging = one.host.start("ping", "-n", "-i0.1", f"-c{seconds * 10}", "-W2",
                                 other.self()["ipv4"], stdout=-1, text=True)
        pinging.stdout.readline()
        self.assertIn("icmp_seq=1 ", pinging.stdout.readline())
        happens()
        text = pinging.communicate(timeout=seconds * 3 + 60)[0]
        heard = [1, *(int(number) for number in re.findall(r"icmp_seq=(\d+) ttl", text))]
        return max(b - a for a, b in zip(heard, [*heard[1:], seconds * 10 + 1])) / 10

    def endpoint(self, one, other):
        return self.path(one, other)["endpoint"].rsplit(":", 1)[0]


class Pairs(NatTest):
    def test_pairs_of_kinds_talk_at_once_and_then_as_the_table_says(self):
        pairs, rounds = FAST_PAIRS, 1
        if harness.soak:
            pairs, rounds = list(itertools.combinations_with_replacement(KINDS, 2)), ROUNDS
        # One alone cannot tell how a NAT chooses ports.
        public = [self.lab.site(name) for name in ("alice", "dave", "erin")]
        hosts = {key: self.lab.site(f"at{number}-{key[1]}", v6=False, **KINDS[key[0]][1])
                 for number, key in enumerate(sorted({
                     key for one, other in pairs for key in ((one, "bob"), (other, "carol"))}))}
        lines = ([self.lab.impair(host, harness.bin_dir / "impair", ways=("out", "in"), **BAD_LINE)
                  for host in (*public, *hosts.values())] if harness.soak else [])
        seen = {}
        for _, pair in itertools.product(range(rounds), pairs):
            with self.subTest(pair=pair):
                times = self.measure(pair, public, hosts[pair[0], "bob"], hosts[pair[1], "carol"])
                seen.setdefault(pair, []).append(times)
        if harness.soak:
            print_medians(seen)
        for host, line in zip((*public, *hosts.values()), lines):
            for way, did in line.end().items():
                self.assertGreater(did["lost"], 0, f"{host.name} {way}: {did}")

    def measure(self, pair, public, *hosts):
        """One fresh network; what it leaves in the routers is forgotten."""
        for host in hosts:
            if host.router:
                host.router.reboot()
                if host.router.router:
                    host.router.router.reboot()
        try:
            *_, one, other = self.room(*public[1:], *hosts, public=public[0])
            return self.settles(one, other, expected(*pair))
        finally:
            for node in [node for node in self.nodes if node.process]:
                self.assertEqual(node.stop(), 0)


def print_medians(seen):
    print("\n| pair | path | first answer, s | path at both ends, s | longest |",
          "|---|---|---|---|---|", sep="\n")
    for (one, other), times in seen.items():
        answered, settled, kinds = (sorted(column) for column in zip(*times))
        print(f"| {one}, {other} | {', '.join(sorted(set(kinds)))} "
              f"| {statistics.median(answered):.2f} | {statistics.median(settled):.2f} "
              f"| {settled[-1]:.2f} |")


class Places(NatTest):
    def test_two_hosts_behind_one_symmetric_nat_talk_over_their_lan(self):
        bob, carol = self.room(*self.behind("home", "symmetric", hosts=2))
        self.settles(bob, carol, DIRECT)
        self.assertEqual(self.endpoint(bob, carol), carol.host.address)
        self.assertEqual(self.endpoint(carol, bob), bob.host.address)

    def test_equal_private_networks_do_not_confuse(self):
        """Each one's own address is the other's, and so is that of the neighbour."""
        bob, ben = self.behind("bob", "port-restricted", lan="192.168.1", hosts=2)
        carol, cleo = self.behind("carol", "port-restricted-noport", lan="192.168.1", hosts=2)
        self.assertEqual((bob.address, ben.address), (carol.address, cleo.address))
        nodes = self.room(bob, carol, ben, cleo)
        for one, other in itertools.combinations(nodes, 2):
            with self.subTest(pair=(one.name, other.name)):
                self.settles(one, other, DIRECT)
                same_home = one.host.router is other.host.router
                self.assertEqual(self.endpoint(one, other),
                                 other.host.address if same_home else other.host.wan)

    def test_ipv6_firewalls_on_both_sides_open_for_each_other(self):
        bob, carol = self.room(*(self.lab.site(name, nat="v6fw") for name in ("bob", "carol")))
        self.settles(bob, carol, DIRECT)
        self.assertEqual(self.endpoint(bob, carol), f"[{carol.host.address6}]")

    def test_ipv6_is_the_way_where_ipv4_has_none(self):
        bob, carol = self.room(*(self.lab.site(name, nat="symmetric")
                                    for name in ("bob", "carol")))
        self.settles(bob, carol, DIRECT)
        self.assertEqual(self.endpoint(bob, carol), f"[{carol.host.address6}]")

    def test_who_has_ipv4_only_and_who_has_ipv6_only_talk_through_one_who_has_both(self):
        bob, carol = self.room(self.behind("bob", "port-restricted"),
                                  self.lab.site("carol", nat="v6fw"))
        self.settles(bob, carol, RELAY)

    def test_a_router_that_maps_ports_on_demand(self):
        if not MINIUPNPD.exists():
            self.fail("miniupnpd is not unpacked below build/miniupnpd: `./run test` brings it")
        bob, carol = (self.behind(name, "symmetric") for name in ("bob", "carol"))
        bob.router.serve_port_mapping(MINIUPNPD, self.lab.stun_server())
        bob, carol = self.room(bob, carol)
        self.settles(bob, carol, DIRECT)


class Changes(NatTest):
    def homes(self, kind="port-restricted", **site):
        """A pair that talks directly, from the homes of bob and carol."""
        bob, carol = self.room(*(self.behind(name, kind, **site) for name in ("bob", "carol")))
        self.settles(bob, carol, DIRECT)
        return bob, carol

    def report(self, what, silence_s):
        print(f"silence of {silence_s:.1f} s after {what}", end=" ... ", flush=True)

    def test_a_router_that_keeps_ports_reboots_under_traffic(self):
        self.reboots("port-restricted")

    def test_a_router_that_draws_other_ports_reboots_under_traffic(self):
        self.reboots("port-restricted-noport")

    def reboots(self, kind):
        bob, carol = self.homes(kind)
        self.report("a reboot", self.silence(carol, bob, 6, bob.host.router.reboot))
        self.settles(bob, carol, DIRECT)

    def test_both_routers_reboot_at_once(self):
        """As after a power cut: no end knows where the other is."""
        bob, carol = self.homes("port-restricted-noport")

        def power_cut():
            bob.host.router.reboot()
            carol.host.router.reboot()
        self.report("a power cut", self.silence(carol, bob, 6, power_cut))
        self.settles(bob, carol, DIRECT)

    def test_the_provider_gives_another_address_under_traffic(self):
        bob, carol = self.homes()
        before = bob.host.wan
        self.report("another address",
                    self.silence(carol, bob, 6, bob.host.router.renumber))
        self.settles(carol, bob, DIRECT)
        self.assertNotEqual(bob.host.wan, before)
        eventually("carol has bob's new address",
                   lambda: self.endpoint(carol, bob) == bob.host.wan)

    def test_a_host_roams_under_traffic(self):
        bob, carol = self.homes()
        cafe = self.behind("cafe", "port-restricted-noport").router
        self.report("roaming", self.silence(bob, carol, 6, lambda: bob.host.roam(cafe)))
        self.settles(bob, carol, DIRECT)
        eventually("carol has bob's new address",
                   lambda: self.endpoint(carol, bob) == bob.host.wan)
        # And into the other's home, where only the LAN's addresses work.
        self.report("roaming into one home",
                    self.silence(carol, bob, 6, lambda: bob.host.roam(carol.host.router)))
        self.settles(bob, carol, DIRECT)
        eventually("they talk over the LAN",
                   lambda: self.endpoint(carol, bob) == bob.host.address)

    def test_mappings_that_end_early_are_made_again(self):
        bob, carol = self.homes(udp_timeout_s=5)
        time.sleep(60 if harness.soak else 8)  # the silence is what ends them
        self.settles(carol, bob, DIRECT)


if __name__ == "__main__":
    unittest.main()
