"""`./run install` and `./run uninstall` on a computer of the laboratory, whose /etc and /usr/local
are its own: what is put where, with which rights, and what is left."""
import os
import pathlib
import shutil
import unittest

import harness
from harness import LabTest, eventually
from systemd_host import LIBRARIES, UNPACKED, SystemdTest

PACKAGING = harness.ROOT / "packaging"
LISTED = ("/etc", "/usr/local")
# What the tools that add a group leave beside its file.
BY_GROUP_TOOLS = {"/etc/group-", "/etc/gshadow-", "/etc/.pwd.lock"}


class Checkout:
    """A folder with `run` and what it installs, where everything is built already: for cmake stands
    a program that notes what it was asked, and no package is ever missing."""

    def __init__(self, folder):
        self.path, self.tools, self.asked = folder, folder / "tools", folder / "asked"
        for name in ("run", "docs/control.md"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(harness.ROOT / name, folder / name)
        shutil.copytree(PACKAGING, folder / "packaging")
        (folder / "build" / "release").mkdir(parents=True)
        (folder / "build" / "release" / "bin").symlink_to(harness.bin_dir)
        self.tools.mkdir()
        self.tool("cmake", f'echo "$*" >>{self.asked}')
        self.tool("dpkg-query", "printf installed")
        self.tool("apt-get", "echo apt-get was called >&2; exit 1")

    def tool(self, name, text):
        (self.tools / name).write_text(f"#!/bin/sh\n{text}\n")
        (self.tools / name).chmod(0o755)

    def run(self, host, *words, prefix=(), path=(), **environment):
        path = ":".join(map(str, (self.tools, *path, "/usr/sbin:/usr/bin:/sbin:/bin")))
        return host.run(*prefix, "sh", "-c", 'umask 077 && exec "$@"', "sh", self.path / "run",
                        *words, check=False, env={"PATH": path, "HOME": "/root", **environment})


def listing(host, *folders):
    """{path: "MODE OWNER:GROUP", or "-> TARGET" of a link} of files and links."""
    lines = host.run("find", *folders, "!", "-type", "d", "(", "-type", "l", "-printf",
                     "%p\\t-> %l\\n", "-o", "-printf", "%p\\t%m %u:%g\\n", ")").stdout
    shown = dict(line.split("\t") for line in lines.splitlines())
    return {path: what for path, what in shown.items() if path not in BY_GROUP_TOOLS}


def promised(prefix):
    """What `install` puts there, as `listing` shows it."""
    share, program, text = f"{prefix}/share", "755 root:root", "644 root:root"
    return {
        f"{prefix}/bin/ipop": program,
        f"{prefix}/bin/ipopd": program,
        f"{share}/man/man1/ipop.1": text,
        f"{share}/man/man5/ipopd.toml.5": text,
        f"{share}/man/man8/ipopd.8": text,
        f"{share}/bash-completion/completions/ipop": text,
        f"{share}/bash-completion/completions/ipopd": "-> ipop",
        f"{share}/doc/ipop/control.md": text,
        f"{share}/doc/ipop/ipopd.toml": text,
        "/etc/systemd/system/ipopd.service": text,
        "/etc/sysusers.d/ipop.conf": text,
        "/etc/tmpfiles.d/ipop.conf": text,
    }


class Install(LabTest):
    def setUp(self):
        super().setUp()
        self.host = self.lab.site("alice", v6=False)
        for folder in ("/usr/local", "/var/lib"):  # beside those that every such computer has
            self.host.run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", folder)
        # What this machine itself may have, of which the computer's /etc is a copy.
        self.host.run("groupdel", "ipop", check=False)
        self.host.run("find", "/etc", "-name", "ipopd.service", "-delete")
        self.host.run("rm", "-f", "/etc/sysusers.d/ipop.conf", "/etc/tmpfiles.d/ipop.conf")
        self.checkout = Checkout(self.folder / "checkout")
        self.prefix = self.folder / "there"
        self.prefix.mkdir()
        self.folders = *LISTED, self.prefix
        self.before = listing(self.host, *self.folders)

    def install(self, *words, **options):
        return self.done("install", *words, **options)

    def uninstall(self, *words, **options):
        return self.done("uninstall", *words, **options)

    def done(self, *words, **options):
        run = self.checkout.run(self.host, *words, **options)
        self.assertEqual(run.returncode, 0, run)
        return run.stdout

    def added(self):
        after = listing(self.host, *self.folders)
        self.assertEqual({path: after.get(path) for path in self.before}, self.before)
        return {path: what for path, what in after.items() if path not in self.before}

    def same(self, path, source, old="", new=""):
        """What lies there is the source, but for one word."""
        wanted = (PACKAGING / source).read_text()
        self.assertEqual(self.host.run("cat", path).stdout, wanted.replace(old, new))

    def has_group(self):
        return self.host.run("getent", "group", "ipop", check=False).returncode == 0

    def test_everything_is_put_in_its_place_and_taken_away(self):
        said = self.install()
        self.assertIn("installed below /usr/local", said)
        self.assertIn("start the daemon with 'sudo ipopd &'", said)
        self.assertEqual(self.checkout.asked.read_text().splitlines()[0], "--preset release")
        self.assertRegex(self.checkout.asked.read_text(), "--build .*--target ipop ipopd")
        self.assertEqual(self.added(), promised("/usr/local"))
        for program in ("ipop", "ipopd"):
            self.host.run("cmp", f"/usr/local/bin/{program}", harness.bin_dir / program)
        self.same("/etc/systemd/system/ipopd.service", "ipopd.service", "=/usr/bin/ipopd",
                  "=/usr/local/bin/ipopd")
        self.same("/etc/sysusers.d/ipop.conf", "ipop.sysusers")
        self.same("/etc/tmpfiles.d/ipop.conf", "ipop.tmpfiles")
        self.same("/usr/local/share/man/man1/ipop.1", "man/ipop.1")
        self.assertTrue(self.has_group())
        # Who is not root reaches all of it, whatever root's umask.
        nobody = "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"
        for path in promised("/usr/local"):
            self.host.run(*nobody, "test", "-r", path)
        installed = self.added()
        self.install()  # again, as an update does
        self.assertEqual(self.added(), installed)
        self.assertIn("keeps this computer's keys", self.uninstall())
        self.assertEqual(self.added(), {})
        self.uninstall()  # again, which finds nothing

    def test_the_daemon_that_was_installed_runs(self):
        self.install()
        with open(self.folder / "log", "wb") as log:
            self.host.start("/usr/local/bin/ipopd", stdout=log, stderr=log)

        def ipop(*words):
            return self.host.run("/usr/local/bin/ipop", *words, check=False)
        eventually("it answers", lambda: ipop("networks").returncode == 0)
        self.assertEqual(ipop("create", "family").returncode, 0)
        owner = self.host.run("stat", "-c", "%a %U:%G", "/run/ipop/ipopd.sock").stdout
        self.assertEqual(owner, "660 root:ipop\n")
        self.assertTrue(self.host.run("ls", "/var/lib/ipop/networks").stdout)

    def test_another_prefix_by_word_and_by_environment(self):
        for words, environment in (((f"PREFIX={self.prefix}",), {}),
                                   ((), {"PREFIX": str(self.prefix)})):
            with self.subTest(words):
                said = self.install(*words, **environment)
                self.assertIn(f"installed below {self.prefix}", said)
                self.assertEqual(self.added(), promised(self.prefix))
                self.same("/etc/systemd/system/ipopd.service", "ipopd.service",
                          "=/usr/bin/ipopd", f"={self.prefix}/bin/ipopd")
                self.uninstall(*words, **environment)
                self.assertEqual(self.added(), {})

    def test_the_group_without_systemds_tool(self):
        others = self.folder / "others"
        others.mkdir()
        for folder in ("/usr/sbin", "/usr/bin"):
            for program in pathlib.Path(folder).iterdir():
                if program.name not in ("systemd-sysusers", *os.listdir(others)):
                    (others / program.name).symlink_to(program)
        for _ in range(2):  # the second time, the group is there
            self.install(PATH=f"{self.checkout.tools}:{others}")
            self.assertTrue(self.has_group())

    def test_keys_stay_unless_they_are_to_be_deleted(self):
        self.install()
        for name in ("/var/lib/ipop/networks/family/identity", "/etc/ipop/ipopd.toml"):
            self.host.run("install", "-D", "/dev/null", name)
        kept = {"/var/lib/ipop/networks/family/identity", "/etc/ipop/ipopd.toml"}

        def state():
            shown = listing(self.host, "/var/lib", "/etc")
            return {path for path in shown if "/ipop/" in path}
        self.assertEqual(state(), kept)
        said = self.uninstall()
        self.assertEqual(state(), kept)
        self.assertIn("/var/lib/ipop keeps this computer's keys", said)
        self.assertIn("uninstall --purge", said)
        self.install()
        self.assertEqual(state(), kept)
        self.assertIn("deleted", self.uninstall("--purge"))
        self.assertEqual(state(), set())
        self.assertEqual(self.added(), {})
        for folder in ("/var/lib/ipop", "/etc/ipop", "/usr/local/share/doc/ipop"):
            self.assertNotEqual(self.host.run("test", "-e", folder, check=False).returncode, 0)

    def test_what_is_deleted_may_be_a_mount_point_or_a_link(self):
        self.install()
        self.host.run("mkdir", "/var/lib/ipop")
        self.host.run("mount", "-t", "tmpfs", "tmpfs", "/var/lib/ipop")
        self.host.run("mkdir", "/var/lib/ipop/networks")
        self.host.run("mkdir", "/root/etc")
        self.host.run("touch", "/root/etc/ipopd.toml")
        self.host.run("ln", "-s", "/root/etc", "/etc/ipop")
        self.assertIn("deleted", self.uninstall("--purge"))
        for folder in ("/var/lib/ipop", "/root/etc"):
            self.assertEqual(self.host.run("ls", "-A", folder).stdout, "")

    def test_other_words_are_refused_and_nothing_is_done(self):
        self.install()
        installed = self.added()
        for words in (("install", "PREFIX="), ("install", "PREFIX=relative"),
                      ("install", "--prefix=/opt"), ("install", "/opt"), ("install", "--purge"),
                      ("install", f"PREFIX={self.prefix}", "x"), ("uninstall", "PREFIX=there"),
                      ("uninstall", f"PREFIX={self.prefix}", "--purge"),
                      ("uninstall", "--purge", "all")):
            with self.subTest(words):
                run = self.checkout.run(self.host, *words)
                self.assertEqual((run.returncode, run.stdout), (1, ""), run)
                self.assertEqual(run.stderr, "run: install and uninstall take PREFIX=/DIR, and "
                                             "no other word\n")
                self.assertEqual(self.added(), installed)
        run = self.checkout.run(self.host, "instal")
        self.assertEqual((run.returncode, run.stdout), (2, ""))
        self.assertIn("install, uninstall", run.stderr)

    def test_who_is_not_root_is_told(self):
        nobody = "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"
        self.install()
        installed = self.added()
        for verb in ("install", "uninstall"):
            run = self.checkout.run(self.host, verb, prefix=nobody)
            self.assertEqual(run.returncode, 1, run)
            self.assertIn(f"needs root: sudo ./run {verb}", run.stderr)
            self.assertEqual(self.added(), installed)

    def test_what_cannot_be_built_is_not_installed(self):
        self.checkout.tool("cmake", "echo no compiler; exit 1")
        run = self.checkout.run(self.host, "install")
        self.assertNotEqual(run.returncode, 0)
        self.assertIn("no compiler", run.stderr)
        self.assertEqual(self.added(), {})
        self.assertFalse(self.has_group())


class Service(SystemdTest):
    """Where systemd runs, the service is enabled and started, and ended."""

    def setUp(self):
        super().setUp()
        self.checkout = Checkout(self.folder / "checkout")

    def do(self, *words):
        run = self.checkout.run(self.host, *words, path=[UNPACKED / "bin"],
                                LD_LIBRARY_PATH=LIBRARIES)
        self.assertEqual(run.returncode, 0, run)
        return run.stdout

    def enabled(self):
        return self.host.systemctl("is-enabled", "ipopd").stdout.strip()

    def test_it_is_enabled_started_renewed_and_ended(self):
        self.do("uninstall")  # of what the laboratory's computer was born with
        self.assertEqual(self.host.shows("LoadState"), "not-found")
        self.host.run("groupdel", "ipop", check=False)
        said = self.do("install")
        self.assertIn("ipopd runs", said)
        self.assertEqual(self.host.shows("ActiveState"), "active")
        self.assertEqual(self.enabled(), "enabled")
        running = self.host.run("readlink", f"/proc/{self.pid()}/exe").stdout
        self.assertEqual(running, "/usr/local/bin/ipopd\n")
        owner = self.host.run("stat", "-c", "%a %U:%G", "/run/ipop/ipopd.sock").stdout
        self.assertEqual(owner, "660 root:ipop\n")
        self.assertEqual(self.host.run("stat", "-c", "%a", "/run/wireguard").stdout, "755\n")
        self.alice.ipop("create", "family", "--name", "alice")
        before, interface = self.pid(), self.alice.network()["interface"]
        self.do("install")  # an update: the new one runs, with the network of before
        self.assertNotIn(self.pid(), (0, before))
        eventually("the network is up", lambda: self.alice.network()["state"] == "up")
        self.do("uninstall")
        self.assertEqual(self.host.shows("LoadState"), "not-found")
        self.assertFalse(self.alice.has_interface(interface))
        self.assertNotEqual(self.host.run("pgrep", "ipopd", check=False).returncode, 0)
        units = self.host.run("find", "/etc/systemd", "-name", "ipopd*").stdout
        self.assertEqual(units, "")
        self.assertTrue(self.host.run("ls", "/var/lib/ipop/networks").stdout)


if __name__ == "__main__":
    unittest.main()
