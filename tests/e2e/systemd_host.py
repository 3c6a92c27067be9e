"""A computer of the laboratory whose first process is Debian's systemd, with ipopd.service."""
import os
import pathlib
import subprocess
import sys

import harness
from harness import CommandDead, LabTest, Node, eventually
from natlab import Host

HERE = pathlib.Path(__file__).resolve().parent
UNPACKED = harness.ROOT / "build" / "systemd"  # by `./run test`, never installed
LIBRARIES = "".join(map(str, UNPACKED.glob("usr/lib/*/systemd")))  # under the machine's name
UNIT = harness.ROOT / "packaging" / "ipopd.service"


class SystemdHost(Host):
    """Made of a `site` that has booted; its own processes of before go on beside systemd."""

    def __init__(self, site):
        if not (UNPACKED / "lib" / "systemd" / "systemd").exists():
            raise AssertionError("systemd is not below build/systemd: `./run test` unpacks it")
        self.__dict__.update(site.__dict__)
        self.site, self.systemd = site, None
        self.group = f"{harness.STEM}-{os.getpid()}-{site.name}"

    def boot_systemd(self, log_path):
        with open(log_path, "ab") as log:
            first = self.site.start("sh", HERE / "boot_systemd.sh", self.group, UNPACKED,
                                    harness.bin_dir, UNIT, stdout=log, stderr=log)
        self.lab.first_processes.append(first)
        self.systemd = eventually("systemd runs", lambda: self.child_of(first))
        eventually("systemd has started everything",
                   lambda: self.systemctl("is-system-running").stdout == "running\n")

    @staticmethod
    def child_of(process):
        """The number of systemd, once `unshare` has made its first process that."""
        if process.poll() is not None:
            raise CommandDead(f"it ended with {process.returncode}")
        listed = subprocess.run(["ps", "-o", "pid=,comm=", "--ppid", str(process.pid)],
                                capture_output=True, text=True).stdout.split()
        return int(listed[0]) if listed[1:] == ["systemd"] else None

    def command(self, *command):
        return ["nsenter", "-t", str(self.systemd), "-m", "-u", "-n", "-p", "-C", "--",
                *map(str, command)]

    def systemctl(self, *words):
        return self.run("env", f"LD_LIBRARY_PATH={LIBRARIES}", UNPACKED / "bin" / "systemctl",
                        "--no-pager", *words, check=False)

    def shows(self, name):
        """One property of ipopd.service."""
        return self.systemctl("show", "ipopd.service", "--value", "-p", name).stdout.strip()

    def forget_group(self):
        """Removes the control group, once nothing runs in it any more."""
        folder = self.mount_groups()
        try:
            eventually("the control group is empty",
                       lambda: self.remove_groups(folder / self.group))
        finally:
            subprocess.run(["umount", folder], check=True)
            folder.rmdir()

    @staticmethod
    def mount_groups():
        folder = pathlib.Path(subprocess.run(["mktemp", "-d"], capture_output=True, text=True,
                                             check=True).stdout.strip())
        subprocess.run(["mount", "-t", "cgroup2", "cgroup2", folder], check=True)
        return folder

    @staticmethod
    def remove_groups(top):
        for folder, _, _ in os.walk(top, topdown=False):
            os.rmdir(folder)
        return not top.exists()


class ServiceNode(Node):
    """A computer whose daemon is its systemd's: at the default socket, with the default state."""

    def __init__(self, host, folder):
        super().__init__(host, folder)
        self.socket = "/run/ipop/ipopd.sock"


class SystemdTest(LabTest):
    """alice is such a computer; its daemon is its systemd's."""

    def setUp(self):
        self.host = None
        self.addCleanup(self.forget_group)  # the last of all, when nothing runs there any more
        super().setUp()
        log = self.folder / "systemd"
        self.host = SystemdHost(self.lab.site("alice", v6=False))
        self.addCleanup(self.show, log)
        self.host.boot_systemd(log)
        self.alice = ServiceNode(self.host, self.folder)

    def forget_group(self):
        if self.host:
            self.host.forget_group()

    def show(self, log):
        if self.troubles() > self.troubles_before:
            print(f"--- systemd\n{log.read_text(errors='replace')}", file=sys.stderr)

    def pid(self):
        return int(self.host.shows("MainPID"))
