"""create, invite, join: what works, and each way in which it does not."""
import ipaddress
import json
import re
import unittest

import harness
from harness import LabTest, eventually


class Join(LabTest):
    def test_create_invite_join_ping_both_ways(self):
        alice = self.public("alice")
        created = alice.ipop("create", "family", "--name", "alice")
        self.assertEqual((created["version"], created["name"]), (1, "family"))
        self.assertTrue(created["recovery_key"])
        bob = self.public("bob")
        joined = self.join(bob, alice)
        self.assertEqual(joined["name"], "family")
        self.assertEqual(joined["self"]["name"], "bob")
        self.assertEqual(joined["admitted_by"], "alice")
        self.assertEqual(joined["path"]["kind"], "direct")
        # No waiting: join came back, so the next packet gets through.
        self.assertTrue(bob.ping(alice.self()["ipv4"], wait_s=5))
        self.assertTrue(alice.ping(bob.self()["ipv4"], wait_s=5))
        self.assertTrue(bob.ping(alice.self()["ipv6"], wait_s=5))

    def test_status_and_networks_have_the_promised_shape(self):
        alice, bob = self.pair()
        self.reaches(alice, bob)
        document = alice.ipop("status")
        self.assertEqual(document["version"], 1)
        self.assertIsInstance(document["health"], list)
        (network,) = document["networks"]
        for key in ("name", "id", "interface", "subnet4", "subnet6", "mtu", "port"):
            self.assertIn(key, network)
        self.assertRegex(network["subnet4"], r"^\d+\.\d+\.\d+\.\d+/\d+$")
        self.assertRegex(network["interface"], r"^ipop\d+$")
        self.assertRegex(network["self"]["ipv4"], r"^[\d.]+$")
        self.assertEqual(network["self"]["name"], "alice")
        (member,) = network["members"]
        self.assertEqual((member["name"], member["online"]), ("bob", True))
        self.assertEqual(member["path"]["kind"], "direct")
        self.assertEqual(member["path"]["endpoint"].rsplit(":", 1)[0], bob.host.address)
        eventually("the traffic is counted", lambda: self.counted(alice))
        self.assertEqual(alice.ipop("networks")["networks"][0]["name"], "family")
        # Both options stand after the verb, too; without --json people read it.
        after = alice.host.run(harness.bin_dir / "ipop", "status", "--socket", alice.socket,
                               "--json")
        self.assertEqual(json.loads(after.stdout)["networks"][0]["name"], "family")
        self.assertIn("bob", alice.command("status").stdout)

    def counted(self, node):
        (member,) = node.network()["members"]
        return member["rx_bytes"] > 0 and member["tx_bytes"] > 0 and member["path"]["rtt_ms"] > 0

    def test_the_session_ping_tells_path_and_time(self):
        alice, bob = self.pair()
        answer = bob.ipop("ping", "alice", "-c", "3", "-i", "0.05")
        self.assertEqual((answer["sent"], answer["received"]), (3, 3))
        self.assertEqual(answer["replies"][0]["path"]["kind"], "direct")
        self.assertGreater(answer["replies"][0]["path"]["rtt_ms"], 0)
        self.fails("unknown_member", bob, "ping", "nobody")

    def test_an_invite_not_on_a_terminal_is_one_line(self):
        alice = self.founder()
        run = alice.command("invite")
        out = run.stdout
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertRegex(out, r"^\S+\n$")
        self.assertLessEqual(len(out.strip()), 380)
        bob = self.public("bob")
        mixed = out.strip().swapcase()  # read without regard to case
        bob.ipop("join", mixed, "--name", "bob")

    def test_an_invite_is_read_from_standard_input_and_not_echoed(self):
        alice, bob = self.founder(), self.public("bob")
        invite = self.invite(alice)
        run = bob.command("join", "-", "--name", "bob", stdin=invite)
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertNotIn(invite, run.stdout + run.stderr + bob.log_tail(1000))

    def test_a_fixed_name_and_address_are_what_the_joiner_gets(self):
        alice, bob = self.founder(), self.public("bob")
        subnet = alice.network()["subnet4"]
        address = re.sub(r"\.\d+/\d+$", ".77", subnet)
        invite = self.invite(alice, "--name", "printer", "--address", address)
        bob.ipop("join", invite)
        self.assertEqual(bob.self()["name"], "printer")
        self.assertEqual(bob.self()["ipv4"], address)
        self.reaches(alice, bob)

    def test_an_invite_for_two_lets_in_two(self):
        alice, bob, carol = self.founder(), self.public("bob"), self.public("carol")
        dave = self.public("dave")
        invite = self.invite(alice, "--uses", "2")
        bob.ipop("join", invite, "--name", "bob")
        carol.ipop("join", invite, "--name", "carol")
        self.fails("used_invite", dave, "join", invite, "--name", "dave")
        self.reaches(bob, carol)

    def test_a_chosen_subnet_is_used(self):
        alice, bob = self.public("alice"), self.public("bob")
        alice.ipop("create", "lan", "--name", "alice", "--subnet", "192.168.77.0/24")
        self.join(bob, alice)
        self.assertRegex(bob.self()["ipv4"], r"^192\.168\.77\.\d+$")
        self.reaches(bob, alice)


class Refused(LabTest):
    def test_a_used_invite(self):
        alice, bob, carol = self.founder(), self.public("bob"), self.public("carol")
        invite = self.invite(alice)
        bob.ipop("join", invite, "--name", "bob")
        failure = self.fails("used_invite", carol, "join", invite, "--name", "carol")
        told = carol.command("join", invite, "--name", "carol")
        self.assertEqual(told.returncode, 1, told)
        self.assertIn(failure.message, told.stderr)
        self.assertIn(failure.next, told.stderr)
        self.assertIn("ipop invite", failure.next)
        self.holds_nothing(carol)
        carol.restart()
        self.holds_nothing(carol)
        self.assertEqual(set(alice.members()), {"bob"})
        self.reaches(bob, alice)
        carol.ipop("join", self.invite(alice), "--name", "carol")  # what `next` says is true
        self.reaches(carol, alice)

    def holds_nothing(self, node):
        """No network, nothing to be done, no interface but the computer's own, no key."""
        shown = node.ipop("networks")
        self.assertEqual((shown["networks"], shown["health"]), ([], []))
        links = node.host.run("ip", "-o", "link", "show").stdout
        self.assertEqual(re.findall(r"^\d+: (\w+)", links, re.M), ["lo", "eth0"])
        # The answer may come before the folder of the join is gone.
        eventually("its folder is gone", lambda: not list(node.state.glob("networks/*")))

    def test_an_expired_invite(self):
        """Clocks may differ by ten minutes, so an hour has to pass."""
        alice, bob, carol = self.founder(), self.public("bob"), self.public("carol")
        invite = self.invite(alice, "--expires", "60s", "--uses", "2")
        bob.ipop("join", invite, "--name", "bob")
        self.an_hour_passes(alice, bob, carol)
        self.fails("expired_invite", carol, "join", invite, "--name", "carol")
        self.reaches(bob, alice)  # whoever came by it stays
        self.join(carol, alice)

    def test_a_damaged_invite(self):
        alice, bob = self.founder(), self.public("bob")
        invite = self.invite(alice)
        at = len(invite) // 2
        other = "b" if invite[at].lower() == "a" else "a"
        for damaged in (invite[:at] + other + invite[at + 1:], invite[:-8], invite + "aaaa",
                        invite[:at] + invite[at + 1] + invite[at] + invite[at + 2:]):
            if damaged.lower() != invite.lower():
                self.fails("damaged_invite", bob, "join", damaged, "--name", "bob")

    def test_what_is_no_invite(self):
        bob = self.public("bob")
        for text in ("hello", "https://example.org/", "ipop", "-----BEGIN KEY-----"):
            self.fails({"not_an_invite", "damaged_invite"}, bob, "join", "-", stdin=text)

    def test_a_foreign_invite(self):
        """The computers that it names are in another network by now: to strangers they are silent,
        so there is nothing to tell them by, and the next step names the possibility."""
        alice = self.founder()
        invite, port = self.invite(alice), alice.network()["port"]
        alice.ipop("leave", "--yes")
        alice.ipop("create", "other", "--name", "alice")
        self.assertEqual(alice.network()["port"], port, "the daemon kept its port")
        failure = self.fails("no_answer", self.public("bob"), "join", invite, "--name", "bob")
        self.assertIn("still in that network", failure.next)

    def test_nobody_answers(self):
        alice, bob = self.founder(), self.public("bob")
        invite = self.invite(alice)
        alice.stop()
        self.fails("no_answer", bob, "join", invite, "--name", "bob")
        self.assertEqual(bob.ipop("networks")["networks"], [])
        alice.start()
        bob.ipop("join", invite, "--name", "bob")

    def test_a_taken_name(self):
        """Refused where the invite would promise it; a joiner's own wish gives way."""
        alice, bob = self.pair()
        self.fails("name_taken", alice, "invite", "--name", "bob")
        carol = self.public("carol")
        joined = carol.ipop("join", self.invite(alice), "--name", "bob")
        self.assertNotIn(joined["self"]["name"], ("alice", "bob"))
        self.reaches(carol, bob)
        eventually("alice knows both", lambda: len(alice.members()) == 2)

    def test_a_taken_address(self):
        alice, bob = self.pair()
        self.fails("address_taken", alice, "invite", "--address", bob.self()["ipv4"])
        self.fails("bad_address", alice, "invite", "--address", "192.0.2.1")

    def test_a_subnet_of_this_computer(self):
        alice = self.public("alice")
        alice.host.run("ip", "address", "add", "10.99.0.5/16", "dev", "eth0")
        self.fails("subnet_clash", alice, "create", "n", "--subnet", "10.99.0.0/16")
        self.assertEqual(alice.ipop("networks")["networks"], [])

    def test_a_subnet_that_the_joiner_uses_itself(self):
        alice = self.public("alice")
        alice.ipop("create", "family", "--name", "alice", "--subnet", "10.99.0.0/16")
        bob = self.public("bob")
        bob.host.run("ip", "address", "add", "10.99.7.5/24", "dev", "eth0")
        joined = bob.ipop("join", self.invite(alice), "--name", "bob")
        self.clashes(bob, joined["health"])
        self.answers6(bob, alice)
        bob.host.run("ip", "address", "del", "10.99.7.5/24", "dev", "eth0")
        eventually("the address comes back", lambda: not self.clash_of(bob))
        self.reaches(bob, alice)

    def test_a_subnet_that_the_computer_uses_later(self):
        alice, bob = self.pair()
        subnet = alice.network()["subnet4"]
        inside = str(ipaddress.ip_network(subnet)[5])
        bob.host.run("ip", "address", "add", f"{inside}/24", "dev", "eth0")
        eventually("it is told", lambda: self.clash_of(bob))
        self.clashes(bob, bob.ipop("status")["health"])
        neighbour = str(ipaddress.ip_network(subnet)[6])
        self.assertIn("eth0", bob.host.run("ip", "route", "get", neighbour).stdout)
        self.answers6(bob, alice)
        bob.host.run("ip", "address", "del", f"{inside}/24", "dev", "eth0")
        eventually("the address comes back", lambda: not self.clash_of(bob))
        self.reaches(bob, alice)

    def clash_of(self, node):
        return [h for h in node.ipop("status")["health"] if h["code"] == "interface"]

    def clashes(self, node, health):
        line = next(h for h in health if h["code"] == "interface")
        self.assertIn("eth0", line["message"])
        self.assertTrue(line["next"])
        shown = node.host.run("ip", "-4", "address", "show", "dev", node.network()["interface"])
        self.assertEqual(shown.stdout, "")

    def answers6(self, node, other):
        address = other.self()["ipv6"]
        eventually(f"{node.name} pings {address}", lambda: node.ping(address))

    def test_a_second_network_takes_another_subnet(self):
        alice = self.public("alice")
        alice.ipop("create", "family", "--name", "alice", "--subnet", "10.99.0.0/16")
        alice.ipop("down", "family")
        self.fails("subnet_clash", alice, "create", "work", "--subnet", "10.99.0.0/24")

    def test_twice(self):
        alice, bob = self.pair()
        self.fails("already_member", bob, "join", self.invite(alice), "--name", "bob2")
        self.fails("network_exists", alice, "create", "family")


class Commands(LabTest):
    def test_exit_codes_and_error_documents(self):
        alice = self.public("alice")
        for arguments in (["frobnicate"], ["create"], ["invite", "--uses", "x"], ["ping"],
                          ["create", "n", "--subnet", "10.0.0.0"], ["--no-such-option"]):
            self.assertEqual(alice.command(*arguments).returncode, 2, arguments)
            self.fails("usage", alice, *arguments, exit_code=2)
        self.fails("no_network", alice, "invite")
        alice.ipop("create", "family", "--name", "alice")
        self.fails("unknown_network", alice, "invite", "other")
        failure = self.fails("unknown_member", alice, "kick", "bob")
        self.assertEqual(json.loads(failure.stderr)["version"], 1)
        self.assertEqual(alice.command("--help").returncode, 0)

    def test_an_unreachable_daemon(self):
        alice = self.public("alice")
        alice.stop()
        failure = self.fails("unreachable_daemon", alice, "status")
        self.assertIn("ipopd", failure.next)

    def test_version(self):
        alice = self.public("alice")
        version = alice.ipop("version")
        self.assertEqual(version["client"], version["daemon"])

    def test_the_control_socket_is_roots_and_the_groups(self):
        alice = self.node(self.lab.site("alice"), start=False)
        alice.host.run("groupdel", "ipop", check=False)
        alice.start()
        self.assertEqual(self.socket_rights(alice), (0o600, 0, 0), "root's where no group is")
        alice.host.run("groupadd", "--system", "--gid", "941", "ipop")
        alice.restart()
        self.assertEqual(self.socket_rights(alice), (0o660, 0, 941))
        self.assertEqual(alice.state.stat().st_mode & 0o077, 0, "the state is nobody else's")
        nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
        self.fails("no_permission", alice, "status", prefix=nobody)
        member = ("setpriv", "--reuid=65534", "--regid=65534", "--groups=941")
        self.assertEqual(alice.ipop("networks", prefix=member)["networks"], [])

    def socket_rights(self, node):
        status = node.socket.stat()
        return status.st_mode & 0o777, status.st_uid, status.st_gid


if __name__ == "__main__":
    unittest.main()
