#!/usr/bin/env python3
"""Holds the conversations of captures against those of tshark.

    agree.py COINCIDENT FOLDER [-v]

For every capture below FOLDER that tshark reads to its end: TCP and UDP conversations by their ends, packets in each
direction and duration as `tshark -q -z conv,tcp -z conv,udp` prints them. Where one pair of ends has several
conversations, both sides are added up, since the two split reused ports by different rules. Needs Python 3.8, tshark
and nothing else.
"""

import csv
import io
import os
import re
import subprocess
import sys
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

MAGIC = {b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\xc3\xd4", b"\x4d\x3c\xb2\xa1", b"\xa1\xb2\x3c\x4d", b"\x34\xcd\xb2\xa1",
         b"\xa1\xb2\xcd\x34", b"\x0a\x0d\x0d\x0a"}
ROW = re.compile(r"^(\S+):(\S+)\s+<-> (\S+):(\S+)\s+(\d+) (.*)$")
UNITS = {"bytes": 1, "kB": 1000, "MB": 10**6, "GB": 10**9}


def run(*command):
    return subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, timeout=300)


def seconds(text):
    whole, _, rest = text.partition(".")
    return int(whole) + float("0." + (rest.rstrip("Z") or "0"))


def theirs(path):
    """{(protocol, end, end): [packets from the first end, from the second, duration, conversations]}"""
    found = defaultdict(lambda: [0, 0, 0.0, 0])
    done = run("tshark", "-n", "-q", "-r", path, "-z", "conv,tcp", "-z", "conv,udp")
    if done.returncode != 0:
        return None
    protocol = None
    for line in done.stdout.decode("utf-8", "replace").splitlines():
        if "Conversations" in line:
            protocol = line.split()[0].lower()
        match = re.match(
            r"^(\S+):(\d+)\s+<-> (\S+):(\d+)\s+(\d+) \S+ \S+\s+(\d+) \S+ \S+\s+(\d+) \S+ \S+\s+(\S+)\s+(\S+)", line)
        if not match:
            continue
        a, a_port, b, b_port, from_b, from_a, _, _, duration = match.groups()
        one, other = (a, int(a_port)), (b, int(b_port))
        if one > other:
            one, other, from_a, from_b = other, one, from_b, from_a
        row = found[protocol, one, other]
        row[0] += int(from_a)
        row[1] += int(from_b)
        row[2] += float(duration)
        row[3] += 1
    return found


def ours(binary, path):
    found = defaultdict(lambda: [0, 0, 0.0, 0])
    done = run(binary, "timeline", path, "--format", "csv", "--kind", "connection")
    for row in csv.DictReader(io.StringIO(done.stdout.decode("utf-8", "replace"))):
        if row["protocol"] not in ("tcp", "udp") or not row["src_port"] or not row["packets_out"]:
            continue
        one, other = (row["src_ip"], int(row["src_port"])), (row["dst_ip"], int(row["dst_port"]))
        out, back = int(row["packets_out"]), int(row["packets_in"])
        if one > other:
            one, other, out, back = other, one, back, out
        last = re.search(r"last (\S+?)(?:;|$)", row["message"])
        entry = found[row["protocol"], one, other]
        entry[0] += out
        entry[1] += back
        if last and row["time"]:
            entry[2] += moment(last[1]) - moment(row["time"])
        entry[3] += 1
    return found


def moment(text):
    base, fraction = text.rstrip("Z").split(".")
    return datetime.fromisoformat(base + "+00:00").timestamp() + float("0." + fraction)


def compare(binary, path):
    peer = theirs(path)
    if peer is None:
        return None
    own = ours(binary, path)
    rows = []
    for key in sorted(set(peer) | set(own), key=str):
        mine, other = own.get(key), peer.get(key)
        if mine is None or other is None:
            rows.append(("theirs alone" if mine is None else "ours alone", key, mine, other))
        elif mine[:2] != other[:2]:
            rows.append(("packets", key, mine, other))
        elif mine[3] != other[3]:
            rows.append(("split", key, mine, other))
        elif abs(mine[2] - other[2]) > 0.0002:
            rows.append(("duration", key, mine, other))
        else:
            rows.append(("agree", key, mine, other))
    return rows


def main():
    binary, folder = sys.argv[1], sys.argv[2]
    paths = sorted(os.path.join(base, name) for base, _, names in os.walk(folder) for name in names)
    captures = [path for path in paths if open(path, "rb").read(4) in MAGIC]
    total, left_out = Counter(), 0
    with ThreadPoolExecutor(2) as pool:
        for path, rows in zip(captures, pool.map(lambda path: compare(binary, path), captures)):
            if rows is None:
                left_out += 1
                continue
            counts = Counter(row[0] for row in rows)
            total.update(counts)
            if "-v" in sys.argv and set(counts) - {"agree"}:
                print(path, dict(counts))
                for row in [row for row in rows if row[0] != "agree"][:4]:
                    print("   ", *row)
    every = sum(total.values())
    for name, count in total.most_common():
        print(f"{name:14} {count:8} {100 * count / max(every, 1):7.3f} %")
    print(f"{len(captures)} captures, {left_out} left out: tshark does not read them to their end")


if __name__ == "__main__":
    main()
