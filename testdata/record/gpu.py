"""Synthesised nvidia-smi traces: there is no GPU in the world. Their rows follow the true times of the recording.

Two GPUs train throughout (a period, dips while data is loaded, a large footprint); while a pool client ran, one more
process with its true pid stands on GPU 1, whose load is then flat and whose training share is lower.
"""
import datetime
import math
import random

UUIDS = ["GPU-5f0c1a9e-31d7-4b52-9d0e-7a6f2c88e1b4", "GPU-c27be6d0-8842-4f19-b1c3-0e94ad7755f2"]
TRAINING = (4127, "/opt/conda/bin/python3")
FOOTPRINT, EXTRA = 61234, 2406


def stamp(at):
    return datetime.datetime.fromtimestamp(at, datetime.timezone.utc).strftime("%Y/%m/%d %H:%M:%S.") + "%03d" % (at % 1 * 1000)


def write(folder, begin, end, clients):
    """`clients`: (pid, name, first, last) in epoch seconds. Writes gpu.csv and gpu-processes.csv, one poll a second."""
    rng = random.Random(int(begin))
    load = ["timestamp, index, uuid, name, utilization.gpu [%], utilization.memory [%], memory.used [MiB], "
            "memory.total [MiB], power.draw [W], clocks.current.sm [MHz]"]
    apps = ["timestamp, gpu_uuid, pid, process_name, used_gpu_memory [MiB]"]
    at = begin + 0.137
    while at < end:
        for index, uuid in enumerate(UUIDS):
            # A context needs about a second to come up; the counters are means over the second before the poll.
            running = [c for c in clients if index == 1 and c[2] + 1.1 < at < c[3]]
            phase = (at - begin + 2.5 * index) % 11
            if running:
                util, mem, power, clock = 100, rng.randint(88, 91), rng.gauss(402, 4), 1755
            elif phase < 1.6:
                util, mem, power, clock = rng.randint(12, 38), rng.randint(6, 18), rng.gauss(210, 15), 1980
            else:
                util, mem = rng.randint(84, 99), rng.randint(46, 63)
                power, clock = 560 + 40 * math.sin(at) + rng.gauss(0, 12), rng.choice((1755, 1830, 1905))
            used = FOOTPRINT + (EXTRA if running else 0) + index * 18
            load.append(f"{stamp(at + index * 0.003)}, {index}, {uuid}, NVIDIA H100 80GB HBM3, {util} %, {mem} %, {used} MiB, "
                        f"81559 MiB, {power:.2f} W, {clock} MHz")
            apps.append(f"{stamp(at + index * 0.002)}, {uuid}, {TRAINING[0] + index}, {TRAINING[1]}, {FOOTPRINT - 620 + index * 18} MiB")
            for client in running:
                apps.append(f"{stamp(at + index * 0.002)}, {uuid}, {client[0]}, {client[1]}, {EXTRA - 8} MiB")
        at += 1.0 + rng.uniform(0.001, 0.006)
    (folder / "gpu.csv").write_text("\n".join(load) + "\n")
    (folder / "gpu-processes.csv").write_text("\n".join(apps) + "\n")
