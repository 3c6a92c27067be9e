#!/usr/bin/python3
"""Two computers become one network, before your eyes: `sudo ./run demo [--keep]`.

alice has a public address, bob sits behind a home router. Both are namespaces of this machine
with their own host name, /etc and /var/lib/ipop, so that the shipped programs run with their
defaults and every line below is what a user would type.
"""
import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "natlab"))
from natlab import Lab, LabError, sweep  # noqa: E402  (the path is set above)

PREFIX = "ipop-demo"
BIN = ROOT / "build" / "bin"
LIMIT_S = 20
COLOUR = sys.stdout.isatty()

SSHD_CONFIG = """HostKey /etc/ssh/demo_key
AuthorizedKeysFile /etc/ssh/demo_authorized
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
Subsystem sftp internal-sftp
"""
SSH_CONFIG = """Host *
  IdentityFile /etc/ssh/demo_key
  LogLevel ERROR
"""


class DemoFailed(Exception):
    pass


def paint(code, text):
    return f"\033[{code}m{text}\033[0m" if COLOUR else text


def title(number, text):
    print(f"\n{paint('1', f'{number}. {text}')}", flush=True)


def shorten(text):
    """Invites are long; what is shown keeps their two ends."""
    return re.sub(r"(ipop1-\w{12})\w{40,}(\w{6})", r"\1…\2", text, flags=re.IGNORECASE)


def shell(host, text):
    """What a root shell on that computer would run."""
    path = "PATH=/run/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return host.command("env", path, "HOME=/root", "sh", "-c", "cd && " + text)


def type_(host, command, stdin=None, show=None, limit_s=LIMIT_S):
    """Runs a command line on a host, shows it and its output, and gives the output."""
    print(f"   {paint('32', host.name + '#')} {shorten(show or command)}", flush=True)
    run = subprocess.run(shell(host, command), capture_output=True, text=True, input=stdin or "",
                         timeout=limit_s)
    output = run.stdout + run.stderr
    for line in shorten(output).rstrip().split("\n") if output.strip() else []:
        print(f"   {line}".rstrip(), flush=True)
    if run.returncode:
        raise DemoFailed(f"{host.name}: {command}: exit {run.returncode}")
    return output


def wait_for(what, host, command):
    end = time.monotonic() + LIMIT_S
    while subprocess.run(shell(host, command), capture_output=True).returncode:
        if time.monotonic() > end:
            raise DemoFailed(f"not within {LIMIT_S} s: {what}")
        time.sleep(0.05)


def build():
    """The lab: two computers with the shipped programs in their path."""
    sweep(PREFIX)
    lab = Lab(PREFIX)
    try:
        alice = lab.site("alice")
        bob = lab.site("bob", nat="port-restricted", v6=False)
        for host in (alice, bob):
            for program in ("ipop", "ipopd"):
                # /root is the host's own, so nothing is left behind on this machine.
                host.run("install", "-D", BIN / program, f"/run/bin/{program}")
        return lab, alice, bob
    except BaseException:
        lab.close()
        raise


def start_daemons(*hosts):
    for host in hosts:
        print(f"   {paint('32', host.name + '#')} ipopd &", flush=True)
        host.start("sh", "-c", "exec /run/bin/ipopd 2>/run/ipopd.log")
    for host in hosts:
        wait_for(f"{host.name}'s daemon answers", host, "ipop networks")


def use_names(*hosts):
    """Where systemd-resolved runs, the daemon tells it; the lab's computers have none, so each
    does what `ipop` said just now, in an /etc of its own."""
    for host in hosts:
        address = host.run("ip", "-4", "-o", "addr", "show", "ipop0").stdout.split()[3]
        type_(host, f"echo nameserver {address.split('/')[0]} >/etc/resolv.conf")


def start_sshd(server, client):
    """Debian's sshd on bob with keys of its own; it ends with the lab."""
    binary = pathlib.Path("/usr/sbin/sshd")
    if not binary.exists():
        binary = ROOT / "build/openssh/usr/sbin/sshd"
    for host in (server, client):
        host.run("mkdir", "-p", "/etc/ssh", "/run/sshd")
        host.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "/etc/ssh/demo_key")
    # A root account without a password is locked for sshd on some machines; not in the lab.
    server.run("sed", "-i", "s/^root:[^:]*:/root:*:/", "/etc/shadow")
    server.run("sh", "-c", "grep -q ^sshd: /etc/passwd || "
               "echo sshd:x:998:65534::/run/sshd:/usr/sbin/nologin >>/etc/passwd")
    public = client.run("cat", "/etc/ssh/demo_key.pub").stdout
    server.etc("ssh/demo_authorized", public)
    server.etc("ssh/sshd_config", SSHD_CONFIG)
    client.etc("ssh/ssh_config", SSH_CONFIG)
    key = server.run("cat", "/etc/ssh/demo_key.pub").stdout
    client.etc("ssh/ssh_known_hosts", f"*.family.internal {key}")
    server.start(binary, "-D", "-E", "/run/sshd.log")
    wait_for("sshd listens", server, "ss -ltn | grep -q ':22 '")


def tell(alice, bob):
    title(1, "Each computer runs the daemon (as a service, where systemd runs)")
    start_daemons(alice, bob)
    title(2, "alice founds a network and invites")
    type_(alice, "ipop create family")
    invite = re.search(r"ipop1-\w+", type_(alice, "ipop invite"), re.IGNORECASE).group(0)
    title(3, "bob, behind his router, joins with it")
    type_(bob, "ipop join -", stdin=invite + "\n", show=f"ipop join {invite}")
    use_names(alice, bob)
    title(4, "They reach each other by name, both ways")
    type_(bob, "ping -c 3 -i 0.2 alice.family.internal")
    type_(alice, "ping -c 3 -i 0.2 bob.family.internal")
    type_(bob, "ipop ping -c 2 -i 0.2 alice")
    title(5, "alice logs in to bob's computer, past his router")
    start_sshd(bob, alice)
    type_(alice, "ssh bob.family.internal 'echo $(hostname) lets in ${SSH_CLIENT%% *}'")
    title(6, "A file goes over and arrives whole")
    type_(alice, "head -c 32M /dev/urandom >holiday.mov; sha256sum holiday.mov")
    type_(alice, "scp -q holiday.mov bob.family.internal:")
    there = type_(alice, "ssh bob.family.internal sha256sum holiday.mov")
    if there.split()[0] != alice.run("sha256sum", "/root/holiday.mov").stdout.split()[0]:
        raise DemoFailed("the file's sums differ")
    title(7, "How fast it is on this machine (both ends share its processors)")
    bob.start("sh", "-c", "exec iperf3 -s -1 >/run/iperf3.log 2>&1")
    wait_for("iperf3 listens", bob, "ss -ltn | grep -q ':5201 '")
    type_(alice, "iperf3 -c bob.family.internal -t 3 -i 0 -f m | grep -E 'sender|receiver'")
    title(8, "What each of them sees")
    type_(alice, "ipop status")
    type_(bob, "ipop status")


def keep(*hosts):
    print(f"\n{paint('1', 'The two computers stay.')} Enter one, leave it with exit:")
    for host in hosts:
        print(f"   sudo nsenter -t {host.pid} -m -u -n env PATH=/run/bin:$PATH HOME=/root bash")
    print("End it all: sudo ./run demo --down")


def main():
    options = set(sys.argv[1:])
    if options - {"--keep", "--down"}:
        raise SystemExit("usage: ./run demo [--keep | --down]")
    if "--down" in options:
        sweep(PREFIX)
        return 0
    began = time.monotonic()
    lab, alice, bob = build()
    kept = False
    try:
        tell(alice, bob)
        print(f"\n{paint('1', 'Done')} in {time.monotonic() - began:.0f} s. No server, no account.")
        if "--keep" in options:
            keep(alice, bob)
            kept = True
        return 0
    except (DemoFailed, LabError, subprocess.TimeoutExpired, AttributeError) as failure:
        print(f"\ndemo failed: {failure}", file=sys.stderr)
        for host in (alice, bob):
            log = host.run("tail", "-n", "15", "/run/ipopd.log", check=False).stdout
            print(f"--- {host.name}: ipopd\n{log}", file=sys.stderr)
        return 1
    finally:
        if not kept:
            lab.close()


if __name__ == "__main__":
    sys.exit(main())
