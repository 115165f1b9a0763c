use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use coincident::detect::rules::RuleSet;
use coincident::evidence::{EvidenceId, Input, walk};
use coincident::report::custody::{self, MANIFEST, Recorded, SIGNATURE, SUMS};
use coincident::report::manifest::FileHash;

use super::exit::{Exit, Outcome, Stop};
use super::output::Voice;
use super::signing::{self, Signed};

/// Hold results and their evidence against what the manifest says of them: every byte that changed since
///
/// Evidence is looked for where it was when it was analysed, seen from the current directory, unless its paths are given.
#[derive(Args, Debug)]
pub(crate) struct Verify {
    /// The output directory of `analyze -o`
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// Where the evidence lies now, in the order in which `manifest.json` names its paths
    #[arg(value_name = "PATH")]
    evidence: Vec<PathBuf>,
    /// Who may have signed: a public key of OpenSSH, or a list of allowed signers. Without a signature by one of them the
    /// check fails
    #[arg(long, value_name = "FILE")]
    signed_by: Option<PathBuf>,
}

/// What was found.
#[derive(Default)]
struct Found {
    /// What is not as it was, a sentence each.
    different: Vec<String>,
    /// What could not be looked at.
    unread: Vec<String>,
    /// What is worth saying beside.
    notes: Vec<String>,
    files: u64,
}

impl Found {
    /// Holds one file against what was recorded of it; `shown` names it.
    fn file(&mut self, shown: &str, path: &Path, recorded: &FileHash) {
        match hash(&recorded.path, path) {
            Ok(now) => {
                self.files += 1;
                self.different.extend(custody::difference(recorded, &now).map(|how| format!("{shown}: {how}")));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.different.push(format!("{shown}: gone")),
            Err(error) => self.unread.push(format!("{shown}: {error}")),
        }
    }
}

/// Size and SHA-256 of a file, read the way evidence is.
fn hash(name: &str, path: &Path) -> io::Result<FileHash> {
    let taken = Input::open(name, path, EvidenceId(0))?.finish();
    if taken.sha256.is_empty() {
        return Err(io::Error::other("could not be read to its end"));
    }
    Ok(FileHash { path: name.to_owned(), bytes: taken.bytes, sha256: taken.sha256 })
}

impl Verify {
    pub(crate) fn run(&self, voice: Voice) -> Outcome {
        let trusted = self.signed_by.as_deref().map(signing::public_keys).transpose()?.unwrap_or_default();
        let place = self.directory.join(MANIFEST);
        let shown = place.display();
        let json = fs::read(&place)
            .map_err(|error| Stop::usage(format!("{shown}: {error}; give a directory that `analyze -o` wrote")))?;
        let manifest: Recorded = serde_json::from_slice(&json)
            .map_err(|error| Stop::usage(format!("{shown}: no manifest of this program, or a changed one: {error}")))?;
        let mut found = Found::default();
        self.results(&manifest, &json, &mut found)?;
        self.signature(&json, &trusted, &mut found)?;
        self.evidence(&manifest, &mut found)?;
        rules(&manifest, &mut found);
        tell(&found, voice)
    }

    /// Every result against the manifest, and all of them against the list of checksums.
    fn results(&self, manifest: &Recorded, json: &[u8], found: &mut Found) -> Result<(), Stop> {
        for output in &manifest.outputs {
            let path = self.directory.join(&output.path);
            found.file(&path.display().to_string(), &path, output);
        }
        let place = self.directory.join(SUMS);
        let shown = place.display().to_string();
        let listed = match fs::read_to_string(&place) {
            Ok(text) => custody::read_sums(&text),
            Err(error) => {
                found.different.push(format!("{shown}: {error}; nothing says what {MANIFEST} was"));
                return Ok(());
            }
        };
        let listed = match listed {
            Ok(listed) => listed,
            Err(line) => {
                found.different.push(format!("{shown}:{line}: no line of checksums"));
                BTreeMap::new()
            }
        };
        let mut wanted: BTreeMap<&str, String> =
            manifest.outputs.iter().map(|output| (output.path.as_str(), output.sha256.clone())).collect();
        wanted.insert(MANIFEST, FileHash::of(MANIFEST, json).sha256);
        for (name, digest) in &wanted {
            match listed.get(*name) {
                Some(other) if other == digest => {}
                Some(_) => {
                    found.different.push(format!("{name}: {SUMS} and what is here have different digests of it"))
                }
                None => found.different.push(format!("{name}: not in {SUMS}")),
            }
        }
        let known: BTreeSet<&str> = wanted.keys().copied().chain([SUMS, SIGNATURE]).collect();
        let strangers = listed.keys().filter(|name| !known.contains(name.as_str()));
        found.different.extend(strangers.map(|name| format!("{name}: in {SUMS}, and the manifest does not know it")));
        let entries = fs::read_dir(&self.directory).map_err(|error| Stop::usage(format!("{shown}: {error}")))?;
        let mut beside: Vec<String> = entries
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .filter(|name| !known.contains(name.as_str()))
            .collect();
        beside.sort();
        found.notes.extend(beside.iter().map(|name| format!("{name}: lies among the results and is none of them")));
        Ok(())
    }

    fn signature(&self, json: &[u8], trusted: &[ssh_key::PublicKey], found: &mut Found) -> Result<(), Stop> {
        let place = self.directory.join(SIGNATURE);
        let signature = match fs::read_to_string(&place) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                match self.signed_by.is_some() {
                    true => found.different.push(format!("{}: gone, or never there", place.display())),
                    false => found.notes.extend([
                        "the manifest is not signed: who could change the results could change it as well".to_owned(),
                        format!("the SHA-256 of the manifest is {}", FileHash::of(MANIFEST, json).sha256),
                    ]),
                }
                return Ok(());
            }
            Err(error) => return Err(Stop::usage(format!("{}: {error}", place.display()))),
        };
        match signing::check(&signature, json, trusted) {
            Signed::Trusted(key) => found.notes.push(format!("signed by {key}, which you trust")),
            Signed::Unknown(key) if self.signed_by.is_some() => {
                found.different.push(format!("{SIGNATURE}: by {key}, which is none of the keys given"));
            }
            Signed::Unknown(key) => found
                .notes
                .push(format!("signed by {key}; whose key that is, is not known here: give it with --signed-by")),
            Signed::Broken(why) => found.different.push(format!("{SIGNATURE}: {why}")),
        }
        Ok(())
    }

    /// Every file of the evidence, files that were not there, and what the responder knew.
    fn evidence(&self, manifest: &Recorded, found: &mut Found) -> Result<(), Stop> {
        let then = custody::paths_of(&manifest.arguments);
        let now: Vec<PathBuf> = match self.evidence.is_empty() {
            true => then.iter().map(PathBuf::from).collect(),
            false => self.evidence.clone(),
        };
        if then.len() != now.len() {
            return Err(Stop::usage(format!(
                "{} paths of evidence were analysed ({}), and {} are given; give as many, in this order",
                then.len(),
                then.join(", "),
                now.len()
            )));
        }
        // What lay below one of the paths lies below the one in its place now.
        let moved = |path: &str| {
            let mut places = then.iter().zip(&now);
            let below = places.find_map(|(then, now)| Some(now.join(Path::new(path).strip_prefix(then).ok()?)));
            below.unwrap_or_else(|| PathBuf::from(path))
        };
        let mut known = BTreeSet::new();
        for file in manifest.case_file.iter().chain(&manifest.indicator_lists) {
            let path = moved(&file.path);
            found.file(&path.display().to_string(), &path, file);
            known.insert(path);
        }
        // A file is named by its place below the one path that was given, or as it was given among several.
        let mut here: BTreeMap<String, PathBuf> = BTreeMap::new();
        let then_alone = then.len() == 1;
        for (then, now) in then.iter().zip(&now) {
            let (files, errors) = walk(std::slice::from_ref(now));
            found.unread.extend(errors.iter().map(ToString::to_string));
            for file in files {
                let name = match file.path.strip_prefix(now) {
                    _ if then_alone => file.name,
                    Ok(rest) if !rest.as_os_str().is_empty() => Path::new(then).join(rest).display().to_string(),
                    _ => (*then).to_owned(),
                };
                here.insert(name, file.path);
            }
        }
        for input in &manifest.inputs {
            let Some(path) = here.remove(&input.path) else {
                found.different.push(format!("{}: gone", input.path));
                continue;
            };
            match input.file() {
                Some(recorded) => found.file(&input.path, &path, &recorded),
                None => {
                    found.notes.push(format!("{}: was not read to its end then, and has no hash", input.path));
                }
            }
        }
        let new = here.into_iter().filter(|(_, path)| !known.contains(path));
        found.different.extend(new.map(|(name, _)| format!("{name}: new among the evidence")));
        Ok(())
    }
}

/// The rules that were in force against those that would be now.
fn rules(manifest: &Recorded, found: &mut Found) {
    let (path, set) = match custody::option_of(&manifest.arguments, "--rules") {
        Some(path) => (path, RuleSet::from_dir(Path::new(path))),
        None => ("the rules that come with the program", Ok(RuleSet::embedded())),
    };
    match set {
        Ok(set) if set.version == manifest.rules => {}
        Ok(set) => found.different.push(format!(
            "{path}: version {} now (coincident {}), {} then (coincident {})",
            set.version,
            env!("CARGO_PKG_VERSION"),
            manifest.rules,
            manifest.version
        )),
        Err(error) => found.unread.push(format!("{path}: {error}")),
    }
}

fn tell(found: &Found, voice: Voice) -> Outcome {
    let mut text = String::new();
    let mut line = |words: &str| {
        text.push_str(&coincident::report::escape::terminal(words));
        text.push('\n');
    };
    found.different.iter().for_each(|different| line(&format!("different: {different}")));
    found.unread.iter().for_each(|unread| line(&format!("not read: {unread}")));
    found.notes.iter().for_each(|note| line(&format!("note: {note}")));
    let verdict = if !found.different.is_empty() {
        format!("{} differences", found.different.len())
    } else if !found.unread.is_empty() {
        "the rest is as it was".to_owned()
    } else {
        "all as it was".to_owned()
    };
    line(&format!("{} files held against the manifest: {verdict}", found.files));
    voice.print(text.as_bytes())?;
    Ok(match (found.different.is_empty(), found.unread.is_empty()) {
        (false, _) => Exit::Findings,
        (true, false) => Exit::Unread,
        (true, true) => Exit::Done,
    })
}
