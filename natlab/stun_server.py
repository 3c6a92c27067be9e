#!/usr/bin/python3
"""A STUN server (RFC 8489) with two addresses and two ports, so that it can also tell how a NAT
behaves (RFC 5780: OTHER-ADDRESS, CHANGE-REQUEST, RESPONSE-PORT). Answers nothing but Binding.

    stun_server.py ADDRESS OTHER_ADDRESS [PORT OTHER_PORT]      prints "ready"
"""
import selectors
import socket
import struct
import sys

import stun

KNOWN = {stun.MAPPED_ADDRESS, stun.CHANGE_REQUEST, stun.XOR_MAPPED_ADDRESS, stun.RESPONSE_PORT}


class Server:
    """`addresses` and `ports`: two of each. Every pair of them is a socket."""

    def __init__(self, addresses, ports):
        self.sockets = {}
        for i, address in enumerate(addresses):
            for j, port in enumerate(ports):
                family = socket.AF_INET6 if ":" in address else socket.AF_INET
                self.sockets[i, j] = socket.socket(family, socket.SOCK_DGRAM)
                self.sockets[i, j].bind((address, port))

    def serve(self):
        with selectors.DefaultSelector() as selector:
            for place, bound in self.sockets.items():
                selector.register(bound, selectors.EVENT_READ, place)
            while True:
                for key, _ in selector.select():
                    self.take(key.data)

    def take(self, place):
        data, source = self.sockets[place].recvfrom(2048)
        try:
            kind, transaction, attributes = stun.read_message(data)
            if kind != stun.BINDING_REQUEST:
                return
            sender, port, answer = self.answer(place, source, transaction, attributes)
        except (ValueError, struct.error):
            return  # no STUN, or a value of a wrong size
        try:
            self.sockets[sender].sendto(answer, (source[0], port))
        except OSError:
            pass  # a port that cannot be sent to, or nobody there any more

    def answer(self, place, source, transaction, attributes):
        """(the socket to send from, the port to send to, the message)."""
        fingerprint = stun.FINGERPRINT in attributes
        unknown = [n for n in attributes if n < stun.FIRST_OPTIONAL and n not in KNOWN]
        if unknown:
            refusal = [(stun.ERROR_CODE, struct.pack("!xxBB", 4, 20) + b"Unknown Attribute"),
                       (stun.UNKNOWN_ATTRIBUTES, struct.pack(f"!{len(unknown)}H", *unknown))]
            return place, source[1], stun.write_message(stun.BINDING_ERROR, transaction, refusal,
                                                        fingerprint)
        change = struct.unpack("!I", attributes.get(stun.CHANGE_REQUEST, bytes(4)))[0]
        sender = (place[0] ^ bool(change & stun.CHANGE_ADDRESS),
                  place[1] ^ bool(change & stun.CHANGE_PORT))
        port = source[1]
        if stun.RESPONSE_PORT in attributes:
            port = struct.unpack("!H", attributes[stun.RESPONSE_PORT][:2])[0]
        other = 1 - place[0], 1 - place[1]
        said = [(stun.XOR_MAPPED_ADDRESS, stun.write_address(source, transaction)),
                (stun.MAPPED_ADDRESS, stun.write_address(source)),
                (stun.RESPONSE_ORIGIN, stun.write_address(self.sockets[sender].getsockname())),
                (stun.OTHER_ADDRESS, stun.write_address(self.sockets[other].getsockname()))]
        return sender, port, stun.write_message(stun.BINDING_SUCCESS, transaction, said,
                                                fingerprint)


def main():
    words = sys.argv[1:]
    if len(words) not in (2, 4):
        raise SystemExit(__doc__)
    server = Server(words[:2], [int(port) for port in words[2:]] or [3478, 3479])
    print("ready", flush=True)
    server.serve()


if __name__ == "__main__":
    main()
