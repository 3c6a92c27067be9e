"""What processes and the machine used, from /proc."""
import os
import pathlib

TICK_S = 1 / os.sysconf("SC_CLK_TCK")


def cpu_s(pids):
    """User and system time of all threads of these processes."""
    total = 0
    for pid in pids:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total * TICK_S


def machine_cpu_s():
    """Time that the machine's processors did not idle; interrupts included."""
    user, nice, system, _idle, _wait, irq, softirq = machine_fields()[:7]
    return (user + nice + system + irq + softirq) * TICK_S


def stolen_s():
    """Time in which the processors were somebody else's; large means the figures are not good."""
    return machine_fields()[7] * TICK_S


def machine_fields():
    with open("/proc/stat", encoding="ascii") as stat:
        return [int(field) for field in stat.readline().split()[1:]]


def resident_mb(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def wake_ups(pid):
    """Times that any thread of the process was switched in, voluntarily or not."""
    return sum(int(line.split()[1])
               for task in pathlib.Path(f"/proc/{pid}/task").iterdir()
               for line in (task / "status").read_text().split("\n")
               if "ctxt_switches" in line)
