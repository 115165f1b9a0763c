#!/usr/bin/env python3
"""Writes logs of the formats that are read line by line, for the measurements in docs/benchmarks.md.

    logs.py FORMAT LINES FILE     one of the formats below
    logs.py --list                their names

The same arguments give the same bytes. Lines are laid out as the vendors document them, over 10,000 conversations of
documentation and private addresses, 400 lines a second from 2026-11-20T14:13:46Z on. Needs Python 3.8 and nothing else.
"""

import json
import random
import sys
from datetime import datetime, timedelta, timezone

SEED = 20261126
START = 1_795_184_026  # 2026-11-20T14:13:46Z
CONVERSATIONS = 10_000


class Line:
    """What a line is made of."""

    def __init__(self, number, known, rng, at):
        bits = rng.getrandbits(60)
        self.n = number
        self.src, self.dst, self.dport, self.tcp, self.allow = known
        self.sport = 32_768 + bits % 28_000
        self.epoch = START + number // 400
        self.ms = number % 400 * 2
        self.iso, self.syslog, self.slash, self.asa = at
        self.sent = 60 + (bits >> 20) % 90_000
        self.rcvd = 60 + (bits >> 36) % 900_000
        self.seconds = 1 + (bits >> 50) % 120
        self.session = bits & 0xFFFFFFFF


def fortigate(l):
    return (
        f'date={l.iso[:10]} time={l.iso[11:19]} devname="fw-edge" devid="FG100E0000000001" eventtime={l.epoch}{l.ms:03d}000000 '
        f'tz="+0000" logid="0000000013" type="traffic" subtype="forward" level="notice" vd="root" srcip={l.src} '
        f'srcport={l.sport} srcintf="lan" srcintfrole="lan" dstip={l.dst} dstport={l.dport} dstintf="wan1" '
        f'dstintfrole="wan" srccountry="Reserved" dstcountry="Reserved" sessionid={l.session} proto={6 if l.tcp else 17} '
        f'action="{"close" if l.allow else "deny"}" policyid={7 if l.allow else 0} policytype="policy" '
        f'service="tcp/{l.dport}" trandisp="noop" duration={l.seconds} sentbyte={l.sent} rcvdbyte={l.rcvd} sentpkt=12 '
        f'rcvdpkt=14 appcat="unscanned"'
    )


def cisco_asa(l):
    proto = "TCP" if l.tcp else "UDP"
    head = f"{l.syslog} fw-edge "
    if not l.allow:
        return f'{head}%ASA-4-106023: Deny {proto.lower()} src inside:{l.src}/{l.sport} dst outside:{l.dst}/{l.dport} by access-group "inside_in" [0x0, 0x0]'
    if l.n % 2:
        return f"{head}%ASA-6-30201{3 if l.tcp else 5}: Built outbound {proto} connection {l.session} for outside:{l.dst}/{l.dport} ({l.dst}/{l.dport}) to inside:{l.src}/{l.sport} (203.0.113.1/{l.sport})"
    return f"{head}%ASA-6-30201{4 if l.tcp else 6}: Teardown {proto} connection {l.session} for outside:{l.dst}/{l.dport} to inside:{l.src}/{l.sport} duration 0:00:{l.seconds % 60:02d} bytes {l.sent}" + (" TCP FINs" if l.tcp else "")


def panos(l):
    return (
        f"{l.syslog} fw-edge 1,{l.slash},001701003551,TRAFFIC,{'end' if l.allow else 'drop'},2305,{l.slash},{l.src},{l.dst},"
        f"203.0.113.1,{l.dst},egress,,,ssl,vsys1,trust,untrust,ethernet1/1,ethernet1/2,forward,{l.slash},{l.session},1,"
        f"{l.sport},{l.dport},{l.sport},{l.dport},0x400053,{'tcp' if l.tcp else 'udp'},{'allow' if l.allow else 'drop'},"
        f"{l.sent + l.rcvd},{l.sent},{l.rcvd},26,{l.slash},{l.seconds},any,0,{l.n},0x0,10.0.0.0-10.255.255.255,"
        f"United States,0,12,14,tcp-fin,0,0,0,0,vsys1,fw-edge,from-policy,,,0,,0,,N/A,0,0,0,0"
    )


def filterlog(l):
    proto = f"6,tcp,60,{l.src},{l.dst},{l.sport},{l.dport},0,S,{l.session},,64240,,mss" if l.tcp else f"17,udp,76,{l.src},{l.dst},{l.sport},{l.dport},56"
    return f"{l.syslog} fw-edge filterlog[72237]: 69,,,1000006765,igb1,match,{'pass' if l.allow else 'block'},in,4,0x0,,64,{l.session & 65535},0,DF,{proto}"


def sonicwall(l):
    return (
        f'{l.syslog} fw-edge id=firewall sn=0006B1000001 time="{l.iso[:10]} {l.iso[11:19]} UTC" fw=203.0.113.1 pri=6 c=1024 m={537 if l.allow else 36} '
        f'msg="{"Connection Closed" if l.allow else "TCP connection dropped"}" n={l.n} src={l.src}:{l.sport}:X0 dst={l.dst}:{l.dport}:X1 '
        f'proto={"tcp" if l.tcp else "udp"}/{l.dport} sent={l.sent} rcvd={l.rcvd} rule="egress"'
    )


def juniper_srx(l):
    return (
        f"<14>1 {l.iso}.{l.ms:03d}Z fw-edge RT_FLOW - RT_FLOW_SESSION_CLOSE [junos@2636.1.1.1.2.135 reason=\"TCP FIN\" "
        f'source-address="{l.src}" source-port="{l.sport}" destination-address="{l.dst}" destination-port="{l.dport}" '
        f'service-name="junos-https" nat-source-address="203.0.113.1" nat-source-port="{l.sport}" '
        f'nat-destination-address="{l.dst}" nat-destination-port="{l.dport}" protocol-id="{6 if l.tcp else 17}" '
        f'policy-name="egress" source-zone-name="trust" destination-zone-name="untrust" session-id-32="{l.session}" '
        f'packets-from-client="12" bytes-from-client="{l.sent}" packets-from-server="14" bytes-from-server="{l.rcvd}" '
        f'elapsed-time="{l.seconds}"]'
    )


def cef(l):
    return (
        f"{l.syslog} fw-edge CEF:0|Example|Firewall|1.0|100|session|3|src={l.src} spt={l.sport} dst={l.dst} dpt={l.dport} "
        f"proto={'TCP' if l.tcp else 'UDP'} act={'allow' if l.allow else 'deny'} out={l.sent} in={l.rcvd} "
        f"start={l.epoch}{l.ms:03d} deviceInboundInterface=eth1 deviceOutboundInterface=eth0 cs1Label=Rule cs1=egress"
    )


def aws_vpcflow(l):
    return (
        f"2 123456789010 eni-0a1b2c3d4e5f60718 {l.src} {l.dst} {l.sport} {l.dport} {6 if l.tcp else 17} 12 {l.sent} "
        f"{l.epoch} {l.epoch + l.seconds} {'ACCEPT' if l.allow else 'REJECT'} OK"
    )


def zeek(l):
    return "\t".join(
        str(x)
        for x in (
            f"{l.epoch}.{l.ms:03d}000", f"C{l.session:016x}", l.src, l.sport, l.dst, l.dport, "tcp" if l.tcp else "udp",
            "ssl" if l.tcp else "dns", f"{l.seconds}.000000", l.sent, l.rcvd, "SF", "T", "F", 0, "ShADadFf", 12,
            l.sent + 480, 14, l.rcvd + 560, "-",
        )
    )


zeek.header = (
    "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tconn\n"
    "#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tservice\tduration\torig_bytes\tresp_bytes\t"
    "conn_state\tlocal_orig\tlocal_resp\tmissed_bytes\thistory\torig_pkts\torig_ip_bytes\tresp_pkts\tresp_ip_bytes\t"
    "tunnel_parents\n#types\ttime\tstring\taddr\tport\taddr\tport\tenum\tstring\tinterval\tcount\tcount\tstring\tbool\t"
    "bool\tcount\tstring\tcount\tcount\tcount\tcount\tset[string]\n"
)


def windows(l):
    return (
        f"{l.iso[:10]} {l.iso[11:19]} {'ALLOW' if l.allow else 'DROP'} {'TCP' if l.tcp else 'UDP'} {l.src} {l.dst} {l.sport} "
        f"{l.dport} 0 - 0 0 0 - - - SEND"
    )


windows.header = (
    "#Version: 1.5\n#Software: Microsoft Windows Firewall\n#Time Format: UTC\n#Fields: date time action protocol src-ip dst-ip src-port "
    "dst-port size tcpflags tcpsyn tcpack tcpwin icmptype icmpcode info path\n\n"
)


def squid(l):
    return f"{l.epoch}.{l.ms:03d} {l.seconds * 1000:6d} {l.src} TCP_TUNNEL/200 {l.rcvd} CONNECT host{l.dport}.example.com:443 - HIER_DIRECT/{l.dst} -"


def sshd(l):
    return f"{l.syslog} train-07 sshd[{l.n % 60000 + 300}]: {'Accepted publickey' if l.allow else 'Failed password'} for root from {l.src} port {l.sport} ssh2"


def suricata(l):
    return json.dumps(
        {
            "timestamp": f"{l.iso}.{l.ms:03d}000+0000", "flow_id": l.session, "in_iface": "eth0", "event_type": "flow",
            "src_ip": l.src, "src_port": l.sport, "dest_ip": l.dst, "dest_port": l.dport, "proto": "TCP" if l.tcp else "UDP",
            "app_proto": "tls" if l.tcp else "dns",
            "flow": {
                "pkts_toserver": 12, "pkts_toclient": 14, "bytes_toserver": l.sent, "bytes_toclient": l.rcvd,
                "start": f"{l.iso}.{l.ms:03d}000+0000", "end": f"{l.iso}.{l.ms:03d}000+0000", "age": l.seconds,
                "state": "closed", "reason": "timeout", "alerted": False,
            },
        }
    )


def gcp(l):
    return json.dumps(
        {
            "insertId": f"{l.session:x}", "jsonPayload": {
                "connection": {"src_ip": l.src, "src_port": l.sport, "dest_ip": l.dst, "dest_port": l.dport, "protocol": 6 if l.tcp else 17},
                "disposition": "ALLOWED" if l.allow else "DENIED",
                "instance": {"project_id": "p", "region": "us-east1", "vm_name": "train-07", "zone": "us-east1-b"},
                "rule_details": {"direction": "EGRESS", "action": "ALLOW" if l.allow else "DENY", "reference": "network:default/firewall:egress", "priority": 1000},
            },
            "logName": "projects/p/logs/compute.googleapis.com%2Ffirewall", "timestamp": f"{l.iso}.{l.ms:03d}000000Z",
            "receiveTimestamp": f"{l.iso}.{l.ms:03d}000000Z",
            "resource": {"labels": {"location": "us-east1-b", "project_id": "p"}, "type": "gce_subnetwork"},
        }
    )


def hubble(l):
    return json.dumps(
        {
            "flow": {
                "time": f"{l.iso}.{l.ms:03d}000000Z", "verdict": "FORWARDED" if l.allow else "DROPPED",
                "IP": {"source": l.src, "destination": l.dst, "ipVersion": "IPv4"},
                "l4": {"TCP" if l.tcp else "UDP": {"source_port": l.sport, "destination_port": l.dport}},
                "source": {"identity": 1234, "namespace": "train", "pod_name": "train-07"},
                "destination": {"identity": 2, "labels": ["reserved:world"]}, "Type": "L3_L4", "node_name": "node-1",
                "traffic_direction": "EGRESS", "is_reply": False,
            },
            "node_name": "node-1", "time": f"{l.iso}.{l.ms:03d}000000Z",
        }
    )


def alibaba(l):
    return json.dumps(
        {
            "__topic__": "cloudfirewall_access_log", "__time__": str(l.epoch + 60), "log_type": "internet_log", "aliuid": "1000000000000001",
            "start_time": str(l.epoch), "end_time": str(l.epoch + l.seconds), "start_time_min": str(l.epoch // 60 * 60),
            "direction": "out", "src_ip": "203.0.113.1", "src_private_ip": l.src, "src_port": str(l.sport), "dst_ip": l.dst,
            "dst_port": str(l.dport), "ip_protocol": "tcp" if l.tcp else "udp", "app_name": "HTTPS", "app_dpi_state": "success",
            "rule_result": "pass" if l.allow else "drop", "in_packet_bytes": str(l.rcvd), "out_packet_bytes": str(l.sent),
            "total_packet_bytes": str(l.sent + l.rcvd), "in_packet_count": "14", "out_packet_count": "12", "new_conn": "1",
            "tcp_seq": str(l.session), "acl_rule_id": "00000000-0000-0000-0000-000000000000", "cloud_instance_id": "i-0001",
        }
    )


FORMATS = {
    "fortigate": fortigate, "cisco-asa": cisco_asa, "panos": panos, "filterlog": filterlog, "sonicwall": sonicwall,
    "juniper-srx": juniper_srx, "cef": cef, "aws-vpcflow": aws_vpcflow, "zeek": zeek, "windows-firewall": windows,
    "squid": squid, "sshd": sshd, "suricata": suricata, "gcp": gcp, "hubble": hubble, "alibaba-cloudfirewall": alibaba,
}


def main():
    if sys.argv[1:] == ["--list"]:
        print("\n".join(FORMATS))
        return
    form, count, path = FORMATS[sys.argv[1]], int(sys.argv[2]), sys.argv[3]
    rng = random.Random(SEED)
    known = []
    for number in range(CONVERSATIONS):
        dst = f"{rng.choice(['192.0.2', '198.51.100', '203.0.113'])}.{rng.randrange(2, 255)}"
        dport = [443, 80, 22, 53, 3333][number % 5] if number % 3 == 0 else 1024 + number % 60_000
        known.append((f"10.20.{number % 50}.{number // 50 % 250 + 1}", dst, dport, dport != 53, number % 5 != 0))
    begin = datetime.fromtimestamp(START, timezone.utc)
    with open(path, "w", encoding="utf-8", newline="\n", buffering=1 << 20) as out:
        out.write(getattr(form, "header", ""))
        at = None
        for number in range(count):
            if number % 400 == 0:
                when = begin + timedelta(seconds=number // 400)
                at = (
                    when.strftime("%Y-%m-%dT%H:%M:%S"), when.strftime("%b %d %H:%M:%S").replace(" 0", "  ", 1),
                    when.strftime("%Y/%m/%d %H:%M:%S"), when.strftime("%b %d %Y %H:%M:%S"),
                )
            out.write(form(Line(number, known[rng.randrange(CONVERSATIONS)], rng, at)))
            out.write("\n")


if __name__ == "__main__":
    main()
