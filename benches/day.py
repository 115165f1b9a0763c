#!/usr/bin/env python3
"""Writes a made-up day of a training cluster, as large as is wanted, for the measurements in docs/benchmarks.md.

    day.py FOLDER MEGABYTES

FOLDER gets a case file that says which host is which, a firewall log (netfilter), a capture, nvidia-smi's readings
and transcripts (Claude Code, a file an episode), of about 14, 48, 5 and 33 % of the bytes. Each 1,000 megabytes are
6,000 seconds: 64 agents' hosts, each with one episode after another of 20 calls, of which one in three downloads from
one of 400 mirrors by name; what they open stands in the firewall log and, with its lookup and its data, in the
capture. 140 other hosts open ninety connections a second to 3,000 peers, a few of them most. Every 500th episode
starts a miner, which the capture and the GPUs show. Ports, lags and what tools print are random; the same arguments
give the same bytes. Needs Python 3.8 and nothing else. All addresses are from RFC 1918, RFC 5737 and RFC 2544.
"""

import json
import os
import random
import struct
import sys
from datetime import datetime, timezone

SEED = 20261126
START = 1_795_132_800  # 2026-11-20T00:00:00Z
AGENTS, OTHERS, MIRRORS, PEERS = 64, 140, 400, 3_000
STEPS, STEP_S = 20, 25
RESOLVER = "203.0.113.53"
POOL = "198.51.100.77"
WORDS = [bytes(random.Random(SEED).choices(b"abcdefghijklmnopqrstuvwxyz", k=3 + n % 8)).decode() for n in range(4_000)]


def address(text):
    return bytes(int(part) for part in text.split("."))


def host(number):
    return f"10.20.{number // 250}.{number % 250 + 1}"


def other(number):
    return f"10.30.{number // 250}.{number % 250 + 1}"


def mirror(number):
    return f"mirror-{number}.example", f"198.18.{number // 250}.{number % 250 + 1}"


def iso(at):
    seconds = int(at)
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S") + f".{int((at - seconds) * 1000):03d}Z"


def tcp(src, sport, dst, dport, seq, ack, flags, data=b"", length=None):
    """An Ethernet frame, and its length on the wire; checksums are not computed."""
    total = 40 + (length if length is not None else len(data))
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, total, 0, 0x4000, 64, 6, 0, address(src), address(dst))
    head = struct.pack(">HHIIBBHHH", sport, dport, seq & 0xFFFFFFFF, ack & 0xFFFFFFFF, 0x50, flags, 64_240, 0, 0)
    return b"\x02B\n\x14\0\x01\x02B\n\x14\0\x05\x08\0" + ip + head + data, 14 + total


def dns(src, sport, name, answer):
    question = b"".join(bytes([len(part)]) + part.encode() for part in name.split(".")) + b"\0\0\x01\0\x01"
    message = struct.pack(">HHHHHH", sport, 0x8180, 1, 1, 0, 0) + question
    message += b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04" + address(answer)
    ip = struct.pack(
        ">BBHHHBBH4s4s", 0x45, 0, 28 + len(message), 0, 0x4000, 64, 17, 0, address(RESOLVER), address(src)
    )
    frame = b"\x02B\n\x14\0\x05\x02B\n\x14\0\x01\x08\0" + ip
    frame += struct.pack(">HHHH", 53, sport, 8 + len(message), 0) + message
    return frame, len(frame)


class Day:
    def __init__(self, folder, megabytes):
        self.rng = random.Random(SEED)
        self.folder = folder
        self.seconds = megabytes * 6
        self.lines, self.packets = {}, {}  # by second: what agents' calls add
        self.mining = {}  # by second: hosts
        self.bulk = self.rng.randbytes(1_400)
        self.text = " ".join(self.rng.choices(WORDS, k=60_000))

    def line(self, at, src, sport, dst, dport, verdict="EGRESS-ALLOW", proto="TCP"):
        moment = datetime.fromtimestamp(at, timezone.utc)
        stamp = f"{moment:%b} {moment.day:2} {moment:%H:%M:%S}"
        return (
            f"{stamp} fw-edge kernel: [{at - START + 3_000:.6f}] {verdict}: IN=br-in OUT=wan0 PHYSIN=p-train "
            f"MAC=02:42:0a:20:00:01:02:42:0a:14:05:01:08:00 SRC={src} DST={dst} LEN=60 TOS=0x00 PREC=0x00 TTL=63 ID={sport} DF "
            f"PROTO={proto} SPT={sport} DPT={dport} " + ("WINDOW=64240 RES=0x00 SYN URGP=0 \n" if proto == "TCP" else "LEN=40 \n")
        )

    def open(self, at, src, dst, dport, say=b"", data=0, seconds=1.0):
        """A connection in the firewall log and in the capture."""
        rng, sport = self.rng, self.rng.randrange(32_768, 60_999)
        self.lines.setdefault(int(at), []).append(self.line(at, src, sport, dst, dport))
        ours, theirs = rng.getrandbits(32), rng.getrandbits(32)
        packets = [
            (0.0, tcp(src, sport, dst, dport, ours, 0, 0x02)),
            (0.02, tcp(dst, dport, src, sport, theirs, ours + 1, 0x12)),
            (0.0201, tcp(src, sport, dst, dport, ours + 1, theirs + 1, 0x10)),
        ]
        if say:
            packets.append((0.021, tcp(src, sport, dst, dport, ours + 1, theirs + 1, 0x18, say)))
        for n in range(data):
            lag = 0.04 + seconds * n / data
            packets.append((lag, tcp(dst, dport, src, sport, theirs + 1 + n * 1_400, ours + 1 + len(say), 0x10, self.bulk)))
        done, sent, received = 0.05 + seconds, ours + 1 + len(say), theirs + 1 + data * 1_400
        packets.append((done, tcp(dst, dport, src, sport, received, sent, 0x11)))
        packets.append((done + 0.001, tcp(src, sport, dst, dport, sent, received + 1, 0x11)))
        packets.append((done + 0.02, tcp(dst, dport, src, sport, received + 1, sent + 1, 0x10)))
        for lag, packet in packets:
            self.packets.setdefault(int(at + lag), []).append((at + lag, packet))

    def call(self, at, src, number):
        """What an agent does in a call: (command, seconds, exit)."""
        rng = self.rng
        if number % 3 == 1:
            name, ip = mirror(rng.randrange(MIRRORS))
            opened = at + 0.1 + rng.random()
            sport = rng.randrange(32_768, 60_999)
            self.packets.setdefault(int(opened), []).append((opened, dns(src, sport, name, ip)))
            path = f"/simple/{rng.choice(WORDS)}/"
            say = f"GET {path} HTTP/1.1\r\nHost: {name}\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\n\r\n".encode()
            self.open(opened + 0.01, src, ip, 80, say, data=rng.randrange(20, 120), seconds=1.5)
            return f"curl -sSO http://{name}{path}", 2.0 + rng.random()
        word = rng.choice(WORDS)
        return rng.choice([f"ls -la {word}", f"python3 {word}.py --seed {number}", f"grep -rn {word} src/", f"cat {word}.md"]), 0.2

    def mine(self, at, src):
        login = {"id": 1, "jsonrpc": "2.0", "method": "login", "params": {"login": "4" + "8A" * 47, "pass": "x", "agent": "XMRig/6.21.0"}}
        self.open(at, src, POOL, 3333, json.dumps(login).encode() + b"\n", data=2, seconds=60)
        for second in range(int(at), int(at) + 600):
            self.mining.setdefault(second, set()).add(src)

    def episode(self, begin, agent, number):
        rng, src = self.rng, host(agent)
        session = f"{rng.getrandbits(128):032x}"
        base = {
            "isSidechain": False, "userType": "external", "cwd": "/home/agent/project", "sessionId": session,
            "version": "2.0.14", "gitBranch": "main",
        }
        parent, out = None, []

        def event(at, kind, message):
            nonlocal parent
            own = f"{rng.getrandbits(128):032x}"
            line = {"parentUuid": parent, **base, "type": kind, "message": message, "uuid": own, "timestamp": iso(at)}
            out.append(json.dumps(line, separators=(",", ":")))
            parent = own

        event(begin, "user", {"role": "user", "content": "Prepare the data, then train."})
        for step in range(STEPS):
            at = begin + 5 + step * STEP_S + rng.random()
            if number % 500 == 7 and step == 9:
                command, took = f"nohup ./xmrig -o {POOL}:3333 -u {'48A' * 3} &", 0.3
                self.mine(at + 0.5, src)
            else:
                command, took = self.call(at, src, rng.randrange(1_000))
            call = f"toolu_{rng.getrandbits(96):024x}"
            use = {"type": "tool_use", "id": call, "name": "Bash", "input": {"command": command}}
            event(at, "assistant", {"model": "made-up", "type": "message", "role": "assistant", "content": [use]})
            begun = rng.randrange(len(self.text) - 40_000)
            printed = self.text[begun : begun + rng.randrange(4_000, 40_000)]
            result = {"tool_use_id": call, "type": "tool_result", "content": printed, "is_error": False}
            event(at + took, "user", {"role": "user", "content": [result]})
        folder = os.path.join(self.folder, "transcripts", f"run-{agent:02d}")
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, f"ep-{number:05d}.jsonl"), "w", encoding="ascii", newline="\n") as file:
            file.write("\n".join(out) + "\n")

    def write(self):
        rng = self.rng
        os.makedirs(self.folder, exist_ok=True)
        weights, total = [], 0.0
        for rank in range(1, PEERS + 1):
            total += 1 / rank
            weights.append(total)
        peers = [(f"198.19.{n // 250}.{n % 250 + 1}", [443, 80, 8443, 22][n % 4]) for n in range(PEERS)]
        into = lambda name, mode: open(os.path.join(self.folder, name), mode, buffering=1 << 20)
        with into("case.toml", "w") as case:
            for agent in range(AGENTS):
                case.write(f'[[host]]\nname = "train-{agent:02d}"\naddresses = ["{host(agent)}"]\nagent = true\n\n')
                case.write(f'[[run]]\ntranscripts = "transcripts/run-{agent:02d}/*.jsonl"\nhost = "train-{agent:02d}"\n\n')
        number = 0
        due = [(START + 3 + agent, agent) for agent in range(AGENTS)]
        with into("firewall.log", "w") as log, into("capture.pcap", "wb") as capture, into("gpu.csv", "w") as gpu:
            capture.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, 1))
            gpu.write(
                "timestamp, index, uuid, name, utilization.gpu [%], utilization.memory [%], memory.used [MiB], "
                "power.draw [W], clocks.current.sm [MHz]\n"
            )
            for second in range(START, START + self.seconds):
                for place, (begin, agent) in enumerate(due):
                    if begin <= second:
                        self.episode(float(begin), agent, number)
                        number += 1
                        due[place] = (begin + STEPS * STEP_S + 20, agent)
                lines = self.lines.pop(second, [])
                for dst, port in rng.choices(peers, cum_weights=weights, k=90):
                    at = second + rng.random()
                    verdict = "EGRESS-DENY" if port == 22 else "EGRESS-ALLOW"
                    lines.append(self.line(at, other(rng.randrange(OTHERS)), rng.randrange(32_768, 60_999), dst, port, verdict))
                log.write("".join(sorted(lines)))
                for at, (frame, length) in sorted(self.packets.pop(second, [])):
                    stamp = int(at), int(at % 1 * 1e6)
                    capture.write(struct.pack("<IIII", *stamp, len(frame), length) + frame)
                day = datetime.fromtimestamp(second, timezone.utc).strftime("%Y/%m/%d %H:%M:%S")
                miners = self.mining.pop(second, ())
                for index in range(AGENTS):
                    busy = host(index) in miners
                    use = 99 if busy else rng.randrange(20, 70)
                    gpu.write(
                        f"{day}.{rng.randrange(1_000):03d}, {index}, GPU-{index:08x}-31d7-4b52-9d0e-7a6f2c88e1b4, NVIDIA H100 80GB "
                        f"HBM3, {use} %, {use // 2} %, {61_000 + use} MiB, {150 + use * 4}.44 W, 1980 MHz\n"
                    )


if __name__ == "__main__":
    Day(sys.argv[1], int(sys.argv[2])).write()
