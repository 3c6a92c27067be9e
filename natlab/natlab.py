#!/usr/bin/python3
"""natlab: a small Internet of network namespaces, with sites behind NATs of every kind.

    with Lab("ipop-lab-1234") as lab:
        alice = lab.site("alice")                          # a public host
        bob = lab.site("bob", nat="port-restricted")       # a host behind a home router
        alice.run("ping", "-c1", bob.wan)

By hand: `natlab.py up alice=public bob=symmetric carol=port-restricted:cgn=symmetric:hosts=2`,
`natlab.py exec alice CMD…`, `natlab.py down`.

Root, iproute2, nftables and conntrack; the standard library only. Nothing is ever linked to the
machine's own namespace, so no packet can leave the lab. Site i: WAN 198.18.i.2 (100.64.i.2 behind
an operator's NAT), LAN 192.168.(100+i).0/24, IPv6 2001:db8:i::/64 and inside 2001:db8:i00::/64.
"""
import os
import pathlib
import re
import sys

from host import Host, LabError, add_address, connect, introduce, ip, namespaces, sh, sweep
from line import Line
from router import FIREWALL6, Router

STUN_SERVER = pathlib.Path(__file__).resolve().parent / "stun_server.py"


class Lab:
    """Builds sites around one core router. Leaves nothing behind, also after a failure."""

    def __init__(self, prefix):
        self.prefix, self.sites, self.numbers, self.first_processes = prefix, 0, 0, []
        sweep(prefix)
        try:
            self.core = Host(self, "core", forwards=True)
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
            if process.stdout:
                process.stdout.close()

    def site(self, name, nat=None, hosts=1, v4=True, v6=True, lan=None, cgn=None, **router):
        """A site at the core. `nat` None: a public host. Otherwise a router of that kind and
        `hosts` computers behind it; more than one come back as a list. With `v6` they also have
        IPv6 through the router's firewall; kind "v6fw" has nothing else. `lan`: the IPv4 prefix
        inside, as "192.168.1". `cgn`: the kind of an operator's NAT before the router.
        Also `hairpin`, `udp_timeout_s` and `forward_port` (a UDP port that the router hands to the
        first host): see Router."""
        self.sites += 1
        if nat is None:
            return self._public(name, v4, v6)
        access = self._router(name, nat, v6, lan, cgn, router)
        computers = [Host(self, name if k == 0 else f"{name}{k + 1}") for k in range(hosts)]
        for computer in computers:
            access.plug_in(computer)
            computer.boot()
        return computers[0] if hosts == 1 else computers

    def wire(self, one_name, other_name):
        """Two computers joined by one cable, with nothing between them."""
        self.sites += 1
        one, other = Host(self, one_name), Host(self, other_name)
        one.address, other.address = (f"198.18.{self.sites}.{k}" for k in (1, 2))
        connect(one, "eth0", [f"{one.address}/24"], other, "eth0", [f"{other.address}/24"])
        return one.boot(), other.boot()

    def stun_server(self, name="stun"):
        """A public host that answers STUN (RFC 8489, and RFC 5780 with `addresses[1]` as its other
        address) on ports 3478 and 3479, in both families."""
        host, number = self.site(name), self.sites
        host.addresses = [host.address, f"198.18.{number}.3"]
        host.addresses6 = [host.address6, f"2001:db8:{number:x}::3"]
        add_address(host, "eth0", f"{host.addresses[1]}/24")
        add_address(host, "eth0", f"{host.addresses6[1]}/64")
        introduce(self.core, f"c{number}", f"2001:db8:{number:x}::1", host, "eth0",
                  host.addresses6[1])
        for addresses in (host.addresses, host.addresses6):
            host.serve("/usr/bin/python3", STUN_SERVER, *addresses)
        return host

    def impair(self, host, program, ways=("out",), **options):
        """Makes the access line of a host's site bad: what it sends ("out") and what comes to it
        ("in") passes through `program` (impair.cc) with these options, as loss=2. Gives the Line;
        its end() mends it and tells what it did."""
        return Line(self.core, host, program, ways, options)

    def black_hole(self, host, mtu):
        """The access link of a host's site takes `mtu` bytes, and nobody is told: what is larger is
        gone without an ICMP message. (What comes from the host may have 4 bytes more: room for a
        VLAN tag, which veth allows.)"""
        ip(self.core.namespace, f"link set {host.access} mtu {mtu}")
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

    def next_number(self):
        self.numbers += 1
        return self.numbers

    # --- construction ---

    def _access(self, host, device, v4, v6):
        """The newest site's access line: addresses, routes and neighbours of both ends."""
        i = self.sites
        pairs = [(f"198.18.{i}.1", f"198.18.{i}.2", 24)] * v4
        pairs += [(f"2001:db8:{i:x}::1", f"2001:db8:{i:x}::2", 64)] * v6
        connect(self.core, f"c{i}", [f"{core}/{length}" for core, _, length in pairs],
                host, device, [f"{site}/{length}" for _, site, length in pairs])
        for core, _, _ in pairs:
            ip(host.namespace, f"route replace default via {core}")
        if v6:
            introduce(self.core, f"c{i}", pairs[-1][0], host, device, pairs[-1][1])
        host.access = f"c{i}"
        host.address = f"198.18.{i}.2" if v4 else None
        host.address6 = f"2001:db8:{i:x}::2" if v6 else None

    def _public(self, name, v4, v6):
        host = Host(self, name)
        self._access(host, "eth0", v4, v6)
        return host.boot()

    def _router(self, name, kind, v6, lan, cgn, options):
        i, v4 = self.sites, kind != FIREWALL6
        v6 = (v6 or not v4) and not cgn
        lan = (lan or f"192.168.{100 + i}") if v4 else None
        lan6 = f"2001:db8:{i:x}00:" if v6 else None
        upstream = None
        if cgn:
            upstream = Router(self, f"{name}-operator", cgn, f"100.64.{i}")
            self._access(upstream, "wan", v4=True, v6=False)
            upstream.load()
        router = Router(self, f"{name}-router", kind, lan, lan6, upstream=upstream, **options)
        if upstream:
            connect(upstream, "home", [], router, "wan", [f"100.64.{i}.2/24"])
            ip(upstream.namespace, "link set home master lan")
            ip(router.namespace, f"route replace default via 100.64.{i}.1")
            router.address, router.access = f"100.64.{i}.2", upstream.access
        else:
            self._access(router, "wan", v4, v6)
        if lan6:
            ip(self.core.namespace, f"route replace {lan6}:/64 via {router.address6}")
        router.load()
        return router


def sweep_dead(stem):
    """Sweeps labs named STEM-PID whose process is gone: a run that was killed cleans up here."""
    for name in namespaces(stem):
        pid = name[len(stem) + 1:].split("-")[0]
        if pid.isdigit() and not pathlib.Path(f"/proc/{pid}").exists():
            sweep(f"{stem}-{pid}")


def up(lab, spec):
    """NAME=KIND[:OPTION[=VALUE]]…, as bob=port-restricted:cgn=symmetric:hosts=2."""
    name, _, rest = spec.partition("=")
    kind, *words = rest.split(":")
    options = {}
    for word in words:
        option, _, value = word.partition("=")
        options[option] = int(value) if value.isdigit() else value or True
    made = lab.site(name, None if kind in ("", "public") else kind, **options)
    for host in made if isinstance(made, list) else [made]:
        print(f"{host.name}: {host.address or host.address6}, seen outside as "
              f"{host.wan or host.address6}")


def main():
    prefix, verb = os.environ.get("NATLAB", "natlab"), sys.argv[1:2]
    if verb == ["up"]:
        lab = Lab(prefix)
        for spec in sys.argv[2:]:
            up(lab, spec)
    elif verb == ["exec"] and len(sys.argv) > 3:
        first = sh("ip", "netns", "pids", f"{prefix}-{sys.argv[2]}").split()[0]
        os.execvp("nsenter", ["nsenter", "-t", first, "-m", "-u", "-n", "--", *sys.argv[3:]])
    elif verb == ["down"]:
        sweep(prefix)
    else:
        raise SystemExit(__doc__)


if __name__ == "__main__":
    main()
