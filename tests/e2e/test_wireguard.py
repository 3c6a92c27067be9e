"""Devices that run WireGuard itself: Debian's wireguard-go, configured by what `ipop device add`
prints and nothing else."""
import base64
import pathlib
import re
import subprocess
import time

import harness
from harness import CommandFailed, LabTest, eventually
from natlab import LabError
from wireguard import Capture, Phone, dissect, hexadecimal, wg, write_pcap

PEER = pathlib.Path(__file__).resolve().parent / "peer.py"


class WireGuard(LabTest):
    def setUp(self):
        super().setUp()
        self.phones = []
        self.addCleanup(lambda: [phone.stop() for phone in self.phones])

    def device(self, node, name, *options):
        return node.ipop("device", "add", name, *options)["config"]

    def phone(self, node, name, *options, start=True, **site):
        """A device of `node`'s, on a computer of its own."""
        config = self.device(node, name, *options)
        phone = Phone(self.lab.site(name, **{"v6": False, **site}), self.folder, config)
        self.phones.append(phone)
        return phone.start() if start else phone

    def listed(self, node, name):
        return {d["name"]: d for d in node.ipop("device", "list")["devices"]}[name]

    def reached(self, phone, node):
        for address in (node.self()["ipv4"], node.self()["ipv6"]):
            eventually(f"{phone.host.name} reaches {node.name} at {address}",
                       lambda address=address: phone.ping(address))

    # --- the verb ---

    def test_the_file_and_the_lists(self):
        alice, bob = self.pair()
        made = alice.ipop("device", "add", "phone", "--address", self.address(alice, 77))
        self.assertTrue(made["has_private_key"])
        shown = alice.ipop("device", "show", "phone")
        self.assertFalse(shown["has_private_key"])
        key = Phone(alice.host, self.folder, made["config"]).values["PrivateKey"]
        self.assertNotIn(key, shown["config"])
        for line in made["config"].split("\n"):
            if not line.startswith("PrivateKey"):
                self.assertIn(line, shown["config"])
        state = b"".join(p.read_bytes() for p in alice.state.rglob("*") if p.is_file())
        self.assertNotIn(base64.b64decode(key), state, "the daemon keeps it nowhere")
        self.assertEqual(self.listed(alice, "phone")["ipv4"], self.address(alice, 77))
        eventually("bob knows of it", lambda: self.listed(bob, "phone"))
        self.assertEqual(self.listed(bob, "phone")["host"], "alice")
        self.assertFalse(self.listed(bob, "phone")["hosted_here"])
        self.assertEqual([d["name"] for d in bob.network()["devices"]], ["phone"])
        self.assertNotIn("phone", bob.members(), "it is no member")
        for node, what, code in ((bob, ["show", "phone"], "not_allowed"),
                                 (alice, ["show", "nobody"], "unknown_member"),
                                 (bob, ["add", "phone"], "name_taken"),
                                 (bob, ["add", "x", "--address", self.address(alice, 77)],
                                  "address_taken")):
            with self.assertRaises(CommandFailed) as failed:
                node.ipop("device", *what)
            self.assertEqual(failed.exception.code, code)
        # A pipe gets the file and nothing else.
        piped = alice.command("device", "show", "phone")
        self.assertEqual(piped.stdout, shown["config"])

    @staticmethod
    def address(node, number):
        return ".".join(node.network()["subnet4"].split(".")[:3]) + f".{number}"

    # --- being in the room ---

    def test_members_reach_it_through_its_host_and_it_them(self):
        alice, bob = self.pair()
        phone = self.phone(alice, "phone")
        tablet = self.phone(bob, "tablet")
        self.reached(phone, alice)
        self.reached(phone, bob)
        self.reached(tablet, alice)
        for address in phone.addresses:
            eventually("bob reaches the phone", lambda address=address: bob.ping(address))
            eventually("alice reaches the phone", lambda address=address: alice.ping(address))
            eventually("the tablet reaches the phone",
                       lambda address=address: tablet.ping(address))
        name = bob.host.run("/usr/bin/python3", PEER, "lookup", bob.self()["ipv4"],
                            "phone.family.internal").stdout.strip()
        self.assertEqual(name, phone.addresses[0])
        row = self.listed(alice, "phone")
        self.assertTrue(row["online"])
        self.assertIn(phone.host.address, row["endpoint"])
        self.assertGreater(row["rx_bytes"], 0)
        for sender, receiver, address in ((phone, bob, bob.self()["ipv4"]),
                                          (bob, phone, phone.addresses[0])):
            sink = receiver.host.start("/usr/bin/python3", PEER, "sink", address, 5000,
                                       stdout=subprocess.PIPE, text=True)
            self.assertEqual(sink.stdout.readline(), "ready\n")
            sent = sender.host.run("/usr/bin/python3", PEER, "source", address, 5000, 8 << 20, 7,
                                   timeout=120)
            self.assertEqual(sink.stdout.readline(), sent.stdout)
            sink.wait()
            sink.stdout.close()

    def test_it_speaks_as_itself_only(self):
        alice, bob = self.pair()
        phone = self.phone(alice, "phone")
        self.reached(phone, alice)
        self.reached(phone, bob)
        for stolen in (bob.self()["ipv4"], self.address(alice, 99), "192.0.2.1"):
            before = alice.ipop("status")["drops"]["spoofed_source"]
            phone.host.run("ip", "addr", "add", f"{stolen}/32", "dev", "wg0")
            self.assertFalse(phone.ping(alice.self()["ipv4"], "-I", stolen, wait_s=1))
            eventually(f"{stolen} is counted",
                       lambda: alice.ipop("status")["drops"]["spoofed_source"] > before)
            phone.host.run("ip", "addr", "del", f"{stolen}/32", "dev", "wg0")

    def test_kick_ends_it(self):
        alice, bob = self.pair()
        phone = self.phone(alice, "phone")
        self.reached(phone, bob)
        epoch = alice.network()["epoch"]
        alice.ipop("kick", "phone")
        self.assertFalse(phone.ping(alice.self()["ipv4"], wait_s=1))
        self.assertFalse(phone.ping(bob.self()["ipv4"], wait_s=1))
        eventually("bob has forgotten it", lambda: not bob.network()["devices"])
        self.assertEqual(alice.network()["epoch"], epoch, "the network's secret stays")
        with self.assertRaises(CommandFailed):
            alice.ipop("device", "show", "phone")

    def test_wg_show_works_on_our_interface(self):
        alice, bob = self.pair()
        phone = self.phone(alice, "phone")
        self.reached(phone, alice)
        interface = alice.network()["interface"]
        shown = wg(alice.host, "show", interface, "dump").split("\n")
        rows = {row.split("\t")[0]: row.split("\t") for row in shown if row}
        own = phone.wg("pubkey", stdin=phone.values["PrivateKey"]).strip()
        self.assertIn(own, rows)
        self.assertIn(phone.host.address, rows[own][2])
        self.assertEqual(rows[own][3], ",".join(f"{a}/{128 if ':' in a else 32}"
                                                for a in phone.addresses))
        self.assertGreater(int(rows[own][4]), time.time() - 600)
        self.assertEqual(len(rows), 3, "the interface, the phone and bob")
        for row in list(rows.values())[1:]:
            self.assertGreater(int(row[4]), time.time() - 600, "its last handshake")
        self.assertIn("latest handshake", wg(alice.host, "show", interface))
        self.assertIn(interface, wg(alice.host, "show", "all", "dump"))
        with self.assertRaises(LabError):
            wg(alice.host, "set", interface, "listen-port", "1")

    # --- the protocol ---

    def test_handshakes_of_all_kinds_over_a_rekey(self):
        """IPv4 and IPv6 outside, with and without psk, begun by either end, all at once."""
        alice = self.founder(v4=True, v6=True)
        port = alice.network()["port"]
        phones = {}
        for v6 in (False, True):
            for psk in (False, True):
                for host_begins in (False, True):
                    name = f"{'six' if v6 else 'four'}-{'psk' if psk else 'bare'}-" \
                           f"{'host' if host_begins else 'self'}"
                    outside = f"[{alice.host.address6}]" if v6 else alice.host.address
                    options = ["--endpoint", f"{outside}:{port}"] + ["--no-psk"] * (not psk)
                    phones[name] = self.phone(alice, name, *options, v4=not v6, v6=v6)
        for phone in phones.values():
            self.reached(phone, alice)
        # A daemon that starts again has no keys and knows where everybody was: it begins.
        alice.stop()
        capture = Capture(alice.host, self.folder)
        alice.start()
        for name, phone in phones.items():
            if name.endswith("host"):
                eventually(f"alice reaches {name}", lambda phone=phone: alice.ping(
                    phone.addresses[0]))
        for phone in phones.values():
            self.reached(phone, alice)
        rekeys = 3 if harness.soak else 1
        first = {name: phone.handshake_at() for name, phone in phones.items()}
        flows = {}
        count = 5 * 128 * rekeys  # at five a second
        for name, phone in phones.items():
            flows[name] = [host.start("ping", "-n", "-i0.2", f"-c{count}", address,
                                      stdout=subprocess.PIPE, text=True)
                           for host, address in ((phone.host, alice.self()["ipv4"]),
                                                 (alice.host, phone.addresses[0]))]
        for name, pings in flows.items():
            for ping in pings:
                output = ping.communicate(timeout=300 * rekeys)[0]
                answered = {int(n) for n in re.findall(r"icmp_seq=(\d+) .*time=", output)}
                lost = sorted(set(range(1, count + 1)) - answered)
                self.assertLessEqual(len(lost), count // 100, f"{name}: {lost}")
        for name, phone in phones.items():
            self.assertGreaterEqual(phone.handshake_at() - first[name], 110 * rekeys, name)
        capture.stop()
        self.check_dissected(alice, capture, phones.values())

    def test_the_dissector_opens_the_handshake_of_the_vectors(self):
        """The bytes that session_test.cc makes our sessions send, with all their keys known."""
        page = (harness.ROOT / "docs" / "protocol.md").read_text()
        vectors = {name: bytes.fromhex(value)
                   for name, value in re.findall(r"^(stock_\w+) ([0-9a-f]+)$", page, re.M)}
        path = self.folder / "vectors.pcap"
        write_pcap(path, [(True, vectors["stock_initiation"]), (False, vectors["stock_response"]),
                          (True, vectors["stock_data_keepalive"]),
                          (False, vectors["stock_data_to_initiator"]),
                          (False, vectors["stock_cookie_reply"])])

        def key(byte):
            return base64.b64encode(bytes([byte] * 32)).decode()
        keys = [("LOCAL_STATIC_PRIVATE_KEY", key(0x31)), ("LOCAL_STATIC_PRIVATE_KEY", key(0x32)),
                ("LOCAL_EPHEMERAL_PRIVATE_KEY", key(0x33)), ("PRESHARED_KEY", key(0x35))]
        rows = dissect(path, keys, ["wg.type", "wg.receiver_pubkey", "wg.static",
                                    "wg.handshake_ok", "wg.keepalive", "wg.decryption_error",
                                    "_ws.malformed"])
        self.assertEqual([row["wg.type"] for row in rows], ["1", "2", "4", "4", "3"])
        for row in rows[:2]:
            self.assertTrue(row["wg.receiver_pubkey"], row)
        self.assertTrue(rows[0]["wg.static"])
        self.assertEqual(rows[1]["wg.handshake_ok"], "1")
        self.assertTrue(rows[2]["wg.keepalive"])
        self.assertEqual({row["wg.decryption_error"] for row in rows}, {""})

    def check_dissected(self, alice, capture, phones):
        """tshark's dissector knows our key and the phones': every mac1 is right, every initiation
        opens."""
        devices = (alice.state / "networks" / "family" / "devices").read_bytes()
        host_key = base64.b64encode(devices[12:44]).decode()  # behind envelope and version
        keys = [host_key] + [phone.values["PrivateKey"] for phone in phones]
        rows = capture.dissect(keys, ["wg.type", "wg.receiver_pubkey", "wg.static",
                                      "wg.timestamp.value", "udp.srcport"], "wg.type < 4")
        kinds = {"1": 0, "2": 0}
        port = str(alice.network()["port"])
        from_us = {"1": 0, "2": 0}
        for row in rows:
            kinds[row["wg.type"]] += 1
            from_us[row["wg.type"]] += row["udp.srcport"] == port
            self.assertTrue(row["wg.receiver_pubkey"], f"mac1: {row}")
            if row["wg.type"] == "1":
                self.assertTrue(row["wg.static"] and row["wg.timestamp.value"], row)
        self.assertGreaterEqual(min(kinds.values()), 16)
        self.assertGreaterEqual(from_us["1"], 4, "initiations of ours")
        self.assertGreaterEqual(from_us["2"], 4, "responses of ours")

    def test_cookies_under_load(self):
        alice = self.founder()
        phone = self.phone(alice, "phone", start=False)
        host_key = phone.values["PublicKey"]
        attacker = self.lab.site("attacker", v6=False)
        address, port = phone.values["Endpoint"].rsplit(":", 1)
        flood = attacker.start("/usr/bin/python3", PEER, "initiations", address, port,
                               hexadecimal(host_key), 1000)
        try:
            # Load is measured by what passes: an initiation that comes as it ends needs no cookie.
            for attempt in range(5):
                capture = Capture(alice.host, self.folder, f"host {phone.host.address}")
                phone.start()
                self.reached(phone, alice)

                def rows_of_the_whole():
                    rows = capture.dissect([], ["wg.type", "wg.mac2"])
                    return rows if "4" in [row["wg.type"] for row in rows] else None
                rows = eventually("the capture has it all", rows_of_the_whole)
                capture.stop()
                phone.stop()
                if "3" in [row["wg.type"] for row in rows]:
                    break
            else:
                self.fail("no cookie reply")
        finally:
            flood.kill()
            flood.wait()
        used = [row for row in rows if row["wg.type"] == "1" and set(row["wg.mac2"]) - set("0:")]
        self.assertTrue(used, f"an initiation that carries the cookie: {rows}")

    def test_it_moves(self):
        alice, bob = self.pair()
        phone = self.phone(alice, "phone")
        self.reached(phone, bob)
        before = self.listed(alice, "phone")["endpoint"]
        phone.wg("set", "wg0", "listen-port", "40001")
        self.reached(phone, bob)
        eventually("its new port", lambda: self.listed(alice, "phone")["endpoint"].endswith(
            ":40001"))
        phone.host.readdress(f"{phone.host.address.rsplit('.', 1)[0]}.77")
        phone.host.run("ip", "route", "replace", phone.values["AllowedIPs"].split(", ")[0],
                       "dev", "wg0")
        self.reached(phone, bob)
        self.assertNotEqual(self.listed(alice, "phone")["endpoint"], before)
        self.assertIn(".77:", self.listed(alice, "phone")["endpoint"])
        eventually("bob reaches it there", lambda: bob.ping(phone.addresses[0]))
