#!/usr/bin/python3
"""Asks the router for a UDP port from outside, by one of the three protocols that routers speak.
Prints "ADDRESS PORT" as the router says they are outside.

    map_port.py pcp|nat-pmp|upnp GATEWAY PORT
"""
import os
import re
import socket
import struct
import sys
import urllib.request

PORT, UDP = 5351, 17
LIFETIME_S = 120
V4_MAPPED = bytes(10) + b"\xff\xff"
SEARCH = ("M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: \"ssdp:discover\"\r\nMX: 1\r\n"
          "ST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n\r\n")
ENVELOPE = ('<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" '
            's:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><s:Body>'
            '<u:{action} xmlns:u="{service}">{fields}</u:{action}></s:Body></s:Envelope>')


def ask(gateway, request):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect((gateway, PORT))
        client.settimeout(0.5)
        own = client.getsockname()[0]
        for _ in range(6):
            try:
                client.send(request(own))
                return client.recv(1100)
            except (socket.timeout, ConnectionRefusedError):
                pass
    raise SystemExit("the gateway does not answer")


def refuse(what, code):
    if code:
        raise SystemExit(f"{what} refuses with {code}")


def pcp(gateway, port):
    """RFC 6887, MAP."""
    def request(own):
        return (struct.pack("!BBHI", 2, 1, 0, LIFETIME_S) + V4_MAPPED + socket.inet_aton(own)
                + nonce + struct.pack("!B3xHH", UDP, port, 0) + bytes(16))
    nonce = os.urandom(12)
    answer = ask(gateway, request)
    refuse("PCP", answer[3])
    return socket.inet_ntoa(answer[56:60]), struct.unpack("!H", answer[42:44])[0]


def nat_pmp(gateway, port):
    """RFC 6886."""
    outside = ask(gateway, lambda _: bytes(2))
    refuse("NAT-PMP", struct.unpack("!H", outside[2:4])[0])
    answer = ask(gateway, lambda _: struct.pack("!BBHHHI", 0, 1, 0, port, port, LIFETIME_S))
    refuse("NAT-PMP", struct.unpack("!H", answer[2:4])[0])
    return socket.inet_ntoa(outside[8:12]), struct.unpack("!H", answer[10:12])[0]


def upnp(gateway, port):
    """UPnP IGD: the description is searched for at the gateway itself; then SOAP."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(2)
        client.connect((gateway, 1900))
        own = client.getsockname()[0]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.bind((own, 0))
        client.settimeout(3)
        client.sendto(SEARCH.encode(), ("239.255.255.250", 1900))
        found = client.recv(2000).decode()
    location = re.search(r"(?im)^location:\s*(\S+)", found).group(1)
    text = fetch(urllib.request.Request(location))
    service, path = re.search(r"<serviceType>(\S+WANIPConnection:\d)</serviceType>.*?"
                              r"<controlURL>(\S+?)</controlURL>", text, re.S).groups()
    control = re.match(r"http://[^/]+", location).group(0) + path

    def call(action, **fields):
        body = ENVELOPE.format(action=action, service=service, fields="".join(
            f"<{name}>{value}</{name}>" for name, value in fields.items()))
        return fetch(urllib.request.Request(control, body.encode(), {
            "Content-Type": "text/xml", "SOAPAction": f'"{service}#{action}"'}))
    call("AddPortMapping", NewRemoteHost="", NewExternalPort=port, NewProtocol="UDP",
         NewInternalPort=port, NewInternalClient=own, NewEnabled=1,
         NewPortMappingDescription="lab", NewLeaseDuration=LIFETIME_S)
    answer = call("GetExternalIPAddress")
    return re.search(r"<NewExternalIPAddress>([^<]*)<", answer).group(1), port


def fetch(request):
    with urllib.request.urlopen(request, timeout=5) as answer:
        return answer.read().decode()


if __name__ == "__main__":
    verbs = {"pcp": pcp, "nat-pmp": nat_pmp, "upnp": upnp}
    if len(sys.argv) != 4 or sys.argv[1] not in verbs:
        raise SystemExit(__doc__)
    print(*verbs[sys.argv[1]](sys.argv[2], int(sys.argv[3])))
