"""What a computer knows of the NAT in front of it, from what the members tell it."""
import unittest

from harness import LabTest, eventually


class Netcheck(LabTest):
    def room(self, *sites):
        """alice, who founded the network, and two more that everybody reaches; and those behind
        routers of the given kinds."""
        alice = self.founder()
        others = [self.public("bob"), self.public("carol"),
                  *(self.node(self.lab.site(f"{kind}1", kind, v6=False)) for kind in sites)]
        for node in others:
            self.join(node, alice)
        for node in others:
            for public in (alice, *others[:2]):
                if node is not public:
                    self.reaches(node, public)
        return [alice, *others]

    def says(self, node, family="ipv4", **fields):
        """netcheck comes to say so of the family."""
        return eventually(f"{node.name}'s netcheck says {fields}",
                          lambda: fields.items() <= node.ipop("netcheck")[family].items()
                          and node.ipop("netcheck"))

    def codes(self, reply):
        return [health["code"] for health in reply["health"]]

    def test_members_tell_each_other_how_they_are_seen(self):
        alice, bob, carol, easy, hard = self.room("port-restricted", "symmetric")
        report = self.says(alice, mapping="none", ports="preserved",
                           external=f"{alice.host.address}:{alice.network()['port']}")
        self.assertEqual(self.codes(report), [])
        self.assertEqual(report["ipv4"]["addresses"], [alice.host.address])

        report = self.says(easy, mapping="endpoint_independent", ports="preserved")
        self.assertEqual(report["port"], easy.network()["port"])
        self.assertEqual(report["ipv4"]["seen"], [report["ipv4"]["external"]])
        self.assertNotEqual(report["ipv4"]["external"].split(":")[0],
                            report["ipv4"]["addresses"][0])
        self.assertEqual(self.codes(report), [])
        eventually("the router that forwards nothing was asked in vain",
                   lambda: [g["protocol"] for g in easy.ipop("netcheck")["gateways"]] == ["none"])

        report = self.says(hard, mapping="address_and_port_dependent", external=None)
        self.assertEqual(self.codes(report), ["hard_nat"])
        text = hard.command("netcheck").stdout
        self.assertIn("symmetric", text)
        self.assertIn("forward UDP port", text)

    def test_nobody_has_told_yet(self):
        alone = self.node(self.lab.site("alone", "port-restricted", v6=False))
        report = alone.ipop("netcheck")
        self.assertEqual(report["ipv4"]["mapping"], "unknown")
        self.assertEqual(self.codes(report), ["not_seen"])

    def test_a_new_address_is_found_out_again(self):
        alice, bob, carol, easy = self.room("port-restricted")
        before = self.says(easy, mapping="endpoint_independent")["ipv4"]["external"]
        easy.host.readdress(easy.host.address.rsplit(".", 1)[0] + ".77")
        for public in (alice, bob, carol):
            self.reaches(easy, public)
        report = self.says(easy, mapping="endpoint_independent")
        self.assertEqual(report["ipv4"]["addresses"], [easy.host.address])
        self.assertEqual(report["ipv4"]["external"].split(":")[0], before.split(":")[0])


if __name__ == "__main__":
    unittest.main()
