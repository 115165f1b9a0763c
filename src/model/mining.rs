use super::{Mark, Secret};
use crate::evidence::excerpt;
use crate::time::Instant;

/// Mining as one flow shows it: a pool protocol, or the protocol between nodes. Reported once per flow.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mining {
    /// "stratum-v1", "monero-login", "eth-proxy", "getwork", ...
    pub dialect: String,
    /// How much of it was seen.
    pub mark: Mark,
    /// Distinct methods or messages seen, sorted.
    pub methods: Vec<String>,
    /// Miner program and version as it introduced itself.
    pub agent: Option<String>,
    /// Login or wallet as the miner sent it.
    pub login: Option<Secret>,
    /// The worker, where it is told apart from the login.
    pub worker: Option<Secret>,
    /// Where the pool sent its client: `host:port`.
    pub redirect: Option<String>,
    /// The function that is worked on, where a message, a job's shape or its block says so: "rx/0", "ethash".
    pub algorithm: Option<String>,
    /// The coin, where the wallet or the block says so.
    pub coin: Option<&'static str>,
    /// The last difficulty that the pool set, in the unit of its protocol.
    pub difficulty: Option<f64>,
    pub jobs: u64,
    pub shares: u64,
    pub accepted: u64,
    pub rejected: u64,
    /// Why, in the pool's words, with how often; the first [`Mining::REASONS_KEPT`] of them.
    pub reasons: Vec<(String, u64)>,
    /// What the shares stand for. `None` where difficulty or algorithm are not told.
    pub work: Option<Work>,
    /// First and last message of the pool protocol.
    pub first: Option<Instant>,
    pub last: Option<Instant>,
    /// Records that carry the proof: first login or subscribe, first job, first share.
    pub proof: Vec<u64>,
    /// The times of the pool's jobs, the first [`Mining::TOLD_KEPT`] of them.
    pub told: Vec<JobTime>,
}

/// A pool's job states the time of the block to be found: that of its template, when it was sent or some while before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobTime {
    pub told: Instant,
    /// When the capture saw the job.
    pub seen: Instant,
    pub record: u64,
}

impl Mining {
    /// Bound on the distinct reasons for which shares were rejected.
    pub const REASONS_KEPT: usize = 8;
    /// Bound on the length of such a reason.
    const REASON_MAX: usize = 80;
    /// Bound on the times of jobs kept.
    pub const TOLD_KEPT: usize = 64;

    /// The pool rejected a share.
    pub fn reject(&mut self, reason: &str) {
        self.rejected = self.rejected.saturating_add(1);
        let reason = excerpt(reason, Self::REASON_MAX);
        if let Some((_, count)) = self.reasons.iter_mut().find(|(known, _)| *known == reason) {
            *count = count.saturating_add(1);
        } else if self.reasons.len() < Self::REASONS_KEPT {
            self.reasons.push((reason.into_owned(), 1));
        }
    }

    /// Shares that were rejected for reasons that are not kept.
    pub fn rejected_otherwise(&self) -> u64 {
        self.reasons.iter().fold(self.rejected, |left, (_, count)| left.saturating_sub(*count))
    }
}

/// Hashes that shares stand for: finding one share of difficulty D takes D tries on average, so that the number of
/// shares is a Poisson count of the tries.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Work {
    /// Shares whose worth is known.
    pub shares: u64,
    /// Sum of what each took on average.
    pub hashes: f64,
    /// Sum of the squares of the same, and the largest: for the interval.
    pub squares: f64,
    pub largest: f64,
    /// No answer of the pool was seen: the shares are those handed in, not those accepted.
    pub unanswered: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_beyond_those_that_are_kept_are_counted() {
        let mut mining = Mining::default();
        for reason in 0..10 {
            (0..=reason).for_each(|_| mining.reject(&format!("reason {reason}")));
        }
        // 1 + 2 + ... + 10 rejections; the last two reasons, of 9 and 10, are not kept.
        assert_eq!((mining.rejected, mining.reasons.len(), mining.rejected_otherwise()), (55, 8, 19));
        assert_eq!(mining.reasons[7], ("reason 7".to_owned(), 8));
    }

    #[test]
    fn a_long_reason_says_how_much_more_there_is() {
        let mut mining = Mining::default();
        mining.reject(&"x".repeat(100));
        assert_eq!(mining.reasons, [(format!("{} and 20 bytes more", "x".repeat(80)), 1)]);
        assert_eq!(mining.rejected_otherwise(), 0);
    }
}
