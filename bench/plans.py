"""What a run measures: peers and measures on each underlay, how often and how long."""
import dataclasses
import pathlib

import measures
import peers
import underlays

TCP = ("tcp", "tcp_reverse", "tcp_four")
ALL = TCP + ("udp", "idle_rtt", "loaded_rtt", "rest")
BARE = TCP + ("idle_rtt", "udp_bulk")  # what a path without daemons has
BARE_ONLY = ("udp_bulk",)
VPNS = tuple(name for name in peers.ALL if not name.startswith("bare"))
ONCE = ("whole",)  # minutes of transfer, in the first round and by ipop alone


@dataclasses.dataclass
class Plan:
    rounds: int
    seconds: int  # of each load
    rest_seconds: int
    peers: dict  # underlay: names
    measures: dict  # underlay: names
    first_pings: int = 20
    whole_bytes: int = 1 << 30
    bin_dir: pathlib.Path = None

    def steps(self, number):
        """(underlay, peer, measures) of a round. Every other one goes backwards, so that a machine
        that gets slower or faster meanwhile favours nobody."""
        for underlay, names in self.peers.items():
            for name in names[::-1] if number % 2 else names:
                yield underlay, name, self._measures(underlay, name, number)

    def _measures(self, underlay, peer, number):
        def wanted(measure):
            if peer.startswith("bare"):
                return measure in BARE
            if measure in BARE_ONLY:
                return False
            return measure not in ONCE or (number == 0 and peer == "ipop")
        return [measure for measure in self.measures[underlay] if wanted(measure)]


SHORT = Plan(
    rounds=3, seconds=2, rest_seconds=4,
    peers={"direct": ("ipop", "wireguard-go", "fastd", "openvpn-jumbo", "bare-plain", "bare"),
           "router": ("ipop", "bare")},
    measures={"direct": ALL, "router": ("tcp", "tcp_reverse", "udp_bulk")})

FULL = Plan(
    rounds=5, seconds=3, rest_seconds=10,
    peers={"direct": tuple(peers.ALL), "router": VPNS + ("bare",), "lossy": VPNS},
    measures={"direct": ALL, "router": TCP + ("udp", "udp_bulk", "loaded_rtt"),
              "lossy": ("tcp", "tcp_reverse", "whole")})


def chosen(options):
    """The plan that the command line asks for; raises SystemExit at a name that does not exist."""
    base = FULL if options.full else SHORT
    on = list_of(options.topo, underlays.NAMES, "underlay") or list(base.peers)
    names = list_of(",".join(options.peers), peers.ALL, "peer")
    tests = list_of(options.tests, measures.ALL, "test")
    plan = dataclasses.replace(
        base, bin_dir=options.bin.resolve(),
        peers={one: tuple(names) or base.peers.get(one) or FULL.peers[one] for one in on},
        measures={one: tests or base.measures.get(one) or FULL.measures[one] for one in on})
    for field in ("rounds", "seconds", "rest_seconds", "whole_bytes", "first_pings"):
        if getattr(options, field) is not None:
            setattr(plan, field, getattr(options, field))
        elif field == "first_pings" and tests:
            plan.first_pings = 0
    return plan


def list_of(text, known, what):
    names = [name for name in (text or "").split(",") if name]
    for name in names:
        if name not in known:
            raise SystemExit(f"no {what} '{name}'; there are: {', '.join(known)}")
    return names
