#!/usr/bin/python3
"""Runs the end-to-end tests: real daemons in network namespaces. Needs root.

    run.py [--bin DIR] [--soak] [--plain] [GROUP…]      groups: the test_*.py beside this file
    run.py join Join.test_a_used_invite       one test of a group
"""
import argparse
import importlib
import os
import pathlib
import sys
import unittest

import harness

# A kernel that does nothing for many packets at once, and one thread.
PLAIN = """tun_tcp_offload = false
tun_udp_offload = false
udp_segment = false
udp_group = false
workers = 1
"""

HERE = pathlib.Path(__file__).resolve().parent
GROUPS = sorted(path.stem[5:] for path in HERE.glob("test_*.py"))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", type=pathlib.Path, default=harness.bin_dir)
    parser.add_argument("--soak", action="store_true", help="the long versions")
    parser.add_argument("--plain", action="store_true", help="every offload off, one thread")
    parser.add_argument("what", nargs="*")
    options = parser.parse_args()
    if os.geteuid() != 0:
        raise SystemExit("end-to-end tests make network namespaces and need root")
    harness.bin_dir, harness.soak = options.bin.resolve(), options.soak
    harness.config = PLAIN if options.plain else ""
    for program in ("ipop", "ipopd"):
        if not (harness.bin_dir / program).exists():
            raise SystemExit(f"{harness.bin_dir / program} is missing: ./run build")
    groups = [word for word in options.what if word in GROUPS] or GROUPS
    names = [word for word in options.what if word not in GROUPS]
    suite = unittest.TestSuite()
    for group in groups:
        module = importlib.import_module(f"test_{group}")
        loader = unittest.defaultTestLoader
        suite.addTests(loader.loadTestsFromNames(names, module) if names
                       else loader.loadTestsFromModule(module))
    result = unittest.TextTestRunner(verbosity=2, failfast=False).run(suite)
    return 0 if result.wasSuccessful() and result.testsRun and not result.skipped else 1


if __name__ == "__main__":
    sys.exit(main())
