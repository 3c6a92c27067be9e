"""Nebula: alice is the lighthouse, both have a certificate of one authority.

Its default packet size, and the larger buffers that its documentation gives for speed.
"""
from peers.tunnel import Tunnel, output, program

PORT = 4242
CONFIG = """
pki: {{ca: "{folder}/ca.crt", cert: "{folder}/{name}.crt", key: "{folder}/{name}.key"}}
static_host_map: {{"{alice_inner}": ["{alice_outer}:{port}"]}}
lighthouse: {{am_lighthouse: {is_lighthouse}, interval: 60, hosts: [{lighthouses}]}}
listen: {{host: 0.0.0.0, port: {port}, read_buffer: 10485760, write_buffer: 10485760}}
cipher: aes
punchy: {{punch: true}}
tun: {{dev: neb0, mtu: 1300, tx_queue: 1000}}
logging: {{level: info, format: text}}
firewall:
  outbound: [{{port: any, proto: any, host: any}}]
  inbound: [{{port: any, proto: any, host: any}}]
"""


class Nebula(Tunnel):
    name = "nebula"
    default_mtu = True

    @classmethod
    def version(cls):
        return output(program("nebula"), "-version").split()[-1]

    def set_up(self):
        cert, authority = program("nebula-cert"), self.folder / "ca"
        output(cert, "ca", "-name", "bench", "-out-crt", f"{authority}.crt",
               "-out-key", f"{authority}.key")
        for host, inner, _other in self.ends():
            own = self.folder / host.name
            output(cert, "sign", "-name", host.name, "-ip", f"{inner}/24",
                   "-ca-crt", f"{authority}.crt", "-ca-key", f"{authority}.key",
                   "-out-crt", f"{own}.crt", "-out-key", f"{own}.key")
            is_lighthouse = host is self.alice
            config = self.file(f"{host.name}.yml", CONFIG.format(
                folder=self.folder, name=host.name, port=PORT,
                alice_inner=self.own_address, alice_outer=self.alice.address,
                is_lighthouse=str(is_lighthouse).lower(),
                lighthouses="" if is_lighthouse else f'"{self.own_address}"'))
            self.daemon(host, program("nebula"), "-config", config)
