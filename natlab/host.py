"""One computer of the laboratory, and how commands get into it."""
import os
import signal
import subprocess
import time

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

    def __init__(self, lab, name, forwards=False):
        self.lab, self.name, self.namespace = lab, name, f"{lab.prefix}-{name}"
        self.address = self.address6 = self.pid = None
        self.router = self.port = None  # behind which one, and the router's end of the cable
        self.access = None  # the core's end of the line that this host's packets take
        sh("ip", "netns", "add", self.namespace)
        ip(self.namespace, "link set lo up")
        settings = ["net.ipv6.conf.all.accept_dad=0", "net.ipv6.conf.default.accept_dad=0",
                    "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.default.rp_filter=0"]
        if forwards:
            settings += ["net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"]
        self.run("sysctl", "-qw", *settings)

    @property
    def wan(self):
        """The IPv4 address that the world sees."""
        return self.router.wan if self.router else self.address

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

    def serve(self, *command):
        """Starts a server that prints "ready" when it is; the lab kills it at the end."""
        server = self.start(*command, stdout=subprocess.PIPE, text=True)
        if server.stdout.readline() != "ready\n":
            raise LabError(f"{self.name}: {' '.join(map(str, command))} does not get ready")
        self.lab.first_processes.append(server)
        return server

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

    def roam(self, router):
        """Moves the host to another router's network, as from one wireless network to another: the
        interface stays, its link and its addresses change."""
        ip(self.router.namespace, f"link set {self.port} netns {router.namespace}")
        for family in ("-4", "-6"):
            ip(self.namespace, f"{family} addr flush dev eth0 scope global")
        router.plug(self, self.port)


def connect(one, one_device, one_addresses, other, other_device, other_addresses):
    """A cable between two hosts' new interfaces with these addresses."""
    ip(one.namespace, f"link add {one_device} type veth "
       f"peer name {other_device} netns {other.namespace}")
    for host, device, addresses in ((one, one_device, one_addresses),
                                    (other, other_device, other_addresses)):
        for address in addresses:
            add_address(host, device, address)
        ip(host.namespace, f"link set {device} up")


def add_address(host, device, address):
    ip(host.namespace, f"addr add {address} dev {device} {'nodad' if ':' in address else ''}")


def introduce(one, one_device, one_address, other, other_device, other_address):
    """Tells both ends each other's link address: IPv6's neighbour discovery answers on a new link
    only after a second, which would look like the fault of what is tested."""
    ends = ((one, one_device, one_address), (other, other_device, other_address))
    links = [ip(host.namespace, f"-o link show {device}").split("link/ether ")[1].split()[0]
             for host, device, _ in ends]
    for (host, device, _), (_, _, address), link in zip(ends, reversed(ends), reversed(links)):
        ip(host.namespace, f"neigh replace {address} lladdr {link} dev {device} nud permanent")


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
