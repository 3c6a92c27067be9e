"""Direct paths through NATs that give each destination another port."""
import unittest

from harness import LabTest, eventually


class Punch(LabTest):
    def path(self, one, other):
        return one.members()[other.name]["path"]["kind"]

    def becomes_direct(self, first, second):
        """Two behind such routers, who joined by a public member; two more of these tell them how
        they are seen. They talk at once, and find a direct path."""
        alice = self.founder()
        told_by = [alice, self.public("bob"), self.public("carol"), self.public("dave")]
        ends = [self.node(self.lab.site(name, kind, v6=False))
                for name, kind in (("erin", first), ("frank", second))]
        for node in (*told_by[1:], *ends):
            self.join(node, alice)
        for end in ends:
            for public in told_by:
                self.reaches(end, public)
        one, other = ends
        self.reaches(one, other)
        eventually(f"a direct path from {first} to {second}",
                   lambda: self.path(one, other) == self.path(other, one) == "direct"
                   or not one.ping(other.self()["ipv4"]))
        self.assertEqual([self.path(one, other), self.path(other, one)], ["direct", "direct"])

    def test_a_nat_that_counts_its_ports(self):
        self.becomes_direct("port-restricted", "symmetric-seq")

    def test_a_nat_that_draws_from_a_small_block(self):
        self.becomes_direct("symmetric-block", "port-restricted-noport")


if __name__ == "__main__":
    unittest.main()
