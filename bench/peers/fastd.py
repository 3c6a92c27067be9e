"""fastd with the fastest of its methods that encrypt."""
from peers.tunnel import Tunnel, output, program

PORT = 10000
CONFIG = """mode tun;
interface "fd0";
method "salsa2012+umac";
bind any:{port};
secret "{secret}";
mtu 1406;
peer "other" {{ key "{public}"; {remote} }}
on up "ip addr add {inner}/24 dev fd0; ip link set fd0 up";
"""


class Fastd(Tunnel):
    name = "fastd"
    default_mtu = True

    @classmethod
    def version(cls):
        return output(program("fastd"), "--version").split()[1]

    def set_up(self):
        keys = {host: self._key() for host in (self.alice, self.bob)}
        for host, inner, other in self.ends():
            # Bob alone calls: handshakes that cross leave two sessions for twenty seconds, of
            # which each end uses the other.
            remote = f"remote {other.address}:{PORT};" if host is self.bob else ""
            config = self.file(f"{host.name}.conf", CONFIG.format(
                port=PORT, secret=keys[host]["Secret"], public=keys[other]["Public"],
                remote=remote, inner=inner))
            self.daemon(host, program("fastd"), "-c", config)
            self.wait_until(f"{host.name} listens", lambda: host.run(
                "ss", "-lunH", f"sport = :{PORT}").stdout)

    @staticmethod
    def _key():
        """{"Secret": …, "Public": …}"""
        lines = output(program("fastd"), "--generate-key").split("\n")
        return dict(line.split(": ", 1) for line in lines if ": " in line)
