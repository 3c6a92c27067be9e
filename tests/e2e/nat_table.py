"""Which pairs of NATs reach each other directly: the one place that says so."""

DIRECT, RELAY = "direct", "relay"
EITHER = "either"
PREDICTION = DIRECT  # the next port of a NAT that counts
SEARCH = DIRECT  # among all ports of a NAT, from many sockets (the birthday paradox)
# Not yet: what each of these waits for is the day that it becomes DIRECT.
FEW_PORTS = EITHER  # all ports of a small block are tried, once; why one search failed is not known
LOW_TTL = EITHER  # first packets that die before the other side's router; else who was first counts
LUCK = EITHER     # a search that covers some of the ports

# kind -> (its row and column below, what Lab.site() is told)
KINDS = {
    "public": ("open", {}),
    "full-cone": ("open", {"nat": "full-cone"}),
    "full-cone-noport": ("open", {"nat": "full-cone-noport"}),
    "restricted-cone": ("address", {"nat": "restricted-cone"}),
    "port-restricted": ("both", {"nat": "port-restricted"}),
    "port-restricted-noport": ("both", {"nat": "port-restricted-noport"}),
    "double port-restricted": ("both", {"nat": "port-restricted", "cgn": "port-restricted"}),
    "port-restricted-leaky": ("leaky", {"nat": "port-restricted-leaky"}),
    "symmetric-seq": ("counts", {"nat": "symmetric-seq"}),
    "symmetric-block": ("block", {"nat": "symmetric-block"}),
    "symmetric-adm": ("some", {"nat": "symmetric-adm"}),
    "symmetric": ("random", {"nat": "symmetric"}),
    "port-restricted in symmetric": ("random", {"nat": "port-restricted", "cgn": "symmetric"}),
}

# By what the two let in and how they choose ports; the other half is the mirror image.
TABLE = {
    "open": {"open": DIRECT, "address": DIRECT, "both": DIRECT, "leaky": DIRECT, "counts": DIRECT,
             "block": DIRECT, "some": DIRECT, "random": DIRECT},
    "address": {"address": DIRECT, "both": DIRECT, "leaky": DIRECT, "counts": DIRECT,
                "block": DIRECT, "some": DIRECT, "random": DIRECT},
    "both": {"both": DIRECT, "leaky": LOW_TTL, "counts": PREDICTION, "block": FEW_PORTS,
             "some": LUCK, "random": SEARCH},
    "leaky": {"leaky": LOW_TTL, "counts": EITHER, "block": EITHER, "some": EITHER,
              "random": EITHER},
    "counts": {"counts": RELAY, "block": RELAY, "some": RELAY, "random": RELAY},
    "block": {"block": RELAY, "some": RELAY, "random": RELAY},
    "some": {"some": RELAY, "random": RELAY},
    "random": {"random": RELAY},
}


def expected(one, other):
    """DIRECT, RELAY or EITHER for two kinds."""
    row, column = KINDS[one][0], KINDS[other][0]
    return TABLE[row][column] if column in TABLE[row] else TABLE[column][row]
