#!/usr/bin/python3
"""What kind of NAT is before this computer, as RFC 5780 finds out. Prints JSON:

    classify.py SERVER [--from PORT | --alive-after SECONDS]

    mapped               the outer endpoint; with --from, of that port of ours, and nothing else
    mapping, filtering   "endpoint": independent of the remote endpoint (RFC 4787, 4.1 and 5);
                         "address", "address and port": dependent on the remote side's
    port_kept            the outer port is the inner one
    ports                the outer ports of new sockets that ask the same server one after the other
    hairpin              two sockets of this computer reach each other by their outer endpoints
    alive                with --alive-after: whether a mapping that was silent for so long still
                         lets an answer in
    null                 instead of all: no answer, UDP is blocked
"""
import argparse
import json
import os
import select
import socket
import struct
import time

import stun

PORT = 3478
ANSWER_S, TRIES = 0.5, 3
MAPPED_TRIES = 10  # on a busy machine an answer that must come may be late
PORTS_SEEN = 12


class Client:
    """A new socket, and so a new mapping."""

    def __init__(self, server, port=0):
        self.socket = socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET,
                                    socket.SOCK_DGRAM)
        self.socket.bind(("", port))
        self.port = self.socket.getsockname()[1]

    def ask(self, server, attributes=(), tries=TRIES):
        """The attributes of the answer, None without one."""
        for _ in range(tries):
            transaction = os.urandom(12)
            self.socket.sendto(stun.write_message(stun.BINDING_REQUEST, transaction, attributes),
                               server)
            answer = self.hear(transaction)
            if answer:
                return answer
        return None

    def hear(self, transaction):
        end = time.monotonic() + ANSWER_S
        while select.select([self.socket], [], [], max(0, end - time.monotonic()))[0]:
            try:
                kind, answered, attributes = stun.read_message(self.socket.recv(2048))
            except (ValueError, ConnectionRefusedError):
                continue
            if (kind, answered) == (stun.BINDING_SUCCESS, transaction):
                mapped = stun.read_address(attributes[stun.XOR_MAPPED_ADDRESS], transaction)
                return {"mapped": mapped, "other": stun.read_address(
                    attributes[stun.OTHER_ADDRESS])}
        return None

    def mapped(self, server):
        answer = self.ask(server, tries=MAPPED_TRIES)
        return answer and answer["mapped"]


def mapping(client, first, here, other):
    """RFC 5780, 4.3, and the fourth endpoint: a port that differs there alone tells, too."""
    by_port = client.mapped((here[0], other[1]))
    by_address = client.mapped((other[0], here[1])), client.mapped(other)
    if by_port != first:
        return "address and port"
    return "endpoint" if by_address == (first, first) else "address"


def filtering(here):
    """RFC 5780, 4.4. A new socket for each question, so that no older hole is open."""
    def lets_in(change):
        attribute = stun.CHANGE_REQUEST, struct.pack("!I", change)
        return Client(here[0]).ask(here, [attribute], tries=2)
    if lets_in(stun.CHANGE_ADDRESS | stun.CHANGE_PORT):
        return "endpoint"
    return "address" if lets_in(stun.CHANGE_PORT) else "address and port"


def hairpin(here):
    """RFC 5780, 4.5; both send, as each has to be let in by the other's filter."""
    one, other = Client(here[0]), Client(here[0])
    one_outside, other_outside = one.mapped(here), other.mapped(here)
    for _ in range(2):
        one.socket.sendto(b"to the other", other_outside)
        other.socket.sendto(b"to the one", one_outside)
        if select.select([one.socket], [], [], ANSWER_S)[0]:
            return one.socket.recvfrom(100)[1][:2] == other_outside
    return False


def alive(here, silence_s):
    """RFC 5780, 4.6: another socket has the server answer to the silent one's mapping."""
    silent, other = Client(here[0]), Client(here[0])
    mapped = silent.mapped(here)
    time.sleep(silence_s)  # the silence is what is asked about
    transaction = os.urandom(12)
    # The filter knows the server already, so the answer comes in where the mapping is there yet.
    other.socket.sendto(stun.write_message(
        stun.BINDING_REQUEST, transaction,
        [(stun.RESPONSE_PORT, struct.pack("!Hxx", mapped[1]))]), here)
    return silent.hear(transaction) is not None


def classify(here):
    server, client = here[0], Client(here[0])
    answer = client.ask(here)
    if not answer:
        return None
    ports = [(Client(server).mapped(here) or (None, None))[1] for _ in range(PORTS_SEEN)]
    return {"mapped": answer["mapped"],
            "mapping": mapping(client, answer["mapped"], here, answer["other"]),
            "filtering": filtering(here), "port_kept": answer["mapped"][1] == client.port,
            "ports": ports, "hairpin": hairpin(here)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("server")
    parser.add_argument("--from", type=int, dest="port")
    parser.add_argument("--alive-after", type=float)
    options = parser.parse_args()
    here = options.server, PORT
    if options.alive_after:
        found = {"alive": alive(here, options.alive_after)}
    elif options.port:
        found = {"mapped": Client(options.server, options.port).mapped(here)}
    else:
        found = classify(here)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
