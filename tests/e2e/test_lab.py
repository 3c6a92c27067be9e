"""The laboratory itself does what the other tests rely on."""
import json
import re
import signal
import unittest

import harness
from harness import LabTest


class LabBehaves(LabTest):
    def pings(self, one, address):
        return one.run("ping", "-n", "-c1", "-W1", address, check=False).returncode == 0

    def test_public_hosts_reach_each_other_by_both_families(self):
        one, other = self.lab.site("one"), self.lab.site("other")
        self.assertTrue(self.pings(one, other.address))
        self.assertTrue(self.pings(one, other.address6))

    def test_a_nat_lets_out_and_not_in(self):
        inside = self.lab.site("inside", nat="port-restricted", v6=False)
        outside = self.lab.site("outside", v6=False)
        outside.run("ip", "route", "add", f"{inside.address}/32", "via", "198.18.2.1")
        self.assertTrue(self.pings(inside, outside.address))
        self.assertFalse(self.pings(outside, inside.address))

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
        line.send_signal(signal.SIGTERM)
        did = json.loads(line.communicate()[0])
        self.assertEqual(did["seen"], 200)
        self.assertGreater(did["lost"], 0)
        self.assertGreater(did["late"], 0)
        answers = re.findall(r"icmp_seq=(\d+) .* time=([\d.]+)", asked)
        self.assertEqual(len(answers), 200 - did["lost"])
        numbers = [int(number) for number, _ in answers]
        self.assertNotEqual(numbers, sorted(numbers))
        self.assertGreaterEqual(min(float(time_ms) for _, time_ms in answers), 5)


if __name__ == "__main__":
    unittest.main()
