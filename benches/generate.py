#!/usr/bin/env python3
"""Writes the inputs of the throughput measurements in docs/benchmarks.md.

    generate.py lines LINES CONVERSATIONS FILE    netfilter LOG lines with RFC 3164 headers, a few busy conversations
    generate.py even LINES CONVERSATIONS FILE     the same, all conversations alike
    generate.py capture MEGABYTES FILE            a pcap of mixed traffic

The same arguments give the same bytes, on any machine: docs/benchmarks.md has their SHA-256. Needs Python 3.8 and
nothing else. All addresses are from RFC 1918, RFC 5737 and RFC 3849.
"""

import random
import struct
import sys
from datetime import datetime, timedelta, timezone

SEED = 20261121
START = 1_795_184_026  # 2026-11-20T14:13:46Z

RULES = ["[UFW BLOCK]", "[UFW ALLOW]", "EGRESS-DENY:", "EGRESS-ALLOW:", "filter_IN_public_REJECT:"]


def lines(count, conversations, path, even=False):
    """`count` lines over `conversations` distinct (opener, peer, port, protocol), in order of time.

    A few conversations have most of the lines (weights fall as 1/rank) unless `even`, 400 lines share a second, and every line has a
    source port, TTL and ID of its own.
    """
    rng = random.Random(SEED)
    known = []
    for number in range(conversations):
        src = f"10.20.{number % 50}.{number // 50 % 250 + 1}"
        dst = f"{rng.choice(['192.0.2', '198.51.100', '203.0.113'])}.{rng.randrange(1, 255)}"
        port = 1024 + number % 60_000 if number % 3 else [443, 80, 22, 53, 3333][number % 5]
        tcp = port != 53
        rule = RULES[number % len(RULES)]
        way = "IN= OUT=eth0" if number % 4 else "IN=eth1 OUT=eth0 MAC=02:42:0a:14:00:05:02:42:0a:14:00:01:08:00"
        length = 60 if tcp else 28 + rng.randrange(20, 80)
        head = f"{rule} {way} SRC={src} DST={dst} LEN={length} TOS=0x00 PREC=0x00 TTL="
        tail = f" DPT={port} " + ("WINDOW=64240 RES=0x00 SYN URGP=0 " if tcp else f"LEN={length - 20} ")
        known.append((head, "TCP" if tcp else "UDP", tail))
    weights = [0.0]
    for rank in range(1, conversations + 1):
        weights.append(weights[-1] + (1 if even else 1 / rank))
    cumulative = weights[1:]
    at = datetime.fromtimestamp(START, timezone.utc)
    with open(path, "w", encoding="ascii", newline="\n", buffering=1 << 20) as out:
        written = 0
        order = list(range(conversations))
        while written < count:
            stamp = (at + timedelta(seconds=written // 400)).strftime("%b %d %H:%M:%S").replace(" 0", "  ", 1)
            batch = min(400, count - written)
            # Every conversation is there at least once.
            chosen = order[written : written + batch] if written < conversations else []
            chosen += rng.choices(range(conversations), cum_weights=cumulative, k=batch - len(chosen))
            for number in chosen:
                head, protocol, tail = known[number]
                bits = rng.getrandbits(48)
                out.write(
                    f"{stamp} fw-edge kernel: [{86_400 + written // 400}.{bits % 1_000_000:06d}] {head}{48 + bits % 17}"
                    f" ID={bits >> 16 & 0xffff} DF PROTO={protocol} SPT={32_768 + (bits >> 32) % 28_000}{tail}\n"
                )
            written += batch


FIN, SYN, PSH, ACK = 1, 2, 8, 16


class Capture:
    """A little-endian microsecond pcap of Ethernet frames."""

    def __init__(self, out):
        self.out = out
        self.size = self.out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, 1))
        self.at = START * 1_000_000
        self.packets = 0

    def packet(self, src, dst, protocol, transport, payload):
        length = 20 + len(transport) + len(payload)
        frame = 14 + length
        self.at += 7
        self.packets += 1
        self.size += self.out.write(
            struct.pack("<IIII", self.at // 1_000_000, self.at % 1_000_000, frame, frame)
            + b"\x02\0\0\0\0\x01\x02\0\0\0\0\x02\x08\0"
            + struct.pack(">BBHHHBBH", 0x45, 0, length, 0, 0x4000, 64, protocol, 0)
            + src
            + dst
            + transport
            + payload
        )

    def udp(self, src, dst, ports, payload):
        self.packet(src, dst, 17, struct.pack(">HHHH", *ports, 8 + len(payload), 0), payload)


class Flow:
    """One TCP connection: who, what is said, and how far it is."""

    def __init__(self, rng, number, said):
        self.client = bytes([10, 20, number >> 8 & 255, number & 255])
        self.server = bytes([203, 0, 113, rng.randrange(1, 255)])
        self.ports = (32_768 + number % 28_000, said["port"])
        self.next = [rng.getrandbits(32), rng.getrandbits(32)]
        self.steps = self.script(rng, said)

    def script(self, rng, said):
        yield (0, SYN, b"")
        yield (1, SYN | ACK, b"")
        yield (0, ACK, b"")
        for way, text in said["opening"]:
            yield (way, PSH | ACK, text)
        unacknowledged = 0
        for _ in range(said["segments"]):
            # Mostly full segments from the server, small ones either way, and an acknowledgement for every second one.
            size = rng.choice(said["sizes"])
            way = 1 if size > 400 or rng.random() < 0.5 else 0
            at = rng.randrange(0, len(NOISE) - size)
            yield (way, PSH | ACK, NOISE[at : at + size])
            unacknowledged += 1
            if unacknowledged == 2:
                unacknowledged = 0
                yield (1 - way, ACK, b"")
        yield (0, FIN | ACK, b"")
        yield (1, FIN | ACK, b"")
        yield (0, ACK, b"")

    def step(self, capture):
        move = next(self.steps, None)
        if move is None:
            return False
        way, flags, payload = move
        src, dst = (self.client, self.server)[:: 1 if way == 0 else -1]
        ports = self.ports[:: 1 if way == 0 else -1]
        acknowledged = 0 if flags == SYN else self.next[1 - way]
        header = struct.pack(">HHIIBBHHH", *ports, self.next[way], acknowledged, 0x50, flags, 64_240, 0, 0)
        capture.packet(src, dst, 6, header, payload)
        self.next[way] = self.next[way] + len(payload) + (1 if flags & (SYN | FIN) else 0) & 0xFFFFFFFF
        return True


NOISE = b""


def tls_hello(name):
    """A ClientHello (RFC 8446) with server_name, ALPN and supported_versions."""
    host = name.encode()
    sni = struct.pack(">HHBH", len(host) + 5, len(host) + 3, 0, len(host)) + host
    extensions = struct.pack(">H", 0) + sni
    extensions += struct.pack(">HH", 16, 14) + b"\x00\x0c\x02h2\x08http/1.1"
    extensions += struct.pack(">HH", 43, 3) + b"\x02\x03\x04"
    body = b"\x03\x03" + bytes(range(32)) + b"\x00" + b"\x00\x04\x13\x01\x13\x02" + b"\x01\x00"
    body += struct.pack(">H", len(extensions)) + extensions
    handshake = b"\x01" + struct.pack(">I", len(body))[1:] + body
    return b"\x16\x03\x01" + struct.pack(">H", len(handshake)) + handshake


def kexinit():
    """A KEXINIT (RFC 4253 section 7.1)."""
    lists = [
        "curve25519-sha256,ecdh-sha2-nistp256", "ssh-ed25519,rsa-sha2-512", "aes256-gcm@openssh.com,aes128-ctr",
        "aes256-gcm@openssh.com,aes128-ctr", "hmac-sha2-256-etm@openssh.com", "hmac-sha2-256-etm@openssh.com",
        "none", "none", "", "",
    ]
    payload = b"\x14" + bytes(16) + b"".join(struct.pack(">I", len(names)) + names.encode() for names in lists)
    payload += b"\x00" + bytes(4)
    padding = 8 - (len(payload) + 5) % 8 + 4
    return struct.pack(">IB", len(payload) + padding + 1, padding) + payload + bytes(padding)


def query(number, name):
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"
    return struct.pack(">HHHHHH", number & 0xFFFF, 0x0100, 1, 0, 0, 0) + labels + struct.pack(">HH", 1, 1)


def answer(number, name, address):
    question = query(number, name)
    record = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + address
    return question[:2] + b"\x81\x80" + struct.pack(">HHHH", 1, 1, 0, 0) + question[12:] + record


def conversation(rng, number):
    """What a connection says at its beginning, and how much follows. One in ten is SSH, three HTTP, six TLS."""
    name = f"host{number % 2000}.example"
    kind = number % 10
    if kind == 0:
        opening = [
            (0, b"SSH-2.0-OpenSSH_9.6\r\n"), (1, b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"), (0, kexinit()), (1, kexinit()),
        ]
        return {"port": 22, "opening": opening, "segments": 400, "sizes": [36, 52, 68, 100, 1200]}, name
    if kind < 4:
        head = f"GET /data/{number} HTTP/1.1\r\nHost: {name}\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\n\r\n"
        segments = rng.choice([4, 30, 120])
        reply = (
            "HTTP/1.1 200 OK\r\nDate: Fri, 20 Nov 2026 14:13:46 GMT\r\nServer: nginx\r\nContent-Type: "
            "application/octet-stream\r\nTransfer-Encoding: identity\r\n\r\n"
        )
        opening = [(0, head.encode()), (1, reply.encode())]
        return {"port": 80, "opening": opening, "segments": segments, "sizes": [600, 1000, 1448, 1448]}, name
    opening = [(0, tls_hello(name)), (1, b"\x16\x03\x03\x00\x7a\x02" + bytes(121)), (0, b"\x14\x03\x03\x00\x01\x01")]
    segments = rng.choice([10, 40, 150])
    return {"port": 443, "opening": opening, "segments": segments, "sizes": [40, 90, 250, 600, 1448, 1448]}, name


def capture(megabytes, path):
    """TCP connections, 200 at a time, each with a DNS exchange before it; packets interleave by chance."""
    global NOISE
    rng = random.Random(SEED)
    NOISE = rng.getrandbits(8 << 20).to_bytes(1 << 20, "big")
    with open(path, "wb", buffering=1 << 20) as out:
        made = Capture(out)
        live = []
        number = 0
        target = megabytes * 1_000_000
        while made.size < target:
            while len(live) < 200:
                number += 1
                said, name = conversation(rng, number)
                flow = Flow(rng, number, said)
                resolver = bytes([10, 20, 255, 53])
                ports = (40_000 + number % 20_000, 53)
                made.udp(flow.client, resolver, ports, query(number, name))
                made.udp(resolver, flow.client, ports[::-1], answer(number, name, flow.server))
                live.append(flow)
            at = rng.randrange(len(live))
            # Segments come in small bursts.
            for _ in range(rng.randrange(1, 6)):
                if not live[at].step(made):
                    live[at] = live[-1]
                    live.pop()
                    break
        print(f"{made.packets} packets, {number} connections, {made.size / made.packets:.0f} bytes a packet")


def main():
    match = sys.argv[1:]
    if len(match) == 4 and match[0] in ("lines", "even"):
        lines(int(match[1]), int(match[2]), match[3], match[0] == "even")
    elif len(match) == 3 and match[0] == "capture":
        capture(int(match[1]), match[2])
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
