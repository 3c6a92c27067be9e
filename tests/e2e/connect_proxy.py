#!/usr/bin/python3
"""An HTTP proxy that knows CONNECT and one user, and nothing else.

    connect_proxy.py ADDRESS PORT USER:PASSWORD
"""
import base64
import socket
import sys
import threading

CHUNK = 1 << 16


def head_of(connection):
    head = b""
    while b"\r\n\r\n" not in head and len(head) < 8192:
        data = connection.recv(1024)
        if not data:
            break
        head += data
    return head.decode("latin-1").split("\r\n")


def pump(source, target):
    try:
        while data := source.recv(CHUNK):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def serve(connection, credentials):
    with connection:
        request, *fields = head_of(connection)
        wanted = "Basic " + base64.b64encode(credentials.encode()).decode()
        given = [f.partition(":")[2].strip() for f in fields
                 if f.lower().startswith("proxy-authorization:")]
        if given != [wanted]:
            print("407", flush=True)
            connection.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\n"
                               b'Proxy-Authenticate: Basic realm="lab"\r\n\r\n')
            return
        target = request.split(" ")[1]
        host, _, port = target.rpartition(":")
        try:
            far = socket.create_connection((host.strip("[]"), int(port)), timeout=10)
        except OSError:
            connection.sendall(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
            return
        print("200", target, flush=True)
        connection.sendall(b"HTTP/1.1 200 Connection established\r\nVia: lab\r\n\r\n")
        with far:
            far.settimeout(None)
            back = threading.Thread(target=pump, args=(far, connection), daemon=True)
            back.start()
            pump(connection, far)
            back.join()


def main():
    address, port, credentials = sys.argv[1:]
    with socket.create_server((address, int(port))) as server:
        print("ready", flush=True)
        while True:
            connection, _ = server.accept()
            threading.Thread(target=serve, args=(connection, credentials), daemon=True).start()


if __name__ == "__main__":
    main()
