"""The bytes of STUN (RFC 8489) and of NAT behaviour discovery (RFC 5780), as far as the laboratory
speaks them."""
import socket
import struct
import zlib

BINDING_REQUEST, BINDING_SUCCESS, BINDING_ERROR = 0x0001, 0x0101, 0x0111
MAGIC_COOKIE = 0x2112A442
HEADER_BYTES = 20

MAPPED_ADDRESS, CHANGE_REQUEST, ERROR_CODE, UNKNOWN_ATTRIBUTES = 0x0001, 0x0003, 0x0009, 0x000A
XOR_MAPPED_ADDRESS, RESPONSE_PORT = 0x0020, 0x0027
FINGERPRINT, RESPONSE_ORIGIN, OTHER_ADDRESS = 0x8028, 0x802B, 0x802C
FINGERPRINT_XOR = 0x5354554E
FIRST_OPTIONAL = 0x8000  # attributes from here on may be skipped by who does not know them

CHANGE_ADDRESS, CHANGE_PORT = 0x4, 0x2


def write_address(endpoint, transaction=None):
    """The value of an address attribute; with a transaction, of XOR-MAPPED-ADDRESS."""
    address, port = endpoint[:2]
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    packed = socket.inet_pton(family, address)
    if transaction:
        packed, port = _mix(packed, transaction), port ^ MAGIC_COOKIE >> 16
    return struct.pack("!xBH", 1 if family == socket.AF_INET else 2, port) + packed


def read_address(value, transaction=None):
    """(address, port); ValueError where there is none."""
    if len(value) not in (8, 20) or value[1] != (1 if len(value) == 8 else 2):
        raise ValueError("no address")
    port, packed = struct.unpack("!H", value[2:4])[0], value[4:]
    if transaction:
        packed, port = _mix(packed, transaction), port ^ MAGIC_COOKIE >> 16
    return socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed), port


def _mix(packed, transaction):
    return bytes(a ^ b for a, b in zip(packed, struct.pack("!I", MAGIC_COOKIE) + transaction))


def write_message(kind, transaction, attributes, fingerprint=False):
    body = b"".join(_attribute(number, value) for number, value in attributes)
    if not fingerprint:
        return _header(kind, len(body), transaction) + body
    message = _header(kind, len(body) + 8, transaction) + body
    return message + _attribute(FINGERPRINT, struct.pack("!I", _checksum(message)))


def read_message(data):
    """(kind, transaction, attributes by number); ValueError where it is no whole STUN message."""
    if len(data) < HEADER_BYTES:
        raise ValueError("too short")
    kind, length, cookie = struct.unpack("!HHI", data[:8])
    if kind & 0xC000 or cookie != MAGIC_COOKIE or length % 4 or length + HEADER_BYTES != len(data):
        raise ValueError("no STUN")
    attributes, at = {}, HEADER_BYTES
    while at < len(data):
        number, size = struct.unpack("!HH", data[at:at + 4])
        value = data[at + 4:at + 4 + size]
        if len(value) != size:
            raise ValueError("an attribute is cut off")
        if number == FINGERPRINT and value != struct.pack("!I", _checksum(data[:at])):
            raise ValueError("a wrong fingerprint")
        attributes.setdefault(number, value)  # the first of a number counts
        at += 4 + size + -size % 4
    return kind, data[8:HEADER_BYTES], attributes


def _header(kind, length, transaction):
    return struct.pack("!HHI", kind, length, MAGIC_COOKIE) + transaction


def _attribute(number, value):
    return struct.pack("!HH", number, len(value)) + value + bytes(-len(value) % 4)


def _checksum(message):
    return zlib.crc32(message) ^ FINGERPRINT_XOR
