//! Which name stood for which address, as tools print it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::hosts::{is_labels, split_host_port};

/// Bound on the pairs of one output.
const MOST_PAIRS: usize = 4096;

#[derive(Default)]
struct Pairs {
    seen: BTreeSet<(String, IpAddr)>,
    list: Vec<(String, IpAddr)>,
    /// Alias → name, from CNAME answers.
    aliases: BTreeMap<String, String>,
    /// Addresses tried since a name was last given.
    tried: Vec<IpAddr>,
    /// The name that the next address belongs to (nslookup, curl's resolved host).
    pending: Option<String>,
}

impl Pairs {
    fn add(&mut self, name: &str, address: &str) {
        let address = address.trim_matches(['[', ']', '(', ')', '.', ',', ';', ':']);
        let address = address.split('%').next().unwrap_or(address);
        if let Ok(address) = address.parse() {
            self.pair(name, address);
        }
    }

    fn pair(&mut self, name: &str, address: IpAddr) {
        let name = clean(name);
        if name.parse::<IpAddr>().is_err() && is_labels(&name) && self.list.len() < MOST_PAIRS {
            let pair = (name, address);
            if self.seen.insert(pair.clone()) {
                self.list.push(pair);
            }
        }
    }
}

fn clean(name: &str) -> String {
    name.trim_matches(['\'', '"', '[', ']', '(', ')', ',']).trim_end_matches('.').to_ascii_lowercase()
}

/// Pairs of name and address that curl, wget, ssh, ping, traceroute, getent, host, dig, nslookup, nc, telnet, nmap and
/// xmrig print, in the order they are first seen, without repeats. Names are in lower case, without the last dot.
pub fn name_resolutions(output: &str) -> Vec<(String, IpAddr)> {
    let mut pairs = Pairs::default();
    for line in output.lines() {
        let line = line.trim_end();
        curl(line, &mut pairs);
        transfer(line, &mut pairs);
        lookup(line, &mut pairs);
    }
    let direct: Vec<(String, IpAddr)> = pairs.list.clone();
    for alias in pairs.aliases.keys().cloned().collect::<Vec<_>>() {
        let mut name = alias.clone();
        for _ in 0..8 {
            let Some(next) = pairs.aliases.get(&name) else { break };
            name = next.clone();
        }
        for (owner, address) in &direct {
            if *owner == name {
                pairs.pair(&alias, *address);
            }
        }
    }
    pairs.list
}

/// `text` between two marks, the second optional where it is empty.
fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let rest = text.get(text.find(before)? + before.len()..)?;
    if after.is_empty() { Some(rest) } else { rest.get(..rest.find(after)?) }
}

/// curl -v (all versions since 7.x), and telnet, which shares its words.
fn curl(line: &str, pairs: &mut Pairs) {
    let body = line.trim_start_matches(['*', ' ']);
    if let Some(rest) = body.strip_prefix("Trying ") {
        let rest = rest.trim_end_matches('.');
        let (host, _) = split_host_port(rest);
        if let Ok(address) = host.parse().or_else(|_| rest.parse()) {
            pairs.tried.push(address);
        }
    } else if let Some(rest) = body.strip_prefix("Connected to ").or(body.strip_prefix("Established connection to ")) {
        match rest.split_once(" (") {
            Some((name, rest)) => pairs.add(name, rest.split([')', ' ']).next().unwrap_or("")),
            None => {
                if let Some(address) = pairs.tried.last().copied() {
                    pairs.pair(rest, address);
                }
            }
        }
        pairs.tried.clear();
    } else if body.contains("Failed to connect to ") {
        let name = between(body, "Failed to connect to ", " port").unwrap_or("").to_owned();
        for address in std::mem::take(&mut pairs.tried) {
            pairs.pair(&name, address);
        }
    } else if let Some(name) = between(body, "Host ", " was resolved") {
        pairs.pending = Some(split_host_port(name).0.to_owned());
    } else if let Some(rest) = body.strip_prefix("IPv4: ").or(body.strip_prefix("IPv6: ")) {
        if let Some(name) = pairs.pending.clone() {
            rest.split(", ").for_each(|address| pairs.add(&name, address));
        }
    } else if let Some(entry) = between(body, "Added ", " to DNS cache") {
        let mut parts = entry.splitn(3, ':');
        if let (Some(name), Some(_), Some(addresses)) = (parts.next(), parts.next(), parts.next()) {
            addresses.split(',').for_each(|address| pairs.add(name, address));
        }
    }
}

/// wget (GNU and busybox), ssh, ping, traceroute, nc, nmap, xmrig.
fn transfer(line: &str, pairs: &mut Pairs) {
    if let Some(rest) = line.strip_prefix("Resolving ") {
        if let Some((name, addresses)) = rest.split_once("... ") {
            let name = name.split(' ').next().unwrap_or(name);
            addresses.split(", ").for_each(|address| pairs.add(name, address));
        }
    } else if let Some(rest) = line.strip_prefix("Connecting to ") {
        let name = rest.split([' ', '|']).next().unwrap_or("");
        if let Some(address) = between(rest, "|", "|") {
            pairs.add(name, address);
        } else if let Some(inner) = between(rest, " (", ")") {
            pairs.add(name, split_host_port(inner).0);
        }
    } else if let Some(rest) = between(line, "debug1: Connecting to ", " port") {
        if let Some((name, address)) = rest.split_once(" [") {
            pairs.add(name, address);
        }
    } else if let Some(rest) = line.strip_prefix("Authenticated to ") {
        if let Some((name, rest)) = rest.split_once(" (") {
            pairs.add(name, split_host_port(rest.split(')').next().unwrap_or("")).0);
        }
    } else if let Some(known) = between(line, "Permanently added '", "'") {
        if let Some((name, address)) = known.split_once(',') {
            pairs.add(split_host_port(name).0, split_host_port(address).0);
        }
    } else if let Some(known) = between(line, "The authenticity of host '", "'") {
        if let Some((name, rest)) = known.split_once(" (") {
            pairs.add(split_host_port(name).0, split_host_port(rest.trim_end_matches(')')).0);
        }
    } else if let Some(rest) = line.strip_prefix("PING ").or(line.strip_prefix("traceroute to ")) {
        // `PING name(reverse-name (2001:db8::1)) 56 data bytes` for IPv6: the innermost parentheses hold the address.
        let name = rest.split([' ', '(']).next().unwrap_or("");
        if let Some(inner) = rest.split_once('(').and_then(|(_, rest)| rest.split(')').next()) {
            pairs.add(name, inner.rsplit('(').next().unwrap_or(inner));
        }
    } else if let Some(rest) = line.strip_prefix("Nmap scan report for ") {
        if let Some((name, rest)) = rest.split_once(" (") {
            pairs.add(name, rest);
        }
    } else if let Some(rest) = line.strip_prefix("Connection to ").or(line.strip_prefix("nc: connect to ")) {
        if let (Some(name), Some(address)) = (rest.split(' ').next(), between(rest, " (", ")")) {
            pairs.add(name, address);
        }
    } else if line.ends_with(" open") || line.contains(") : ") {
        // Traditional netcat: `mirror.example [203.0.113.80] 80 (http) open`.
        if let (Some(name), Some(address)) = (line.split(' ').next(), between(line, " [", "] ")) {
            pairs.add(name, address);
        }
    } else if let Some(rest) = between(line, "use pool ", "") {
        let mut words = rest.split_whitespace();
        if let Some(pool) = words.next() {
            let name = split_host_port(pool).0.to_owned();
            words.for_each(|word| pairs.add(&name, word));
        }
    }
}

/// host, dig, nslookup, getent, /etc/hosts.
fn lookup(line: &str, pairs: &mut Pairs) {
    let words: Vec<&str> = line.split_whitespace().take(16).collect();
    match words.as_slice() {
        [name, "has", "address", address] | [name, "has", "IPv6", "address", address] => pairs.add(name, address),
        [name, "is", "an", "alias", "for", target] => {
            pairs.aliases.insert(clean(name), clean(target));
        }
        [name, ttl, "IN", kind, value] if ttl.parse::<u64>().is_ok() => match *kind {
            "A" | "AAAA" => pairs.add(name, value),
            "CNAME" => drop(pairs.aliases.insert(clean(name), clean(value))),
            _ => {}
        },
        [name, "canonical", "name", "=", target] => drop(pairs.aliases.insert(clean(name), clean(target))),
        ["Name:", name] => pairs.pending = Some((*name).to_owned()),
        ["Server:", _] => pairs.pending = None,
        ["Address:" | "Addresses:", address] => {
            if let Some(name) = pairs.pending.clone() {
                pairs.add(&name, address);
            }
        }
        [address, names @ ..] if address.parse::<IpAddr>().is_ok() => {
            // getent and hosts(5): an address and names. A name without a dot is too easily another column.
            for name in names.iter().filter(|name| !matches!(**name, "STREAM" | "DGRAM" | "RAW")) {
                if !super::hosts::is_name(name.trim_end_matches('.')) {
                    break;
                }
                pairs.add(name, address);
            }
        }
        _ => {}
    }
}
