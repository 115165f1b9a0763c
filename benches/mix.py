#!/usr/bin/env python3
"""Makes one large capture out of many small ones, for the measurements in docs/benchmarks.md.

    mix.py FOLDER MEGABYTES FILE [BULK]

Takes every classic pcap below FOLDER that has Ethernet frames and microseconds, in order of path, and lays them beside
each other: each begins at a moment of its own within ten minutes, pauses longer than two seconds are cut to two, and
all packets are put in order of time. That is one round. Rounds follow one another with IPv4 addresses moved on by one
in their second octet, until FILE has at least MEGABYTES * 10^6 bytes. Header checksums are not corrected.

Collections of small captures have a new conversation every few packets, which no network has. BULK, a capture as
`generate.py capture` writes it, is taken in as one more file of each round.

The same folder gives the same bytes. Needs Python 3.8 and nothing else.
"""

import os
import random
import struct
import sys

SEED = 20261125
START = 1_795_184_026  # 2026-11-20T14:13:46Z
ROUND = 600_000_000  # microseconds
PAUSE = 2_000_000
HEADER = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, 1)


def packets(path):
    """(microseconds, captured bytes, original length) of a file; nothing if it is of another kind."""
    with open(path, "rb") as file:
        data = file.read()
    order = {b"\xd4\xc3\xb2\xa1": "<", b"\xa1\xb2\xc3\xd4": ">"}.get(data[:4])
    if not order or len(data) < 24 or struct.unpack_from(order + "I", data, 20)[0] & 0xFFFF != 1:
        return
    at = 24
    while at + 16 <= len(data):
        seconds, micros, captured, original = struct.unpack_from(order + "IIII", data, at)
        if captured > 262_144 or at + 16 + captured > len(data):
            return
        yield seconds * 1_000_000 + micros, data[at + 16 : at + 16 + captured], original
        at += 16 + captured


def network(frame):
    """Where the IPv4 header begins behind Ethernet and VLAN tags, or None."""
    at = 12
    while frame[at : at + 2] in (b"\x81\x00", b"\x88\xa8"):
        at += 4
    return at + 2 if frame[at : at + 2] == b"\x08\x00" and len(frame) >= at + 22 else None


def one_round(folder, bulk):
    rng = random.Random(SEED)
    found = []
    paths = sorted(os.path.join(base, name) for base, _, names in os.walk(folder) for name in names) + bulk
    files = 0
    for path in paths:
        start = at = rng.randrange(ROUND)
        before = None
        for when, frame, original in packets(path):
            if before is not None:
                at += min(max(when - before, 0), PAUSE)
            before = when
            # What runs longer than a round begins again with it.
            found.append((at % ROUND, len(found), frame, original))
        files += before is not None
    found.sort(key=lambda packet: packet[:2])
    return files, found


def main():
    folder, wanted, target = sys.argv[1], int(sys.argv[2]) * 1_000_000, sys.argv[3]
    files, found = one_round(folder, sys.argv[4:])
    places = [network(frame) for _, _, frame, _ in found]
    written, rounds, count = len(HEADER), 0, 0
    with open(target, "wb", buffering=1 << 22) as out:
        out.write(HEADER)
        while written < wanted:
            base = START * 1_000_000 + rounds * ROUND
            for (at, _, frame, original), place in zip(found, places):
                if rounds and place is not None:
                    frame = bytearray(frame)
                    frame[place + 13] = (frame[place + 13] + rounds) & 0xFF
                    frame[place + 17] = (frame[place + 17] + rounds) & 0xFF
                    frame[place + 14] = (frame[place + 14] + (rounds >> 8)) & 0xFF
                    frame[place + 18] = (frame[place + 18] + (rounds >> 8)) & 0xFF
                seconds, micros = divmod(base + at, 1_000_000)
                out.write(struct.pack("<IIII", seconds, micros, len(frame), original))
                out.write(frame)
                written += 16 + len(frame)
                count += 1
            rounds += 1
    print(f"{rounds} rounds of {files} files, {count} packets, {written} bytes")


if __name__ == "__main__":
    main()
