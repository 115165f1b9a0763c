#!/usr/bin/env python3
"""Plays and records incidents in a world of network namespaces; see README.md beside this file.

usage: record.py --list | --incident NAME OUT | --all OUT      (as root; derived incidents need `reference` in OUT)
"""
import argparse
import datetime
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import derive
import gpu
import incidents
import project
import scenarios
from world import World

PLAYED = {
    "reference": scenarios.reference,
    "nothing-wrong": scenarios.nothing_wrong,
    "telemetry-job": scenarios.telemetry_job,
    "intruder": scenarios.intruder,
    "planted-delay": scenarios.planted_delay,
}
AUTH_LOG = ("intruder", "nothing-wrong")


def utc(at):
    return datetime.datetime.fromtimestamp(at, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def tool_versions():
    def first(*command):
        done = subprocess.run(command, capture_output=True, text=True)
        return (done.stdout + done.stderr).strip().splitlines()[0]
    return ", ".join([first("tcpdump", "--version"), first("conntrack", "-V"), first("nft", "-v"), first("ssh", "-V").split(",")[0],
                      first("dnsmasq", "-v").split("  ")[0], first("curl", "-V").split(" (")[0], first("wget", "-V").split(" built")[0],
                      first("git", "--version"), first("/usr/bin/python3", "-V")])


def truth(name, world, pool_log, episodes, events, began, ended):
    steps, rows = [], []
    for episode in episodes:
        rows.append({"episode": episode["name"], "run": episode["run"], "host": episode["host"], "form": episode["form"],
                     "prompt": utc(episode["prompt_time"]), "closing": utc(episode["closing_time"])})
        for step in episode["steps"]:
            steps.append({"episode": episode["name"], "index": step["index"], "tool": step["tool"],
                          "command": step["input"].get("command"), "call": utc(step["call"]), "start": utc(step["start"]),
                          "end": utc(step["end"]), "result": utc(step["result"]), "exit_code": step["code"]})
    for event in events:
        event |= {key: utc(event[key]) for key in ("start", "end") if key in event}
    for line in pool_log.splitlines():
        event = json.loads(line)
        if event["time"] < began:
            continue
        event["time"] = utc(event["time"])
        events.append({"kind": "pool-" + event.pop("event")} | event)
    for row in world.processes:
        events.append({"kind": "pool-client", "pid": row["pid"], "command": row["command"],
                       "start": utc(row["first_seen"]), "end": utc(row["last_seen"])})
    return {"incident": name, "clock": "one clock for every source", "began": utc(began), "ended": utc(ended), "episodes": rows,
            "steps": steps, "events": sorted(events, key=lambda e: e.get("time") or e["start"]),
            "firewall_log_arrivals": [utc(at) for at in world.firewall_times]}


def clean_conntrack(path):
    """Drops the world's own multicast joins, which are no traffic of any host."""
    lines = [line for line in path.read_text().splitlines() if "224.0.0." not in line]
    path.write_text("\n".join(lines) + "\n")


def record(name, out):
    target = pathlib.Path(out) / name
    if target.exists():
        shutil.rmtree(target)
    evidence = target / "evidence"
    print(f"{name}: recording", flush=True)
    with World(evidence) as world:
        project.fill_mirror(world)
        time.sleep(1)
        began = time.time()
        for lines in world.auth.values():
            lines.clear()
        time.sleep(5)
        episodes, events = PLAYED[name](world)
        time.sleep(5)
        ended = time.time()
        pool_log = world.pool_log.read_text()
        auth = [line for _, line in world.auth["train-07"]]
    facts = truth(name, world, pool_log, episodes, events, began, ended)
    (target / "truth.json").write_text(json.dumps(facts, indent=1) + "\n")
    clean_conntrack(evidence / "conntrack.log")
    if name in AUTH_LOG:
        (evidence / "auth.log").write_text("\n".join(auth) + "\n")
    clients = [(row["pid"], row["command"].split(" ")[0], row["first_seen"], row["last_seen"]) for row in world.processes]
    gpu.write(evidence, began, ended, clients)
    date = datetime.datetime.fromtimestamp(began, datetime.timezone.utc).strftime("%Y-%m-%d")
    for path, text in incidents.texts(name, date, tool_versions()).items():
        (target / path).write_text(text)
    print(f"{name}: {ended - began:.0f} s, {sum(len(e['steps']) for e in episodes)} steps, {len(world.firewall_times)} firewall lines", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--incident", choices=list(incidents.INCIDENTS))
    parser.add_argument("--all", action="store_true")
    parser.add_argument("out", nargs="?")
    options = parser.parse_args()
    if options.list:
        for name, entry in incidents.INCIDENTS.items():
            print(f"{name:<20} {'derived from reference' if entry.get('derived') else 'recorded'}")
        return
    if not options.out or not (options.all or options.incident):
        parser.error("give --incident NAME OUT or --all OUT")
    names = list(incidents.INCIDENTS) if options.all else [options.incident]
    if os.geteuid() != 0 and any(name in PLAYED for name in names):
        sys.exit("namespaces and captures need root")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    for name in names:
        if name in PLAYED:
            record(name, options.out)
        else:
            derive.derive(name, pathlib.Path(options.out))


if __name__ == "__main__":
    main()
