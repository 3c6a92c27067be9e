#!/usr/bin/python3
"""A router's UPnP as somebody would write it who means harm; run inside the router's namespace.

    bad_igd.py HOW LAN_ADDRESS

HOW: `silent` takes connections and never answers; `garbage` answers with random bytes; `endless`
never ends its answer; `liar` gives a service whose every answer is nonsense; `elsewhere` names an
address of the Internet as the place of its description, which is here so that calling it is seen.
Prints "asked" once for each connection; `elsewhere` instead "searched" and "called ADDRESS".
"""
import random
import socket
import struct
import subprocess
import sys
import threading

GROUP, PORT, HTTP_PORT = "239.255.255.250", 1900, 5000
ELSEWHERE = "203.0.113.77"
TARGET = "urn:schemas-upnp-org:device:InternetGatewayDevice:1"
DESCRIPTION = """<?xml version="1.0"?><root><device>
<deviceType>urn:schemas-upnp-org:device:InternetGatewayDevice:1</deviceType><serviceList><service>
<serviceType>urn:schemas-upnp-org:service:WANIPConnection:1</serviceType>
<controlURL>/control</controlURL><eventSubURL>/e</eventSubURL><SCPDURL>/s</SCPDURL></service>
</serviceList></device></root>"""
LIES = (
    "<NewExternalIPAddress>not an address</NewExternalIPAddress>",
    "<NewExternalIPAddress>999.1.1.1</NewExternalIPAddress>",
    "<NewExternalIPAddress>127.0.0.1</NewExternalIPAddress>",
    "<NewExternalIPAddress>203.0.113.77</NewExternalIPAddress><NewInternalPort>1</NewInternalPort>"
    "<NewInternalClient>203.0.113.1</NewInternalClient><NewEnabled>1</NewEnabled>",
    "<a" * 10_000,
)


def answer(body):
    return (f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            f"{body}").encode()


def serve(how, connection, rng):
    if how == "elsewhere":
        print("called", connection.getsockname()[0], flush=True)
    request = connection.recv(65536)
    if how != "elsewhere":
        print("asked", flush=True)
    if how == "silent":
        threading.Event().wait()
    elif how == "garbage":
        connection.sendall(rng.randbytes(rng.randrange(1, 50_000)))
    elif how == "endless":
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            connection.sendall(b"<a>" * 10_000)
    elif request.startswith(b"GET"):
        connection.sendall(answer(DESCRIPTION))
    else:
        connection.sendall(answer(rng.choice(LIES)))
    connection.close()


def quietly(*arguments):
    try:
        serve(*arguments)
    except OSError:
        pass  # the other end had enough


def listen(how, address):
    rng = random.Random(7)
    with socket.create_server(("" if how == "elsewhere" else address, HTTP_PORT)) as server:
        while True:
            connection, _ = server.accept()
            threading.Thread(target=quietly, args=(how, connection, rng), daemon=True).start()


def main(how, address):
    host = ELSEWHERE if how == "elsewhere" else address
    if how == "elsewhere":
        subprocess.run(["ip", "address", "add", f"{ELSEWHERE}/32", "dev", "lo"], check=True)
    threading.Thread(target=listen, args=(how, address), daemon=True).start()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear:
        ear.bind(("", PORT))
        ear.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
                       struct.pack("4s4s", socket.inet_aton(GROUP), socket.inet_aton(address)))
        print("ready", flush=True)
        while True:
            _, sender = ear.recvfrom(2000)
            ear.sendto(f"HTTP/1.1 200 OK\r\nLOCATION: http://{host}:{HTTP_PORT}/x.xml\r\n"
                       f"ST: {TARGET}\r\nUSN: uuid:1\r\n\r\n".encode(), sender)
            if how == "elsewhere":
                print("searched", flush=True)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    main(*sys.argv[1:])
