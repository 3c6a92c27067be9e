"""This project: the shipped daemon with its default settings, joined by create, invite and join."""
import subprocess
import time

import harness
from harness import Node
from peers.tunnel import Tunnel


class Ipop(Tunnel):
    name = "ipop"

    @classmethod
    def version(cls):
        run = subprocess.run([harness.bin_dir / "ipop", "version"], capture_output=True, text=True)
        return run.stdout.split("\n")[0].split()[-1]

    def set_up(self):
        nodes = []
        for host in (self.alice, self.bob):
            place = self.folder / host.name
            place.mkdir()
            nodes.append(Node(host, place).start())
            self.daemons.append(nodes[-1].process)
        alice, bob = nodes
        alice.ipop("create", "bench", "--name", "alice")
        self.own_address, invite = alice.self()["ipv4"], alice.ipop("invite")["invite"]
        joined = bob.ipop("join", "-", "--name", "bob", stdin=invite)
        self.joined, self.address = time.monotonic(), joined["self"]["ipv4"]

    def first_ping_s(self):
        """Brings the tunnel up; from the moment `join` was back to bob's first answered ping."""
        self.set_up()
        self.wait_until("bob's ping is answered", lambda: not self.bob.run(
            "ping", "-n", "-c1", "-W2", self.own_address, check=False).returncode)
        return time.monotonic() - self.joined
