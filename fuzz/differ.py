#!/usr/bin/env python3
"""What the program reads out of odd files, against what other tools read: archives against Python's zipfile, captures
against tshark. Prints each kind of disagreement with its first example; leaves with 1 if there is any.

    fuzz/differ.py zip [NUMBER]             odd archives, made from nothing
    fuzz/differ.py captures [NUMBER] [DIR]  classic captures below DIR (testdata/formats/pcap), whole and changed at random

COINCIDENT names the program (target/debug/coincident). A disagreement need not be a mistake: two tools may rightly differ
over a file that is ill. It has to be known, since evidence is written by who wants them to.
"""
import collections
import io
import json
import os
import pathlib
import random
import re
import struct
import subprocess
import sys
import tempfile
import zipfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAM = os.environ.get("COINCIDENT", str(ROOT / "target/debug/coincident"))


def timeline(path, *options):
    """Rows of `timeline`, and whether everything was read."""
    ran = subprocess.run([PROGRAM, "timeline", "--format", "jsonl", *options, str(path)], capture_output=True, timeout=120)
    assert ran.returncode in (0, 3), ran.stderr.decode()
    return [json.loads(line) for line in ran.stdout.splitlines()]


def warned(path):
    """Whether the program says that something is odd about the file."""
    ran = subprocess.run([PROGRAM, "analyze", "--format", "jsonl", str(path)], capture_output=True, timeout=120)
    lines = [json.loads(line) for line in ran.stdout.splitlines()]
    return ran.returncode == 3 or any(line["type"] == "anomaly" or line.get("unread") for line in lines)


# Archives.

HEADER = json.dumps({"version": 2, "status": "success", "eval": {
    "run_id": "r", "created": "2026-11-20T14:00:00+00:00", "task": "t", "model": "m", "packages": {"inspect_ai": "0.3.95"}}})


def sample(number):
    at = f"2026-11-20T14:00:{number % 60:02}.000000+00:00"
    event = {"timestamp": at, "event": "sandbox", "action": "exec", "cmd": f"echo member-{number}", "result": 0,
             "output": "ok", "completed": at, "uuid": f"u{number}"}
    return json.dumps({"id": f"s{number}", "epoch": 1, "input": "x", "events": [event]}).encode()


class Archive:
    """A ZIP written byte by byte (APPNOTE 6.3.10), so that its parts can contradict each other."""

    def __init__(self):
        self.out, self.directory = bytearray(), []

    def member(self, name, data, *, listed=None, method=8, flags=0, crc=None, size=None, packed_size=None, extra=b"",
               local_method=None, local_size=None):
        raw = zipfile.zlib.compressobj(6, zipfile.zlib.DEFLATED, -15)
        packed = raw.compress(data) + raw.flush() if method == 8 else data
        crc = zipfile.zlib.crc32(data) if crc is None else crc
        size, packed_size = size if size is not None else len(data), packed_size if packed_size is not None else len(packed)
        at, name = len(self.out), name.encode()
        behind = flags & 8
        local = (0, 0, 0) if behind else (crc, packed_size, size if local_size is None else local_size)
        self.out += struct.pack("<4s5H3I2H", b"PK\3\4", 20, flags, method if local_method is None else local_method, 0, 33,
                                *local, len(name), len(extra)) + name + extra + packed
        if behind:
            self.out += struct.pack("<4s3I", b"PK\7\x08", crc, packed_size, size)
        listed = (name.decode() if listed is None else listed)
        if listed is not False:
            listed = listed.encode()
            self.directory.append(struct.pack("<4s6H3I5H2I", b"PK\1\2", 20, 20, flags, method, 0, 33, crc, packed_size, size,
                                              len(listed), 0, 0, 0, 0, 0, at) + listed)

    def finish(self, comment=b"", count=None, shift=0):
        start, directory = len(self.out), b"".join(self.directory)
        count = len(self.directory) if count is None else count
        return bytes(self.out) + directory + struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, count, count, len(directory),
                                                         start + shift, len(comment)) + comment


KINDS = ["plain", "duplicate", "renamed", "unlisted", "crc", "stored", "descriptor", "encrypted", "size", "short",
         "local-method", "local-size", "directory-name", "traversal", "absolute", "upper-case", "method", "zero-name"]
ENDS = ["", "comment", "end-in-comment", "before", "behind", "count", "shift"]


def odd_archive(seed):
    """An archive of samples with an oddity, from some number on with several; their names."""
    archive, odd, number = Archive(), [], 0
    archive.member("header.json", HEADER.encode())
    chance = random.Random(seed)
    alone = (KINDS + ENDS)[seed] if seed < len(KINDS + ENDS) else None
    kinds = [chance.choice(KINDS) for _ in range(chance.randint(1, 4))]
    if alone is not None:
        kinds = [alone if alone in KINDS else "plain"]
    for kind in kinds:
        number += 1
        name, data = f"samples/s{number}_epoch_1.json", sample(number)
        odd.append(kind)
        if kind == "duplicate":
            archive.member(name, data)
            number += 1
            archive.member(name, sample(number))
        elif kind == "renamed":
            archive.member(name, data, listed=f"samples/other{number}_epoch_1.json")
        elif kind == "unlisted":
            archive.member(name, data, listed=False)
        elif kind == "crc":
            archive.member(name, data, crc=1)
        elif kind == "stored":
            archive.member(name, data, method=0)
        elif kind == "descriptor":
            archive.member(name, data, flags=8)
        elif kind == "encrypted":
            archive.member(name, data, flags=1)
        elif kind == "size":
            archive.member(name, data, size=len(data) // 2)
        elif kind == "short":
            archive.member(name, data, packed_size=9)
        elif kind == "local-method":
            archive.member(name, data, local_method=0)
        elif kind == "local-size":
            archive.member(name, data, local_size=3)
        elif kind == "directory-name":
            archive.member(name + "/", data)
        elif kind == "traversal":
            archive.member(f"samples/../samples/t{number}.json", data)
        elif kind == "absolute":
            archive.member("/" + name, data)
        elif kind == "upper-case":
            archive.member(name.upper(), data)
        elif kind == "method":
            archive.member(name, data, method=0, local_method=99)
        elif kind == "zero-name":
            archive.member(name, data, listed=name + "\0.txt")
        else:
            archive.member(name, data)
    end = chance.choice(ENDS) if alone is None else alone if alone in ENDS else ""
    odd.append(end)
    if end == "comment":
        return archive.finish(b"a comment"), odd
    if end == "end-in-comment":
        # A second end of the directory, of an archive with another sample, within the comment of the first.
        other = Archive()
        other.member("header.json", HEADER.encode())
        other.member("samples/z_epoch_1.json", sample(99))
        return archive.finish(other.finish()), odd
    if end == "count":
        return archive.finish(count=max(0, len(archive.directory) - 1)), odd
    if end == "shift":
        return archive.finish(shift=7), odd
    bytes_ = archive.finish()
    return {"before": b"#!/bin/sh\n" + bytes_, "behind": bytes_ + b"more"}.get(end, bytes_), odd


def of_zipfile(data):
    """Commands in the samples that Python reads; `None` if it reads no archive."""
    found = set()
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except Exception:
        return None
    for info in archive.infolist():
        if not (info.filename.startswith("samples/") and info.filename.endswith(".json")):
            continue
        try:
            found.update(event["cmd"] for event in json.loads(archive.read(info))["events"])
        except Exception:
            pass
    return found


def zips(number):
    apart = collections.OrderedDict()
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "log.eval"
        for seed in range(number):
            data, odd = odd_archive(seed)
            path.write_bytes(data)
            ours = {row["command"] for row in timeline(path, "--kind", "step") if row.get("command")}
            theirs = of_zipfile(data)
            if theirs is None:
                theirs, odd = set(), odd + ["no archive to Python"]
            if ours != theirs:
                said = "said" if warned(path) else "SILENT"
                kind = ("more " if ours - theirs else "") + ("less " if theirs - ours else "") + said
                apart.setdefault((kind, " ".join(sorted(set(filter(None, odd))))), (seed, ours, theirs))
    for (kind, odd), (seed, ours, theirs) in apart.items():
        print(f"{kind}: {odd} (seed {seed}): only here {sorted(ours - theirs)}, only Python {sorted(theirs - ours)}")
    print(f"{number} archives, {len(apart)} kinds of disagreement")
    return apart


# Captures.

CONVERSATION = re.compile(r"^(\S+):(\d+)\s+<->\s+(\S+):(\d+)\s+\d+ \d+ \w+\s+\d+ \d+ \w+\s+(\d+) ")


def of_tshark(path):
    """Packets of each pair of ends of TCP and UDP, in whatever tunnel, as tshark counts them."""
    pairs = collections.Counter()
    for protocol in ("tcp", "udp"):
        command = ["tshark", "-n", "-q", "-r", str(path), "-o", "ip.defragment:TRUE", "-z", f"conv,{protocol}"]
        ran = subprocess.run(command, capture_output=True, timeout=120)
        for line in ran.stdout.decode().splitlines():
            if found := CONVERSATION.match(line):
                src, src_port, dst, dst_port, frames = found.groups()
                pairs[(protocol, *sorted([(src, int(src_port)), (dst, int(dst_port))]))] += int(frames)
    return pairs


def of_ours(path):
    pairs = collections.Counter()
    for row in timeline(path, "--kind", "connection"):
        if row.get("protocol") in ("tcp", "udp") and "dst_port" in row:
            ends = sorted([(row["src_ip"], row.get("src_port", -1)), (row["dst_ip"], row["dst_port"])])
            pairs[(row["protocol"], *ends)] += row.get("packets_out", 0) + row.get("packets_in", 0)
    return pairs


def changed(data, chance):
    data = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        # Behind the header of the file, which one tool or the other would refuse.
        at = chance.randrange(24, len(data)) if len(data) > 24 else 0
        kind = chance.randrange(4)
        if kind == 0:
            data[at] = chance.randrange(256)
        elif kind == 1:
            data[at] ^= 1 << chance.randrange(8)
        elif kind == 2 and at + 4 <= len(data):
            data[at:at + 4] = chance.choice([b"\0\0\0\0", b"\xff\xff\xff\xff", b"\0\0\0\1", b"\1\0\0\0"])
        else:
            del data[len(data) - chance.randrange(1, 40):]
    return bytes(data)


def captures(number, below):
    apart, count = collections.OrderedDict(), 0
    files = [path for path in sorted(pathlib.Path(below).rglob("*.pcap")) if path.stat().st_size < 2_000_000]
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "a.pcap"
        for file in files:
            for seed in range(-1, number):
                data = file.read_bytes()
                path.write_bytes(data if seed < 0 else changed(data, random.Random(f"{file.name} {seed}")))
                try:
                    theirs = of_tshark(path)
                except (ValueError, subprocess.TimeoutExpired):
                    continue
                ours, count = of_ours(path), count + 1
                differ = {pair: (ours[pair], theirs[pair]) for pair in ours | theirs if ours[pair] != theirs[pair]}
                if differ:
                    kinds = {"more" if a > b > 0 else "less" if b > a > 0 else "only here" if a else "only tshark"
                             for a, b in differ.values()}
                    said = "said" if warned(path) else "SILENT"
                    whole = "whole" if seed < 0 else "changed"
                    apart.setdefault((file.name, whole, said, ", ".join(sorted(kinds))), (seed, differ))
    for (name, whole, said, kinds), (seed, differ) in apart.items():
        pair, counts = next(iter(differ.items()))
        print(f"{name} {whole}, {kinds}, {said} (seed {seed}), {len(differ)} pairs: {pair}: here {counts[0]}, tshark {counts[1]}")
    print(f"{count} captures, {len(apart)} kinds of disagreement")
    return apart


def main():
    which = sys.argv[1] if len(sys.argv) > 1 else ""
    number = int(sys.argv[2]) if len(sys.argv) > 2 else 20
    if which == "zip":
        apart = zips(number)
    elif which == "captures":
        apart = captures(number, sys.argv[3] if len(sys.argv) > 3 else ROOT / "testdata/formats/pcap")
    else:
        sys.exit(__doc__)
    sys.exit(1 if apart else 0)


if __name__ == "__main__":
    main()
