#!/usr/bin/env python3
"""Turns the conversations of captures into seeds of the target `conversations`.

    seeds.py FOLDER [CAPTURE...]

Without captures: those of testdata. Every TCP, UDP and ICMP conversation over IPv4 in Ethernet or raw IP frames becomes
one file in FOLDER, cut after 60 kB. The form is told at the top of fuzz_targets/conversations.rs. Needs Python 3.8 and
nothing else.
"""

import hashlib
import pathlib
import struct
import sys

PORTS = [22, 25, 53, 80, 123, 443, 500, 1080, 1194, 1701, 3333, 4500, 4789, 7000, 51820, 40001]
LONGEST = 60_000


def frames(path):
    """IPv4 packets of a classic pcap, either byte order; nothing for other files and links."""
    data = path.read_bytes()
    order = {b"\xd4\xc3\xb2\xa1": "<", b"\x4d\x3c\xb2\xa1": "<", b"\xa1\xb2\xc3\xd4": ">"}.get(data[:4])
    if order is None or len(data) < 24:
        return
    link = struct.unpack_from(order + "I", data, 20)[0] & 0xFFFF
    skip = {1: 14, 101: 0, 228: 0, 113: 16, 0: 4}.get(link)
    at = 24
    while skip is not None and at + 16 <= len(data):
        captured = struct.unpack_from(order + "I", data, at + 8)[0]
        packet = data[at + 16 + skip : at + 16 + captured]
        if len(packet) >= 20 and packet[0] >> 4 == 4:
            yield packet[: struct.unpack_from(">H", packet, 2)[0] or None]
        at += 16 + captured


def conversations(path):
    found = {}
    for packet in frames(path):
        header, protocol = (packet[0] & 15) * 4, packet[9]
        src, dst, rest = packet[12:16], packet[16:20], packet[header:]
        if protocol in (6, 17) and len(rest) >= 8:
            ports = struct.unpack_from(">HH", rest)
            start = (rest[12] >> 4) * 4 if protocol == 6 and len(rest) > 12 else 8
        elif protocol == 1 and len(rest) >= 8:
            ports, start = (0, 0), 8
        else:
            continue
        one, other = (src, ports[0]), (dst, ports[1])
        key = (protocol, min(one, other), max(one, other))
        opener, messages, syn = found.setdefault(key, (one, [], [False]))
        syn[0] |= protocol == 6 and len(rest) > 13 and rest[13] & 2 != 0
        if rest[start:]:
            messages.append((one == opener, rest[start:]))
    for (protocol, one, other), (opener, messages, syn) in found.items():
        server = other if opener == one else one
        yield protocol, server[1], syn[0], messages


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    root = pathlib.Path(__file__).resolve().parent.parent
    captures = [pathlib.Path(name) for name in sys.argv[2:]] or sorted((root / "testdata").rglob("*.pcap"))
    written = set()
    for path in captures:
        for protocol, port, from_start, messages in conversations(path):
            if not messages:
                continue
            kind = {6: 0, 17: 1, 1: 3}[protocol] | (4 if from_start else 0)
            seed = bytes([kind, PORTS.index(port) if port in PORTS else 15])
            for from_client, payload in messages:
                payload = payload[:0x3FFF]
                if len(seed) + len(payload) > LONGEST:
                    break
                seed += struct.pack(">H", len(payload) | (0x8000 if from_client else 0)) + payload
            name = hashlib.sha256(seed).hexdigest()[:16]
            if name not in written:
                written.add(name)
                (folder / name).write_bytes(seed)
    print(f"{len(written)} seeds of {len(captures)} captures")


if __name__ == "__main__":
    main()
