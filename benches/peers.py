#!/usr/bin/env python3
"""Times `coincident analyze` beside others over the same logs, one after the other.

    peers.py COINCIDENT FILE...

For each file: the whole of `analyze` (hash, read, fold, detect, correlate), `rg -c` of one word, DuckDB counting lines by
the first address on them (`regexp_extract`; of JSON lines by their fields), and lnav loading the file and counting its
lines. They answer different questions: the figures say what the machine gives. What is not installed is left out. Wall
seconds, the best of three (one of lnav), and lines a second of the first.
"""

import os
import shutil
import subprocess
import sys
import time

YEAR = ["--year", "*=2026"]


def best(command, runs=3, **more):
    least, peak = None, 0
    for _ in range(runs):
        start = time.monotonic()
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **more)
        _, status, used = os.wait4(child.pid, 0)
        wall = time.monotonic() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode not in (0, 1):
            return None, None
        least = wall if least is None else min(least, wall)
        peak = max(peak, used.ru_maxrss / 1024)
    return least, peak


def duckdb_query(path):
    with open(path, encoding="utf-8", errors="replace") as lines:
        is_json = lines.readline().startswith("{")
    if is_json:
        return f"SELECT count(*) FROM read_json('{path}', format='newline_delimited')"
    source = f"read_csv('{path}', columns={{'line': 'VARCHAR'}}, header=false, delim='\\x01', quote='', escape='', ignore_errors=true, max_line_size=1000000)"
    return f"SELECT count(*), count(DISTINCT regexp_extract(line, '[0-9]+\\.[0-9]+\\.[0-9]+\\.[0-9]+')) FROM {source}"


def main():
    binary, files = sys.argv[1], sys.argv[2:]
    print(f"{'file':24} {'MB':>7} {'lines':>10} {'analyze s':>10} {'peak MiB':>9} {'lines/s':>10} {'rg -c s':>8} {'duckdb s':>9} {'lnav s':>8}")
    for path in files:
        lines = int(subprocess.run(["wc", "-l", path], capture_output=True, text=True, check=True).stdout.split()[0])
        ours, peak = best([binary, "analyze", path, *YEAR, "--format", "jsonl"])
        rg = best(["rg", "-c", "443", path])[0] if shutil.which("rg") else None
        query = f"import duckdb; c = duckdb.connect(); c.execute('SET threads=2'); c.execute({duckdb_query(path)!r}).fetchall()"
        duck = best([sys.executable, "-c", query], runs=2)[0]
        lnav = best(["lnav", "-n", "-c", ";SELECT count(*) FROM all_logs", path], runs=1)[0] if shutil.which("lnav") else None
        shown = [f"{value:.2f}" if value is not None else "-" for value in (ours, peak, rg, duck, lnav)]
        rate = f"{lines / ours:,.0f}" if ours else "-"
        print(f"{os.path.basename(path):24} {os.path.getsize(path) / 1e6:7.0f} {lines:10} {shown[0]:>10} {shown[1]:>9} {rate:>10} {shown[2]:>8} {shown[3]:>9} {shown[4]:>8}", flush=True)


if __name__ == "__main__":
    main()
