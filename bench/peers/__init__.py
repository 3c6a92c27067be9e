"""The VPNs that are measured, and none of them: one module each, a class for each way to set it up.

Debian 12's packages are unpacked below build/peers by `./run bench`; nothing is installed.
"""
from peers.bare import Bare, BareWithoutOffloads
from peers.fastd import Fastd
from peers.ipop import Ipop
from peers.nebula import Nebula
from peers.openvpn import OpenVpn, OpenVpnJumbo
from peers.tinc import Tinc
from peers.wireguard_go import WireguardGo

ALL = {peer.name: peer for peer in (Ipop, Bare, BareWithoutOffloads, WireguardGo, OpenVpn,
                                    OpenVpnJumbo, Tinc, Nebula, Fastd)}
