"""Everything that answers on the outside of the world: HTTP mirror (clear and TLS), metrics intake, an NTP-shaped
UDP responder, and stand-in mining pools that only speak the protocol. Nothing here computes a hash.

usage: outside.py WWW_DIR CERT_DIR POOL_LOG
"""
import functools
import http.server
import json
import os
import random
import socket
import ssl
import struct
import sys
import threading
import time

WWW, CERTS, POOL_LOG = sys.argv[1:4]
LOCK = threading.Lock()


def log(**fields):
    fields["time"] = time.time()
    with LOCK, open(POOL_LOG, "a") as out:
        out.write(json.dumps(fields) + "\n")


def tls(name):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{CERTS}/{name}.crt", f"{CERTS}/{name}.key")
    return context


class Files(http.server.SimpleHTTPRequestHandler):
    server_version, sys_version = "nginx", ""

    def do_GET(self):
        time.sleep(random.uniform(0.015, 0.05))
        super().do_GET()

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


def serve_http(address, port, context=None):
    server = http.server.ThreadingHTTPServer((address, port), functools.partial(Files, directory=WWW))
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()


def serve_ntp(address):
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((address, 123))
    while True:
        data, peer = server.recvfrom(512)
        now = time.time() + 2208988800
        stamp = struct.pack("!II", int(now), int(now % 1 * 2**32))
        server.sendto(bytes([0x24, 2, 6, 0xE9]) + bytes(12) + stamp + data[40:48].ljust(8, b"\0") + stamp + stamp, peer)


def hexes(count):
    return os.urandom(count).hex()


class Pool:
    """One client of a pool. `family` is "cryptonote" (login/job/submit) or "stratum" (mining.*)."""

    def __init__(self, raw, peer, name, family, context):
        self.raw, self.peer, self.name, self.family, self.context = raw, peer, name, family, context
        self.lock, self.height, self.job_id, self.shares = threading.Lock(), 3284117, hexes(8), 0

    def send(self, message):
        with self.lock:
            self.conn.sendall((json.dumps(message, separators=(",", ":")) + "\n").encode())

    def job(self):
        self.job_id = hexes(8)
        return {"blob": "1010" + hexes(74), "job_id": self.job_id, "target": "b88d0600", "algo": "rx/0",
                "height": self.height, "seed_hash": "a5" + hexes(31)}

    def notify(self, clean):
        self.job_id = hexes(4)
        return {"id": None, "method": "mining.notify", "params": [
            self.job_id, hexes(32), "01000000010000" + hexes(40), hexes(30), [hexes(32) for _ in range(3)],
            "20000000", "17034219", "%08x" % int(time.time()), clean]}

    def push(self):
        try:
            while True:
                time.sleep(random.uniform(8, 13))
                self.height += 1
                if self.family == "cryptonote":
                    self.send({"jsonrpc": "2.0", "method": "job", "params": self.job()})
                else:
                    self.send(self.notify(False))
        except OSError:
            pass

    def answer(self, message):
        method, number = message.get("method"), message.get("id")
        if method in ("login", "mining.subscribe"):
            log(event="login", pool=self.name, peer=self.peer, method=method)
        if method == "login":
            self.send({"id": number, "jsonrpc": "2.0", "error": None, "result": {
                "id": hexes(8), "job": self.job(), "extensions": ["algo", "keepalive"], "status": "OK"}})
        elif method in ("submit", "mining.submit"):
            self.shares += 1
            log(event="share", pool=self.name, peer=self.peer, number=self.shares)
            if method == "submit":
                self.send({"id": number, "jsonrpc": "2.0", "error": None, "result": {"status": "OK"}})
            else:
                self.send({"id": number, "result": True, "error": None})
        elif method == "keepalived":
            self.send({"id": number, "jsonrpc": "2.0", "error": None, "result": {"status": "KEEPALIVED"}})
        elif method == "mining.subscribe":
            self.send({"id": number, "error": None, "result": [
                [["mining.set_difficulty", hexes(4)], ["mining.notify", hexes(4)]], hexes(4), 8]})
        elif method == "mining.authorize":
            self.send({"id": number, "result": True, "error": None})
            self.send({"id": None, "method": "mining.set_difficulty", "params": [8192]})
            self.send(self.notify(True))

    def run(self):
        log(event="open", pool=self.name, peer=self.peer)
        try:
            self.conn = self.context.wrap_socket(self.raw, server_side=True) if self.context else self.raw
            threading.Thread(target=self.push, daemon=True).start()
            for line in self.conn.makefile("r"):
                time.sleep(random.uniform(0.02, 0.06))
                self.answer(json.loads(line))
        except (OSError, ValueError):
            pass
        log(event="close", pool=self.name, peer=self.peer, shares=self.shares)


def serve_pool(address, port, name, family, context=None):
    server = socket.create_server((address, port))
    while True:
        raw, peer = server.accept()
        threading.Thread(target=Pool(raw, f"{peer[0]}:{peer[1]}", name, family, context).run, daemon=True).start()


JOBS = [
    (serve_http, "203.0.113.80", 80),
    (serve_http, "203.0.113.80", 443, tls("mirror.example")),
    (serve_http, "203.0.113.90", 80),
    (serve_ntp, "203.0.113.123"),
    (serve_pool, "198.51.100.20", 3333, "pool.supportxmr.com", "cryptonote"),
    (serve_pool, "198.51.100.23", 443, "pool.hashvault.pro", "cryptonote", tls("pool.hashvault.pro")),
    (serve_pool, "198.51.100.24", 10128, "gulf.moneroocean.stream", "cryptonote"),
    (serve_pool, "198.51.100.30", 3333, "solo.ckpool.org", "stratum"),
]
for job, *arguments in JOBS:
    threading.Thread(target=job, args=arguments, daemon=True).start()
print("ready", flush=True)
while True:
    time.sleep(3600)
