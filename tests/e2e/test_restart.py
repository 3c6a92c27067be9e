"""Daemons that end, in every way, and come back as who they were."""
import os
import random
import signal
import socket
import unittest

import harness
from harness import LabTest, eventually


def identity(node):
    return {key: node.self()[key] for key in ("name", "id", "ipv4", "ipv6")}


class Restart(LabTest):
    def test_each_side_comes_back(self):
        alice, bob = self.pair()
        self.reaches(bob, alice)
        before = identity(alice), identity(bob)
        for node, other in ((bob, alice), (alice, bob), (bob, alice)):
            node.restart()
            self.reaches(other, node)
            self.reaches(node, other)
        alice.stop(), bob.stop()
        alice.start(), bob.start()
        self.reaches(bob, alice)
        self.assertEqual((identity(alice), identity(bob)), before)

    def test_kill_9_again_and_again(self):
        alice, bob = self.pair()
        before = identity(alice), identity(bob)
        for i in range(100 if harness.soak else 6):
            node, other = ((alice, bob), (bob, alice))[i % 2]
            node.kill()
            node.start()  # over the stale socket and lock that the dead one left
            self.reaches(node, other)
        self.assertEqual((identity(alice), identity(bob)), before)

    def test_kill_9_amid_writes_loses_no_invite_that_was_shown(self):
        alice = self.founder()
        before, rng = identity(alice), random.Random(1)
        shown = 0
        for _ in range(60 if harness.soak else 5):
            writer = alice.host.start("sh", "-c", f"while {harness.bin_dir}/ipop --socket "
                                      f"{alice.socket} invite; do :; done", stderr=-3, stdout=-1)
            wanted = rng.randrange(1, 20)
            lines = [writer.stdout.readline() for _ in range(wanted)]
            alice.kill()
            lines += writer.stdout.readlines()
            writer.wait()
            writer.stdout.close()
            shown += sum(line.endswith(b"\n") for line in lines)
            alice.start()
            self.assertEqual(identity(alice), before)
            self.assertGreaterEqual(len(alice.network()["invites"]), min(shown, 1024))
        bob = self.public("bob")
        self.join(bob, alice)

    def test_a_new_address_of_the_machine(self):
        alice, bob = self.pair()
        self.reaches(bob, alice)
        bob.host.readdress("198.18.2.77")
        self.reaches(bob, alice)
        self.reaches(alice, bob)
        eventually("alice sees the new address",
                   lambda: "198.18.2.77" in alice.members()["bob"]["path"]["endpoint"])
        alice.host.readdress("198.18.1.77")
        self.reaches(alice, bob)
        self.reaches(bob, alice)


class Daemon(LabTest):
    def refused(self, node, *options, **places):
        run = node.host.run(*node.daemon_command(*options, **places), check=False, timeout=20)
        self.assertNotEqual(run.returncode, 0)
        return run.stderr

    def test_a_second_daemon_on_the_same_state(self):
        alice = self.founder()
        text = self.refused(alice, socket=alice.folder / "other.sock")
        self.assertIn(str(alice.state), text)
        self.assertEqual(alice.network()["name"], "family", "the first one goes on")

    def test_a_second_daemon_on_the_same_socket(self):
        alice = self.founder()
        text = self.refused(alice, state=alice.folder / "other-state")
        self.assertIn(str(alice.socket), text)
        self.assertEqual(alice.network()["name"], "family", "the first one goes on")

    def test_a_stale_socket_is_replaced(self):
        alice = self.node(self.lab.site("alice"), start=False)
        with socket.socket(socket.AF_UNIX) as stale:
            stale.bind(str(alice.socket))
        alice.start()

    def test_bad_options_and_configuration_are_named(self):
        alice = self.node(self.lab.site("alice"), start=False)
        run = alice.host.run(harness.bin_dir / "ipopd", "--no-such-option", check=False)
        self.assertEqual(run.returncode, 2)
        alice.config.write_text("listen = [")
        self.assertIn("ipopd.toml", self.refused(alice))
        alice.config.write_text("no_such_key = 1")
        self.assertIn("no_such_key", self.refused(alice))
        alice.config.write_text("")

    def test_the_chosen_port_is_used_and_a_taken_one_named(self):
        alice = self.node(self.lab.site("alice"), "--listen", "40404")
        alice.ipop("create", "family", "--name", "alice")
        self.assertEqual(alice.network()["port"], 40404)
        other = self.node(alice.host, start=False)
        self.assertIn("40404", self.refused(other, "--listen", "40404"))

    def test_the_chosen_interface_is_used_and_comes_back(self):
        """By the option at alice's, by the configuration at bob's."""
        chosen = "--interface", "vpn-0"
        alice = self.node(self.lab.site("alice", v6=False), *chosen)
        alice.ipop("create", "family", "--name", "alice")
        bob = self.public("bob")
        bob.stop()
        bob.config.write_text('interface = "vpn1"\n' + harness.config)
        bob.start()
        self.join(bob, alice)
        alice.ipop("create", "work", "--name", "alice")
        self.has_the_chosen(alice, bob)
        bob.restart()
        alice.kill()
        alice.start(*chosen)
        self.has_the_chosen(alice, bob)

    def has_the_chosen(self, alice, bob):
        for node, network, name in ((alice, "family", "vpn-0"), (alice, "work", "ipop0"),
                                    (bob, "family", "vpn1")):
            self.assertEqual(node.network(network)["interface"], name)
            shown = node.host.run("ip", "-o", "-4", "address", "show", "dev", name).stdout
            self.assertIn(f" {node.self(network)['ipv4']}/", shown)
        self.assertFalse(bob.has_interface("ipop0"))
        self.reaches(alice, bob, network="family")

    def test_a_taken_interface_is_left_alone_and_named(self):
        """The network is there without an interface, and gets it as soon as the name is free."""
        alice = self.node(self.lab.site("alice", v6=False), start=False)
        alice.host.run("ip", "tuntap", "add", "mode", "tun", "name", "vpn0")
        alice.start("--interface", "vpn0")
        made = alice.ipop("create", "family", "--name", "alice")
        self.assertEqual(made["interface"], "")
        for health in (made["health"], alice.ipop("status")["health"]):
            (problem,) = (line for line in health if line["code"] == "interface_error")
            self.assertIn("vpn0 exists already", problem["message"])
            self.assertIn("--interface", problem["next"])
        self.assertIn("vpn0", self.fails("interface_error", alice, "up").message)
        self.assertIn("family  up, without an interface", alice.command("status").stdout)
        shown = alice.host.run("ip", "-o", "address", "show", "dev", "vpn0").stdout
        self.assertEqual(shown, "", "the other's interface has none of our addresses")
        self.assertFalse(alice.has_interface("ipop0"))
        alice.host.run("ip", "link", "delete", "vpn0")
        made = alice.ipop("up")
        self.assertEqual((made["interface"], made["changed"]), ("vpn0", True))
        self.assertTrue(alice.has_interface("vpn0"))
        self.assertNotIn("interface_error", [h["code"] for h in alice.ipop("status")["health"]])

    def test_a_name_that_no_interface_can_have_is_refused(self):
        alice = self.node(self.lab.site("alice"), start=False)
        for name in ("a/b", "a b", "..", "ipop%d", "abcdefghijklmnop"):
            with self.subTest(name):
                alice.config.write_text("")
                run = alice.host.run(*alice.daemon_command("--interface", name), check=False,
                                     timeout=20)
                self.assertEqual(run.returncode, 2)
                self.assertIn("--interface: must be the name of an interface", run.stderr)
                alice.config.write_text(f'interface = "{name}"\n')
                text = self.refused(alice)
                self.assertIn("ipopd.toml:1:13", text)
                self.assertIn("interface", text)

    def test_readiness_is_announced(self):
        alice = self.node(self.lab.site("alice"), start=False)
        path = alice.folder / "notify"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(str(path))
            notify.settimeout(harness.LIMIT_S)
            alice.start(wait=False, env={**os.environ, "NOTIFY_SOCKET": str(path)})
            said = b""
            while b"READY=1" not in said:
                said = notify.recv(4096)
            alice.ipop("networks")  # ready means that it answers
            alice.process.send_signal(signal.SIGTERM)
            while b"STOPPING=1" not in said:
                said = notify.recv(4096)
            self.assertEqual(alice.process.wait(harness.LIMIT_S), 0)
            alice.process = None

    def test_nothing_is_left_after_the_end(self):
        alice = self.founder()
        interface = alice.network()["interface"]
        alice.stop()
        self.assertFalse(alice.socket.exists())
        self.assertFalse(alice.has_interface(interface))


if __name__ == "__main__":
    unittest.main()
