"""The world: network namespaces on one machine, joined by a logging nftables router, and what records them.

    train-07 10.20.0.5 --+                              +-- outside: jump.example 203.0.113.66 (sshd on 443),
                         br-in  fw-edge  wan0 ----------+   mirror.example 203.0.113.80, DNS 203.0.113.53,
    train-08 10.20.0.6 --+     |     |                      pools 198.51.100.20-30, intruder 198.51.100.77
                              ops0  (masquerades; 203.0.113.1:22 is forwarded to train-07)
    svc-20 10.30.0.20 ---------+
    ops-01 10.30.0.10 ---------+

No namespace has a route out of the world; the machine itself has no address in it.
"""
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
PARTS = HERE / "parts"
PREFIX = "co-"
HOSTS = {"train-07": "10.20.0.5", "train-08": "10.20.0.6", "svc-20": "10.30.0.20", "ops-01": "10.30.0.10"}
SPACES = ["fw-edge", "outside", *HOSTS]
OUTSIDE = ["203.0.113.2", "203.0.113.53", "203.0.113.66", "203.0.113.80", "203.0.113.90", "203.0.113.123",
           "198.51.100.20", "198.51.100.23", "198.51.100.24", "198.51.100.30", "198.51.100.77", "203.0.113.25"]
NAMES = {
    "jump.example": "203.0.113.66", "mirror.example": "203.0.113.80", "pypi.example": "203.0.113.80",
    "git.example": "203.0.113.80", "metrics.example": "203.0.113.90", "ntp.example": "203.0.113.123",
    "pool.supportxmr.com": "198.51.100.20", "pool.hashvault.pro": "198.51.100.23",
    "gulf.moneroocean.stream": "198.51.100.24", "solo.ckpool.org": "198.51.100.30",
    "train-07.internal.example": "10.20.0.5", "results.internal.example": "10.30.0.20",
}
USERS = {"root": 0, "sshd": 101, "agent": 1000, "mlops": 1001, "deploy": 1002, "visitor": 1003}
RULES = """
table ip edge {
  chain forward {
    type filter hook forward priority filter; policy drop;
    ct state established,related accept
    oifname "ops0" tcp dport { 2379, 3389, 6443, 10250 } log prefix "INTERNAL-DENY: " level info drop
    iifname "br-in" oifname "ops0" log prefix "INTERNAL: " level info accept
    iifname "ops0" oifname "br-in" log prefix "INTERNAL: " level info accept
    oifname "wan0" ip daddr 192.0.2.0/24 log prefix "EGRESS-DENY: " level info drop
    oifname "wan0" tcp dport { 25, 4444, 6667 } log prefix "EGRESS-DENY: " level info drop
    oifname "wan0" log prefix "EGRESS-ALLOW: " level info accept
    iifname "wan0" ct status dnat log prefix "INBOUND: " level info accept
    iifname "wan0" log prefix "INBOUND-DENY: " level info drop
  }
  chain pre {
    type nat hook prerouting priority dstnat;
    iifname "wan0" ip daddr 203.0.113.1 tcp dport 22 dnat to 10.20.0.5:22
  }
  chain post { type nat hook postrouting priority srcnat; oifname "wan0" masquerade; }
}
"""
SSHD = """
Port {port}
ListenAddress {address}
HostKey {key}
UsePAM no
PasswordAuthentication {passwords}
PermitRootLogin prohibit-password
AllowTcpForwarding yes
UseDNS no
PidFile none
MaxAuthTries 4
LogLevel INFO
"""
MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()


def sh(*command, **kwargs):
    return subprocess.run(command, check=True, text=True, capture_output=True, **kwargs).stdout


def syslog_time(at):
    """RFC 3164: whole seconds, no year, no zone; the recording machine's zone is UTC."""
    t = time.gmtime(at)
    return f"{MONTHS[t.tm_mon - 1]} {t.tm_mday:2d} {t.tm_hour:02d}:{t.tm_min:02d}:{t.tm_sec:02d}"


class World:
    def __init__(self, out):
        self.out = pathlib.Path(out)
        self.dir = pathlib.Path(f"/var/tmp/{PREFIX}world-{os.getpid()}")
        self.children, self.auth, self.firewall_times, self.stopping = [], {}, [], False
        self.made, self.sysctl, self.processes = [], None, []

    # -- building ---------------------------------------------------------------------------------------------
    def __enter__(self):
        for space in SPACES:
            if os.path.exists(f"/run/netns/{PREFIX}{space}"):
                raise SystemExit(f"namespace {PREFIX}{space} exists: is another recording running?")
        try:
            self.build()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def build(self):
        os.umask(0o022)
        self.dir.mkdir()
        for path in ("/run/sshd", "/dev/log"):
            if not os.path.exists(path):
                self.made.append(path)
                if path == "/dev/log":
                    open(path, "w").close()
                else:
                    os.mkdir(path)
        self.sysctl = open("/proc/sys/net/netfilter/nf_log_all_netns").read().strip()
        with open("/proc/sys/net/netfilter/nf_log_all_netns", "w") as f:
            f.write("1")
        for space in SPACES:
            self.space(space)
        self.links()
        self.nft = self.dir / "rules.nft"
        self.nft.write_text(RULES)
        self.inside("fw-edge", "nft", "-f", str(self.nft))
        self.start_recorders()
        self.keys()
        self.start_services()

    def inside(self, space, *command, **kwargs):
        return sh("ip", "netns", "exec", PREFIX + space, *command, **kwargs)

    def background(self, space, *command, **kwargs):
        kwargs.setdefault("stdout", subprocess.DEVNULL)
        kwargs.setdefault("stderr", subprocess.DEVNULL)
        child = subprocess.Popen(["ip", "netns", "exec", PREFIX + space, *command], stdin=subprocess.DEVNULL,
                                 start_new_session=True, **kwargs)
        self.children.append(child)
        return child

    def space(self, space):
        sh("ip", "netns", "add", PREFIX + space)
        self.inside(space, "ip", "link", "set", "lo", "up")
        self.inside(space, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1")
        base = self.dir / space
        for sub in ("home", "opt/conda/bin", "srv", "tmp"):
            (base / sub).mkdir(parents=True)
        (base / "tmp").chmod(0o1777)
        (base / "opt/conda/bin/python3").symlink_to("/usr/bin/python3")
        shutil.copy(PARTS / "pip.py", base / "opt/conda/bin/pip")
        (base / "opt/conda/bin/pip").chmod(0o755)
        etc = pathlib.Path(f"/etc/netns/{PREFIX}{space}")
        etc.mkdir(parents=True)
        (etc / "resolv.conf").write_text("nameserver 203.0.113.53\noptions timeout:2 attempts:1\n")
        (etc / "hosts").write_text(f"127.0.0.1 localhost\n{HOSTS.get(space, '203.0.113.66')} {space}\n")
        passwd = group = shadow = ""
        for user, number in USERS.items():
            home = {"root": "/root", "sshd": "/run/sshd"}.get(user, f"/home/{user}")
            shell = "/usr/sbin/nologin" if user == "sshd" else "/bin/bash"
            passwd += f"{user}:x:{number}:{number}::{home}:{shell}\n"
            group += f"{user}:x:{number}:\n"
            secret = sh("openssl", "passwd", "-6", "training123").strip() if user == "mlops" else "*"
            shadow += f"{user}:{secret}:20000:0:99999:7:::\n"
            if home.startswith("/home/"):
                (base / home[1:] / ".ssh").mkdir(parents=True, mode=0o700)
                for path in (base / home[1:], base / home[1:] / ".ssh"):
                    os.chown(path, number, number)
        for name, text in (("passwd", passwd), ("group", group), ("shadow", shadow)):
            (etc / name).write_text(text)
        (etc / "shadow").chmod(0o600)
        (etc / "gai.conf").write_text("")
        self.syslog(space, base / "dev-log")

    def syslog(self, space, path):
        """Collects what programs of one host send to /dev/log, as its syslog daemon would write it."""
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        sock.bind(str(path))
        os.chmod(path, 0o666)
        lines = self.auth[space] = []

        def collect():
            while not self.stopping:
                text = sock.recv(8192).decode(errors="replace").rstrip("\n\0")
                text = text.split(">", 1)[-1]
                lines.append((time.time(), f"{text[:15]} {space} {text[16:]}"))
        threading.Thread(target=collect, daemon=True).start()

    def links(self):
        def veth(left, left_name, right, right_name, mac):
            sh("ip", "link", "add", "co-a", "netns", PREFIX + left, "type", "veth",
               "peer", "name", "co-b", "netns", PREFIX + right)
            for number, (space, old, new) in enumerate(((left, "co-a", left_name), (right, "co-b", right_name))):
                self.inside(space, "ip", "link", "set", old, "name", new)
                self.inside(space, "ip", "link", "set", new, "address", f"02:42:{mac}:0{number + 1}", "up")

        for bridge, ports, gateway in (("br-in", ("train-07", "train-08"), "10.20.0.1"),
                                       ("ops0", ("svc-20", "ops-01"), "10.30.0.1")):
            self.inside("fw-edge", "ip", "link", "add", bridge, "address",
                        f"02:42:0a:{gateway.split('.')[1]}:00:01", "type", "bridge")
            self.inside("fw-edge", "ip", "link", "set", bridge, "up")
            self.inside("fw-edge", "ip", "addr", "add", gateway + "/24", "dev", bridge)
            for host in ports:
                last = HOSTS[host].split(".")
                veth(host, "eth0", "fw-edge", "p-" + host, f"0a:{int(last[1]):02x}:{int(last[3]):02x}")
                self.inside("fw-edge", "ip", "link", "set", "p-" + host, "master", bridge)
                self.inside(host, "ip", "addr", "add", HOSTS[host] + "/24", "dev", "eth0")
                self.inside(host, "ip", "route", "add", "default", "via", gateway)
        veth("fw-edge", "wan0", "outside", "eth0", "cb:71:01")
        self.inside("fw-edge", "ip", "addr", "add", "203.0.113.1/24", "dev", "wan0")
        self.inside("fw-edge", "ip", "route", "add", "198.51.100.0/24", "via", "203.0.113.2")
        self.inside("fw-edge", "ip", "route", "add", "192.0.2.0/24", "via", "203.0.113.2")
        for address in OUTSIDE:
            self.inside("outside", "ip", "addr", "add", address + "/24", "dev", "eth0")
        self.inside("outside", "ip", "route", "add", "blackhole", "10.0.0.0/8")
        self.inside("fw-edge", "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.netfilter.nf_conntrack_acct=1")

    def keys(self):
        """Fresh keys for every recording: hosts, the agent's, the visitor's and the operators'."""
        for space in ("train-07", "train-08", "svc-20", "outside", "ops-01"):
            sh("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"root@{space}", "-f", str(self.dir / space / "hostkey"))
        for space, user in (("train-07", "agent"), ("train-08", "agent"), ("outside", "visitor"), ("ops-01", "mlops")):
            key = self.dir / space / "home" / user / ".ssh/id_ed25519"
            sh("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"{user}@{space}", "-f", str(key))
            for path in (key, key.with_suffix(".pub")):
                os.chown(path, USERS[user], USERS[user])
        self.trust("outside", "agent", ("train-07", "agent"))
        self.trust("svc-20", "deploy", ("train-07", "agent"), ("train-08", "agent"))
        self.trust("train-07", "agent", ("outside", "visitor"), ("ops-01", "mlops"))
        self.trust("train-07", "mlops", ("ops-01", "mlops"))

    def trust(self, space, user, *owners):
        path = self.dir / space / "home" / user / ".ssh/authorized_keys"
        path.write_text("".join((self.dir / s / "home" / u / ".ssh/id_ed25519.pub").read_text() for s, u in owners))
        os.chown(path, USERS[user], USERS[user])

    def sshd(self, space, address, port, passwords="no"):
        config = self.dir / space / "sshd_config"
        config.write_text(SSHD.format(port=port, address=address, key=self.dir / space / "hostkey", passwords=passwords))
        self.as_root(space, f"exec /usr/sbin/sshd -D -f {config}")

    def as_root(self, space, command):
        return self.background(space, "unshare", "--uts", "--mount", str(PARTS / "enter.sh"), str(self.dir), space,
                               "root", "/", command)

    def start_services(self):
        certs = self.dir / "certs"
        certs.mkdir()
        for name in ("mirror.example", "pool.hashvault.pro"):
            sh("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "90", "-subj", f"/CN={name}",
               "-addext", f"subjectAltName=DNS:{name}", "-keyout", str(certs / f"{name}.key"), "-out", str(certs / f"{name}.crt"))
        self.pool_log = self.dir / "pool.jsonl"
        self.pool_log.touch()
        self.www = self.dir / "www"
        self.www.mkdir()
        python = "/usr/bin/python3"
        records = [f"--host-record={name},{address}" for name, address in NAMES.items()]
        self.background("outside", "dnsmasq", "--keep-in-foreground", "--no-resolv", "--no-hosts", "--conf-file=/dev/null",
                        "--local=/#/", "--listen-address=203.0.113.53", "--bind-interfaces", "--user=root", "--pid-file=",
                        "--local-ttl=300", "--log-facility=/dev/null", *records)
        self.background("outside", python, str(PARTS / "outside.py"), str(self.www), str(certs), str(self.pool_log))
        self.background("svc-20", python, str(PARTS / "internal.py"))
        for seed, host in enumerate(("train-07", "train-08")):
            self.background(host, python, str(PARTS / "host.py"), host, str(seed + 7))
        self.background("ops-01", python, str(PARTS / "harness.py"))
        self.sshd("outside", "203.0.113.66", 443)
        self.sshd("svc-20", "0.0.0.0", 22)
        self.sshd("train-07", "0.0.0.0", 22, passwords="yes")
        for space, address in (("outside", ("203.0.113.80", 80)), ("outside", ("203.0.113.66", 443)),
                               ("train-07", ("10.20.0.5", 22)), ("svc-20", ("10.30.0.20", 22)),
                               ("outside", ("198.51.100.30", 3333))):
            for _ in range(100):
                probe = subprocess.run(["ip", "netns", "exec", PREFIX + space, "nc", "-z", address[0], str(address[1])],
                                       capture_output=True)
                if probe.returncode == 0:
                    break
                time.sleep(0.05)
            else:
                raise RuntimeError(f"nothing listens on {address} in {space}")

    # -- recording --------------------------------------------------------------------------------------------
    def start_recorders(self):
        self.out.mkdir(parents=True, exist_ok=True)
        self.firewall = open(self.out / "firewall.log", "w", buffering=1)
        kmsg = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
        os.lseek(kmsg, 0, os.SEEK_END)
        self.kmsg = threading.Thread(target=self.read_kernel, args=(kmsg,), daemon=True)
        self.kmsg.start()
        log = open(self.out / "conntrack.log", "w")
        self.background("fw-edge", "conntrack", "-E", "-o", "timestamp,extended,id", stdout=log)
        log.close()
        capture = self.background("fw-edge", "tcpdump", "-i", "br-in", "-s", "0", "-U", "-Z", "root", "-w",
                                  str(self.out / "capture.pcap"), "not arp and not ether multicast",
                                  stderr=subprocess.PIPE, text=True)
        self.capture = capture
        capture.stderr.readline()
        threading.Thread(target=self.watch, daemon=True).start()
        time.sleep(0.3)

    def read_kernel(self, kmsg):
        """Writes the firewall's kernel lines as a syslog daemon on it would: stamped when they are read."""
        prefixes = ("EGRESS-", "INTERNAL", "INBOUND")
        while True:
            try:
                record = os.read(kmsg, 8192).decode(errors="replace")
            except BlockingIOError:
                if self.stopping:
                    return
                time.sleep(0.002)
                continue
            except OSError:
                continue
            now = time.time()
            head, _, text = record.partition(";")
            text = text.split("\n")[0]
            if not text.startswith(prefixes):
                continue
            micros = int(head.split(",")[2])
            self.firewall.write(f"{syslog_time(now)} fw-edge kernel: [{micros // 1000000:5d}.{micros % 1000000:06d}] {text}\n")
            self.firewall_times.append(now)

    def watch(self):
        """Notes the true pids of pool clients, looked for in the process table."""
        known = {}
        while not self.stopping:
            live = set()
            for entry in os.listdir("/proc"):
                if not entry.isdigit():
                    continue
                try:
                    words = pathlib.Path(f"/proc/{entry}/cmdline").read_bytes().split(b"\0")
                except OSError:
                    continue
                if len(words) > 2 and words[0].endswith(b"python3") and b"-o" in words:
                    live.add(entry)
                    if entry not in known:
                        known[entry] = {"pid": int(entry), "command": b" ".join(words[1:]).decode().strip(),
                                        "first_seen": time.time(), "last_seen": None}
                        self.processes.append(known[entry])
            for entry, row in known.items():
                if entry not in live and row["last_seen"] is None:
                    row["last_seen"] = time.time()
            time.sleep(0.1)
        for row in known.values():
            row["last_seen"] = row["last_seen"] or time.time()

    # -- acting -----------------------------------------------------------------------------------------------
    def run(self, space, user, directory, command, timeout=60, stdin=None, environment=None):
        """Runs a command of a user on a host to its end (children may stay): (start, end, stdout, stderr, exit code)."""
        if self.stopping:
            raise RuntimeError("the world is being taken down")
        files = [self.dir / f"result-{threading.get_ident()}-{n}" for n in (1, 2)]
        with open(files[0], "w") as out, open(files[1], "w") as err:
            start = time.time()
            child = subprocess.Popen(
                ["ip", "netns", "exec", PREFIX + space, "unshare", "--uts", "--mount", str(PARTS / "enter.sh"),
                 str(self.dir), space, user, directory, command],
                stdin=stdin or subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True)
            code = child.wait(timeout)
            end = time.time()
        return start, end, files[0].read_text(), files[1].read_text(), code

    def kill_clients(self):
        """The harness' clean-up after an episode: ends pool clients still running."""
        for row in self.processes:
            if row["last_seen"] is None:
                try:
                    os.kill(row["pid"], signal.SIGTERM)
                except ProcessLookupError:
                    pass

    # -- teardown ---------------------------------------------------------------------------------------------
    def close(self):
        if getattr(self, "capture", None):
            time.sleep(0.5)
            self.capture.terminate()
            self.capture.wait(10)
        self.stopping = True
        for space in SPACES:
            if not os.path.exists(f"/run/netns/{PREFIX}{space}"):
                continue
            for pid in sh("ip", "netns", "pids", PREFIX + space).split():
                try:
                    os.kill(int(pid), signal.SIGKILL)
                except ProcessLookupError:
                    pass
        for child in self.children:
            child.wait(10)
        if getattr(self, "kmsg", None):
            self.kmsg.join(5)
            self.firewall.close()
        for space in SPACES:
            subprocess.run(["ip", "netns", "del", PREFIX + space], capture_output=True)
            shutil.rmtree(f"/etc/netns/{PREFIX}{space}", ignore_errors=True)
        if os.path.isdir("/etc/netns") and not os.listdir("/etc/netns"):
            os.rmdir("/etc/netns")
        if self.sysctl is not None:
            with open("/proc/sys/net/netfilter/nf_log_all_netns", "w") as f:
                f.write(self.sysctl)
        for path in self.made:
            try:
                os.unlink(path) if path == "/dev/log" else os.rmdir(path)
            except OSError:
                pass
        # A step that was cut off may still be writing its last file.
        for _ in range(20):
            shutil.rmtree(self.dir, ignore_errors=True)
            if not self.dir.exists():
                break
            time.sleep(0.2)
