"""Debian's systemd-resolved on a system bus of its own, on one computer of the laboratory."""
import os
import pathlib
import shutil

import harness
from harness import eventually

# Unpacked by `./run test`, never installed: the package replaces the machine's /etc/resolv.conf.
UNPACKED = harness.ROOT / "build" / "resolved"
DAEMON = UNPACKED / "lib" / "systemd" / "systemd-resolved"
CONTROL = UNPACKED / "usr" / "bin" / "resolvectl"
LIBRARIES = "".join(map(str, UNPACKED.glob("usr/lib/*/systemd")))  # under the machine's name
POLICY = UNPACKED / "usr" / "share" / "dbus-1" / "system.d" / "org.freedesktop.resolve1.conf"
BUS = pathlib.Path(__file__).resolve().parent / "system_bus.conf"
USER = "systemd-resolve:x:991:991::/:/usr/sbin/nologin"


class Resolved:
    """resolved on `host`, whose programs ask it at 127.0.0.53, as on a desktop."""

    def __init__(self, host, folder):
        for needed in (DAEMON, shutil.which("dbus-daemon")):
            if not needed or not os.path.exists(needed):
                raise AssertionError("systemd-resolved is not unpacked below build/resolved, or "
                                     "dbus-daemon is missing: `./run test` brings both")
        self.host, self.log_path, self.process = host, folder / f"{host.name}-resolved", None
        host.run("sh", "-c", f"echo {USER} >>/etc/passwd; echo systemd-resolve:x:991: >>/etc/group;"
                 "mkdir -p /run/dbus /etc/dbus-1/system.d /run/systemd/resolve;"
                 "chown systemd-resolve: /run/systemd/resolve;"
                 f"cp {POLICY} /etc/dbus-1/system.d/")
        host.etc("resolv.conf", "nameserver 127.0.0.53\noptions edns0 trust-ad\n")

    def start(self, upstream):
        """`upstream`: the address of the server for all other names."""
        self.host.run("sh", "-c", "mkdir -p /etc/systemd && cat >/etc/systemd/resolved.conf",
                      input=f"[Resolve]\nDNS={upstream}\nFallbackDNS=\nLLMNR=no\n"
                      "MulticastDNS=no\n", stdin=None)
        with open(self.log_path, "ab") as log:
            self.host.start("dbus-daemon", "--nofork", "--nopidfile", f"--config-file={BUS}",
                            stdout=log, stderr=log)
        return self.restart()

    def restart(self):
        self.stop()
        with open(self.log_path, "ab") as log:
            self.process = self.host.start(DAEMON, stdout=log, stderr=log, env=self.environment())
        eventually("resolved is on the bus", lambda: self.ask("status").returncode == 0)
        return self

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(timeout=harness.LIMIT_S)
            self.process = None

    def environment(self):
        return {**os.environ, "LD_LIBRARY_PATH": LIBRARIES}

    def ask(self, *words):
        """resolvectl; gives the CompletedProcess."""
        return self.host.run(CONTROL, "--no-pager", *words, check=False, env=self.environment())

    def addresses(self, name):
        """What the C library finds for `name`, through /etc/resolv.conf and the stub there."""
        out = self.host.run("getent", "ahosts", name, check=False).stdout
        return {line.split()[0] for line in out.splitlines()}
