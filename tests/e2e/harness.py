"""What the end-to-end tests are written in: real daemons and the real command line in namespaces.

Tests wait for behaviour with a generous limit and never for a time. Whatever a test starts is gone
when it ends, also when it fails; then the daemons' logs are printed.
"""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "natlab"))
from natlab import Lab, sweep_dead  # noqa: E402  (the path is set above)

STEM = "ipop-e2e"
LIMIT_S = 30.0

# Errors whose message leaves nothing to do.
WITHOUT_NEXT_STEP = set()

bin_dir = ROOT / "build" / "bin"  # run.py sets it
soak = False  # run.py sets it: the long versions
config = ""  # run.py sets it: what every daemon's ipopd.toml begins with


def eventually(what, probe, limit_s=LIMIT_S):
    """Polls until `probe` gives something true, and gives that; an exception counts as not yet."""
    end, last = time.monotonic() + limit_s, None
    while True:
        try:
            got = probe()
            if got:
                return got
            last = got
        except (CommandFailed, AssertionError, KeyError, IndexError, OSError) as failure:
            last = failure
        if time.monotonic() > end:
            raise AssertionError(f"not within {limit_s:.0f} s: {what}; last: {last}")
        time.sleep(0.05)


class CommandFailed(Exception):
    """`ipop` gave an exit code other than 0."""

    def __init__(self, arguments, run):
        self.exit_code, self.stderr = run.returncode, run.stderr
        try:
            error = json.loads(run.stderr)["error"]
        except (ValueError, KeyError, TypeError):
            error = {}
        self.code, self.next = error.get("code"), error.get("next")
        self.message = error.get("message")
        super().__init__(f"ipop {' '.join(arguments)}: exit {run.returncode}: {run.stderr.strip()}")


class Node:
    """A computer with a daemon: `host` is its namespace."""

    def __init__(self, host, folder):
        self.host, self.name, self.folder = host, host.name, folder
        self.state, self.socket = folder / "state", folder / "ipopd.sock"
        self.config, self.log_path = folder / "ipopd.toml", folder / "log"
        self.config.write_text(config)
        self.process, self.preload = None, None

    def daemon_command(self, *options, state=None, socket=None):
        return [bin_dir / "ipopd", "--state", state or self.state,
                "--socket", socket or self.socket, "--config", self.config, *options]

    def start(self, *options, wait=True, **popen):
        if self.preload:
            popen["env"] = {**os.environ, **popen.get("env", {}), "LD_PRELOAD": str(self.preload)}
        with open(self.log_path, "ab") as log:
            self.process = self.host.start(*self.daemon_command(*options), stdout=log, stderr=log,
                                           **popen)
        if wait:
            eventually(f"{self.name}'s daemon answers", self.answers)
        return self

    def answers(self):
        if self.process.poll() is not None:
            raise CommandDead(f"{self.name}'s daemon ended with {self.process.returncode}:\n"
                              f"{self.log_tail()}")
        self.ipop("networks")
        return True

    def stop(self):
        """Asks the daemon to end; gives its exit code."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=LIMIT_S)
        self.process = None
        return code

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process = None

    def restart(self):
        self.stop()
        return self.start()

    def command(self, *arguments, stdin=None, timeout=120, prefix=()):
        """Runs `ipop` in the node's namespace as a user would; gives the CompletedProcess."""
        options = {"input": stdin, "stdin": None} if stdin is not None else {}
        return self.host.run(*prefix, bin_dir / "ipop", "--socket", self.socket, *arguments,
                             check=False, timeout=timeout, **options)

    def ipop(self, *arguments, **options):
        """Runs `ipop --json`; gives the document or raises CommandFailed."""
        arguments = [str(a) for a in arguments]
        run = self.command("--json", *arguments, **options)
        if run.returncode:
            raise CommandFailed(arguments, run)
        return json.loads(run.stdout)

    def network(self, name=None):
        networks = self.ipop("status")["networks"]
        return next(n for n in networks if name in (None, n["name"]))

    def members(self, network=None):
        """Everybody but this node, by name."""
        return {m["name"]: m for m in self.network(network)["members"]}

    def self(self, network=None):
        return self.network(network)["self"]

    def ping(self, address, *options, wait_s=2):
        """One ICMP echo through the tunnel, from the operating system's own ping."""
        kind = "-6" if ":" in address else "-4"
        return self.host.run("ping", kind, "-n", "-c1", f"-W{wait_s}", *options, address,
                             check=False).returncode == 0

    def has_interface(self, name):
        return self.host.run("ip", "link", "show", name, check=False).returncode == 0

    def cpu_s(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")")[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_kb(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0])

    def log_tail(self, lines=25):
        if not self.log_path.exists():
            return ""
        return "\n".join(self.log_path.read_text(errors="replace").split("\n")[-lines:])


class CommandDead(RuntimeError):
    """A daemon ended while the test waited for it; not worth waiting on."""


class LabTest(unittest.TestCase):
    """A lab for each test."""

    def setUp(self):
        sweep_dead(STEM)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"{STEM}-"))
        self.folder.chmod(0o755)  # the socket's own mode is what keeps others out
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.lab = Lab(f"{STEM}-{os.getpid()}")
        self.addCleanup(self.lab.close)
        self.nodes, self.troubles_before = [], self.troubles()
        self.addCleanup(self.end_daemons)

    def troubles(self):
        result = self._outcome.result
        return len(result.failures) + len(result.errors)

    def end_daemons(self):
        if self.troubles() > self.troubles_before:
            for node in self.nodes:
                print(f"--- {node.name}\n{node.log_tail(40)}", file=sys.stderr)
        running = [node for node in self.nodes if node.process]
        codes = {node.name: node.process.poll() for node in running}
        died = {name: code for name, code in codes.items() if code is not None}
        ended = {node.name: node.stop() for node in running if node.process.poll() is None}
        self.assertEqual(died, {}, "daemons that ended on their own")
        self.assertEqual({n: c for n, c in ended.items() if c != 0}, {}, "exit codes at SIGTERM")

    # --- building blocks ---

    def node(self, host, *options, start=True):
        folder = self.folder / f"{host.name}{len(self.nodes)}"
        folder.mkdir()
        node = Node(host, folder)
        self.nodes.append(node)
        return node.start(*options) if start else node

    def public(self, name, **site):
        return self.node(self.lab.site(name, **{"v6": False, **site}))

    def founder(self, name="alice", network="family", **site):
        node = self.public(name, **site)
        node.ipop("create", network, "--name", name)
        return node

    def invite(self, inviter, *options):
        return inviter.ipop("invite", *options)["invite"]

    def join(self, node, inviter, *options, network=None):
        """`node` joins the inviter's network under its own name, by standard input."""
        invite = self.invite(inviter, *([network] if network else []))
        return node.ipop("join", "-", "--name", node.name, *options, stdin=invite + "\n")

    def pair(self, **site):
        """alice, who founded the network, and bob, who joined; both public."""
        alice = self.founder(**site)
        bob = self.public("bob", **site)
        self.join(bob, alice)
        return alice, bob

    def three(self):
        alice, bob = self.pair()
        carol = self.public("carol")
        self.join(carol, alice)
        return alice, bob, carol

    def an_hour_passes(self, *nodes):
        """Restarts the daemons on computers whose wall clock is an hour later."""
        for node in nodes:
            node.preload = self.library("later")
            node.restart()

    def library(self, name):
        """NAME.c beside this file, to preload into a daemon."""
        library = self.folder / f"{name}.so"
        source = pathlib.Path(__file__).resolve().parent / f"{name}.c"
        if not library.exists():
            subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source], check=True)
        return library

    def reaches(self, one, other, network=None, limit_s=LIMIT_S):
        """The operating system's ping gets from one to the other by the inner IPv4 address."""
        address = other.self(network)["ipv4"]
        eventually(f"{one.name} pings {other.name} at {address}",
                   lambda: one.ping(address), limit_s)

    def fails(self, codes, node, *arguments, exit_code=1, **options):
        """The command fails with one of these error codes, a message and a next step."""
        codes = {codes} if isinstance(codes, str) else set(codes)
        with self.assertRaises(CommandFailed) as caught:
            node.ipop(*arguments, **options)
        failure = caught.exception
        self.assertEqual(failure.exit_code, exit_code, failure)
        self.assertIn(failure.code, codes, failure)
        self.assertTrue(failure.message, failure)
        if failure.code not in WITHOUT_NEXT_STEP:
            self.assertTrue(failure.next, failure)
        return failure
