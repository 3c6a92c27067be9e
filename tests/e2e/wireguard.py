"""Stock WireGuard for the tests: Debian's wireguard-go, wg and tshark's dissector, unpacked below
build/ by `run`, and a flood of initiations."""
import base64
import os
import re
import signal
import struct
import subprocess
import time

from harness import ROOT, eventually

TOOLS = ROOT / "build" / "wireguard" / "usr"
ENVIRONMENT = {**os.environ, "PATH": f"{TOOLS}/bin:{os.environ['PATH']}",
               "LD_LIBRARY_PATH": f"{TOOLS}/lib/x86_64-linux-gnu", "LC_ALL": "C"}


def hexadecimal(key):
    return base64.b64decode(key).hex()


def parse(config):
    """The values of a wg-quick file by their names."""
    return dict(re.findall(r"^(\w+) = (.*)$", config, re.M))


def wg(host, *arguments, stdin=None):
    """Debian's `wg` in a host's namespace; gives what it prints."""
    options = {"input": stdin, "stdin": None} if stdin else {}
    return host.run(TOOLS / "bin" / "wg", *arguments, env=ENVIRONMENT, **options).stdout


class Phone:
    """A computer that runs wireguard-go with a file that `ipop device add` printed."""

    def __init__(self, host, folder, config):
        self.host, self.config, self.values = host, config, parse(config)
        self.path = folder / f"{host.name}.conf"
        kept = [line for line in config.split("\n")
                if not re.match(r"(Address|MTU|DNS) = ", line)]  # what `wg-quick strip` leaves out
        self.path.write_text("\n".join(kept))
        self.process = None

    @property
    def addresses(self):
        return [a.split("/")[0] for a in self.values["Address"].split(", ")]

    def start(self):
        self.process = self.host.start(TOOLS / "bin" / "wireguard-go", "-f", "wg0",
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        eventually("wireguard-go makes its interface", lambda: not self.host.run(
            "test", "-S", "/run/wireguard/wg0.sock", check=False).returncode)
        self.wg("setconf", "wg0", self.path)
        for address in self.values["Address"].split(", "):
            self.host.run("ip", "addr", "add", address, "dev", "wg0",
                          *(["nodad"] if ":" in address else []))
        self.host.run("ip", "link", "set", "wg0", "mtu", self.values["MTU"], "up")
        for prefix in self.values["AllowedIPs"].split(", "):
            self.host.run("ip", "route", "add", prefix, "dev", "wg0")
        return self

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(timeout=10)
        self.process = None

    def wg(self, *arguments, **options):
        return wg(self.host, *arguments, **options)

    def handshake_at(self):
        return int(self.wg("show", "wg0", "latest-handshakes").split()[1])

    def ping(self, address, *options, wait_s=2):
        kind = "-6" if ":" in address else "-4"
        return self.host.run("ping", kind, "-n", "-c1", f"-W{wait_s}", *options, address,
                             check=False).returncode == 0


def dissect(path, keys, shown, only="wg"):
    """tshark's rows of these fields; `keys` are (kind, key) lines of its key log. A capture that
    still goes on may end in the middle of a packet: all before it counts."""
    keylog = path.with_suffix(".keys")
    keylog.write_text("".join(f"{kind} = {key}\n" for kind, key in keys))
    fields = [word for field in shown for word in ("-e", field)]
    run = subprocess.run([TOOLS / "bin" / "tshark", "-r", path, "-Y", only,
                          "-o", f"wg.keylog_file:{keylog}", "-T", "fields", *fields],
                         env=ENVIRONMENT, capture_output=True, text=True)
    return [dict(zip(shown, line.split("\t"))) for line in run.stdout.splitlines()]


def write_pcap(path, datagrams):
    """UDP datagrams as (from first to second host, payload), raw IPv4 (pcap link type 101)."""
    out = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101)
    for number, (forth, payload) in enumerate(datagrams):
        hosts = [(bytes([192, 0, 2, 1]), 51820), (bytes([192, 0, 2, 2]), 51821)]
        (source, sport), (target, dport) = hosts if forth else hosts[::-1]
        udp = struct.pack("!HHHH", sport, dport, 8 + len(payload), 0) + payload
        ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0) + source + target
        out += struct.pack("<IIII", number, 0, len(ip) + len(udp), len(ip) + len(udp)) + ip + udp
    path.write_bytes(out)


class Capture:
    """What passes at a host's outer interface, for tshark."""

    def __init__(self, host, folder, only="udp", device="eth0"):
        self.path = folder / f"{host.name}-{time.monotonic_ns()}.pcapng"
        self.process = host.start(TOOLS / "bin" / "dumpcap", "-q", "-i", device, "-f", only,
                                  "-w", self.path, env=ENVIRONMENT, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.PIPE, text=True)
        eventually("the capture begins", lambda: self.path.exists() and self.path.stat().st_size)

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(timeout=10)
        self.process.stderr.close()

    def dissect(self, private_keys, shown, only="wg"):
        """tshark's rows; it knows these static private keys, and so their public ones."""
        return dissect(self.path, [("LOCAL_STATIC_PRIVATE_KEY", k) for k in private_keys], shown,
                       only)
