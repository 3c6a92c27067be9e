"""Direct paths through NATs that give each destination another port."""
import unittest

from harness import LabTest, eventually


class Punch(LabTest):
    def behind(self, *kinds):
        """Computers behind such routers, who joined by a public member; three more of these tell
        them how they are seen. The first talks with each of the others at once."""
        alice = self.founder()
        told_by = [alice, self.public("bob"), self.public("carol"), self.public("dave")]
        ends = [self.node(self.lab.site(f"home{number}", kind, v6=False))
                for number, kind in enumerate(kinds)]
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


if __name__ == "__main__":
    unittest.main()
