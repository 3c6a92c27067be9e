"""A bad line: what a host's access line does to packets, by impair.cc, and what it did."""
import json
import subprocess

from host import LabError

# The queues of one line: what leaves the site, and what comes to it. Two hooks, since a packet that
# a queue has accepted skips the other rules of its hook.
WAYS = {"out": ("PREROUTING", "-i", 0), "in": ("POSTROUTING", "-o", 256)}
# nftables' own queue statement is missing from more kernels than this extension. What a link says
# to itself in IPv6 (its neighbours, its groups) is left alone.
TABLES = {"iptables": [], "ip6tables": ["-s", "2000::/3"]}


class Line:
    """Impairs `host`'s line at the core in these ways until end(); see Lab.impair()."""

    def __init__(self, core, host, program, ways, options):
        self.core, self.access, self.processes = core, host.access, {}
        for way in ways:
            number = WAYS[way][2] + int(host.access[1:])
            process = core.start(program, "--queue", number, "--seed", number + 1,
                                 *(str(word) for name, value in options.items()
                                   for word in ("--" + name.replace("_", "-"), value)),
                                 stdout=subprocess.PIPE, text=True)
            if process.stdout.readline() != "ready\n":
                raise LabError(f"{host.name}: its line cannot be impaired")
            self.processes[way] = process
            self._rule("-A", way)

    def end(self):
        """The line is good again. What it did, for each way: {"seen", "lost", "late"}."""
        did = {}
        for way, process in self.processes.items():
            self._rule("-D", way)
            process.terminate()
            did[way] = json.loads(process.communicate()[0])
        self.processes = {}
        return did

    def _rule(self, verb, way):
        hook, flag, offset = WAYS[way]
        for table, only in TABLES.items():
            self.core.run(table, "-w", "-t", "mangle", verb, hook, flag, self.access, *only, "-j",
                          "NFQUEUE", "--queue-num", offset + int(self.access[1:]))
