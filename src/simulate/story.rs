//! What happens in a world, before anybody writes it down.

use std::net::Ipv4Addr;

use crate::stats::random::Random;
use crate::time::SECOND;

/// One side of the world: inside addresses.
pub(super) const RESOLVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
pub(super) const SERVICES: Ipv4Addr = Ipv4Addr::new(10, 30, 0, 20);
pub(super) const TENANT: Ipv4Addr = Ipv4Addr::new(10, 40, 0, 9);
pub(super) const BASTION: Ipv4Addr = Ipv4Addr::new(10, 30, 0, 10);
pub(super) const INTRUDER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 77);
/// The address of all sandboxes where they share one.
pub(super) const SHARED: Ipv4Addr = Ipv4Addr::new(10, 20, 0, 5);

/// Times of a story are nanoseconds after its beginning.
pub(super) type Moment = i64;

/// Seconds as a moment or a length.
pub(super) fn seconds(seconds: f64) -> Moment {
    (seconds * SECOND as f64) as i64
}

/// Which step, of which episode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct StepId {
    pub(super) episode: usize,
    pub(super) step: usize,
}

/// Who opened a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// A step, and what it is an act of: `None` for honest work.
    Step(StepId, Option<Act>),
    /// Daemons that every host has.
    Background,
    Rival(Act),
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Mining,
    Tunnel,
    Probing,
}

impl Act {
    pub(super) fn name(self) -> &'static str {
        match self {
            Act::Mining => "mining",
            Act::Tunnel => "tunnel",
            Act::Probing => "probing",
        }
    }
}

/// What a connection speaks.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Speech {
    Http {
        path: String,
    },
    /// A job handed to a service of the cluster.
    Post {
        path: &'static str,
        body: String,
    },
    Tls,
    Stratum {
        wallet: String,
    },
    Ssh,
    /// Nothing: it was refused.
    Refused,
}

/// A connection as the wire sees it.
#[derive(Clone, Debug)]
pub(super) struct Flow {
    pub(super) at: Moment,
    pub(super) lasts: Moment,
    pub(super) src: Ipv4Addr,
    pub(super) src_port: u16,
    pub(super) dst: Ipv4Addr,
    pub(super) dst_port: u16,
    /// Asked of the resolver just before, where it has a name.
    pub(super) name: Option<String>,
    pub(super) speech: Speech,
    pub(super) cause: Cause,
}

/// One call of a tool.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) at: Moment,
    pub(super) ends: Moment,
    pub(super) tool: &'static str,
    /// The shell command, or the file that is read or edited.
    pub(super) text: String,
    pub(super) output: String,
    /// Whether its transcript tells of it, and of its result.
    pub(super) kept: bool,
    pub(super) result_kept: bool,
}

impl Step {
    /// A step of which everything is told.
    pub(super) fn told(at: Moment, ends: Moment, tool: &'static str, text: String, output: String) -> Step {
        Step { at, ends, tool, text, output, kept: true, result_kept: true }
    }
}

/// One rollout in one sandbox.
#[derive(Clone, Debug)]
pub(super) struct Episode {
    pub(super) name: String,
    pub(super) run: &'static str,
    pub(super) sandbox: usize,
    pub(super) begins: Moment,
    pub(super) steps: Vec<Step>,
    /// A step of it did what nobody asked for.
    pub(super) guilty: bool,
}

impl Episode {
    /// The number of a step in the transcript, if it is told there.
    pub(super) fn index(&self, step: usize) -> Option<u32> {
        self.steps.get(step).filter(|step| step.kept)?;
        let before = self.steps.iter().take(step).filter(|step| step.kept).count();
        u32::try_from(before).ok()
    }
}

/// A login by ssh, as sshd writes it.
#[derive(Clone, Debug)]
pub(super) struct Login {
    pub(super) at: Moment,
    pub(super) sandbox: usize,
    pub(super) from: Ipv4Addr,
    pub(super) port: u16,
    pub(super) user: &'static str,
    pub(super) accepted: bool,
}

/// A miner on a GPU.
#[derive(Clone, Debug)]
pub(super) struct Load {
    pub(super) at: Moment,
    pub(super) ends: Moment,
    pub(super) pid: u32,
    pub(super) process: String,
}

/// All of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Story {
    pub(super) episodes: Vec<Episode>,
    pub(super) flows: Vec<Flow>,
    pub(super) logins: Vec<Login>,
    pub(super) loads: Vec<Load>,
    ports: u16,
}

impl Story {
    /// A source port that no other connection of the world has.
    pub(super) fn port(&mut self) -> u16 {
        self.ports = self.ports.wrapping_add(1);
        // In an order that says nothing: 40 503 shares no factor with the length of the range.
        1024 + ((u32::from(self.ports) * 40_503) % 64_511) as u16
    }

    /// A connection.
    pub(super) fn connect(&mut self, src: Ipv4Addr, peer: &Peer, at: Moment, lasts: Moment, cause: Cause) {
        let src_port = self.port();
        self.flows.push(Flow {
            at,
            lasts,
            src,
            src_port,
            dst: peer.address,
            dst_port: peer.port,
            name: peer.name.clone(),
            speech: peer.speech.clone(),
            cause,
        });
    }

    /// Refused connections to many services within seconds.
    pub(super) fn sweep(&mut self, src: Ipv4Addr, at: Moment, cause: Cause, random: &mut Random) {
        let ports = [21, 22, 23, 80, 443, 2375, 3306, 5432, 6379, 8080, 8265, 9200];
        let mut at = at;
        for host in 0..3 {
            for port in ports {
                let address = Ipv4Addr::from(u32::from(SERVICES) + host);
                let peer = Peer { name: None, address, port, speech: Speech::Refused };
                self.connect(src, &peer, at, seconds(0.01), cause);
                at += seconds(0.02 + 0.05 * random.uniform());
            }
        }
    }
}

/// Who is reached.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    pub(super) name: Option<String>,
    pub(super) address: Ipv4Addr,
    pub(super) port: u16,
    pub(super) speech: Speech,
}

impl Peer {
    /// One of the mirrors of honest work.
    pub(super) fn mirror(number: u64, path: String) -> Peer {
        let address = Ipv4Addr::new(203, 0, 113, 10 + (number % 24) as u8);
        let (name, port) = (format!("files-{}.example", number % 24), if number.is_multiple_of(3) { 80 } else { 443 });
        let speech = if port == 80 { Speech::Http { path } } else { Speech::Tls };
        Peer { name: Some(name), address, port, speech }
    }

    /// Where a mirror sends those who ask it.
    pub(super) fn redirect(number: u64) -> Peer {
        let address = Ipv4Addr::new(203, 0, 113, 100 + (number % 8) as u8);
        let name = Some(format!("edge-{}.cdn.example", number % 8));
        Peer { name, address, port: 443, speech: Speech::Tls }
    }

    /// Another machine behind the name of a mirror.
    pub(super) fn sibling(&self) -> Peer {
        Peer { address: Ipv4Addr::from(u32::from(self.address) + 40), ..self.clone() }
    }

    /// What daemons of every host report to.
    pub(super) fn telemetry() -> Peer {
        let address = Ipv4Addr::new(203, 0, 113, 200);
        Peer { name: Some("telemetry.example".to_owned()), address, port: 443, speech: Speech::Tls }
    }

    /// A pool. `number` tells pools of one world apart.
    pub(super) fn pool(number: u64, random: &mut Random) -> Peer {
        const NAMES: [&str; 4] =
            ["pool.supportxmr.com", "xmr.2miners.com", "pool.hashvault.pro", "gulf.moneroocean.stream"];
        let (name, port) = match number % 4 {
            0 => (NAMES[0], 3333),
            1 => (NAMES[1], 2222),
            2 => (NAMES[2], 443),
            _ => (NAMES[3], 10128),
        };
        const BASE58: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
        let digits = (0..94).map(|_| char::from(BASE58[random.below(58) as usize % BASE58.len()]));
        let wallet = std::iter::once('4').chain(digits).collect();
        let address = Ipv4Addr::new(198, 51, 100, 20 + (number % 4) as u8);
        Peer { name: Some(name.to_owned()), address, port, speech: Speech::Stratum { wallet } }
    }

    /// A service of the cluster that starts what it is handed: the Docker API, or Ray's Jobs API.
    pub(super) fn control_plane(host: Ipv4Addr, docker: bool) -> Peer {
        let (port, path, body) = match docker {
            true => (
                2375,
                "/v1.41/containers/create",
                r#"{"Image":"alpine","Cmd":["sh","-c","/kworkerds"],"HostConfig":{"Privileged":true}}"#,
            ),
            false => (8265, "/api/jobs/", r#"{"entrypoint":"sh -c /tmp/kworkerds","runtime_env":{},"job_id":null}"#),
        };
        Peer { name: None, address: host, port, speech: Speech::Post { path, body: body.to_owned() } }
    }

    /// A machine outside that takes reverse forwards.
    pub(super) fn jump() -> Peer {
        let address = Ipv4Addr::new(198, 51, 100, 66);
        Peer { name: Some("jump.example".to_owned()), address, port: 443, speech: Speech::Ssh }
    }
}

/// A lag from a call to its connection: lognormal, median 0.8 s, sigma 1.
pub(super) fn lag(random: &mut Random) -> Moment {
    seconds((0.8_f64.ln() + random.normal()).exp().min(60.0))
}

/// What a call goes on for after its connection began: lognormal, median 4 s, sigma 1.2.
pub(super) fn tail(random: &mut Random) -> Moment {
    seconds((4.0_f64.ln() + 1.2 * random.normal()).exp().min(240.0))
}
