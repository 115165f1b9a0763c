#!/usr/bin/env python3
"""Writes the pcap samples of this directory and expected.toml. `--check` compares them with capinfos and tshark."""

import struct
import sys
from pathlib import Path

sys.dont_write_bytecode = True

from packets import (ACK, FIN, PSH, RST, SYN, Capture, Talk, ether, exchange, icmp, ipv4, ipv6, tcp, udp,
                     write_expected)

HERE = Path(__file__).parent
samples = []


def pcap(name, capture, order="<", magic=0xA1B2C3D4, link=1, snap=262144, version=(2, 4), unit=1000, damage=None, **about):
    out = struct.pack(order + "IHHiIII", magic, *version, 0, 0, snap, link)
    offsets = []
    for at, frame, wire, more in capture.packets:
        seconds, fraction = divmod(at, 1_000_000_000)
        if more.get("overflow"):
            seconds, fraction = seconds - 1, fraction + 1_000_000_000
        lengths = (len(frame), wire) if version > (2, 2) else (wire, len(frame))
        offsets.append(len(out))
        out += struct.pack(order + "IIII", seconds, fraction // unit, *lengths)
        if magic == 0xA1B2CD34:
            out += struct.pack(order + "IHBB", 2, 0x0800, 0, 0)
        out += frame
    # Where a cut cannot be seen: behind the header and behind every record.
    about["whole_at"] = offsets + [len(out)]
    if damage:
        out, about["whole_at"] = damage(out, offsets), None
    (HERE / name).write_bytes(out)
    samples.append((name, capture, unit, about))


# Magic numbers and byte orders.
for order, letters in (("<", "le"), (">", "be")):
    pcap(f"us-{letters}.pcap", exchange(Capture()), order)
    pcap(f"ns-{letters}.pcap", exchange(Capture()), order, 0xA1B23C4D, unit=1)
    pcap(f"modified-{letters}.pcap", exchange(Capture()), order, 0xA1B2CD34)
pcap("snaplen-0.pcap", exchange(Capture()), snap=0)
pcap("version-2-2.pcap", exchange(Capture()), version=(2, 2))

# A fraction of 1.123456 s: above one second, still the right time.
c = exchange(Capture())
c.packets[1][3]["overflow"] = True
c.anomalies += ["impossible-value"]
pcap("fraction.pcap", c)

# Packets cut to 54 bytes (Ethernet, IPv4 and TCP headers): lengths still come from the IP header.
c = exchange(Capture())
c.packets = [(at, frame[:54], wire, more) for at, frame, wire, more in c.packets]
c.anomalies += ["gap", "truncated-record"]
pcap("snap-cut.pcap", c, snap=54)

# Link types.
for link in (0, 9, 12, 14, 101, 104, 105, 107, 108, 113, 127, 228, 276):
    pcap(f"link-{link}.pcap", exchange(Capture(), link), link=link)
pcap("link-0-swapped.pcap", exchange(Capture(), 0, swapped=True), link=0)
c = Capture()
t = Talk(c, 6, "2001:db8::5", "2001:db8:1::66", 50012, 22, "S1", link=229)
t.handshake()
pcap("link-229.pcap", c, link=229)
c = Capture()
for _ in range(3):
    c.add(bytes(64))
c.anomalies += ["unsupported"]
pcap("link-189-unsupported.pcap", c, link=189)

# VLAN tags: single, 802.1ad over 802.1Q, 0x9100 over 802.1Q, three deep; ARP is a packet and no conversation.
c = Capture()
for port, tags in enumerate(([(0x8100, 7)], [(0x88A8, 7), (0x8100, 8)], [(0x9100, 7), (0x8100, 8)],
                             [(0x88A8, 1), (0x88A8, 2), (0x8100, 3)])):
    t = Talk(c, 6, "10.20.0.5", "198.51.100.9", 51000 + port, 3333, "S0", "false")
    t.account(True, 20)
    c.add(ether(ipv4("10.20.0.5", "198.51.100.9", 6, tcp(51000 + port, 3333, 1000, 0, SYN)), tags))
c.add(bytes.fromhex("ffffffffffff0200000000010806") + bytes(28))
pcap("vlan.pcap", c)


def fragment(talk, out, ident, payload, cuts, order=None, more_last=False):
    """Sends an IPv4 payload as fragments [cuts[i], cuts[i+1])."""
    (src, _), (dst, _) = talk.ends[out], talk.ends[not out]
    parts = list(zip(cuts, cuts[1:]))
    for index in order or range(len(parts)):
        start, stop = parts[index]
        more = 0x2000 if more_last or stop < len(payload) else 0
        talk.account(out, stop - start)
        talk.capture.add(ether(ipv4(src, dst, talk.protocol, payload[start:stop], ident, start // 8 | more)))


# Fragments: in order, reversed, overlapping with other bytes, the last missing, the first missing, and IPv6.
c = Capture()
for number, order in enumerate(([0, 1, 2], [2, 1, 0])):
    t = Talk(c, 17, "10.20.0.5", "10.20.0.9", 40100 + number, 5000, answered="false")
    fragment(t, True, 100 + number, udp(40100 + number, 5000, bytes(range(250)) * 4), [0, 400, 800, 1008], order)
t = Talk(c, 17, "10.20.0.5", "10.20.0.9", 40102, 5000, answered="false")
whole = udp(40102, 5000, b"a" * 792)
fragment(t, True, 102, whole, [0, 400], more_last=True)
fragment(t, True, 102, whole[:200] + b"b" * 200 + whole[400:], [200, 800])
t = Talk(c, 17, "10.20.0.5", "10.20.0.9", 40103, 5000, answered="false")
fragment(t, True, 103, udp(40103, 5000, b"c" * 792), [0, 400], more_last=True)
t = Talk(c, 17, "10.20.0.5", "10.20.0.9", answered="false")
fragment(t, True, 104, udp(40104, 5000, b"d" * 792), [400, 800])
t = Talk(c, 17, "2001:db8::5", "2001:db8::9", 40105, 5000, answered="false")
payload = udp(40105, 5000, b"e" * 1000)
for start, stop, more in ((0, 504, 1), (504, 1008, 0)):
    # The fragment header's 8 bytes are payload of the IPv6 header.
    t.account(True, stop - start + 8)
    c.add(ether(ipv6("2001:db8::5", "2001:db8::9", 44,
                     struct.pack(">BBHI", 17, 0, start | more, 77) + payload[start:stop])))
c.anomalies += ["duplicate", "gap"]
pcap("fragments.pcap", c)

# Order of segments: out of order, retransmission, overlap that differs, a hole, numbers that wrap, one way alone.
c = Capture()
t = Talk(c, 6, "10.20.0.5", "203.0.113.66", 50100, 443, "SF")
t.handshake()
t.tcp(True, PSH | ACK, b"0123456789", at=10)
t.tcp(True, PSH | ACK, b"abcdefghij", at=0)
t.tcp(True, PSH | ACK, b"abcdefghij", at=0)
t.close()
t = Talk(c, 6, "10.20.0.5", "203.0.113.66", 50101, 443, "S1")
t.handshake()
t.tcp(True, PSH | ACK, b"KLMNO", at=10)
t.tcp(True, PSH | ACK, b"xxxxxyyyyy", at=5)
t.tcp(True, PSH | ACK, b"abcde", at=0)
t = Talk(c, 6, "10.20.0.5", "203.0.113.66", 50102, 443, "S1")
t.handshake()
t.tcp(False, PSH | ACK, b"before", at=0)
t.tcp(False, PSH | ACK, b"behind a hole of 100", at=106)
t = Talk(c, 6, "10.20.0.5", "203.0.113.66", 50103, 443, "SF")
t.isn[True] = 0xFFFFFFF0
t.handshake()
t.tcp(True, PSH | ACK, b"0123456789")
t.tcp(True, PSH | ACK, b"abcdefghij")
t.close()
t = Talk(c, 6, "10.20.0.5", "203.0.113.66", 50104, 443, "SH", "")
t.isn[False] = 4711
t.tcp(True, SYN)
t.tcp(True, ACK)
t.tcp(True, PSH | ACK, b"one way")
t.tcp(True, FIN | ACK)
t.answered = "unknown"
pcap("tcp-order.pcap", c, while_read=["duplicate", "gap"])

# Zeek's connection states, who opened, and what makes a new conversation.
c = Capture()


def state(port, name, answered, steps, dport=22, src="10.20.0.5", dst="10.20.0.9"):
    t = Talk(c, 6, src, dst, port, dport, name, answered)
    for out, flags, *data in steps:
        t.tcp(out, flags, *data)
    return t


OPEN = [(True, SYN), (False, SYN | ACK), (True, ACK)]
state(51001, "S0", "false", [(True, SYN), (True, SYN)])
state(51002, "S1", "true", OPEN + [(True, PSH | ACK, b"hello")])
state(51003, "SF", "true", OPEN + [(True, FIN | ACK), (False, FIN | ACK), (True, ACK)])
state(51004, "REJ", "true", [(True, SYN), (False, RST | ACK)])
state(51005, "S2", "true", OPEN + [(True, FIN | ACK), (False, ACK)])
state(51006, "S3", "true", OPEN + [(False, FIN | ACK), (True, ACK)])
state(51007, "RSTO", "true", OPEN + [(True, RST | ACK)])
state(51008, "RSTR", "true", OPEN + [(False, RST | ACK)])
state(51009, "RSTOS0", "false", [(True, SYN), (True, RST)])
state(51010, "RSTRH", "true", [(False, SYN | ACK), (False, RST)])
state(51011, "SH", "unknown", [(True, SYN), (True, FIN | ACK)])
state(51012, "SHR", "true", [(False, SYN | ACK), (False, FIN | ACK)])
# Midway: port 22 answers an ephemeral port, whoever is seen first; 8333 against 52000 too.
state(51013, "OTH", "true", [(False, PSH | ACK, b"x"), (True, PSH | ACK, b"y")])
state(52000, "OTH", "true", [(False, PSH | ACK, b"x"), (True, PSH | ACK, b"y")], dport=8333)
# Two ephemeral ports say nothing: the first sender.
state(52001, "OTH", "true", [(True, PSH | ACK, b"x"), (False, PSH | ACK, b"y")], dport=60001)
# The same ports again after a close: another SYN number is another conversation.
state(51003, "S0", "false", [])
again = c.talks[-1]
again.isn[True] = 777_000
again.tcp(True, SYN)
# And after 60 s of quiet without a close.
c.wait(61)
again = Talk(c, 6, "10.20.0.5", "10.20.0.9", 51002, 22, "S0", "false")
again.isn[True] = 888_000
again.tcp(True, SYN)
# An open connection goes on after 20 silent minutes; a datagram after 3 is another exchange.
u = Talk(c, 17, "10.20.0.5", "10.20.0.9", 41000, 5353, answered="false")
u.datagram(True, b"first")
c.wait(180)
u = Talk(c, 17, "10.20.0.5", "10.20.0.9", 41000, 5353, answered="false")
u.datagram(True, b"second")
t = state(51014, "S1", "true", OPEN + [(True, PSH | ACK, b"hello")])
c.wait(1200)
t.tcp(True, PSH | ACK, b"still here")
t.tcp(False, ACK)
pcap("tcp-states.pcap", c)

# ICMP: echo both ways, a port unreachable that answers a datagram, ICMPv6; another protocol without ports (GRE).
c = Capture()
t = Talk(c, 1, "10.20.0.5", "10.20.0.9", state="echo-request")
t.send(True, icmp(8, 0))
t.send(False, icmp(0, 0))
u = Talk(c, 17, "10.20.0.5", "10.20.0.7", 40200, 161, state="unreachable-port", answered="false")
u.datagram(True, b"anyone there?")
e = Talk(c, 1, "10.20.0.7", "10.20.0.5", state="unreachable-port", answered="false")
e.send(True, icmp(3, 3, bytes(4) + ipv4("10.20.0.5", "10.20.0.7", 17, udp(40200, 161, b"anyone there?"))))
t = Talk(c, 58, "2001:db8::5", "2001:db8::9", state="echo-request")
t.send(True, icmp(128, 0))
t.send(False, icmp(129, 0))
# Only the answer was captured.
t = Talk(c, 1, "10.20.0.5", "10.20.0.11", state="echo-reply")
t.send(False, icmp(0, 0))
t = Talk(c, 47, "10.20.0.5", "10.20.0.10", answered="false")
t.send(True, bytes.fromhex("00000000") + b"not IP")
pcap("icmp.pcap", c)

# Tunnels: the carrier and what it carries are a conversation each.
c = Capture()
for number, (protocol, sport, dport, head) in enumerate((
        (41, None, None, b""), (47, None, None, bytes.fromhex("2000080000000007")),
        (17, 49152, 4789, bytes.fromhex("0800000000000900") + ether(b"\x45")[:14]),
        (17, 49153, 6081, bytes.fromhex("0000655800000900") + ether(b"\x45")[:14]))):
    t = Talk(c, protocol, "10.20.0.5", "10.20.0.12", sport, dport, answered="false")
    addresses = ("2001:db8::5", "2001:db8::6") if protocol == 41 else ("172.16.0.1", "172.16.0.2")
    u = Talk(c, 17, *addresses, 5001 + number, 3333, answered="false")
    data = udp(5001 + number, 3333, b"inner")
    u.account(True, len(data))
    inner = head + (ipv6 if protocol == 41 else ipv4)(*addresses, 17, data)
    t.send(True, inner if sport is None else udp(sport, dport, inner))
pcap("tunnels.pcap", c)

# The length of the third record is overwritten: reading goes on with the fourth. The segment is gone.
c = Capture()
t = Talk(c, 6, "10.20.0.5", "203.0.113.66", 50012, 443, "SF")
t.handshake()
t.close()
t.count[True][0] -= 1
t.count[True][1] -= 20
c.anomalies += ["malformed-record"]
pcap("damaged.pcap", c, packets=5, unread=1, tshark="stops at the damage",
     damage=lambda out, at: out[:at[2] + 8] + b"\xff\xff\xff\x7f" + out[at[2] + 12:])

# The same with a length that runs past the end of the file.
c = Capture()
t = Talk(c, 6, "10.20.0.5", "203.0.113.66", 50012, 443, "SF")
t.handshake()
t.close()
t.count[True][0] -= 1
t.count[True][1] -= 20
c.anomalies += ["malformed-record"]
pcap("damaged-end.pcap", c, packets=5, unread=1, tshark="stops at the damage",
     damage=lambda out, at: out[:at[2] + 8] + b"\0\x10\0\0" * 2 + out[at[2] + 16:])

write_expected(HERE / "expected.toml", samples)

if "--check" in sys.argv:
    from check import check
    sys.exit(check(HERE, samples))
