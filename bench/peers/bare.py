"""No VPN: what the underlay itself carries."""
import platform

from peers.tunnel import Tunnel


class Bare(Tunnel):
    name = "bare"

    @classmethod
    def version(cls):
        return f"Linux {platform.release()}"

    def set_up(self):
        self.own_address, self.address = self.alice.address, self.bob.address


class BareWithoutOffloads(Bare):
    """Every packet by itself through the kernel, as a VPN without any offload sends it."""

    name = "bare-plain"

    def set_up(self):
        super().set_up()
        for host in (self.alice, self.bob):
            host.run("ethtool", "-K", "eth0", "tso", "off", "gso", "off", "gro", "off")
