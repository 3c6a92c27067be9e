"""tinc 1.0, which routes between two daemons that know each other's keys."""
import time

from peers.tunnel import Tunnel, output, program


class Tinc(Tunnel):
    name = "tinc"
    default_mtu = True

    @classmethod
    def version(cls):
        return output(program("tincd"), "--version").split()[2]

    def set_up(self):
        for host, inner, _other in self.ends():
            self._configure(host, inner)
        for host, _inner, other in self.ends():
            theirs = (self.folder / other.name / "hosts" / other.name).read_text()
            (self.folder / host.name / "hosts" / other.name).write_text(theirs)
        for host, _inner, _other in self.ends():
            place = self.folder / host.name
            self.daemon(host, program("tincd"), "-c", place, "-D", f"--pidfile={place}/pid")

    def _configure(self, host, inner):
        place = self.folder / host.name
        (place / "hosts").mkdir(parents=True)
        connect = "ConnectTo = alice\n" if host is self.bob else ""
        self.file(f"{host.name}/tinc.conf", f"Name = {host.name}\nAddressFamily = ipv4\n"
                  f"Interface = tinc0\nDeviceType = tun\n{connect}")
        self.file(f"{host.name}/tinc-up", "#!/bin/sh\n"
                  f"ip addr add {inner}/24 dev $INTERFACE\nip link set $INTERFACE up\n")
        (place / "tinc-up").chmod(0o755)
        self.file(f"{host.name}/hosts/{host.name}",
                  f"Address = {host.address}\nSubnet = {inner}/32\n")
        output(program("tincd"), "-c", place, "-K2048")

    def settle(self):
        """Its search for the path's packet size needs traffic and some seconds; until then every
        packet goes by TCP."""
        self.alice.run("ping", "-q", "-c", 20, "-i", 0.1, "-s", 1400, self.address, check=False)
        time.sleep(3)
