"""What runs on a training host besides the agent: a health endpoint, telemetry now and then, clock requests.

usage: host.py NAME SEED
"""
import http.client
import http.server
import json
import random
import socket
import sys
import threading
import time

name, seed = sys.argv[1], int(sys.argv[2])
rng = random.Random(seed)


class Health(http.server.BaseHTTPRequestHandler):
    server_version, sys_version = "node-agent/1.4", ""

    def do_GET(self):
        body = b'{"status":"ok"}\n'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def clock():
    while True:
        time.sleep(rng.uniform(24, 40))
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.settimeout(1)
        try:
            sock.sendto(b"\x23" + bytes(47), ("203.0.113.123", 123))
            sock.recv(128)
        except OSError:
            pass
        sock.close()


def telemetry():
    while True:
        time.sleep(rng.uniform(17, 33))
        try:
            conn = http.client.HTTPConnection("metrics.example", 80, timeout=3)
            conn.request("POST", "/ingest", json.dumps({"host": name, "load": round(rng.uniform(3, 6), 2)}))
            conn.getresponse().read()
            conn.close()
        except OSError:
            pass


threading.Thread(target=clock, daemon=True).start()
threading.Thread(target=telemetry, daemon=True).start()
http.server.ThreadingHTTPServer(("0.0.0.0", 8088), Health).serve_forever()
