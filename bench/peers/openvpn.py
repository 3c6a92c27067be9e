"""OpenVPN 2.6 between two ends, by certificates that know each other's fingerprints."""
from peers.tunnel import Tunnel, output, program


class OpenVpn(Tunnel):
    name = "openvpn"
    default_mtu = True
    tuning = ()

    @classmethod
    def version(cls):
        return output(program("openvpn"), "--version").split()[1]

    def set_up(self):
        prints = {host: self._certificate(host) for host in (self.alice, self.bob)}
        for host, inner, other in self.ends():
            role = (("--tls-server", "--dh", "none") if host is self.alice else ("--tls-client",))
            other_inner = self.address if host is self.alice else self.own_address
            self.daemon(
                host, program("openvpn"), "--dev", "tun0", "--proto", "udp", "--port", 1194,
                "--remote", other.address, 1194, "--float", "--ifconfig", inner, other_inner,
                "--data-ciphers", "AES-256-GCM", "--auth", "none", "--keepalive", 10, 60,
                "--persist-tun", "--persist-key", "--disable-dco", *role,
                "--cert", self.folder / f"{host.name}.crt",
                "--key", self.folder / f"{host.name}.key",
                "--peer-fingerprint", prints[other], *self.tuning)

    def _certificate(self, host):
        key, certificate = (self.folder / f"{host.name}.{kind}" for kind in ("key", "crt"))
        output("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
               "ec_paramgen_curve:prime256v1", "-nodes", "-days", 365, "-keyout", key,
               "-out", certificate, "-subj", f"/CN={host.name}")
        return output("openssl", "x509", "-in", certificate, "-noout", "-fingerprint",
                      "-sha256").strip().split("=")[1]


class OpenVpnJumbo(OpenVpn):
    """Huge inner packets, which the kernel cuts and joins outside: the classic tuning, and the
    fastest way to set any of these VPNs up. Each lost fragment loses 48 KB, and many routers
    drop fragments."""

    name = "openvpn-jumbo"
    default_mtu = False
    tuning = ("--tun-mtu", 48000, "--mssfix", 0, "--fast-io", "--sndbuf", 1 << 20,
              "--rcvbuf", 1 << 20, "--txqueuelen", 1000)
