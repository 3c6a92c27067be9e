"""The laboratory itself does what the other tests rely on."""
import unittest

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


if __name__ == "__main__":
    unittest.main()
