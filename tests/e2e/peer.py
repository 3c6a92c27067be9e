#!/usr/bin/python3
"""Small ends of a connection, run inside a namespace by the tests.

    peer.py sink ADDRESS PORT                  takes one TCP connection; prints BYTES SHA256
    peer.py source ADDRESS PORT BYTES SEED     sends reproducible bytes; prints BYTES SHA256
    peer.py hear ADDRESS PORT                  prints one line "SOURCE TEXT" for each UDP datagram
    peer.py hear_from ADDRESS PORT             prints one line "SOURCE PORT" for each UDP datagram
    peer.py say SOURCE TARGET PORT TEXT        one UDP datagram with that (any) source address
    peer.py noise ADDRESS PORT COUNT SEED      random datagrams, many with our first bytes
    peer.py names ADDRESS ANSWER               a DNS server: every name has that IPv4 address and no
                                               other; prints each name it is asked for
    peer.py initiations ADDRESS PORT KEY RATE  WireGuard initiations that are nobody's, each with a
                                               right mac1 for this public key (hex); for ever
    peer.py lookup SERVER NAME                 prints the first IPv4 address that it has
"""
import hashlib
import random
import socket
import struct
import sys
import time

CHUNK = 1 << 16


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def sink(address, port):
    with socket.create_server((address, int(port)), family=family(address)) as server:
        print("ready", flush=True)
        connection, _ = server.accept()
        digest, count = hashlib.sha256(), 0
        while data := connection.recv(CHUNK):
            digest.update(data)
            count += len(data)
        print(count, digest.hexdigest(), flush=True)


def source(address, port, count, seed):
    rng, digest, left = random.Random(int(seed)), hashlib.sha256(), int(count)
    with socket.create_connection((address, int(port)), timeout=60) as connection:
        while left:
            data = rng.randbytes(min(CHUNK, left))
            connection.sendall(data)
            digest.update(data)
            left -= len(data)
        connection.shutdown(socket.SHUT_WR)
        connection.recv(1)  # the other end has it all
    print(count, digest.hexdigest(), flush=True)


def datagrams(address, port):
    with socket.socket(family(address), socket.SOCK_DGRAM) as ear:
        ear.bind((address, int(port)))
        print("ready", flush=True)
        while True:
            yield ear.recvfrom(2000)


def hear(address, port):
    for data, sender in datagrams(address, port):
        print(sender[0], data.decode(), flush=True)


def hear_from(address, port):
    for _, sender in datagrams(address, port):
        print(*sender[:2], flush=True)


def say(sender, target, port, text):
    """Over a raw socket, so that the source need not be an address of this machine."""
    payload = text.encode()
    udp = struct.pack("!HHHH", 40000, int(port), 8 + len(payload), 0) + payload
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0,
                         socket.inet_aton(sender), socket.inet_aton(target))
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        raw.sendto(header + udp, (target, 0))


def noise(address, port, count, seed):
    rng = random.Random(int(seed))
    # Native types, WireGuard's, KRPC and anything.
    first = [bytes([t]) for t in range(0xC0, 0xC8)] + [b"\1\0\0\0", b"\4\0\0\0", b"d1:", b""]
    with socket.socket(family(address), socket.SOCK_DGRAM) as mouth:
        for _ in range(int(count)):
            data = rng.choice(first) + rng.randbytes(rng.choice((0, 3, 16, 60, 148, 300, 1400)))
            try:
                mouth.sendto(data, (address, int(port)))
            except ConnectionRefusedError:
                pass
    print("done", flush=True)


def names(address, answer):
    with socket.socket(family(address), socket.SOCK_DGRAM) as server:
        server.bind((address, 53))
        print("ready", flush=True)
        while True:
            query, sender = server.recvfrom(2000)
            labels, at = [], 12
            while query[at]:
                labels.append(query[at + 1:at + 1 + query[at]].decode())
                at += 1 + query[at]
            question = query[12:at + 5]
            print(".".join(labels), flush=True)
            is_a = question[-4:] == struct.pack("!HH", 1, 1)
            record = struct.pack("!HHHIH", 0xC00C, 1, 1, 60, 4) + socket.inet_aton(answer)
            server.sendto(query[:2] + struct.pack("!HHHHH", 0x8180, 1, is_a, 0, 0) + question +
                          record * is_a, sender)


def initiations(address, port, key, rate):
    rng = random.Random(1)
    mac_key = hashlib.blake2s(b"mac1----" + bytes.fromhex(key)).digest()
    with socket.socket(family(address), socket.SOCK_DGRAM) as mouth:
        while True:
            for _ in range(10):
                head = b"\1\0\0\0" + rng.randbytes(112)
                mac1 = hashlib.blake2s(head, key=mac_key, digest_size=16).digest()
                mouth.sendto(head + mac1 + bytes(16), (address, int(port)))
            time.sleep(10 / float(rate))


def lookup(server, name):
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    question = labels + b"\0" + struct.pack("!HH", 1, 1)
    with socket.socket(family(server), socket.SOCK_DGRAM) as client:
        client.settimeout(5)
        client.sendto(struct.pack("!HHHHHH", 7, 0x100, 1, 0, 0, 0) + question, (server, 53))
        answer = client.recv(512)
    print(socket.inet_ntoa(answer[-4:]) if answer[6:8] != b"\0\0" else "none", flush=True)


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
