"""Packets made byte by byte from the RFCs, with a record of what a reader has to find in them.

Shared by the generators of the pcap and pcapng samples. Python 3, standard library only.
"""

import ipaddress
import struct

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
# 2026-11-20T14:13:46.123456789Z
START = 1795184026123456789
MS = 1_000_000


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ipv4(src, dst, protocol, payload, ident=0, flags=0, total=None):
    head = struct.pack(
        ">BBHHHBBH4s4s", 0x45, 0, 20 + len(payload) if total is None else total, ident, flags, 64, protocol, 0,
        ipaddress.ip_address(src).packed, ipaddress.ip_address(dst).packed)
    return head[:10] + struct.pack(">H", checksum(head)) + head[12:] + payload


def ipv6(src, dst, next_header, payload):
    return struct.pack(">IHBB", 6 << 28, len(payload), next_header, 64) + ipaddress.ip_address(src).packed + \
        ipaddress.ip_address(dst).packed + payload


def ip(src, dst, protocol, payload):
    return (ipv4 if ipaddress.ip_address(src).version == 4 else ipv6)(src, dst, protocol, payload)


def tcp(sport, dport, seq, ack, flags, data=b""):
    return struct.pack(">HHIIBBHHH", sport, dport, seq & 0xFFFFFFFF, ack & 0xFFFFFFFF, 0x50, flags, 65535, 0, 0) + data


def udp(sport, dport, data):
    return struct.pack(">HHHH", sport, dport, 8 + len(data), 0) + data


def icmp(kind, code, rest=b"\0\1\0\1abcdefgh"):
    head = struct.pack(">BBH", kind, code, 0) + rest
    return head[:2] + struct.pack(">H", checksum(head)) + head[4:]


def ether(packet, tags=()):
    kind = 0x0800 if packet[0] >> 4 == 4 else 0x86DD
    return bytes.fromhex("020000000001020000000002") + b"".join(struct.pack(">HH", t, v) for t, v in tags) + \
        struct.pack(">H", kind) + packet


def link_layer(link, packet, big=False):
    """The packet behind the header of a LINKTYPE_ (tcpdump.org/linktypes.html)."""
    v4 = packet[0] >> 4 == 4
    kind = 0x0800 if v4 else 0x86DD
    if link == 1:
        return ether(packet)
    if link == 0:
        return struct.pack(">I" if big else "<I", 2 if v4 else 30) + packet
    if link == 108:
        return struct.pack(">I", 2 if v4 else 24) + packet
    if link == 113:
        return struct.pack(">HHH8sH", 0, 1, 6, b"\2\0\0\0\0\1\0\0", kind) + packet
    if link == 276:
        return struct.pack(">HHIHBB8s", kind, 0, 2, 1, 0, 6, b"\2\0\0\0\0\1\0\0") + packet
    # PPP in HDLC framing, Cisco HDLC, frame relay (RFC 2427).
    if link == 9:
        return struct.pack(">HH", 0xFF03, 0x0021 if v4 else 0x0057) + packet
    if link == 104:
        return struct.pack(">HH", 0x0F00, kind) + packet
    if link == 107:
        return struct.pack(">HBB", 0x1841, 3, 0xCC if v4 else 0x8E) + packet
    # 802.11 data to the distribution system, alone and behind a radiotap header with flags.
    if link == 105:
        return struct.pack("<HH18sH", 0x0108, 0, b"\2\0\0\0\0\1" * 3, 0) + \
            struct.pack(">3sBHH", b"\xaa\xaa\3", 0, 0, kind) + packet
    if link == 127:
        return struct.pack("<BBHIB", 0, 0, 9, 2, 0) + link_layer(105, packet)
    return packet


NAMES = {1: "icmp", 6: "tcp", 17: "udp", 41: "ipv6", 47: "gre", 58: "icmpv6"}


class Talk:
    """A conversation that a reader has to report. Counts grow with every packet sent through it."""

    def __init__(self, capture, protocol, src, dst, sport=None, dport=None, state="", answered="true", link=1,
                 swapped=False):
        self.capture, self.protocol, self.link, self.swapped = capture, protocol, link, swapped
        self.ends = {True: (src, sport), False: (dst, dport)}
        self.count = {True: [0, 0], False: [0, 0]}
        self.state, self.answered = state, answered
        self.first = self.last = self.record = None
        self.isn = {True: 1000, False: 9000}
        self.sent = {True: 0, False: 0}
        capture.talks.append(self)

    def account(self, out, carried):
        """The capture's next packet belongs here and carries so many bytes behind its IP header."""
        self.count[out][0] += 1
        self.count[out][1] += carried
        if self.record is None:
            self.record, self.first = len(self.capture.packets) + 1, self.capture.at
        self.last = self.capture.at

    def send(self, out, payload, **how):
        """One packet with this IP payload; `out` is from the opener."""
        self.account(out, len(payload))
        (src, _), (dst, _) = self.ends[out], self.ends[not out]
        self.capture.add(link_layer(self.link, ip(src, dst, self.protocol, payload), self.swapped), **how)

    def datagram(self, out, data, **how):
        self.send(out, udp(self.ends[out][1], self.ends[not out][1], data), **how)

    def tcp(self, out, flags, data=b"", at=None, ack=None, **how):
        """A segment; `at` is the stream offset of its data, the next one if not given (0 is the first byte)."""
        offset = self.sent[out] if at is None else at
        seq = self.isn[out] if flags & SYN else self.isn[out] + 1 + offset
        if ack is None:
            ack = self.isn[not out] + 1 + self.sent[not out] if flags & ACK else 0
        self.send(out, tcp(self.ends[out][1], self.ends[not out][1], seq, ack, flags, data), **how)
        self.sent[out] = max(self.sent[out], offset + len(data) + (1 if flags & FIN else 0))

    def handshake(self):
        self.tcp(True, SYN)
        self.tcp(False, SYN | ACK)
        self.tcp(True, ACK)

    def close(self):
        self.tcp(True, FIN | ACK)
        self.tcp(False, FIN | ACK)
        self.tcp(True, ACK)

    def expected(self, floor):
        def end(e):
            address, port = e
            return f"[{address}]:{port}" if port is not None and ":" in address else \
                f"{address}:{port}" if port is not None else address

        (po, bo), (pi, bi) = self.count[True], self.count[False]
        return (f"{self.record}: {NAMES.get(self.protocol, self.protocol)} {end(self.ends[True])} > "
                f"{end(self.ends[False])} {self.state or '-'} out {po}/{bo} in {pi}/{bi} answered {self.answered} "
                f"{floor(self.first)} {floor(self.last)}")


class Capture:
    """Packets in order: (time in ns, frame, length on the wire, more). Time steps by 1 ms unless said otherwise."""

    def __init__(self, start=START):
        self.packets, self.talks, self.at = [], [], start
        self.anomalies = []

    def add(self, frame, wire=None, step=MS, **more):
        self.packets.append((self.at, frame, len(frame) if wire is None else wire, more))
        self.at += step

    def wait(self, seconds):
        self.at += seconds * 1_000_000_000


def exchange(capture, link=1, swapped=False, sport=50012):
    """The usual content: an SSH-like TCP conversation and a DNS-like one."""
    t = Talk(capture, 6, "10.20.0.5", "203.0.113.66", sport, 443, "SF", link=link, swapped=swapped)
    t.handshake()
    t.tcp(True, PSH | ACK, b"SSH-2.0-OpenSSH_9.2\r\n")
    t.tcp(False, PSH | ACK, b"SSH-2.0-OpenSSH_9.7\r\n")
    t.close()
    d = Talk(capture, 17, "10.20.0.5", "10.20.0.1", 40001, 53, link=link, swapped=swapped)
    query = bytes.fromhex("123401000001000000000000076578616d706c6503636f6d0000010001")
    d.datagram(True, query)
    d.datagram(False, query[:2] + b"\x81\x80" + query[4:])
    return capture


def write_expected(path, samples):
    """samples: (name, capture, unit in ns, keyword overrides)."""
    with open(path, "w") as out:
        out.write("# Written by generate.py from what it put into the samples; no reader was asked.\n"
                  "# conversations: first packet: protocol opener > responder state out packets/bytes in packets/bytes\n"
                  "# answered first and last time (ns since the epoch; bytes are those behind the IP header).\n"
                  "# anomalies_while_read: shown only as long as a protocol reader still wants the stream.\n"
                  "# whole_at: lengths at which a cut of the file cannot be seen.\n")
        for name, capture, unit, about in samples:
            floor = lambda ns: "-" if ns is None else ns // unit * unit
            out.write(f'\n[[sample]]\nname = "{name}"\npackets = {about.get("packets", len(capture.packets))}\n')
            # 0: more than one.
            out.write(f'unread = {about.get("unread", 0)}\nunit_ns = {about.get("unit_ns", unit)}\n')
            out.write("anomalies = [" + ", ".join(f'"{a}"' for a in sorted(capture.anomalies)) + "]\n")
            if about.get("while_read"):
                out.write("anomalies_while_read = [" + ", ".join(f'"{a}"' for a in about["while_read"]) + "]\n")
            if about.get("whole_at"):
                out.write(f'whole_at = {about["whole_at"]}\n')
            lines = sorted((t.expected(floor) for t in capture.talks if t.record), key=lambda l: int(l.split(":")[0]))
            out.write("conversations = [\n" + "".join(f'    "{line}",\n' for line in lines) + "]\n")
