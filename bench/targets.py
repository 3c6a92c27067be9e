"""What ipop has to reach beside the others: a gate that a release must pass, and a goal.

Each is judged by the median over the rounds, of ratios of two figures of one round where there is
something to compare with. They hold for two processors that both ends share (docs/benchmarks.md).
"""
import dataclasses
import statistics

import peers
from results import ratios

DEFAULT_MTU = tuple(name for name, peer in peers.ALL.items() if peer.default_mtu)
OTHERS = tuple(name for name in peers.ALL if name != "ipop" and not name.startswith("bare"))


@dataclasses.dataclass(frozen=True)
class Target:
    what: str
    measure: str
    key: str
    gate: float
    goal: float
    against: tuple = ()  # the best of these peers in the same round; none: the figure itself
    other_measure: str = None  # ipop's own other figure instead of a peer's
    underlay: str = "direct"
    less_is_better: bool = False
    unit: str = "×"

    def judged(self, results):
        """The values that count, one for each round that has them."""
        ours = results.values(self.underlay, "ipop", self.measure, self.key)
        if self.other_measure:
            return ratios(ours, results.values(self.underlay, "ipop", self.other_measure, self.key))
        if not self.against:
            return [value for value in ours if value is not None]
        best = min if self.less_is_better else max
        theirs = [results.values(self.underlay, peer, self.measure, self.key)
                  for peer in self.against]
        known = [[value for value in one if value is not None] for one in zip(*theirs)]
        return ratios(ours, [best(one) if one else None for one in known])

    def compared(self, results):
        """Those of `against` that were measured."""
        return [peer for peer in self.against
                if any(value is not None for value in
                       results.values(self.underlay, peer, self.measure, self.key))]

    def verdict(self, results):
        """'goal', 'gate', 'MISSED', or None where nothing was measured."""
        values = self.judged(results)
        if not values:
            return None
        middle = statistics.median(values)
        for name, limit in (("goal", self.goal), ("gate", self.gate)):
            if middle <= limit if self.less_is_better else middle >= limit:
                return name
        return "MISSED"


class FirstPing(Target):
    """Of ipop alone, and of new networks instead of rounds."""

    def judged(self, results):
        return list(results["first_ping_s"])


def tcp_of(peer, gate, goal):
    return Target(f"one TCP stream beside {peer}", "tcp", "gbit_s", gate, goal, (peer,))


def bare(what, measure, peer, underlay, gate):
    return Target(what, measure, "gbit_s", gate, goal=0.95 if underlay == "router" else 1.0,
                  against=(peer,), underlay=underlay)


def lossy(what, measure):
    return Target(what, measure, "gbit_s", gate=1, goal=1, against=OTHERS, underlay="lossy")


ALL = (
    tcp_of("wireguard-go", gate=12, goal=17),
    *(tcp_of(peer, gate=8, goal=12) for peer in DEFAULT_MTU if peer != "wireguard-go"),
    tcp_of("openvpn-jumbo", gate=1.7, goal=2.3),
    bare("one TCP stream beside bare without offloads", "tcp", "bare-plain", "direct", 0.85),
    bare("one TCP stream, reverse, beside the same", "tcp_reverse", "bare-plain", "direct", 0.75),
    bare("through the router, one TCP stream beside bare TCP", "tcp", "bare", "router", 0.8),
    bare("through the router, reverse, beside bare TCP", "tcp_reverse", "bare", "router", 0.7),
    Target("four TCP streams beside one", "tcp_four", "gbit_s", gate=0.95, goal=1.2,
           other_measure="tcp"),
    Target("UDP 1400 B, ≤ 0.5 % lost, beside the best", "udp", "gbit_s", gate=2.5, goal=4,
           against=OTHERS),
    Target("processor time per GB beside the best at default MTU", "tcp", "cpu_s_per_gb",
           gate=1 / 8, goal=1 / 14, against=DEFAULT_MTU, less_is_better=True),
    Target("median round trip under a TCP load beside the best", "loaded_rtt", "p50_us",
           gate=0.8, goal=0.25, against=OTHERS, less_is_better=True),
    Target("median idle round trip beside the best at default MTU", "idle_rtt", "p50_us",
           gate=1.4, goal=1.0, against=DEFAULT_MTU, less_is_better=True),
    Target("resident memory under load", "tcp_four", "resident_mb", gate=15, goal=8,
           less_is_better=True, unit=" MB"),
    Target("wake-ups at rest", "rest", "wake_ups_s", gate=1, goal=0.3,
           less_is_better=True, unit="/s"),
    lossy("2 % lost and overtaken: TCP beside the best", "tcp"),
    lossy("2 % lost and overtaken: TCP, reverse, beside the best", "tcp_reverse"),
    Target("2 % lost and overtaken: what was sent arrives, each way", "whole", "intact",
           gate=1, goal=1, underlay="lossy", unit=""),
    FirstPing("first ping after `join` is back", "first ping", "s", gate=1, goal=0.1,
              less_is_better=True, unit=" s"),
)
