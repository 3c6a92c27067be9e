"""What lies between the two computers. Each underlay is a lab of its own, gone afterwards."""
import contextlib
import os

from natlab import Lab, sweep_dead

STEM = "ipop-bench"

# 2 % lost; 2 % come a millisecond after those behind them; half a millisecond each way for all, as
# between two houses of one town.
BAD_LINE = {"loss": 2, "late": 2, "late_by": 1, "delay": 0.5}

NAMES = {
    "direct": "one veth pair with its offloads on, as it is made",
    "router": "a router between, every packet really at most 1500 bytes on the wire",
    "lossy": "as router, and each way 2 % of the packets lost and 2 % overtaken",
}


@contextlib.contextmanager
def underlay(name, bin_dir):
    """Gives (alice, bob, trouble): two hosts, and a dict that holds afterwards what a bad line did.
    Raises when an impairment that was asked for did not happen."""
    sweep_dead(STEM)
    trouble = {}
    with Lab(f"{STEM}-{os.getpid()}") as lab:
        if name == "direct":
            yield *lab.wire("alice", "bob"), trouble
            return
        hosts = [lab.site(site, v6=False) for site in ("alice", "bob")]
        for number, host in enumerate(hosts, 1):
            like_a_network_card(host, "eth0")
            like_a_network_card(lab.core, f"c{number}")
        lines = ([lab.impair(host, bin_dir / "impair", **BAD_LINE) for host in hosts]
                 if name == "lossy" else [])
        yield *hosts, trouble
        for host, line in zip(hosts, lines):
            trouble[host.name] = line.end()["out"]
            if not trouble[host.name]["lost"] or not trouble[host.name]["late"]:
                raise RuntimeError(f"{host.name}'s line was not bad: {trouble[host.name]}")


def like_a_network_card(host, device):
    """A veth hands whole super-packets over, which flatters whoever sends such. Here the kernel
    cuts them to 1500 bytes before the wire and may join them again behind it, as with a card."""
    host.run("ethtool", "-K", device, "tso", "off", "tx-udp-segmentation", "off", "gro", "on")
