"""The shipped unit under the real systemd: it starts, is sandboxed and still works, stops, is
watched and comes back."""
import unittest

from harness import eventually
from systemd_host import SystemdTest


class Unit(SystemdTest):
    def is_back(self, old_pid):
        """Another process serves the network of before."""
        eventually("systemd started ipopd again", lambda: self.pid() not in (0, old_pid) and
                   self.host.shows("ActiveState") == "active")
        eventually("the network is up", lambda: self.alice.network()["state"] == "up")

    def test_it_runs_in_its_sandbox_and_members_reach_each_other(self):
        self.assertEqual(self.host.shows("Type"), "notify")
        self.assertEqual((self.host.shows("ActiveState"), self.host.shows("SubState")),
                         ("active", "running"))
        self.assertEqual(self.host.shows("StatusText"), "running")
        self.alice.ipop("create", "family", "--name", "alice")
        bob = self.public("bob")
        self.join(bob, self.alice)
        self.reaches(bob, self.alice)
        self.reaches(self.alice, bob)

    def test_stop_takes_the_network_away_and_start_brings_it_back(self):
        self.alice.ipop("create", "family", "--name", "alice")
        before = self.alice.network()
        self.assertTrue(self.alice.has_interface(before["interface"]))
        self.assertEqual(self.host.systemctl("stop", "ipopd").returncode, 0)
        self.assertEqual(self.host.shows("Result"), "success")
        self.assertFalse(self.alice.has_interface(before["interface"]))
        self.assertEqual(self.host.systemctl("start", "ipopd").returncode, 0)
        # No waiting: with Type=notify, start comes back when the daemon is ready.
        after = self.alice.network()
        self.assertEqual((after["id"], after["self"]), (before["id"], before["self"]))
        self.assertTrue(self.alice.has_interface(after["interface"]))

    def test_a_killed_daemon_is_started_again(self):
        self.alice.ipop("create", "family", "--name", "alice")
        pid = self.pid()
        self.host.systemctl("kill", "--signal=KILL", "ipopd")
        self.is_back(pid)

    def test_a_daemon_that_hangs_is_started_again(self):
        """The unit's watchdog, with a shorter time than its minute."""
        self.assertEqual(self.host.shows("WatchdogUSec"), "1min")
        self.alice.ipop("create", "family", "--name", "alice")
        self.host.run("sh", "-c", "mkdir -p /run/systemd/system/ipopd.service.d; printf "
                      "'[Service]\\nWatchdogSec=3\\n' >/run/systemd/system/ipopd.service.d/w.conf")
        self.host.systemctl("daemon-reload")
        self.host.systemctl("restart", "ipopd")
        pid, ready = self.pid(), self.noticed()
        eventually("it sends notices", lambda: self.noticed() > ready)
        self.host.systemctl("kill", "--signal=STOP", "ipopd")
        self.is_back(pid)
        self.assertEqual(self.host.shows("NRestarts"), "1")

    def noticed(self):
        return int(self.host.shows("WatchdogTimestampMonotonic"))


if __name__ == "__main__":
    unittest.main()
