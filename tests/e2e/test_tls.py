"""Members that UDP does not reach: TLS on 443 as a path, also through a proxy, and those who call
there and are none."""
import pathlib
import signal
import subprocess

import harness
from harness import LabTest, eventually

HERE = pathlib.Path(__file__).resolve().parent
PEER, PROXY = HERE / "peer.py", HERE / "connect_proxy.py"
SIZE = 10 * 1000 * 1000
PASSWORD = "bob:p@ss"
PATH_LIMIT_S = 60

# Opens so many connections and keeps them; says how many are still there after the given time.
CALLER = r"""
import select, socket, sys, time
address, count, hello, seconds = sys.argv[1], int(sys.argv[2]), sys.argv[3], float(sys.argv[4])
held = []
for _ in range(count):
    try:
        s = socket.create_connection((address, 443), timeout=5)
        if hello == "garbage":
            s.sendall(b"\x16\x03\x01\x02\x00" + bytes(300))
        elif hello == "slow":
            s.sendall(b"\x16")
        held.append(s)
    except OSError:
        pass
print("ready", flush=True)
time.sleep(seconds)
alive = 0
for s in held:
    s.setblocking(False)
    try:
        while s.recv(4096):
            pass
    except BlockingIOError:
        alive += 1
    except OSError:
        pass
print(alive, flush=True)
"""

# Opens a connection and hangs up, again and again, until it is told to stop; says how often.
RECALLER = r"""
import socket, struct, sys, time
address, rate = sys.argv[1], float(sys.argv[2])
calls = 0
print("ready", flush=True)
try:
    while True:
        try:
            s = socket.create_connection((address, 443), timeout=5)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            s.close()
            calls += 1
        except OSError:
            pass
        time.sleep(1 / rate)
except KeyboardInterrupt:
    print(calls, flush=True)
"""


class Tls(LabTest):
    def configured(self, host, **settings):
        """A node with these settings of [tls]."""
        node = self.node(host, start=False)
        lines = [f"{key} = {value}" for key, value in settings.items()]
        node.config.write_text(harness.config + "\n".join(["[tls]", *lines, ""]))
        return node.start()

    def server(self, port=443):
        alice = self.configured(self.lab.site("alice", v6=False), listen=port)
        alice.ipop("create", "family", "--name", "alice")
        return alice

    def blocked(self, name, **settings):
        """A computer whose router lets out TCP to 80 and 443, and nothing else."""
        return self.configured(self.lab.site(name, nat="udp-blocked", v6=False), **settings)

    def python(self, host, *arguments):
        return host.start("/usr/bin/python3", *arguments, stdout=subprocess.PIPE, text=True)

    def path(self, one, other):
        return one.members()[other.name]["path"]

    def has_path(self, one, other, kind, limit_s=PATH_LIMIT_S):
        def probe():
            path = self.path(one, other)
            return path["kind"] == kind and path
        return eventually(f"{one.name} reaches {other.name} by {kind}", probe, limit_s)

    def health(self, node):
        return {h["code"]: h for h in node.ipop("status")["health"]}

    def transfer(self, sender, receiver, while_running=None):
        """SIZE bytes by TCP; the checksums of both ends are the same."""
        address = receiver.self()["ipv4"]
        sink = self.python(receiver.host, PEER, "sink", address, 7000)
        self.assertEqual(sink.stdout.readline(), "ready\n")
        source = self.python(sender.host, PEER, "source", address, 7000, SIZE, 7)
        if while_running:
            while_running()
        sent, _ = source.communicate(timeout=180)
        got, _ = sink.communicate(timeout=30)
        self.assertEqual(sent.split()[0], str(SIZE))
        self.assertEqual(got, sent)

    def test_a_member_behind_a_firewall_and_udp_when_it_passes(self):
        alice = self.server()
        bob = self.blocked("bob")
        self.join(bob, alice)
        path = self.has_path(bob, alice, "tls")
        self.assertEqual(path["endpoint"], f"{alice.host.address}:443")
        self.has_path(alice, bob, "tls")
        self.reaches(bob, alice)
        self.reaches(alice, bob)
        self.transfer(bob, alice)
        self.transfer(alice, bob)
        self.assertIn("udp_blocked", self.health(bob))
        self.assertNotIn("udp_blocked", self.health(alice))
        said = f"UDP is blocked here; reached by TLS on {alice.host.address}:443"
        self.assertIn(said, bob.command("netcheck").stdout)
        self.assertIn(f"by TLS to {alice.host.address}:443", bob.command("doctor", "alice").stdout)

        def udp_passes():
            bob.host.router.run("nft", "insert", "rule", "ip", "nat", "forw",
                                "iifname", "lan", "meta", "l4proto", "udp", "accept")
        self.transfer(bob, alice, udp_passes)
        self.has_path(bob, alice, "direct")
        self.has_path(alice, bob, "direct")
        self.transfer(alice, bob)
        eventually("the connection is closed", lambda: not self.connections(alice), 90)

    def connections(self, node):
        """That are up at its port 443."""
        return node.host.run("ss", "-Htn", "state", "established", "sport", "=", ":443").stdout

    def test_two_behind_firewalls_talk_by_a_third(self):
        alice = self.server()
        bob, carol = self.blocked("bob"), self.blocked("carol")
        self.join(bob, alice)
        self.join(carol, alice)
        self.reaches(bob, carol)
        path = self.has_path(bob, carol, "relay")
        self.assertEqual(path["via"], "alice")
        self.has_path(carol, bob, "relay")
        self.transfer(bob, carol)

    def test_a_restart_finds_its_way(self):
        alice = self.server()
        bob = self.blocked("bob")
        self.join(bob, alice)
        self.has_path(bob, alice, "tls")
        bob.restart()
        self.has_path(bob, alice, "tls")
        alice.restart()
        self.has_path(bob, alice, "tls")
        self.reaches(bob, alice)

    def test_through_a_proxy(self):
        alice = self.server(port=8443)  # where the router lets nobody through
        gate = self.lab.site("gate", v6=False)
        proxy = self.python(gate, PROXY, gate.address, 80, PASSWORD)
        self.assertEqual(proxy.stdout.readline(), "ready\n")
        bob = self.blocked("bob", proxy=f'"http://bob:wrong@{gate.address}:80"')
        with self.assertRaises(harness.CommandFailed):
            self.join(bob, alice)
        problem = self.health(bob)["tls_proxy"]["message"]
        self.assertIn("407", problem)
        self.assertNotIn("wrong", problem)
        self.assertIn("407", bob.log_tail())
        bob.stop()
        bob.config.write_text(harness.config)
        url = f"http://bob:p%40ss@{gate.address}:80"
        bob.start(env={"PATH": "/usr/bin:/bin", "https_proxy": url})
        self.join(bob, alice)
        path = self.has_path(bob, alice, "tls")
        self.assertEqual(path["endpoint"], f"{alice.host.address}:8443")
        self.assertNotIn("tls_proxy", self.health(bob))
        self.transfer(bob, alice)
        proxy.terminate()
        out, _ = proxy.communicate(timeout=30)
        self.assertIn(f"200 {alice.host.address}:8443", out)

    def test_who_calls_and_is_no_member(self):
        """Hundreds of connections that say nothing, little, or nonsense: members get in all the
        same, and those do not stay."""
        alice = self.server()
        before = alice.memory_kb()
        mallory = self.lab.site("mallory", v6=False)
        callers = [self.python(mallory, "-c", CALLER, alice.host.address, 200, hello, 25)
                   for hello in ("nothing", "slow", "garbage")]
        for caller in callers:
            self.assertEqual(caller.stdout.readline(), "ready\n")
        bob = self.blocked("bob")
        self.join(bob, alice)
        self.has_path(bob, alice, "tls")
        alive = [int(caller.communicate(timeout=120)[0]) for caller in callers]
        self.assertEqual(alive, [0, 0, 0])
        self.assertLess(alice.memory_kb() - before, 8 * 1024)
        self.reaches(bob, alice)

    def test_who_calls_again_and_again(self):
        """One address that calls and hangs up faster than calls are taken keeps nobody out."""
        alice = self.server()
        mallory = self.lab.site("mallory", v6=False)
        caller = self.python(mallory, "-c", RECALLER, alice.host.address, 300)
        self.assertEqual(caller.stdout.readline(), "ready\n")
        bob = self.blocked("bob")
        self.join(bob, alice)
        self.has_path(bob, alice, "tls")
        caller.send_signal(signal.SIGINT)
        calls = int(caller.communicate(timeout=30)[0])
        self.assertGreater(calls, 500)
        self.reaches(bob, alice)

    def test_a_port_that_is_taken(self):
        host = self.lab.site("alice", v6=False)
        host.serve("/usr/bin/python3", "-c",
                   "import socket,time\n"
                   "s = socket.create_server(('', 443))\n"
                   "print('ready', flush=True)\n"
                   "time.sleep(3600)")
        alice = self.configured(host, listen=443)
        alice.ipop("create", "family", "--name", "alice")
        problem = self.health(alice)["tls_port"]
        self.assertIn("TCP port 443 is in use", problem["message"])
        self.assertIn("[tls] listen", problem["next"])
        self.assertIn("443 is in use", alice.log_tail())
        bob = self.public("bob")
        self.join(bob, alice)
        self.has_path(bob, alice, "direct")
