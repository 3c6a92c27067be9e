"""WireGuard in user space, as Debian 12 has it."""
import subprocess

from peers.tunnel import Tunnel, output, program

PORT = 51820
DEVICE = "wg0"


class WireguardGo(Tunnel):
    name = "wireguard-go"
    default_mtu = True

    @classmethod
    def version(cls):
        return output(program("wireguard-go"), "--version").split("\n")[0].split()[-1]

    def set_up(self):
        wg, public = program("wg"), {}
        for host in (self.alice, self.bob):
            private = self.file(f"{host.name}.key", output(wg, "genkey"))
            with open(private, encoding="ascii") as key:
                public[host] = subprocess.run([wg, "pubkey"], stdin=key, capture_output=True,
                                              text=True, check=True).stdout.strip()
        for host, inner, other in self.ends():
            self.daemon(host, program("wireguard-go"), "-f", DEVICE)
            self.wait_until(f"{host.name} can be set", lambda: not host.run(
                "test", "-S", f"/run/wireguard/{DEVICE}.sock", check=False).returncode)
            other_inner = self.address if host is self.alice else self.own_address
            host.run(wg, "set", DEVICE, "listen-port", PORT,
                     "private-key", self.folder / f"{host.name}.key", "peer", public[other],
                     "allowed-ips", f"{other_inner}/32", "endpoint", f"{other.address}:{PORT}")
            host.run("ip", "addr", "add", f"{inner}/24", "dev", DEVICE)
            host.run("ip", "link", "set", DEVICE, "up")
