"""A misconfigured job: reports every SECONDS to a collector that moved away; the firewall drops every attempt.

usage: beat.py SECONDS ADDRESS PORT
"""
import socket
import sys
import time

period, address, port = float(sys.argv[1]), sys.argv[2], int(sys.argv[3])
due = time.time()
while True:
    sock = socket.socket()
    sock.settimeout(0.8)
    try:
        sock.connect((address, port))
    except OSError:
        pass
    sock.close()
    due += period
    time.sleep(max(0, due - time.time()))
