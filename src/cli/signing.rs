//! Detached signatures of a manifest, as `ssh-keygen -Y sign` and `-Y verify` write and read them (OpenSSH
//! PROTOCOL.sshsig), so that nobody needs this program to check one.

use std::fs;
use std::path::Path;

use coincident::report::custody::NAMESPACE;
use ssh_key::{HashAlg, LineEnding, PrivateKey, PublicKey, SshSig};

use super::exit::Stop;

/// A key to sign with: OpenSSH, without a passphrase.
pub(crate) fn private_key(path: &Path) -> Result<PrivateKey, Stop> {
    let shown = path.display();
    let by_hand = format!("sign with `ssh-keygen -Y sign -n {NAMESPACE} -f {shown} DIR/manifest.json` afterwards");
    let text = fs::read_to_string(path).map_err(|error| Stop::usage(format!("{shown}: {error}")))?;
    let key = PrivateKey::from_openssh(&text).map_err(|error| {
        Stop::usage(format!("{shown}: no OpenSSH private key that is known here ({error}); {by_hand}"))
    })?;
    if key.is_encrypted() {
        return Err(Stop::usage(format!("{shown}: has a passphrase, which is not asked for; {by_hand}")));
    }
    // Told before the evidence is read, not after.
    sign(&key, b"").map_err(|error| Stop::usage(format!("{shown}: {error}; {by_hand}")))?;
    Ok(key)
}

/// The detached signature of bytes. Ed25519 gives the same signature for the same bytes (RFC 8032).
pub(crate) fn sign(key: &PrivateKey, bytes: &[u8]) -> ssh_key::Result<String> {
    key.sign(NAMESPACE, HashAlg::Sha512, bytes)?.to_pem(LineEnding::LF)
}

/// What a signature is worth.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Signed {
    /// By one of the keys given.
    Trusted(String),
    /// It holds, by a key that nobody vouches for here.
    Unknown(String),
    /// It does not hold, and why.
    Broken(String),
}

/// Holds a signature against bytes and the keys that are trusted, if any are given.
pub(crate) fn check(signature: &str, bytes: &[u8], trusted: &[PublicKey]) -> Signed {
    let signature = match SshSig::from_pem(signature) {
        Ok(signature) => signature,
        Err(error) => return Signed::Broken(format!("no signature of OpenSSH's form: {error}")),
    };
    let key = PublicKey::from(signature.public_key().clone());
    let fingerprint = key.fingerprint(HashAlg::Sha256).to_string();
    if let Err(error) = key.verify(NAMESPACE, bytes, &signature) {
        return Signed::Broken(format!("does not belong to this manifest ({error}; key {fingerprint})"));
    }
    match trusted.iter().any(|other| other.key_data() == key.key_data()) {
        true => Signed::Trusted(fingerprint),
        false => Signed::Unknown(fingerprint),
    }
}

/// The keys of a file: a public key of OpenSSH, or a list of allowed signers (ssh-keygen(1)), one a line.
pub(crate) fn public_keys(path: &Path) -> Result<Vec<PublicKey>, Stop> {
    let shown = path.display();
    let text = fs::read_to_string(path).map_err(|error| Stop::usage(format!("{shown}: {error}")))?;
    let mut keys = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        // In a list of allowed signers, names and options stand before the key.
        let starts = line.char_indices().filter(|(at, _)| *at == 0 || line[..*at].ends_with([' ', '\t']));
        let key = starts.filter_map(|(at, _)| PublicKey::from_openssh(line.get(at..)?).ok()).next();
        keys.push(key.ok_or_else(|| {
            Stop::usage(format!(
                "{shown}:{}: no public key of OpenSSH (ed25519 and ecdsa-sha2-nistp256 are known)",
                at + 1
            ))
        })?);
    }
    if keys.is_empty() {
        return Err(Stop::usage(format!("{shown}: no public key here")));
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(seed: u8) -> PrivateKey {
        PrivateKey::from(ssh_key::private::Ed25519Keypair::from_seed(&[seed; 32]))
    }

    #[test]
    fn a_signature_belongs_to_its_bytes_and_its_key() {
        let pem = sign(&key(1), b"manifest").unwrap();
        assert_eq!(pem, sign(&key(1), b"manifest").unwrap());
        let (own, other) = (key(1).public_key().clone(), key(2).public_key().clone());
        assert!(matches!(check(&pem, b"manifest", std::slice::from_ref(&own)), Signed::Trusted(_)));
        assert!(matches!(check(&pem, b"manifest", &[other]), Signed::Unknown(_)));
        assert!(matches!(check(&pem, b"manifesT", &[own]), Signed::Broken(_)));
        assert!(matches!(check("nothing", b"", &[]), Signed::Broken(_)));
        // The same key, for another purpose.
        let file = key(1).sign("file", HashAlg::Sha512, b"manifest").unwrap().to_pem(LineEnding::LF).unwrap();
        assert!(matches!(check(&file, b"manifest", &[]), Signed::Broken(_)));
    }

    #[test]
    fn keys_are_read_from_either_kind_of_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        let line = key(1).public_key().to_openssh().unwrap();
        fs::write(&path, format!("# who may sign\nir@example.org namespaces=\"{NAMESPACE}\" {line}\n{line} comment\n"))
            .unwrap();
        assert_eq!(public_keys(&path).unwrap().len(), 2);
        fs::write(&path, "ssh-ed25519 AAAA\n").unwrap();
        assert!(matches!(public_keys(&path), Err(Stop::Message(_, message)) if message.contains("keys:1:")));
    }
}
