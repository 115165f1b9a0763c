#!/usr/bin/env python3
"""Writes the pcapng samples of this directory and expected.toml. `--check` compares them with tshark."""

import struct
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "pcap"))
sys.dont_write_bytecode = True

from check import check  # noqa: E402
from packets import SYN, Capture, Talk, exchange, link_layer, ipv4, tcp, write_expected  # noqa: E402

samples = []


def pad(data):
    return data + bytes(-len(data) % 4)


class Writer:
    """Blocks of one byte order."""

    def __init__(self, order="<"):
        self.order, self.out, self.whole_at = order, b"", []

    def pack(self, form, *values):
        return struct.pack(self.order + form, *values)

    def block(self, kind, body):
        length = 12 + len(pad(body))
        self.whole_at.append(len(self.out))
        self.out += self.pack("II", kind, length) + pad(body) + self.pack("I", length)

    def option(self, code, value):
        return self.pack("HH", code, len(value)) + pad(value)

    def section(self, order=None, options=True):
        self.order = order or self.order
        body = self.pack("IHHq", 0x1A2B3C4D, 1, 0, -1)
        if options:
            body += self.option(4, b"generate.py") + self.option(0, b"")
        self.block(0x0A0D0D0A, body)

    def interface(self, link=1, snap=262144, tsresol=None, tsoffset=None, name=None):
        body = self.pack("HHI", link, 0, snap)
        if name:
            body += self.option(2, name)
        if tsresol is not None:
            body += self.option(9, bytes([tsresol]))
        if tsoffset is not None:
            body += self.option(14, self.pack("q", tsoffset))
        self.block(1, body + self.option(0, b""))

    def enhanced(self, packet, interface=0, units=None):
        at, frame, wire, _ = packet
        units = at // 1000 if units is None else units
        self.block(6, self.pack("IIIII", interface, units >> 32, units & 0xFFFFFFFF, len(frame), wire) + pad(frame))

    def obsolete(self, packet, interface=0):
        at, frame, wire, _ = packet
        units = at // 1000
        self.block(2, self.pack("HHIIII", interface, 0, units >> 32, units & 0xFFFFFFFF, len(frame), wire) + pad(frame))

    def simple(self, packet):
        _, frame, wire, _ = packet
        self.block(3, self.pack("I", wire) + pad(frame))

    def save(self, name, capture, unit=1000, **about):
        about.setdefault("whole_at", self.whole_at[1:] + [len(self.out)])
        (HERE / name).write_bytes(self.out)
        samples.append((name, capture, unit, about))


def plain(name, capture, order="<", unit=1000, units=None, link=1, unit_ns=None, **options):
    w = Writer(order)
    w.section()
    w.interface(link, **options)
    for packet in capture.packets:
        w.enhanced(packet, units=units(packet[0]) if units else None)
    w.save(name, capture, unit, unit_ns=unit_ns or unit)


for order, letters in (("<", "le"), (">", "be")):
    plain(f"{letters}.pcapng", exchange(Capture()), order)
    # The stamps lie 3600 s ahead; the offset takes them back.
    plain(f"offset-{letters}.pcapng", exchange(Capture()), order, tsoffset=-3600,
          units=lambda at: at // 1000 + 3600 * 10**6)
    plain(f"resolution-9-{letters}.pcapng", exchange(Capture()), order, unit=1, tsresol=9, units=lambda at: at)

plain("resolution-6.pcapng", exchange(Capture()), tsresol=6)
plain("resolution-3.pcapng", exchange(Capture()), unit=10**6, tsresol=3, units=lambda at: at // 10**6)
plain("resolution-0.pcapng", exchange(Capture()), unit=10**9, tsresol=0, units=lambda at: at // 10**9)
# 2^-10 s: steps of 125 ms are whole units of it, so that the times are exact.
c = Capture(1795184026125 * 10**6)

t = Talk(c, 6, "10.20.0.5", "203.0.113.66", 50012, 443, "S0", "false")
for _ in range(3):
    t.tcp(True, SYN, step=125 * 10**6)
plain("resolution-2-10.pcapng", c, unit=1, unit_ns=976563, tsresol=0x8A, units=lambda at: at * 1024 // 10**9)
for link in (0, 12, 14, 101, 108, 113, 228, 276):
    plain(f"link-{link}.pcapng", exchange(Capture(), link), link=link)

# Two sections of different byte order and resolution; the numbering of interfaces begins anew.
c = exchange(Capture())
w = Writer("<")
w.section()
w.interface(tsresol=9)
for packet in c.packets[:5]:
    w.enhanced(packet, units=packet[0] // 1000 * 1000)
w.section(">", options=False)
w.interface(tsresol=6, tsoffset=-(10**9))
for packet in c.packets[5:]:
    w.enhanced(packet, units=packet[0] // 1000 + 10**15)
w.save("two-sections.pcapng", c, unit_ns=0)

# Two interfaces: Ethernet in microseconds, raw IP in nanoseconds before 2001 that an offset moves; one that is not read.
c = Capture()
first = Talk(c, 6, "10.20.0.5", "203.0.113.66", 50012, 443, "S0", "false")
second = Talk(c, 6, "10.20.0.5", "203.0.113.66", 50013, 443, "S0", "false", link=101)
w = Writer()
w.section()
w.interface(name=b"eth0")
w.interface(101, tsresol=9, tsoffset=10**9, name=b"tun0")
w.interface(189, name=b"usbmon1")
for turn in range(3):
    first.tcp(True, SYN)
    w.enhanced(c.packets[-1])
    second.tcp(True, SYN)
    w.enhanced(c.packets[-1], 1, c.packets[-1][0] // 1000 * 1000 - 10**18)
    c.add(bytes(64))
    w.enhanced(c.packets[-1], 2)
c.anomalies += ["unsupported"]
w.save("interfaces.pcapng", c, unit_ns=0)

# Blocks without packets, known and unknown, are told or skipped; statistics say that two packets were lost.
c = exchange(Capture())
w = Writer()
w.section()
w.interface()
w.block(4, w.pack("HH", 1, 17) + pad(bytes([10, 20, 0, 5]) + b"train-07.int\0") + w.pack("HH", 0, 0))
w.block(0x0BAD, w.pack("I", 32473) + b"anything")
w.block(9, b"__REALTIME_TIMESTAMP=1795184026123456\nMESSAGE=anything\n")
w.block(10, w.pack("II", 0x544C534B, 8) + b"# no key")
w.block(0x8000_0001, b"a local block")
for packet in c.packets[:4]:
    w.enhanced(packet)
w.block(0x7FFF_0000, bytes(64))
for packet in c.packets[4:]:
    w.enhanced(packet)
units = c.at // 1000
w.block(5, w.pack("III", 0, units >> 32, units & 0xFFFFFFFF) + w.option(5, w.pack("Q", 2)) + w.option(0, b""))
c.anomalies += ["gap"] + ["unsupported"] * 3
w.save("other-blocks.pcapng", c, tshark="shows the journal entry and the custom block as well")

# Obsolete packet blocks.
c = exchange(Capture())
w = Writer(">")
w.section()
w.interface()
for packet in c.packets:
    w.obsolete(packet)
w.save("obsolete.pcapng", c)

# Simple packet blocks: no time, cut to the interface's snap length. The last segment's payload is cut.
c = Capture()
t = Talk(c, 6, "10.20.0.5", "203.0.113.66", 50012, 443, "S1")
t.handshake()
w = Writer()
w.section()
w.interface(snap=60)
for packet in c.packets:
    packet[3]["untimed"] = True
    w.simple(packet)
t.tcp(True, 24, b"0123456789")
at, frame, wire, more = c.packets[-1]
more["untimed"] = True
w.simple((at, frame[:60], wire, more))
t.first = t.last = None
c.anomalies += ["gap", "truncated-record"]
w.save("simple.pcapng", c)

# A packet block whose interface nobody described, and one whose packet is longer than its block.
c = Capture()
t = Talk(c, 6, "10.20.0.5", "203.0.113.66", 50012, 443, "S0", "false")
frame = link_layer(1, ipv4("10.20.0.5", "203.0.113.66", 6, tcp(50012, 443, 1000, 0, SYN)))
w = Writer()
w.section()
w.interface()
c.add(frame)
w.enhanced(c.packets[-1], interface=9)
t.tcp(True, SYN)
at, frame, wire, _ = c.packets[-1]
w.block(6, w.pack("IIIII", 0, at // 1000 >> 32, at // 1000 & 0xFFFFFFFF, 4000, wire) + pad(frame))
c.anomalies += ["malformed-record", "malformed-record"]
w.save("odd-packets.pcapng", c, tshark="stops at the packet of an unknown interface")

# The third packet block has broken lengths at both ends: reading goes on with the fourth.
c = Capture()
t = Talk(c, 6, "10.20.0.5", "203.0.113.66", 50012, 443, "SF")
t.handshake()
t.close()
w = Writer()
w.section()
w.interface()
places = []
for packet in c.packets:
    places.append(len(w.out))
    w.enhanced(packet)
w.out = w.out[:places[2] + 4] + b"\2\0\0\0" + w.out[places[2] + 8:places[3] - 4] + b"\2\0\0\0" + w.out[places[3]:]
t.count[True][0] -= 1
t.count[True][1] -= 20
c.anomalies += ["malformed-record"]
w.save("damaged.pcapng", c, packets=5, unread=1, whole_at=None, tshark="stops at the damage")

write_expected(HERE / "expected.toml", samples)

if "--check" in sys.argv:
    sys.exit(check(HERE, samples))
