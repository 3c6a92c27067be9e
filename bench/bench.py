#!/usr/bin/python3
"""Throughput and round trip through ipop beside the bare path, in one run: `sudo ./run bench`.

Two computers with a router between them, all on this machine, so both ends share its processors.
The bare path and ipop take turns within each round; what counts is the ratio within a round, as
single rounds of a shared machine vary a lot. ipop is the shipped daemon, joined by create, invite
and join with its default settings.
"""
import argparse
import json
import pathlib
import statistics
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "natlab"), str(ROOT / "tests" / "e2e")]
import harness  # noqa: E402  (the paths are set above)
from natlab import Lab  # noqa: E402

PREFIX = "ipop-bench"


def tcp_gbit(client, address, seconds, *options):
    run = client.run("iperf3", "-J", "-c", address, "-t", seconds, *options, timeout=seconds + 30)
    return json.loads(run.stdout)["end"]["sum_received"]["bits_per_second"] / 1e9


def rtt_ms(client, address, count=200):
    run = client.run("ping", "-q", "-c", count, "-i", "0.002", address)
    return float(run.stdout.rsplit("=", 1)[1].split("/")[1])


def join(lab, folder):
    nodes = []
    for name in ("alice", "bob"):
        place = folder / name
        place.mkdir()
        nodes.append(harness.Node(lab.site(name, v6=False), place).start())
    alice, bob = nodes
    alice.ipop("create", "bench", "--name", "alice")
    bob.ipop("join", "-", "--name", "bob", stdin=alice.ipop("invite")["invite"])
    return alice, bob


def first_pings_s(folder, count):
    """From the moment `join` is back to the first answer: a new lab and network for each try."""
    times = []
    for i in range(count):
        place = folder / f"try{i}"
        place.mkdir()
        with Lab(PREFIX) as lab:
            alice, bob = join(lab, place)
            address, began = alice.self()["ipv4"], time.monotonic()
            while not bob.ping(address):
                pass
            times.append(time.monotonic() - began)
            for node in (alice, bob):
                node.stop()
    return times


def measure(alice, bob, rounds, seconds):
    """Rows of (name, bare values, ipop values), one value a round."""
    ways = {"bare": alice.host.address, "ipop": alice.self()["ipv4"]}
    rows = {name: {"bare": [], "ipop": []}
            for name in ("tcp, Gbit/s", "tcp reverse, Gbit/s", "tcp 4 streams, Gbit/s", "rtt, ms")}
    for number in range(rounds):
        for way, address in list(ways.items())[::1 if number % 2 else -1]:
            rows["tcp, Gbit/s"][way].append(tcp_gbit(bob.host, address, seconds))
            rows["tcp reverse, Gbit/s"][way].append(tcp_gbit(bob.host, address, seconds, "-R"))
            rows["tcp 4 streams, Gbit/s"][way].append(tcp_gbit(bob.host, address, seconds, "-P4"))
            rows["rtt, ms"][way].append(rtt_ms(bob.host, address))
        print(f"round {number + 1} of {rounds}", file=sys.stderr, flush=True)
    return rows


def show(rows, first, cpu_s, gigabytes):
    print(f"{'':24}{'bare':>10}{'ipop':>10}   ratio of a round: median [min … max]")
    for name, ways in rows.items():
        ratios = [o / b for b, o in zip(ways["bare"], ways["ipop"])]
        medians = [statistics.median(ways[way]) for way in ("bare", "ipop")]
        print(f"{name:24}{medians[0]:10.3f}{medians[1]:10.3f}   "
              f"{statistics.median(ratios):.3f} [{min(ratios):.3f} … {max(ratios):.3f}]")
    print(f"{'cpu of both daemons':24}{'':10}{cpu_s / gigabytes:10.2f}   s per GB")
    print(f"{'first ping after join':24}{'':10}{statistics.median(first) * 1000:10.0f}   ms, "
          f"median of {len(first)}, worst {max(first) * 1000:.0f}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", type=pathlib.Path, default=harness.bin_dir)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    options = parser.parse_args()
    harness.bin_dir = options.bin.resolve()
    with tempfile.TemporaryDirectory(prefix=PREFIX) as name, Lab(PREFIX) as lab:
        folder = pathlib.Path(name)
        (folder / "main").mkdir()
        alice, bob = join(lab, folder / "main")
        server = alice.host.start("iperf3", "-s", stdout=-3)
        harness.eventually("iperf3 listens", lambda: ":5201" in alice.host.run("ss", "-ltn").stdout)
        before = alice.cpu_s() + bob.cpu_s()
        rows = measure(alice, bob, options.rounds, options.seconds)
        cpu_s = alice.cpu_s() + bob.cpu_s() - before
        tcp = [gbit for row in rows if row.startswith("tcp") for gbit in rows[row]["ipop"]]
        server.kill()
        for node in (alice, bob):
            node.stop()
    with tempfile.TemporaryDirectory(prefix=PREFIX) as name:
        first = first_pings_s(pathlib.Path(name), 20)
    show(rows, first, cpu_s, sum(tcp) * options.seconds / 8)


if __name__ == "__main__":
    main()
