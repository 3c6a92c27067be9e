"""Routers of every kind: what they do to packets is a file in rulesets/, what may happen to them is
a method here."""
import pathlib
import random
import string
import subprocess

from host import Host, LabError, add_address, connect, introduce, ip

RULESETS = pathlib.Path(__file__).resolve().parent / "rulesets"
FIREWALL6 = "v6fw"
BESIDE = {"closed", "hairpin", "forward-port", "port-mapping"}  # no kinds of their own
KINDS = sorted(path.stem for path in RULESETS.glob("*.nft") if path.stem not in BESIDE)

# nftables hands a number to a port in the wrong byte order (seen with 1.0.6: numgen steps by 256),
# so kinds that choose a port by number or hash look it up in a map of so many entries.
PORTS, BLOCK_PORTS = 8192, 512

MINIUPNPD = """ext_ifname=wan
ext_perform_stun=yes
ext_stun_host={stun}
ext_stun_port=3478
listening_ip=lan
http_port=5000
enable_natpmp={pcp}
enable_upnp=yes
secure_mode=yes
uuid=4b7a1f66-0000-4000-8000-{number:012x}
upnp_table_name=miniupnpd
upnp_nat_table_name=miniupnpd
upnp_forward_chain=miniupnpd
upnp_nat_chain=prerouting_miniupnpd
upnp_nat_postrouting_chain=postrouting_miniupnpd
allow 1024-65535 {lan}.0/24 1024-65535
deny 0-65535 0.0.0.0/0 0-65535
"""


class Router(Host):
    """`lan` and `lan6` are its network's prefixes, as "192.168.1" and "2001:db8:100:" (None: that
    family is not served). `upstream`: the operator's NAT that it is behind, if there is one."""

    def __init__(self, lab, name, kind, lan, lan6=None, *, upstream=None, hairpin=False,
                 udp_timeout_s=None, forward_port=None):
        if kind not in KINDS:
            raise LabError(f"no router of kind {kind!r}; there are {', '.join(KINDS)}")
        super().__init__(lab, name, forwards=True)
        self.kind, self.lan, self.lan6, self.router = kind, lan, lan6, upstream
        self.hairpin, self.udp_timeout_s, self.forward_port = hairpin, udp_timeout_s, forward_port
        self.stun = self.miniupnpd = self.mapper = None  # see serve_port_mapping()
        self.upnp_alone = False
        self.hosts, self.addresses_given = [], 1
        self.draws = random.Random(name)  # the ports of one boot; another name, other ports
        ip(self.namespace, "link add lan type bridge")
        ip(self.namespace, "link set lan up")
        # br_netfilter may be on by default and would run bridged packets through the NAT hooks.
        self.run("sysctl", "-qw", "net.bridge.bridge-nf-call-iptables=0",
                 "net.bridge.bridge-nf-call-ip6tables=0", check=False)
        if lan:
            add_address(self, "lan", f"{lan}.1/24")
        if lan6:
            add_address(self, "lan", f"{lan6}:1/64")
        if udp_timeout_s:
            name = "net.netfilter.nf_conntrack_udp_timeout"
            self.run("sysctl", "-qw", f"{name}={udp_timeout_s}", f"{name}_stream={udp_timeout_s}")

    def plug_in(self, host):
        """A new cable from the LAN to a bare host."""
        port = f"p{self.lab.next_number()}"
        connect(self, port, [], host, "eth0", [])
        self.plug(host, port)
        if self.forward_port and len(self.hosts) == 1:
            self.load()

    def plug(self, host, port):
        """Takes the router's end of the host's cable into the LAN and gives the host addresses."""
        if host.router:
            host.router.hosts.remove(host)
        self.hosts.append(host)
        self.addresses_given += 1
        host.router, host.port, host.access = self, port, self.access
        host.address = host.address6 = None
        ip(self.namespace, f"link set {port} master lan up")
        if self.lan:
            host.address = f"{self.lan}.{self.addresses_given}"
            add_address(host, "eth0", f"{host.address}/24")
        if self.lan6:
            host.address6 = f"{self.lan6}:{self.addresses_given:x}"
            add_address(host, "eth0", f"{host.address6}/64")
        ip(host.namespace, "link set eth0 up")
        if self.lan:
            ip(host.namespace, f"route replace default via {self.lan}.1")
        if self.lan6:
            introduce(self, "lan", f"{self.lan6}:1", host, "eth0", host.address6)
            ip(host.namespace, f"route replace default via {self.lan6}:1")

    # --- what happens to routers ---

    def reboot(self):
        """Every mapping is forgotten; kinds that choose ports choose others from now on."""
        self.load()
        self.forget()
        if self.mapper:
            self.mapper.kill()
            self.mapper.wait()
            self._start_mapper()

    def renumber(self):
        """The provider gives another IPv4 address."""
        head, last = self.address.rsplit(".", 1)
        gateway = ip(self.namespace, "-4 route show default").split()[2]
        ip(self.namespace, "-4 addr flush dev wan")
        self.address = f"{head}.{int(last) + 1}"
        add_address(self, "wan", f"{self.address}/24")
        ip(self.namespace, f"route replace default via {gateway}")
        self.reboot()

    def become(self, kind):
        """The same place with a router of another kind."""
        self.kind = kind
        self.reboot()

    def forget(self):
        """Drops every flow and mapping that conntrack knows."""
        self.run("conntrack", "-F")

    def serve_port_mapping(self, miniupnpd, stun, *, upnp_alone=False):
        """Speaks PCP, NAT-PMP and UPnP to the LAN, or the last alone. `stun`: Lab.stun_server()."""
        self.miniupnpd, self.stun, self.upnp_alone = miniupnpd, stun, upnp_alone
        self.load()
        self._start_mapper()

    def forwarded(self):
        """The rules by which it forwards ports on demand."""
        listed = self.run("nft", "list", "chain", "inet", "miniupnpd", "prerouting_miniupnpd")
        return [line.strip() for line in listed.stdout.split("\n") if "dnat" in line]

    def _start_mapper(self):
        configuration = MINIUPNPD.format(stun=self.stun.address, number=self.lab.next_number(),
                                         lan=self.lan, pcp="no" if self.upnp_alone else "yes")
        # With a /run of its own; nobody reads its log, and what it does is what is tested.
        self.mapper = self.start("unshare", "--mount", "--propagation", "private", "sh", "-c",
                                 'mount -t tmpfs tmpfs /run && printf %s "$2" >/run/its.conf && '
                                 'exec "$1" -d -f /run/its.conf -P /run/its.pid',
                                 "sh", self.miniupnpd, configuration,
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.lab.first_processes.append(self.mapper)

    def load(self):
        """Replaces all rules at once, with a new draw of ports."""
        first = self.draws.randrange(20_000, 50_000)
        ports = range(first, first + PORTS)
        block = self.draws.randrange(2, 100) * BLOCK_PORTS
        values = {
            "WANIP": self.address, "SEED": self.draws.getrandbits(31),
            "BLOCK": f"{block}-{block + BLOCK_PORTS - 1}",
            "UDP_TIMEOUT": f"{self.udp_timeout_s or 120}s",
            "PORT_OF": ", ".join(f"{i} : {port}" for i, port in enumerate(ports)),
            "MARK_OF": ", ".join(f"{port} : {i}" for i, port in enumerate(ports)),
        }
        files = [self.kind]
        if self.lan6 and self.kind != FIREWALL6:
            files.append(FIREWALL6)
        if self.hairpin:
            files.append("hairpin")
        if self.forward_port and self.hosts:
            files.append("forward-port")
            values.update(FORWARD_PORT=self.forward_port, FORWARD_TO=self.hosts[0].address)
        if self.stun:
            files.append("port-mapping")
            values.update(STUN=", ".join(self.stun.addresses))
        text = "".join((RULESETS / f"{name}.nft").read_text() for name in files)
        self.run("nft", "-I", RULESETS, "-f", "-", stdin=None,
                 input="flush ruleset\n" + string.Template(text).substitute(values))
