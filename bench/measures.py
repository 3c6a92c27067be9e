"""What is measured through one tunnel. Each measure gives a dict of numbers, for the JSON file."""
import json
import os
import pathlib
import subprocess
import time

import processes

PEER_PY = pathlib.Path(__file__).resolve().parents[1] / "tests" / "e2e" / "peer.py"
PORT = 7777
UDP_LOSS_PERCENT_MAX = 0.5
UDP_STEPS_MAX = 8
UDP_ENOUGH = 1.06  # stop when what passed and what failed are this close
UDP_PACKETS_S_MIN = 1000
UDP_SECONDS = 1.2  # for each try of the search
INNER_PACKET_BYTES = 1400
IP_AND_UDP_BYTES = 28
BULK_BYTES = 1420 + 32  # our interface's MTU, sealed
GIGA = 1e9
IPERF_SPARE_S = 20


class Failed(RuntimeError):
    pass


class Use:
    """Counts what the tunnel's daemons and the machine use between two moments."""

    def __init__(self, pids):
        self.pids = pids
        self.start = self._now()

    def _now(self):
        return processes.cpu_s(self.pids), processes.machine_cpu_s(), processes.stolen_s()

    def per_gb(self, count_bytes):
        daemons, machine, stolen = (now - then for now, then in zip(self._now(), self.start))
        gigabytes = max(count_bytes, 1) / GIGA
        own = {"cpu_s_per_gb": daemons / gigabytes} if self.pids else {}
        return {**own, "machine_cpu_s_per_gb": machine / gigabytes, "stolen_s": stolen}


def ready(host, *command):
    """Starts one end in the background; it listens when this is back."""
    process = host.start(*command, stdout=subprocess.PIPE, text=True)
    if process.stdout.readline() != "ready\n":
        raise Failed(f"{command[0]} does not start")
    return process


def end(process):
    process.kill()
    process.wait()
    if process.stdout:
        process.stdout.close()


# --- TCP ---

class Iperf:
    """iperf3 from alice to bob through the tunnel, for one test; gone at the end of `with`."""

    def __init__(self, tunnel, seconds, *options):
        self.tunnel, self.seconds, self.options = tunnel, seconds, options

    def __enter__(self):
        address = self.tunnel.address
        self.server = self.tunnel.bob.start("iperf3", "-s", "-1", "-B", address, "--forceflush",
                                            stdout=subprocess.PIPE, text=True)
        for line in self.server.stdout:
            if "listening" in line:
                break
        # A file, as its answer may be more than a pipe holds.
        self.answer = open(self.tunnel.folder / "iperf.json", "w+", encoding="ascii")
        self.client = self.tunnel.alice.start("iperf3", "-J", "-c", address, "-t", self.seconds,
                                              *self.options, stdout=self.answer)
        return self

    def __exit__(self, *_):
        end(self.client)
        end(self.server)
        self.answer.close()

    def watch(self):
        """Waits for the end; gives the largest resident memory of any of the daemons meanwhile,
        None without daemons."""
        limit, most = time.monotonic() + self.seconds + IPERF_SPARE_S, None
        while self.client.poll() is None:
            if time.monotonic() > limit:
                raise Failed("iperf3 does not end")
            most = max(filter(None, [most, *map(processes.resident_mb, self.tunnel.pids)]),
                       default=None)
            time.sleep(0.1)
        return most

    def received(self):
        """(bytes, seconds) as the receiving end counted."""
        self.answer.seek(0)
        answer = json.load(self.answer)
        if "error" in answer:
            raise Failed(f"iperf3: {answer['error']}")
        total = answer["end"]["sum_received"]
        return total["bytes"], total["seconds"]


def tcp(tunnel, settings, *options):
    use = Use(tunnel.pids)
    with Iperf(tunnel, settings.seconds, *options) as iperf:
        resident_mb = iperf.watch()
        count, seconds = iperf.received()
    return {"gbit_s": count * 8 / seconds / GIGA, "resident_mb": resident_mb,
            **use.per_gb(count)}


def tcp_reverse(tunnel, settings):
    return tcp(tunnel, settings, "-R")


def tcp_four(tunnel, settings):
    return tcp(tunnel, settings, "-P", 4)


# --- UDP ---

def udp(tunnel, settings):
    """The highest rate of packets of 1400 bytes (or the tunnel's size, where that is less) that
    loses at most half a per cent. The search ends between a rate that passed and one that failed,
    or where the generator itself can do no more."""
    # What survives an overload is a first guess.
    rate = max(udp_try(tunnel, settings, 0)["packets_s"], UDP_PACKETS_S_MIN)
    best, passed, failed = None, None, None
    for _ in range(UDP_STEPS_MAX):
        got = udp_try(tunnel, settings, rate)
        if got["loss_percent"] <= UDP_LOSS_PERCENT_MAX:
            passed = rate
            best = max(best or got, got, key=lambda one: one["gbit_s"])
            if got["offered_packets_s"] < 0.93 * rate:
                break
            rate = (rate + failed) / 2 if failed else rate * 1.5
        else:
            failed = rate
            rate = (rate + passed) / 2 if passed else rate * 0.6
        if passed and failed and failed / passed < UDP_ENOUGH:
            break
    if best is None:
        raise Failed(f"no rate down to {rate:.0f} packets/s without loss")
    return best


def udp_try(tunnel, settings, packets_s):
    tool = settings.bin_dir / "udp_load"
    size = min(INNER_PACKET_BYTES, tunnel.mtu()) - IP_AND_UDP_BYTES
    receiver = ready(tunnel.bob, tool, "receive", tunnel.address, PORT, UDP_SECONDS + 3)
    use = Use(tunnel.pids)
    try:
        sent = json.loads(tunnel.alice.run(tool, "send", tunnel.address, PORT, UDP_SECONDS, size,
                                           int(packets_s)).stdout)
        received = json.loads(receiver.communicate(timeout=UDP_SECONDS + 10)[0])
    finally:
        end(receiver)
    offered = sent["sent"] + sent["refused"]
    return {"gbit_s": received["bytes"] * 8 / sent["seconds"] / GIGA, "payload_bytes": size,
            "packets_s": received["received"] / sent["seconds"],
            "offered_packets_s": offered / sent["seconds"],
            "loss_percent": 100 * (1 - received["received"] / max(1, offered)),
            "overtaken": received["overtaken"], **use.per_gb(received["bytes"])}


def udp_bulk(tunnel, settings):
    """What one thread gets through the bare path that sends 60 KB of datagrams with each system
    call, as large as ours are outside, and seals nothing."""
    tool = settings.bin_dir / "udp_bulk"
    receiver = ready(tunnel.bob, tool, "receive", tunnel.address, PORT, settings.seconds + 3)
    try:
        sent = json.loads(tunnel.alice.run(tool, "send", tunnel.address, PORT, settings.seconds,
                                           BULK_BYTES).stdout)
        received = json.loads(receiver.communicate(timeout=settings.seconds + 10)[0])
    finally:
        end(receiver)
    return {"gbit_s": received["bytes"] * 8 / sent["seconds"] / GIGA}


# --- latency, rest ---

def idle_rtt(tunnel, settings, gap_us=300):
    tool = settings.bin_dir / "udp_echo"
    answerer = ready(tunnel.bob, tool, "answer", tunnel.address, PORT)
    try:
        return json.loads(tunnel.alice.run(tool, "ask", tunnel.address, PORT,
                                           settings.seconds, gap_us, 64).stdout)
    finally:
        end(answerer)


def loaded_rtt(tunnel, settings):
    """Beside one TCP stream in the same direction, which has run for a while."""
    with Iperf(tunnel, settings.seconds + 4) as load:
        time.sleep(0.7)  # TCP's start is another state than the one to be measured
        times = idle_rtt(tunnel, settings, gap_us=1000)
        if load.client.poll() is not None:
            raise Failed("the load ended before")
        return times


def rest(tunnel, settings):
    """Nothing is sent: how often a daemon wakes, and what it uses; the mean of the two."""
    time.sleep(1)  # what the load before left behind is over
    seconds, pids = settings.rest_seconds, tunnel.pids
    woken, used = sum(map(processes.wake_ups, pids)), processes.cpu_s(pids)
    time.sleep(seconds)
    count = max(1, len(pids))
    return {"wake_ups_s": (sum(map(processes.wake_ups, pids)) - woken) / seconds / count,
            "cpu_ms_s": (processes.cpu_s(pids) - used) * 1000 / seconds / count}


def whole(tunnel, settings):
    """Sends settings.whole_bytes of TCP each way and compares the sums that both ends made."""
    python = ("/usr/bin/python3", PEER_PY)
    for sender, receiver, address in ((tunnel.alice, tunnel.bob, tunnel.address),
                                      (tunnel.bob, tunnel.alice, tunnel.own_address)):
        sink = ready(receiver, *python, "sink", address, PORT)
        try:
            sent = sender.run(*python, "source", address, PORT, settings.whole_bytes, os.getpid(),
                              timeout=3600)
            if sink.stdout.readline() != sent.stdout:
                return {"bytes_each_way": settings.whole_bytes, "intact": 0}
        finally:
            end(sink)
    return {"bytes_each_way": settings.whole_bytes, "intact": 1}


ALL = {measure.__name__: measure for measure in
       (tcp, tcp_reverse, tcp_four, udp, udp_bulk, idle_rtt, loaded_rtt, rest, whole)}
