#!/usr/bin/python3
"""natlab: a small Internet of network namespaces, with sites behind NATs of every kind.

    with Lab("ipop-lab-1234") as lab:
        alice = lab.site("alice")                          # a public host
        bob = lab.site("bob", nat="port-restricted")       # a host behind a home router
        alice.run("ping", "-c1", bob.wan)

By hand: `natlab.py up alice=public bob=symmetric`, `natlab.py exec alice CMD…`, `natlab.py down`.

Root, iproute2 and nftables; the standard library only. Nothing is ever linked to the machine's own
namespace, so no packet can leave the lab. Site i: WAN 198.18.i.2, LAN 192.168.(100+i).0/24, IPv6
2001:db8:i::/64 outside and 2001:db8:i00::/64 in the LAN.
"""
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

RULESETS = pathlib.Path(__file__).resolve().parent / "rulesets"

# A computer of the lab has its own name, /etc (a copy), /run, /root and /var/lib/ipop, so that the
# programs run there with their defaults and neither see nor change those of this machine: no system
# bus, no systemd-resolved, no keys.
BOOT = """set -e
hostname "$1"
copy=$(mktemp -d) && mount -t tmpfs tmpfs "$copy" && cp -a /etc "$copy/etc"
mount --bind "$copy/etc" /etc && umount -l "$copy" && rmdir "$copy"
mkdir -p /var/lib/ipop && rm -rf /etc/ipop
for folder in /run /root /var/lib/ipop; do mount -t tmpfs -o mode=755 tmpfs "$folder"; done
chmod 700 /root /var/lib/ipop
echo "$1" >/etc/hostname
rm -f /etc/resolv.conf && : >/etc/resolv.conf
printf '127.0.0.1 localhost %s\n::1 localhost\n' "$1" >/etc/hosts
printf 'passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n' >/etc/nsswitch.conf
echo booted
exec sleep infinity
"""


class LabError(RuntimeError):
    pass


def sh(*command, check=True):
    run = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if check and run.returncode:
        raise LabError(f"{' '.join(command)}: {run.stdout}{run.stderr}")
    return run.stdout


def ip(namespace, text):
    return sh("ip", "-n", namespace, *text.split())


class Host:
    """One computer, or a router: a namespace, its addresses, and what is run in it."""

    def __init__(self, lab, name):
        self.lab, self.name, self.namespace = lab, name, f"{lab.prefix}-{name}"
        self.address = self.address6 = self.wan = self.pid = None

    def command(self, *command):
        enter = (["nsenter", "-t", str(self.pid), "-m", "-u", "-n", "--"] if self.pid
                 else ["ip", "netns", "exec", self.namespace])
        return enter + [str(word) for word in command]

    def boot(self):
        """Makes a computer of a bare namespace: own host name and system folders (see BOOT)."""
        first = self.start("unshare", "--mount", "--uts", "--propagation", "private", "sh", "-c",
                           BOOT, "boot", self.name, stdout=subprocess.PIPE, text=True)
        if first.stdout.readline() != "booted\n":
            raise LabError(f"{self.name}: does not boot")
        first.stdout.close()
        self.lab.first_processes.append(first)
        self.pid = first.pid
        return self

    def run(self, *command, check=True, timeout=60, **options):
        """Runs to the end; gives the CompletedProcess with text output."""
        run = subprocess.run(self.command(*command), capture_output=True, text=True,
                             timeout=timeout, **{"stdin": subprocess.DEVNULL, **options})
        if check and run.returncode:
            raise LabError(f"{self.name}: {' '.join(map(str, command))} gave {run.returncode}:\n"
                           f"{run.stdout}{run.stderr}")
        return run

    def start(self, *command, **options):
        """Starts in the background; the lab kills it at the end."""
        options = {"stdin": subprocess.DEVNULL, "start_new_session": True, **options}
        return subprocess.Popen(self.command(*command), **options)

    def etc(self, name, text):
        """Writes this computer's own /etc/NAME."""
        self.run("tee", f"/etc/{name}", input=text, stdin=None)

    def readdress(self, address):
        """Moves the host to another address of its network, as a new DHCP lease would."""
        gateway = ip(self.namespace, "-4 route show default").split()[2]
        ip(self.namespace, "-4 addr flush dev eth0")
        ip(self.namespace, f"addr add {address}/24 dev eth0")
        ip(self.namespace, f"route replace default via {gateway}")
        self.address = address


class Lab:
    """Builds sites around one core router. Leaves nothing behind, also after a failure."""

    def __init__(self, prefix):
        self.prefix, self.sites, self.first_processes = prefix, 0, []
        sweep(prefix)
        try:
            self.core = self._namespace("core", forwards=True)
        except LabError:
            sweep(prefix)
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        sweep(self.prefix)
        for process in self.first_processes:
            process.wait()

    def site(self, name, nat=None, hosts=1, v4=True, v6=True, forward_port=None):
        """A site at the core. `nat` None: a public host. Otherwise a router with that ruleset and
        `hosts` computers behind it; more than one come back as a list. `forward_port`: a UDP port
        that the router hands to the first of them."""
        self.sites += 1
        return (self._public(name, v4, v6) if nat is None
                else self._behind_nat(name, nat, hosts, v6, forward_port))

    def wire(self, one_name, other_name):
        """Two computers joined by one cable, with nothing between them."""
        self.sites += 1
        one, other = self._namespace(one_name), self._namespace(other_name)
        one.address, other.address = (f"198.18.{self.sites}.{k}" for k in (1, 2))
        self._link(one, "eth0", [f"{one.address}/24"], other, "eth0", [f"{other.address}/24"])
        return one.boot(), other.boot()

    def impair(self, host, program, **options):
        """Makes the line of a public host bad: what it sends passes through `program` (impair.cc)
        with these options, as loss=2. Gives the process; SIGTERM makes it print its counts."""
        number = host.address.split(".")[2]
        process = self.core.start(program, "--queue", number, "--seed", number,
                                  *(str(word) for name, value in options.items()
                                    for word in ("--" + name.replace("_", "-"), value)),
                                  stdout=subprocess.PIPE, text=True)
        if process.stdout.readline() != "ready\n":
            raise LabError(f"{host.name}: its line cannot be impaired")
        # nftables' own queue statement is missing from more kernels than this extension of old.
        self.core.run("iptables", "-t", "mangle", "-A", "PREROUTING", "-i", f"c{number}",
                      "-j", "NFQUEUE", "--queue-num", number)
        return process

    def black_hole(self, host, mtu):
        """The link of a public host takes `mtu` bytes, and nobody is told: what is larger is gone
        without an ICMP message. (What comes from the host may have 4 bytes more: room for a VLAN
        tag, which veth allows.)"""
        number = (host.address or host.address6).split("." if host.address else ":")[2]
        device = f"c{int(number, 10 if host.address else 16)}"
        ip(self.core.namespace, f"link set {device} mtu {mtu}")
        if "table inet silence" not in self.core.run("nft", "list", "tables").stdout:
            self.core.run("nft", "add table inet silence; add chain inet silence o "
                          "{ type filter hook output priority 0; }; add rule inet silence o icmp "
                          "type destination-unreachable icmp code frag-needed counter drop; add "
                          "rule inet silence o icmpv6 type packet-too-big counter drop")

    def black_holed(self):
        """How often the core would have told a sender that its packet was too big; it may do so
        only now and then (RFC 4443 2.4), so more were lost."""
        listed = self.core.run("nft", "list", "chain", "inet", "silence", "o").stdout
        return sum(int(word) for word in re.findall(r"counter packets (\d+)", listed))

    def block(self, one, other):
        """Drops everything between two sites at the core."""
        if "table inet pairs" not in self.core.run("nft", "list", "tables").stdout:
            self.core.run("nft", "add table inet pairs; add chain inet pairs f "
                          "{ type filter hook forward priority 0; }")
        for source, target in ((one, other), (other, one)):
            for family, attribute in (("ip", "wan"), ("ip6", "address6")):
                addresses = getattr(source, attribute), getattr(target, attribute)
                if all(addresses):
                    self.core.run("nft", f"add rule inet pairs f {family} saddr {addresses[0]} "
                                  f"{family} daddr {addresses[1]} counter drop")

    def unblock(self):
        self.core.run("nft", "flush chain inet pairs f")

    # --- construction ---

    def _namespace(self, name, forwards=False):
        host = Host(self, name)
        sh("ip", "netns", "add", host.namespace)
        ip(host.namespace, "link set lo up")
        settings = ["net.ipv6.conf.all.accept_dad=0", "net.ipv6.conf.default.accept_dad=0",
                    "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.default.rp_filter=0"]
        if forwards:
            settings += ["net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"]
        host.run("sysctl", "-qw", *settings)
        return host

    def _link(self, one, one_device, one_addresses, other, other_device, other_addresses):
        ip(one.namespace, f"link add {one_device} type veth "
           f"peer name {other_device} netns {other.namespace}")
        for host, device, addresses in ((one, one_device, one_addresses),
                                        (other, other_device, other_addresses)):
            for address in addresses:
                ip(host.namespace, f"addr add {address} dev {device} {self._nodad(address)}")
            ip(host.namespace, f"link set {device} up")

    @staticmethod
    def _nodad(address):
        return "nodad" if ":" in address else ""

    def _outside(self, v4, v6):
        """Addresses of the newest site's access link: (the core's, the site's)."""
        i = self.sites
        pairs = [(f"198.18.{i}.1", f"198.18.{i}.2", 24)] * v4
        pairs += [(f"2001:db8:{i:x}::1", f"2001:db8:{i:x}::2", 64)] * v6
        return ([f"{core}/{length}" for core, _, length in pairs],
                [f"{site}/{length}" for _, site, length in pairs],
                [core for core, _, _ in pairs])

    def _public(self, name, v4, v6):
        i, host = self.sites, self._namespace(name)
        core, site, gateways = self._outside(v4, v6)
        self._link(self.core, f"c{i}", core, host, "eth0", site)
        for gateway in gateways:
            ip(host.namespace, f"route replace default via {gateway}")
        self._neighbours(f"c{i}", host, "eth0", v6)
        host.address = host.wan = f"198.18.{i}.2" if v4 else None
        host.address6 = f"2001:db8:{i:x}::2" if v6 else None
        return host.boot()

    def _neighbours(self, core_device, host, device, v6):
        """Tells both ends each other's link address: IPv6's neighbour discovery answers on a new
        link only after a second, which would look like the fault of what is tested."""
        if not v6:
            return
        prefix, ends = f"2001:db8:{self.sites:x}::", ((self.core, core_device), (host, device))
        links = [ip(end.namespace, f"-o link show {dev}").split("link/ether ")[1].split()[0]
                 for end, dev in ends]
        for (end, dev), number, link in zip(ends, (2, 1), reversed(links)):
            ip(end.namespace,
               f"neigh replace {prefix}{number} lladdr {link} dev {dev} nud permanent")

    def _behind_nat(self, name, nat, count, v6, forward_port):
        i, router = self.sites, self._namespace(name + "-router", forwards=True)
        core, site, gateways = self._outside(True, v6)
        self._link(self.core, f"c{i}", core, router, "wan", site)
        for gateway in gateways:
            ip(router.namespace, f"route replace default via {gateway}")
        self._neighbours(f"c{i}", router, "wan", v6)
        ip(router.namespace, "link add lan type bridge")
        ip(router.namespace, "link set lan up")
        # br_netfilter may be on by default and would run bridged packets through the NAT hooks.
        router.run("sysctl", "-qw", "net.bridge.bridge-nf-call-iptables=0", check=False)
        lan = f"192.168.{100 + i}"
        ip(router.namespace, f"addr add {lan}.1/24 dev lan")
        hosts = [self._lan_host(name if k == 0 else f"{name}{k + 1}", router, lan, k)
                 for k in range(count)]
        router.run("nft", "-D", "WANIF=wan", "-D", "LANIF=lan", "-D", f"WANIP=198.18.{i}.2",
                   "-f", RULESETS / f"{nat}.nft")
        if forward_port:
            router.run("nft", "add chain ip nat fwd_in { type nat hook prerouting priority -100; };"
                       f"add rule ip nat fwd_in iifname wan udp dport {forward_port} "
                       f"dnat to {hosts[0].address}")
        for host in hosts:
            host.wan, host.router = f"198.18.{i}.2", router
        return hosts[0] if count == 1 else hosts

    def _lan_host(self, name, router, lan, k):
        host = self._namespace(name)
        ip(router.namespace, f"link add p{k} type veth peer name eth0 netns {host.namespace}")
        ip(router.namespace, f"link set p{k} master lan up")
        host.address = f"{lan}.{k + 2}"
        ip(host.namespace, f"addr add {host.address}/24 dev eth0")
        ip(host.namespace, "link set eth0 up")
        ip(host.namespace, f"route replace default via {lan}.1")
        return host.boot()


def namespaces(prefix):
    listed = (line.split(" ")[0] for line in sh("ip", "netns", "list").split("\n"))
    return [name for name in listed if name.startswith(prefix + "-")]


def sweep(prefix):
    """Ends every process in the namespaces with this prefix and deletes them."""
    names = namespaces(prefix)
    for _ in range(50):
        pids = [int(pid) for name in names for pid in sh("ip", "netns", "pids", name).split()]
        if not pids:
            break
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(0.02)  # a killed process leaves its namespace a moment later
    for name in names:
        sh("ip", "netns", "delete", name, check=False)


def sweep_dead(stem):
    """Sweeps labs named STEM-PID whose process is gone: a run that was killed cleans up here."""
    for name in namespaces(stem):
        pid = name[len(stem) + 1:].split("-")[0]
        if pid.isdigit() and not pathlib.Path(f"/proc/{pid}").exists():
            sweep(f"{stem}-{pid}")


def main():
    prefix, verb = os.environ.get("NATLAB", "natlab"), sys.argv[1:2]
    if verb == ["up"]:
        lab = Lab(prefix)
        for spec in sys.argv[2:]:
            name, _, kind = spec.partition("=")
            host = lab.site(name, None if kind in ("", "public") else kind)
            print(f"{name}: {host.address}, seen outside as {host.wan}")
    elif verb == ["exec"] and len(sys.argv) > 3:
        first = sh("ip", "netns", "pids", f"{prefix}-{sys.argv[2]}").split()[0]
        os.execvp("nsenter", ["nsenter", "-t", first, "-m", "-u", "-n", "--", *sys.argv[3:]])
    elif verb == ["down"]:
        sweep(prefix)
    else:
        raise SystemExit(__doc__)


if __name__ == "__main__":
    main()
