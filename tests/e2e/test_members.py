"""Three and more members; who is in, who is out, and that everybody agrees."""
import concurrent.futures
import unittest

import harness
from harness import CommandFailed, LabTest, eventually

NO_ENTRY = {"no_answer", "revoked_invite", "removed_member", "used_invite", "expired_invite"}


class Members(LabTest):
    def test_three_members_reach_each_other(self):
        alice, bob, carol = self.three()
        for one in (alice, bob, carol):
            for other in (alice, bob, carol):
                if one is not other:
                    self.reaches(one, other)
        self.assertEqual(carol.members()["bob"]["path"]["kind"], "direct")

    def test_any_member_invites_and_admits_while_the_inviter_is_off(self):
        alice, bob = self.pair()
        invite = self.invite(alice)
        by_bob = self.invite(bob)
        carol, dave = self.public("carol"), self.public("dave")
        carol.ipop("join", by_bob, "--name", "carol")
        eventually("alice knows carol", lambda: "carol" in alice.members())
        # The founder's invite carries the founder's address; a member of the same network that is
        # found there would do, so only reach is lost while she is off.
        self.assertTrue(invite)
        alice.stop()
        dave.ipop("join", self.invite(bob), "--name", "dave")
        self.reaches(dave, carol)
        alice.start()
        eventually("alice learns of dave", lambda: "dave" in alice.members())
        self.reaches(alice, dave)

    def test_members_behind_nats_reach_the_public_one(self):
        alice = self.founder()
        bob = self.node(self.lab.site("bob", nat="port-restricted", v6=False))
        carol = self.node(self.lab.site("carol", nat="symmetric", v6=False))
        self.join(bob, alice)
        self.join(carol, alice)
        self.reaches(bob, alice)
        self.reaches(alice, bob)
        self.reaches(alice, carol)
        # The NAT is real: alice sees the router's address, not the host's.
        endpoint = alice.members()["bob"]["path"]["endpoint"]
        self.assertEqual(endpoint.rsplit(":", 1)[0], bob.host.wan)
        # They know each other, whether or not a path exists yet.
        eventually("bob knows carol", lambda: "carol" in bob.members())

    def test_two_on_one_lan_behind_a_nat_find_each_other(self):
        alice = self.founder()
        homes = self.lab.site("home", nat="port-restricted", hosts=2, v6=False)
        bob, carol = (self.node(host) for host in homes)
        self.join(bob, alice)
        self.join(carol, alice)
        self.reaches(bob, carol)
        endpoint = bob.members()[carol.name]["path"]["endpoint"]
        self.assertEqual(endpoint.rsplit(":", 1)[0], carol.host.address, "straight over the LAN")

    def test_a_pair_without_a_path_says_so(self):
        alice, bob = self.pair()
        alice.config.write_text(harness.config + "[relay]\nenabled = false\n")
        alice.restart()
        carol = self.public("carol")
        self.lab.block(bob.host, carol.host)
        self.join(carol, alice)
        self.reaches(alice, carol)
        eventually("bob knows carol", lambda: "carol" in bob.members())
        shown = bob.members()["carol"]
        self.assertEqual((shown["online"], shown["path"]["kind"]), (False, "none"))
        self.lab.unblock()
        self.reaches(bob, carol, limit_s=60)

    def test_leaving(self):
        alice, bob, carol = self.three()
        interface = bob.network()["interface"]
        bob.ipop("leave", "--yes")
        self.assertEqual(bob.ipop("networks")["networks"], [])
        eventually("the interface is gone", lambda: not bob.has_interface(interface))
        for node in (alice, carol):
            eventually(f"{node.name} sees bob gone", lambda n=node: "bob" not in n.members())
        self.reaches(alice, carol)
        self.join(bob, carol)  # with a new invite he may come back
        self.reaches(bob, alice)

    def test_the_last_admin_is_warned_before_leaving(self):
        alice, bob = self.pair()
        self.fails("confirmation_needed", alice, "leave", exit_code=2)
        self.reaches(bob, alice)
        alice.ipop("leave", "--yes")
        self.assertEqual(alice.ipop("networks")["networks"], [])

    def test_up_and_down(self):
        alice, bob = self.pair()
        self.reaches(bob, alice)
        interface = bob.network()["interface"]
        self.assertTrue(bob.ipop("down")["changed"])
        eventually("the interface is gone", lambda: not bob.has_interface(interface))
        self.fails("network_down", bob, "ping", "alice")
        bob.restart()  # off stays off
        self.assertEqual(bob.ipop("networks")["networks"][0]["state"], "down")
        self.assertTrue(bob.ipop("up")["changed"])
        self.reaches(bob, alice)

    def test_admins_are_made_and_unmade(self):
        alice, bob, carol = self.three()
        self.fails("not_allowed", bob, "kick", "carol")
        self.assertTrue(alice.ipop("admin", "add", "bob")["admin"])
        eventually("bob knows it", lambda: bob.self()["admin"])
        dave = self.public("dave")
        self.join(dave, bob)
        eventually("bob sees dave", lambda: "dave" in bob.members())
        bob.ipop("kick", "dave")
        eventually("carol sees dave gone", lambda: "dave" not in carol.members())
        self.assertFalse(alice.ipop("admin", "remove", "bob")["admin"])
        eventually("bob knows it", lambda: not bob.self()["admin"])
        self.fails("not_allowed", bob, "kick", "carol")


class Kick(LabTest):
    def test_a_kicked_member_stays_out_whatever_it_kept(self):
        alice, carol = self.founder(), self.public("carol")
        bob, mallory = self.public("bob"), self.public("mallory")
        by_alice = self.invite(alice, "--uses", "3")
        for_printer = ("--name", "printer", "--address", self.address_of(alice, 77))
        self.invite(alice, *for_printer)
        bob.ipop("join", by_alice, "--name", "bob")
        self.join(carol, alice)
        eventually("bob knows carol", lambda: "carol" in bob.members())
        by_bob = self.invite(bob, "--uses", "3")
        eventually("the others know bob's invite",
                   lambda: all(len(n.network()["invites"]) >= 3 for n in (alice, carol)))
        epoch = alice.network()["epoch"]
        bob_address, alice_address = bob.self()["ipv4"], alice.self()["ipv4"]

        kicked = alice.ipop("kick", "bob")
        self.assertGreaterEqual(len(kicked["closed_invites"]), 3)
        self.assertGreater(kicked["epoch"], epoch)
        for node in (alice, carol):
            eventually(f"{node.name} sees bob gone", lambda n=node: "bob" not in n.members())
            self.assertEqual(node.network()["epoch"], kicked["epoch"])
            self.assertEqual(node.network()["invites"], [], "they ended with the old secret")
            self.assertFalse(node.ping(bob_address, wait_s=1))
        self.assertFalse(bob.ping(alice_address, wait_s=1))
        # Restarted with all it had it is still out …
        bob.kill()
        bob.start()
        self.assertFalse(bob.ping(alice_address, wait_s=2))
        # … and neither the invite it came by nor the one it made opens the door again.
        for invite in (by_alice, by_bob):
            self.fails(NO_ENTRY, mallory, "join", invite, "--name", "mallory")
        for node in (alice, carol):
            self.assertFalse({"bob", "mallory"} & set(node.members()))
        # What a closed invite promised is free again.
        self.invite(carol, *for_printer)
        # Everybody else goes on, also with newcomers and over a restart.
        self.reaches(alice, carol)
        dave = self.public("dave")
        self.join(dave, carol)
        alice.restart()
        self.reaches(alice, dave)
        self.assertNotIn("bob", alice.members())

    def address_of(self, node, last):
        return node.network()["subnet4"].rsplit(".", 1)[0] + f".{last}"

    def test_a_member_who_was_off_learns_of_the_kick(self):
        alice, bob, carol = self.three()
        address = bob.self()["ipv4"]
        self.reaches(carol, bob)
        carol.stop()
        alice.ipop("kick", "bob")
        carol.start()
        eventually("carol sees bob gone", lambda: "bob" not in carol.members())
        self.reaches(carol, alice)
        self.assertFalse(carol.ping(address, wait_s=1))

    def test_only_an_admin_kicks(self):
        alice, bob, carol = self.three()
        self.fails("not_allowed", bob, "kick", "carol")
        self.reaches(bob, carol)


class Redemptions(LabTest):
    def test_many_at_once_of_a_one_use_invite_end_with_one_member(self):
        """Parallel joiners at three members that all may admit; everybody agrees on one."""
        count = 100 if harness.soak else 12
        alice, bob, carol = self.three()
        self.reaches(bob, carol)
        invite = self.invite(alice)
        joiners = [self.public(f"j{i}") for i in range(count)]

        def attempt(node):
            try:
                node.ipop("join", invite, "--name", node.name, timeout=300)
                return None
            except CommandFailed as failure:
                return failure.code

        with concurrent.futures.ThreadPoolExecutor(count) as pool:
            codes = list(pool.map(attempt, joiners))
        known = {"alice", "bob", "carol"}

        def newcomers(node):
            return sorted((set(node.members()) | {node.name}) - known)

        def agreed():
            seen = [newcomers(node) for node in (alice, bob, carol)]
            return seen[0] if len(seen[0]) == 1 and all(s == seen[0] for s in seen) else None

        (winner,) = eventually("everybody knows the one newcomer", agreed, 60)
        self.assertLessEqual(set(codes), {None, "used_invite", "no_answer"})
        self.assertIn(None, codes)
        node = next(n for n in joiners if n.name == winner)
        self.reaches(node, alice)
        # Whoever was let in by another member at the same moment has been told that it lost.
        for loser in joiners:
            if loser is not node:
                eventually(f"{loser.name} knows that it is out",
                           lambda n=loser: self.is_out(n), 60)

    def is_out(self, node):
        networks = node.ipop("status")["networks"]
        return not networks or not any(m["online"] for m in networks[0]["members"])


if __name__ == "__main__":
    unittest.main()
