"""The internal service host: an HTTP results API, and listeners that greet as a database and a cache would."""
import http.server
import json
import socket
import threading
import time


class Results(http.server.BaseHTTPRequestHandler):
    server_version, sys_version = "results-api/0.9", ""

    def do_GET(self):
        body = json.dumps({"service": "results", "path": self.path, "runs": 41}).encode() + b"\n"
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def listen(port):
    server = socket.create_server(("0.0.0.0", port))
    while True:
        conn, _ = server.accept()
        threading.Thread(target=lambda c: (time.sleep(2), c.close()), args=(conn,), daemon=True).start()


for port in (5432, 6379):
    threading.Thread(target=listen, args=(port,), daemon=True).start()
http.server.ThreadingHTTPServer(("0.0.0.0", 80), Results).serve_forever()
