#!/usr/bin/python3
"""ipop beside Debian's other VPNs and the bare path, on one machine: `sudo ./run bench`.

Two computers of namespaces, one VPN at a time between them, taking turns within each round; what
counts is the ratio within a round, as a shared machine is faster in one minute than in the next.
Prints markdown (figures, ratios, gates and goals) and keeps the figures below build/bench/. Exits
with 1 when something failed or a gate is missed.
"""
import argparse
import os
import pathlib
import shlex
import signal
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "natlab"), str(ROOT / "tests" / "e2e")]
import harness  # noqa: E402  (the paths are set above)
import measures  # noqa: E402
import peers  # noqa: E402
import plans  # noqa: E402
import report  # noqa: E402
from results import Results  # noqa: E402
from underlays import underlay  # noqa: E402

OUT = ROOT / "build" / "bench"
# A peer that did not come up so often is left out of the rest of the run.
STARTS_FAILED_MAX = 2


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("peers", nargs="*", metavar="PEER", help=", ".join(peers.ALL))
    parser.add_argument("--full", action="store_true", help="everything; more than an hour")
    parser.add_argument("-r", "--rounds", type=int)
    parser.add_argument("-t", "--seconds", type=int, help="of each load")
    parser.add_argument("--topo", help="of " + ",".join(plans.underlays.NAMES))
    parser.add_argument("--tests", help="of " + ",".join(measures.ALL))
    parser.add_argument("--rest-seconds", type=int)
    parser.add_argument("--whole-bytes", type=int, help="of the transfers that are compared")
    parser.add_argument("--first-pings", type=int, help="new networks for the first ping; 0: none")
    parser.add_argument("--out", type=pathlib.Path, help="the JSON file")
    parser.add_argument("--show", type=pathlib.Path, metavar="JSON", help="print that run again")
    parser.add_argument("--hold", action="store_true",
                        help="bring the first peer up and wait, to look at it or profile it")
    parser.add_argument("--config", default="", metavar="TOML",
                        help="what ipopd.toml says, to measure a setting; the gates: none")
    parser.add_argument("--bin", type=pathlib.Path, default=harness.bin_dir)
    return parser.parse_args()


class Tunnels:
    """Brings a peer up on an underlay of its own, and notes what it is."""

    def __init__(self, plan, results):
        self.plan, self.results, self.failed = plan, results, {}

    def measure(self, number, underlay_name, peer, wanted):
        if self.failed.get((underlay_name, peer), 0) >= STARTS_FAILED_MAX:
            return
        with tempfile.TemporaryDirectory(prefix="ipop-bench-") as folder:
            try:
                with underlay(underlay_name, self.plan.bin_dir) as (alice, bob, trouble):
                    tunnel = peers.ALL[peer](alice, bob, pathlib.Path(folder))
                    try:
                        tunnel.start()
                        self._note(underlay_name, tunnel)
                        self._run(number, underlay_name, tunnel, wanted)
                    finally:
                        tunnel.stop()
            except Exception as why:  # whatever is wrong with one peer, the others are measured
                self.failed[underlay_name, peer] = self.failed.get((underlay_name, peer), 0) + 1
                self.results.fail(number, underlay_name, peer, "tunnel", why)
                return
        if trouble:
            self.results["troubles"].append({"round": number, "peer": peer, **trouble})

    def _note(self, underlay_name, tunnel):
        self.results["versions"].setdefault(tunnel.name, tunnel.version())
        self.results["mtu"][f"{underlay_name} {tunnel.name}"] = tunnel.mtu()

    def _run(self, number, underlay_name, tunnel, wanted):
        for measure in wanted:
            try:
                numbers = measures.ALL[measure](tunnel, self.plan)
                self.results.add(number, underlay_name, tunnel.name, measure, numbers)
            except Exception as why:  # one measure that fails leaves the others
                self.results.fail(number, underlay_name, tunnel.name, measure, why)
            tunnel.check_alive()


def first_pings_s(plan):
    """From the moment `join` is back to the first answer, in a new network each."""
    times = []
    for _ in range(plan.first_pings):
        with (tempfile.TemporaryDirectory(prefix="ipop-bench-") as folder,
              underlay("router", plan.bin_dir) as (alice, bob, _)):
            tunnel = peers.ALL["ipop"](alice, bob, pathlib.Path(folder))
            try:
                times.append(tunnel.first_ping_s())
            finally:
                tunnel.stop()
    return times


def measure_all(plan, results, path):
    tunnels = Tunnels(plan, results)
    for number in range(plan.rounds):
        for underlay_name, peer, wanted in plan.steps(number):
            began = time.monotonic()
            tunnels.measure(number, underlay_name, peer, wanted)
            results.save(path)
            print(f"round {number + 1} of {plan.rounds}, {underlay_name}, {peer}: "
                  f"{time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    if any("ipop" in names for names in plan.peers.values()):
        try:
            results["first_ping_s"].extend(first_pings_s(plan))
        except Exception as why:  # the figures before are good all the same
            results.fail(plan.rounds - 1, "router", "ipop", "first ping", why)
    results.save(path)


def hold(plan):
    underlay_name, names = next(iter(plan.peers.items()))
    with (tempfile.TemporaryDirectory(prefix="ipop-bench-") as folder,
          underlay(underlay_name, plan.bin_dir) as (alice, bob, _)):
        tunnel = peers.ALL[names[0]](alice, bob, pathlib.Path(folder))
        try:
            tunnel.start()
            print(f"{tunnel.name} is up, daemons {tunnel.pids}; bob is {tunnel.address}")
            for host in (alice, bob):
                print(f"{host.name}: {shlex.join(host.command('bash'))}")
            input("Enter ends it. ")
        finally:
            tunnel.stop()


def main():
    options = arguments()
    if options.show:
        print(report.markdown(Results.load(options.show)))
        return 0
    if os.geteuid() != 0:
        raise SystemExit("the benchmark makes network namespaces and needs root")
    plan = plans.chosen(options)
    harness.bin_dir, harness.config = plan.bin_dir, options.config
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that everything is cleaned up
    if options.hold:
        hold(plan)
        return 0
    results = Results.begin(shlex.join(["sudo", "./run", "bench", *told(sys.argv[1:])]), plan)
    path = options.out or OUT / time.strftime("%Y%m%d-%H%M%S.json")
    try:
        measure_all(plan, results, path)
    finally:
        print(report.markdown(results))
        print(f"\nfigures: {path}", file=sys.stderr)
    return 0 if report.complete(results) else 1


def told(words):
    """The words of the user; `run` adds --bin itself."""
    return words[2:] if words[:1] == ["--bin"] else words


if __name__ == "__main__":
    sys.exit(main())
