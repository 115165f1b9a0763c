#!/usr/bin/python3
"""Stand-in for a pool client: logs in and sends shares made of random bytes. It mines nothing and hashes nothing.

Speaks the login/job/submit dialogue of Monero pools, or mining.subscribe/authorize/submit when it is started under a
name that contains "cpuminer" or "kworker".
"""
import argparse
import datetime
import json
import os
import random
import socket
import ssl
import sys
import threading
import time

parser = argparse.ArgumentParser()
parser.add_argument("-o", "--url", required=True)
parser.add_argument("-u", "--user", default="")
parser.add_argument("-p", "--pass", dest="password", default="x")
parser.add_argument("-k", "--keepalive", action="store_true")
parser.add_argument("--tls", action="store_true")
parser.add_argument("--donate-level", default="1")
parser.add_argument("-a", "--algo", default="rx/0")
options = parser.parse_args()

NAME = os.path.basename(sys.argv[0])
STRATUM = "cpuminer" in NAME or "kworker" in NAME
target = options.url.split("://")[-1]
secure = options.tls or options.url.startswith("stratum+ssl://")
host, port = target.rsplit(":", 1)


def say(tag, text):
    now = datetime.datetime.now().isoformat(sep=" ", timespec="milliseconds")
    print(f"[{now}]  {tag:<8} {text}", flush=True)


conn = socket.create_connection((host, int(port)), timeout=10)
address = conn.getpeername()[0]
conn.settimeout(None)
if secure:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    conn = context.wrap_socket(conn, server_hostname=host)
say("net", f"use pool {host}:{port} {'TLSv1.3 ' if secure else ''}{address}")
state = {"number": 1, "job": "", "id": "", "good": 0}
lock = threading.Lock()


def send(method, params):
    with lock:
        state["number"] += 1
        message = {"id": state["number"], "method": method, "params": params}
        if not STRATUM:
            message = {"id": state["number"], "jsonrpc": "2.0", "method": method, "params": params}
        conn.sendall((json.dumps(message, separators=(",", ":")) + "\n").encode())


def submit():
    while True:
        time.sleep(random.uniform(2.5, 6.0))
        if STRATUM:
            send("mining.submit", [options.user, state["job"], os.urandom(4).hex(), "%08x" % int(time.time()),
                                   os.urandom(4).hex()])
        else:
            send("submit", {"id": state["id"], "job_id": state["job"], "nonce": os.urandom(4).hex(),
                            "result": os.urandom(32).hex(), "algo": options.algo})


def keepalive():
    while True:
        time.sleep(20)
        send("keepalived", {"id": state["id"]})


if STRATUM:
    send("mining.subscribe", ["cpuminer/2.5.1"])
    send("mining.authorize", [options.user, options.password])
else:
    state["number"] = 0
    send("login", {"login": options.user, "pass": options.password, "rigid": "",
                   "agent": "XMRig/6.21.0 (Linux x86_64) libuv/1.44.2 gcc/11.4.0", "algo": ["rx/0", "rx/wow", "cn/r"]})
started = False
for line in conn.makefile("r"):
    message = json.loads(line)
    result, params = message.get("result"), message.get("params")
    if message.get("method") == "job":
        state["job"] = params["job_id"]
        say("net", f"new job from {host}:{port} diff 10000 algo rx/0 height {params['height']}")
    elif message.get("method") == "mining.notify":
        state["job"] = params[0]
        say("net", f"new job {params[0]}")
    elif isinstance(result, dict) and "job" in result:
        state["id"], state["job"] = result["id"], result["job"]["job_id"]
        say("net", f"new job from {host}:{port} diff 10000 algo rx/0 height {result['job']['height']}")
    elif started and (result is True or isinstance(result, dict) and result.get("status") == "OK"):
        state["good"] += 1
        say("cpu", f"accepted ({state['good']}/0) diff 10000")
    if state["job"] and not started:
        started = True
        threading.Thread(target=submit, daemon=True).start()
        if options.keepalive and not STRATUM:
            threading.Thread(target=keepalive, daemon=True).start()
