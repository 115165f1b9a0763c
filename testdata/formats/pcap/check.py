"""Holds the samples against capinfos and tshark: packet numbers and times."""

import subprocess


def run(*command):
    return subprocess.run(command, capture_output=True, text=True).stdout


def check(directory, samples):
    failed = 0
    for name, capture, unit, about in samples:
        path = str(directory / name)
        times = run("tshark", "-n", "-r", path, "-T", "fields", "-e", "frame.time_epoch").split()
        # A packet without time is shown without one.
        expected = [at // unit * unit for at, _, _, more in capture.packets if not more.get("untimed")]
        shown = [int(t.split(".")[0]) * 10**9 + int(t.split(".")[1].ljust(9, "0")) for t in times if t]
        note = about.get("tshark")
        if shown != expected:
            failed += note is None
            print(f"{name}: {len(shown)} packets, expected {len(expected)}"
                  f"{', times differ' if len(shown) == len(expected) else ''}: {note or 'NOT EXPLAINED'}")
    print(f"{len(samples)} samples, {failed} unexplained differences")
    return 1 if failed else 0
