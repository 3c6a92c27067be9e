"""What is on the disk: no identity is lost, whatever is damaged, copied, full or done in which
order, and the user is told."""
import shutil
import unittest

from harness import LabTest, eventually
from test_restart import identity

# What a network cannot start without, and what is made again.
NEEDED, CACHES = ("identity", "secrets", "statements", "devices"), ("peers", "clock")


def damage(path):
    bad = bytearray(path.read_bytes())
    bad[len(bad) // 2] ^= 0x10
    path.write_bytes(bad)


class Folder:
    """A network's folder of a node, and what was in it."""

    def __init__(self, node, network="family"):
        self.path = node.state / "networks" / network
        self.before = self.contents()

    def contents(self):
        return {p.name: p.read_bytes() for p in self.path.iterdir()}

    def put_back(self):
        for name, content in self.before.items():
            (self.path / name).write_bytes(content)


class Damaged(LabTest):
    def health(self, node, verb="status"):
        return {h["code"]: h for h in node.ipop(verb)["health"]}

    def with_all_files(self):
        """A founder with a file of each kind, and its earlier generation, stopped."""
        alice, bob = self.pair()
        self.reaches(bob, alice)
        alice.ipop("device", "add", "phone")
        self.invite(alice)
        alice.restart()
        self.reaches(bob, alice)
        before = identity(alice)
        alice.stop()
        folder = Folder(alice)
        for kind in NEEDED + CACHES:
            self.assertIn(kind, folder.before)
            self.assertIn(kind + ".old", folder.before)
        return alice, before, folder

    def test_one_copy_is_replaced_by_the_other_and_named(self):
        alice, before, folder = self.with_all_files()
        for kind in NEEDED + CACHES:
            with self.subTest(kind):
                damage(folder.path / kind)
                alice.start()
                repaired = self.health(alice)["state_repaired"]
                self.assertIn(str(folder.path / kind), repaired["message"])
                self.assertEqual(identity(alice), before)
                alice.stop()
                folder.put_back()

    def test_both_copies_are_named_and_left_alone(self):
        alice, before, folder = self.with_all_files()
        for kind in NEEDED:
            with self.subTest(kind):
                for name in (kind, kind + ".old"):
                    damage(folder.path / name)
                damaged = folder.contents()
                alice.start()
                for verb in ("status", "networks"):
                    health = self.health(alice, verb)["state_damaged"]
                    self.assertIn(str(folder.path / kind), health["message"])
                    self.assertTrue(health["next"])
                    self.assertEqual(alice.ipop(verb)["networks"], [])
                self.assertNotIn("create", alice.command("networks").stdout)
                alice.stop()
                self.assertEqual(folder.contents(), damaged)
                folder.put_back()
        alice.start()
        self.assertEqual(identity(alice), before)

    def test_a_cache_is_made_again(self):
        alice, before, folder = self.with_all_files()
        for kind in CACHES:
            with self.subTest(kind):
                for name in (kind, kind + ".old"):
                    damage(folder.path / name)
                alice.start()
                repaired = self.health(alice)["state_repaired"]
                self.assertIn(str(folder.path / kind), repaired["message"])
                self.assertEqual(identity(alice), before)
                alice.stop()
                folder.put_back()

    def test_nothing_takes_the_place_of_damaged_keys(self):
        alice, bob = self.pair()
        before = identity(alice)
        alice.stop()
        folder = Folder(alice)
        for name in ("identity", "identity.old"):
            damage(folder.path / name)
        damaged = folder.contents()
        alice.start()
        refused = self.fails("state_error", alice, "create", "family", "--name", "alice")
        self.assertIn(str(folder.path / "identity"), refused.message)
        for verb in (["up", "family"], ["invite", "family"], ["status", "family"], ["invite"]):
            self.fails("state_error", alice, *verb)
        # Another network of the name, and the same one by an invite, find another folder.
        carol = self.founder("carol")
        self.assertEqual(self.join(alice, carol)["name"], "family-2")
        self.assertEqual(folder.contents(), damaged)
        alice.stop()
        self.assertEqual(folder.contents(), damaged)
        folder.put_back()
        alice.start()
        self.assertEqual({key: alice.self("family")[key] for key in before}, before)

    def test_leaving_moves_damaged_files_out_of_the_way(self):
        alice = self.founder()
        alice.stop()
        folder = Folder(alice)
        for name in ("secrets", "secrets.old"):
            damage(folder.path / name)
        damaged = folder.contents()
        alice.start()
        self.fails("confirmation_needed", alice, "leave", "family", exit_code=2)
        self.assertEqual(folder.contents(), damaged)
        moved = alice.ipop("leave", "family", "--yes")["moved_to"]
        self.assertEqual(moved, str(alice.state / "left" / "family"))
        folder.path = alice.state / "left" / "family"
        self.assertEqual(folder.contents(), damaged)
        self.assertNotIn("state_damaged", self.health(alice))
        alice.ipop("create", "family", "--name", "alice")
        alice.restart()
        self.assertEqual(alice.network()["name"], "family")
        self.assertEqual(folder.contents(), damaged)

    def test_a_copied_folder_is_left_alone(self):
        alice, bob = self.pair()
        before = identity(bob)
        bob.stop()
        shutil.copytree(bob.state / "networks" / "family", bob.state / "networks" / "backup")
        copy = Folder(bob, "backup")
        bob.start()
        self.reaches(bob, alice)
        self.assertEqual(identity(bob), before)
        self.assertIn(str(copy.path), self.health(bob)["state_damaged"]["message"])
        bob.restart()
        self.reaches(bob, alice)
        self.assertEqual(copy.contents(), copy.before)

    def test_a_folder_of_networks_that_cannot_be_read_stops_the_start(self):
        alice = self.node(self.lab.site("alice"), start=False)
        alice.state.mkdir(mode=0o700)
        (alice.state / "networks").write_text("")
        alice.start(wait=False)
        eventually("it ends", lambda: alice.process.poll() is not None)
        self.assertNotEqual(alice.process.returncode, 0)
        alice.process = None
        self.assertIn(str(alice.state / "networks"), alice.log_tail())


class Rejoining(LabTest):
    def test_a_kicked_member_that_joins_anew_stays_one(self):
        alice, bob = self.pair()
        self.reaches(bob, alice)
        alice.ipop("kick", "bob")
        eventually("bob knows it", lambda: "not_a_member" in
                   {h["code"] for h in bob.ipop("status")["health"]})
        self.assertEqual(self.join(bob, alice)["name"], "family")
        for _ in range(2):
            self.reaches(bob, alice)
            bob.restart()
        self.reaches(bob, alice)
        self.assertEqual([n["name"] for n in bob.ipop("networks")["networks"]], ["family"])


class FullDisk(LabTest):
    """A file in the place of a folder stands for it: nothing can be written, also by root."""

    def block(self, node):
        self.networks = node.state / "networks"
        self.networks.rename(node.state / "away")
        self.networks.write_text("")

    def unblock(self, node):
        self.networks.unlink()
        (node.state / "away").rename(self.networks)

    def test_no_verb_says_done_that_was_not_saved(self):
        alice, bob = self.pair()
        self.reaches(bob, alice)
        self.block(alice)
        for verb in (["admin", "add", "bob"], ["invite"], ["down"], ["up"],
                     ["device", "add", "phone"], ["kick", "bob"]):
            with self.subTest(verb[0]):
                failure = self.fails("state_error", alice, *verb)
                self.assertIn(str(self.networks), failure.message)
        self.unblock(alice)
        eventually("it is saved", lambda: "state_not_saved" not in
                   {h["code"] for h in alice.ipop("status")["health"]})
        alice.restart()
        self.assertEqual(alice.members(), {})

    def test_nobody_is_admitted_that_could_not_be_saved(self):
        alice, bob = self.founder(), self.public("bob")
        invite = self.invite(alice)
        self.block(alice)
        self.fails("no_answer", bob, "join", invite, "--name", "bob")
        self.assertEqual(alice.members(), {})
        self.unblock(alice)
        bob.ipop("join", invite, "--name", "bob")
        alice.restart()
        self.reaches(bob, alice)


class Interface(LabTest):
    def test_a_network_without_an_interface_says_so(self):
        alice = self.node(self.lab.site("alice"))
        alice.host.run("mount", "-t", "tmpfs", "none", "/dev/net")
        made = alice.ipop("create", "family", "--name", "alice")
        health = {h["code"]: h for h in made["health"]}["interface_error"]
        self.assertIn("ipop up family", health["next"])
        self.fails("interface_error", alice, "up")
        alice.host.run("umount", "/dev/net")
        up = alice.ipop("up")
        self.assertTrue(alice.has_interface(up["interface"]))
        self.assertNotIn("interface_error", {h["code"] for h in alice.ipop("status")["health"]})


class Refused(LabTest):
    def test_each_for_its_own_reason(self):
        alice, bob = self.pair()
        for subnet in ("10.0.0.0/31", "10.0.0.0/7", "127.0.0.0/8", "0.0.0.0/8", "169.254.0.0/16",
                       "224.0.0.0/8", "240.0.0.0/8"):
            self.fails("bad_subnet", alice, "create", "other", "--subnet", subnet)
        alice.ipop("admin", "add", "bob")
        self.fails("already_admin", alice, "admin", "add", "bob")
        alice.ipop("admin", "remove", "bob")
        self.fails("not_admin", alice, "admin", "remove", "bob")
        self.assertIn("ipop leave", self.fails("not_allowed", alice, "kick", "alice").next)

    def test_a_device_in_a_full_network(self):
        alice = self.public("alice")
        alice.ipop("create", "family", "--name", "alice", "--subnet", "10.77.0.0/30")
        alice.ipop("device", "add", "phone")
        self.fails("pool_full", alice, "device", "add", "tablet")

    def test_the_only_member_is_warned_before_leaving(self):
        alice = self.founder()
        failure = self.fails("confirmation_needed", alice, "leave", exit_code=2)
        self.assertIn("the network ends", failure.message)
        self.assertEqual(alice.network()["name"], "family")
        alice.ipop("leave", "--yes")
        self.assertEqual(alice.ipop("networks")["networks"], [])


if __name__ == "__main__":
    unittest.main()
