"""What all peers share."""
import json
import pathlib
import signal
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
UNPACKED = ROOT / "build" / "peers"
LIMIT_S = 25
STOP_LIMIT_S = 5


class TunnelFailed(RuntimeError):
    pass


def program(name):
    """A program of the unpacked packages."""
    for folder in ("usr/sbin", "usr/bin"):
        path = UNPACKED / folder / name
        if path.exists():
            return path
    raise TunnelFailed(f"{name} is not below {UNPACKED}: ./run bench unpacks it there")


def output(*command):
    run = subprocess.run([str(word) for word in command], capture_output=True, text=True,
                         stdin=subprocess.DEVNULL)
    if run.returncode:
        raise TunnelFailed(f"{command[0]}: {run.stdout}{run.stderr}")
    return run.stdout


class Tunnel:
    """One VPN between alice and bob, from start() to stop(). A subclass says how, in `set_up`."""

    name = None
    default_mtu = False  # a VPN at the packet size that it chooses itself
    own_address, address = "10.88.0.1", "10.88.0.2"  # inner: alice's and bob's

    def __init__(self, alice, bob, folder):
        self.alice, self.bob, self.folder = alice, bob, folder
        self.daemons = []

    @classmethod
    def version(cls):
        return ""

    def set_up(self):
        """Makes keys and starts both ends."""
        raise NotImplementedError

    def settle(self):
        """For a VPN that is at its best only some time after the first packet."""

    def start(self):
        """Raises TunnelFailed unless two pings in a row come back."""
        self.set_up()
        self.wait_until("two pings come back", lambda: self.ping() and self.ping())
        self.settle()
        return self

    def stop(self):
        for daemon in self.daemons:
            daemon.send_signal(signal.SIGTERM)
        for daemon in self.daemons:
            try:
                daemon.wait(STOP_LIMIT_S)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        self.daemons = []

    @property
    def pids(self):
        return [daemon.pid for daemon in self.daemons]

    def wait_until(self, what, probe):
        end = time.monotonic() + LIMIT_S
        while not probe():
            if time.monotonic() > end:
                raise TunnelFailed(f"{self.name}: not within {LIMIT_S} s: {what}\n"
                                   f"{self.log_tails()}")
            self.check_alive()
            time.sleep(0.02)

    def check_alive(self):
        for daemon in self.daemons:
            if daemon.poll() is not None:
                raise TunnelFailed(f"{self.name}: a daemon ended with {daemon.returncode}\n"
                                   f"{self.log_tails()}")

    def ping(self):
        return self.alice.run("ping", "-n", "-c1", "-W1", self.address,
                              check=False).returncode == 0

    def mtu(self):
        """The largest inner packet, in bytes."""
        route = json.loads(self.alice.run("ip", "-j", "route", "get", self.address).stdout)
        link = self.alice.run("ip", "-j", "link", "show", "dev", route[0]["dev"]).stdout
        return json.loads(link)[0]["mtu"]

    def log_tails(self):
        return "\n".join(f"--- {log.name}\n{log.read_text(errors='replace')[-600:]}"
                         for log in sorted(self.folder.glob("**/*log")))

    # --- for subclasses ---

    def ends(self):
        """(host, its inner address, the other host) of alice's end and of bob's."""
        return ((self.alice, self.own_address, self.bob), (self.bob, self.address, self.alice))

    def daemon(self, host, *command):
        """Starts one end's daemon, in the foreground of its own."""
        with open(self.folder / f"{host.name}.log", "ab") as log:
            self.daemons.append(host.start(*command, stdout=log, stderr=log))

    def file(self, name, text):
        path = self.folder / name
        path.write_text(text)
        return path
