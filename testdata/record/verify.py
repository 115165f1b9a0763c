#!/usr/bin/env python3
"""Checks recorded incidents with tools that had no part in recording them (tshark, json): verify.py INCIDENTS_DIR

Looks for: the pool dialogue and server names in captures, SSH on 443, firewall lines against SYNs of the capture,
transcripts against truth.json, nothing of the recording machine in any file.
"""
import calendar
import json
import pathlib
import re
import socket
import subprocess
import sys
import time

import derive

PROBLEMS = []


def need(condition, text):
    if not condition:
        PROBLEMS.append(text)
        print("  WRONG", text)


def tshark(path, filter_, *fields):
    command = ["tshark", "-r", str(path), "-Y", filter_, "-T", "fields", "-E", "separator=/t"]
    for field in fields:
        command += ["-e", field]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [line.split("\t") for line in text.splitlines()]


def syslog_epoch(line, year):
    return calendar.timegm(time.strptime(f"{year} {line[:15]}", "%Y %b %d %H:%M:%S"))


def firewall(folder, truth):
    lines = (folder / "evidence/firewall.log").read_text().splitlines()
    need(len(lines) == len(truth["firewall_log_arrivals"]), "a firewall line has no arrival time")
    year, shift = int(truth["began"][:4]), derive.SHIFT if folder.name == "firewall-clock-off" else 0
    for line, at in zip(lines, truth["firewall_log_arrivals"]):
        off = derive.epoch(at) + shift - syslog_epoch(line, year)
        need(0 <= off < 1, f"stamp is {off:.3f} s from arrival: {line[:60]}")
    return lines


def capture(folder, truth, lines):
    pcap, found = folder / "evidence/capture.pcap", {}
    syns = {}
    for at, src, sport, dst, dport in tshark(pcap, "tcp.flags.syn==1 && tcp.flags.ack==0 && !icmp", "frame.time_epoch", "ip.src",
                                             "tcp.srcport", "ip.dst", "tcp.dstport"):
        syns.setdefault((src, sport, dst, dport), []).append(float(at))
    year, matched = int(truth["began"][:4]), 0
    for line in lines:
        key = re.search(r"SRC=(\S+) DST=(\S+) .*PROTO=TCP SPT=(\d+) DPT=(\d+)", line)
        if not key or "br-in" not in line:
            continue
        src, dst, sport, dport = key.groups()
        stamps = syns.get((src, sport, dst, dport), [])
        need(any(-0.05 <= at - syslog_epoch(line, year) <= 1.05 for at in stamps), f"no SYN for {line[:140]}")
        matched += 1
    logged = {(m[1], m[3], m[2], m[4]) for m in (re.search(r"SRC=(\S+) DST=(\S+) .*PROTO=TCP SPT=(\d+) DPT=(\d+)", l) for l in lines) if m}
    need(not set(syns) - logged, f"connections without a firewall line: {sorted(set(syns) - logged)[:3]}")
    methods = re.compile(rb'"method":"(login|submit|keepalived|job|mining\.\w+)"')
    for port, data in tshark(pcap, "tcp.len>0 && (tcp.port==3333 || tcp.port==10128)", "tcp.dstport", "tcp.payload"):
        for method in methods.findall(bytes.fromhex(data)):
            found[method.decode()] = found.get(method.decode(), 0) + 1
    names = sorted({row[0] for row in tshark(pcap, "tls.handshake.type==1", "tls.handshake.extensions_server_name")})
    banners = tshark(pcap, 'tcp.payload contains "SSH-2.0"', "tcp.dstport", "tcp.srcport")
    ssh443 = sum("443" in row for row in banners)
    print(f"  {matched} firewall TCP lines agree with SYNs; pool methods {found}; TLS names {names}; SSH banners on 443: {ssh443}")
    private = tshark(pcap, "ip && !(ip.addr==10.20.0.0/24)", "frame.number")
    need(not private, "packets that are not of the training network")
    if folder.name in ("reference", "order-only"):
        need(found.get("login") == 1 and found.get("submit", 0) >= 4, "no Monero dialogue")
        need("pool.hashvault.pro" in names and ssh443 >= 2, "no TLS pool or no SSH on 443")
    elif folder.name == "intruder":
        need(found.get("mining.subscribe") == 1 and found.get("mining.submit", 0) >= 4, "no stratum dialogue")
    elif folder.name == "planted-delay":
        need(found.get("login") == 1 and found.get("submit", 0) >= 4, "no Monero dialogue")
        last = max(derive.epoch(s["result"]) for s in truth["steps"] if s["episode"] == "ep-001")
        opened = next(derive.epoch(e["time"]) for e in truth["events"] if e["kind"] == "pool-open")
        later = next(e for e in truth["episodes"] if e["episode"] == "ep-002")
        need(last < opened and derive.epoch(later["prompt"]) < opened < derive.epoch(later["closing"]), "the plant came too early or too late")
    else:
        need(not found, "pool dialogue where none belongs")


def transcripts(folder, truth):
    count = 0
    for path in sorted(folder.glob("evidence/transcripts/*/*")):
        steps, prompt, _ = derive.neutral(path) if path.suffix == ".jsonl" else (json.loads(path.read_text())["trajectory"][:-1], "-", "")
        true = [s for s in truth["steps"] if s["episode"] == path.stem]
        need(prompt and len(steps) == len(true) >= 8, f"{path.name}: {len(steps)} steps, {len(true)} were played")
        for step, fact in zip(steps, true):
            need(fact["command"] in (None, step["action"]), f"{path.name} step {fact['index']} is another command")
            need(fact["call"] <= fact["start"] <= fact["end"] <= fact["result"], f"{path.name} step {fact['index']}: times")
        count += len(steps)
        busy = sum(derive.epoch(s["result"]) - derive.epoch(s["call"]) for s in true)
        if path.suffix == ".traj":
            need(not re.search(r'"timestamp"', path.read_text()), f"{path.name} has times")
        else:
            span = derive.epoch(true[-1]["result"]) - derive.epoch(true[0]["call"])
            need(busy < 0.4 * span, f"{path.name}: duty cycle {busy / span:.2f}")
    print(f"  {count} steps agree with what was played")


def machine(folder):
    kernel = subprocess.run(["uname", "-r"], capture_output=True, text=True).stdout.strip()
    here = str(pathlib.Path(__file__).resolve().parents[2])
    words = [w for w in (kernel, here, "/var/tmp/", "/root/", "co-world", "PRIVATE KEY") if w]
    host = re.compile(rb"(?<![\w.-])" + re.escape(socket.gethostname().encode()) + rb"(?![\w-])")
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            data = path.read_bytes()
            for word in words:
                need(word.encode() not in data, f"{path.name} contains {word}")
            if path.suffix != ".pcap":
                need(not host.search(data), f"{path.name} contains the machine's host name")


def main():
    total = 0
    for folder in sorted(pathlib.Path(sys.argv[1]).iterdir()):
        size = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
        total += size
        print(f"{folder.name}: {size // 1024} KiB")
        truth = json.loads((folder / "truth.json").read_text())
        lines = firewall(folder, truth)
        if (folder / "evidence/capture.pcap").exists():
            capture(folder, truth, lines)
        transcripts(folder, truth)
        machine(folder)
    print(f"{total // 1024} KiB, {len(PROBLEMS)} problems")
    sys.exit(bool(PROBLEMS))


if __name__ == "__main__":
    main()
