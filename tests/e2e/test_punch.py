"""Direct paths through NATs that give each destination another port."""
import unittest

import harness
from harness import LabTest, eventually


class Punch(LabTest):
    def path(self, one, other):
        return one.members()[other.name]["path"]["kind"]

    def two_behind(self, first, second):
        """Two behind such routers, who joined by a public member; three more of these tell them how
        they are seen. They talk at once."""
        alice = self.founder()
        told_by = [alice, self.public("bob"), self.public("carol"), self.public("dave")]
        ends = [self.node(self.lab.site(name, kind, v6=False))
                for name, kind in (("erin", first), ("frank", second))]
        for node in (*told_by[1:], *ends):
            self.join(node, alice)
        for end in ends:
            for public in told_by:
                self.reaches(end, public)
        self.reaches(*ends)
        return ends

    def becomes_direct(self, one, other):
        eventually(f"a direct path from {one.name} to {other.name}",
                   lambda: one.ping(other.self()["ipv4"])
                   and self.path(one, other) == self.path(other, one) == "direct")

    def test_a_nat_that_counts_its_ports(self):
        self.becomes_direct(*self.two_behind("port-restricted", "symmetric-seq"))

    def test_a_nat_that_draws_from_a_small_block(self):
        one, other = self.two_behind("symmetric-block", "port-restricted-noport")
        if harness.soak:  # each port is tried once: on a busy machine a lost probe is a lost search
            self.becomes_direct(one, other)
        else:
            eventually("a path", lambda: self.path(one, other) in ("relay", "direct"))


if __name__ == "__main__":
    unittest.main()
