#!/usr/bin/env python3
"""Runs a command several times and says how long it took and how much memory it had, least, median and most.

    measure.py RUNS COMMAND [ARGUMENT...]

Wall-clock and processor seconds (user and system, all threads), peak resident memory as the kernel counts it
(wait4(2)), and the load average before the first run: on a shared machine wall-clock time alone says little.
"""

import os
import statistics
import sys
import time


def main():
    runs, command = int(sys.argv[1]), sys.argv[2:]
    load = os.getloadavg()[0]
    rows = []
    for _ in range(runs):
        start = time.monotonic()
        child = os.posix_spawnp(
            command[0], command, os.environ, file_actions=[(os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0)]
        )
        _, status, used = os.wait4(child, 0)
        wall = time.monotonic() - start
        if status != 0:
            sys.exit(f"{command[0]}: wait status {status}")
        rows.append((wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024))
    for name, column in zip(("wall s", "cpu s", "peak MiB"), zip(*rows)):
        print(f"{name:9} {min(column):8.2f} {statistics.median(column):8.2f} {max(column):8.2f}")
    print(f"{runs} runs, load before {load:.1f}: {' '.join(command)}")


if __name__ == "__main__":
    main()
