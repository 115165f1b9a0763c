use std::fmt;

use sha2::{Digest, Sha256};

use super::wallet;
use crate::evidence::hexadecimal;

/// A name that leads to a person or an account: a wallet, a login, a worker. Shown, it is a mask of itself that is the
/// same wherever the name is the same; [`Secret::reveal`] gives the name.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Secret(String);

impl Secret {
    /// A secret of that name.
    pub fn new(name: impl Into<String>) -> Self {
        Secret(name.into())
    }

    /// The name itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A wallet has the same mask whatever worker, difficulty or mail address stands behind it.
        let mut rest = self.0.as_str();
        for range in wallet::find(&self.0) {
            let from = self.0.len() - rest.len();
            let before = self.0.get(from..range.start).unwrap_or_default();
            write!(f, "{}{}", masked(before), mask(self.0.get(range.clone()).unwrap_or_default()))?;
            rest = self.0.get(range.end..).unwrap_or_default();
        }
        f.write_str(&masked(rest))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({self})")
    }
}

/// What stands around a wallet: its separators stay, what they separate is one secret.
fn masked(text: &str) -> String {
    let core = text.trim_matches(['.', '+', '/', ':', '@', ' ']);
    match text.find(core) {
        Some(at) if !core.is_empty() => {
            let (before, after) = (text.get(..at).unwrap_or_default(), text.get(at + core.len()..).unwrap_or_default());
            format!("{before}{}{after}", mask(core))
        }
        _ => text.to_owned(),
    }
}

/// First four, last four and 32 bits of a digest: enough to match two sights of one name, not enough to pay it. Of
/// short names the digest alone is shown.
pub fn mask(name: &str) -> String {
    let digest = hexadecimal(Sha256::digest(name.as_bytes()).get(..4).unwrap_or_default());
    let length = name.chars().count();
    if length < 16 {
        return format!("…#{digest}");
    }
    let first: String = name.chars().take(4).collect();
    let last: String = name.chars().skip(length - 4).collect();
    format!("{first}…{last}#{digest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Digests by `printf %s NAME | sha256sum`.
    #[test]
    fn masks_match_and_hide() {
        let wallet = "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa";
        let shown = Secret::new(wallet).to_string();
        assert_eq!(shown, "1A1z…vfNa#31a9d2e8");
        let first = Secret::new(format!("{wallet}.rig1")).to_string();
        let second = Secret::new(format!("{wallet}.rig2")).to_string();
        assert!(first.starts_with(&format!("{shown}.…#")) && second.starts_with(&format!("{shown}.…#")));
        assert_ne!(first, second);
        assert_eq!(Secret::new("x").to_string(), "…#2d711642");
        assert_eq!(format!("{:?}", Secret::new("x")), "Secret(…#2d711642)");
        assert_eq!(Secret::default().to_string(), "");
        assert_eq!(Secret::new("..").to_string(), "..");
        assert!(!Secret::new("bob@mail.example").to_string().contains("mail"));
    }
}
