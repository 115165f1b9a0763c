//! Keys, tokens, passwords and seed phrases in a text, told by their own form or by what stands before them.
//!
//! Texts come as they are or escaped (JSON, CSV, HTML): nothing here reaches over a quotation mark or an angle bracket, and a
//! backslash before a quotation mark is taken for an escape. Forms of tokens are those that their issuers document.

use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::AhoCorasick;
use bip39::{Language, Mnemonic};
use regex::Regex;

/// Tokens that announce themselves. Their first letters belong to the mask: they say what was there.
const TOKENS: [&str; 20] = [
    // AWS: identifiers of access keys (IAM user guide, "unique identifiers").
    r"\b(?:AKIA|ASIA)[A-Z2-7]{16}\b",
    // GitHub, GitLab.
    r"\bgh[pousr]_[A-Za-z0-9]{36,255}\b",
    r"\bgithub_pat_[A-Za-z0-9_]{22,255}\b",
    r"\bgl(?:pat|dt|rt|cbt|ptt|soat)-[A-Za-z0-9_-]{20,}",
    // Slack.
    r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}",
    // OpenAI, Anthropic, OpenRouter; Hugging Face, Replicate, Groq, xAI.
    r"\bsk-(?:[a-z0-9]+-)?[A-Za-z0-9_-]{20,}",
    r"\bhf_[A-Za-z0-9]{30,}\b",
    r"\br8_[A-Za-z0-9]{30,}\b",
    r"\bgsk_[A-Za-z0-9]{30,}\b",
    r"\bxai-[A-Za-z0-9]{30,}\b",
    // Google.
    r"\bAIza[A-Za-z0-9_-]{35}",
    r"\bya29\.[A-Za-z0-9_-]{20,}",
    // npm, PyPI, Stripe, DigitalOcean, Vault, Tailscale, Databricks.
    r"\bnpm_[A-Za-z0-9]{36}\b",
    r"\bpypi-[A-Za-z0-9_-]{50,}",
    r"\b[rs]k_(?:live|test)_[A-Za-z0-9]{16,}\b",
    r"\bdo[opr]_v1_[a-f0-9]{64}\b",
    r"\bhv[sbr]\.[A-Za-z0-9_-]{24,}",
    r"\btskey-[a-z]+-[A-Za-z0-9_-]{10,}",
    // JSON Web Tokens (RFC 7519), among them those of cloudflared; bots of Telegram.
    r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}(?:\.[A-Za-z0-9_-]*)?",
    r"\b[0-9]{8,10}:AA[A-Za-z0-9_-]{33}\b",
];

/// What stands before a secret that looks like anything. The secret is the group.
const PLACES: [&str; 8] = [
    // Headers of HTTP (RFC 9110, section 11.6.2), and extended private keys of wallets (BIP 32).
    r"(?i:authorization|x-api-key|private-token)\\?[\x22']?\s*[:=]\s*\\?[\x22']?(?:(?i:bearer|basic|token)\s+)?([A-Za-z0-9+/=._~-]{8,})",
    r"\b([xyz]prv[1-9A-HJ-NP-Za-km-z]{100,112})\b",
    // User information of a URL (RFC 3986, section 3.2.1).
    r"\b[a-z][a-z0-9+.-]*://[^\s/:@\x22'<>]*:([^\s/@\x22'<>]{1,256})@",
    // Names of settings that end so, with a value of their own.
    r"(?i)(?:password|passwd|passphrase|secret|api[_-]?key|access[_-]?key|private[_-]?key|(?:auth|access|refresh|api|secret|bot|session)[_-]?token|mnemonic)\\?[\x22']?\s?[:=]\s?\\?[\x22']?([^\s\x22'&,;<>\\(){}$*…]{6,})",
    // Options of commands.
    r"(?i)--(?:password|passwd|pass|token|secret|api-key|auth-?key|authtoken)(?:=|\s+)\\?[\x22']?([^\s\x22'<>\\${}*…-][^\s\x22'<>\\*…]{3,})",
    r"\bsshpass\s+-p\s*\\?[\x22']?([^\s\x22'<>\\$*…]+)",
    r"\b(?:curl|wget)\b[^\n|;<>]{0,400}?\s(?:-u|--user)[\s=]+\\?[\x22']?[^\s:\x22'<>]+:([^\s\x22'<>\\$*…]+)",
    r"\bauthtoken\s+([A-Za-z0-9_]{20,})",
];

/// Every form above holds one of these: where none stands, nothing needs to be looked for. Rows of logs have none.
const HINTS: [&str; 46] = [
    "AKIA",
    "ASIA",
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "github_pat_",
    "glpat-",
    "gldt-",
    "glrt-",
    "glcbt-",
    "glptt-",
    "glsoat-",
    "xox",
    "sk-",
    "hf_",
    "r8_",
    "gsk_",
    "xai-",
    "AIza",
    "ya29.",
    "npm_",
    "pypi-",
    "k_live_",
    "k_test_",
    "_v1_",
    "hvs.",
    "hvb.",
    "hvr.",
    "tskey-",
    "eyJ",
    ":AA",
    "authorization",
    "key",
    "token",
    "prv",
    "://",
    "pass",
    "secret",
    "mnemonic",
    "curl",
    "wget",
    "BEGIN ",
    // Letters that are s and k in any case, for expressions that heed none (Unicode, CaseFolding.txt).
    "\u{17f}",
    "\u{212a}",
];

static HINT: LazyLock<Option<AhoCorasick>> =
    LazyLock::new(|| AhoCorasick::builder().ascii_case_insensitive(true).build(HINTS).ok());

/// Values that are no secret in any place: names of things that hold one.
const NO_SECRETS: [&str; 6] = ["os.environ", "process.env", "getenv", "none", "null", "true"];

static TOKEN: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(&TOKENS.join("|")).ok());
static PLACE: LazyLock<Vec<Regex>> =
    LazyLock::new(|| PLACES.iter().filter_map(|place| Regex::new(place).ok()).collect());

/// Secrets in a text, in order, not overlapping.
pub fn find(text: &str) -> Vec<Range<usize>> {
    let mut found = phrases(text);
    if HINT.as_ref().is_none_or(|hint| hint.is_match(text)) {
        found.extend(keys(text));
        formed(text, &mut found);
    }
    found.sort_by_key(|range| (range.start, std::cmp::Reverse(range.end)));
    let mut end = 0;
    found.retain(|range| {
        let apart = range.start >= end;
        end = end.max(range.end);
        apart
    });
    found
}

/// What has the form of a secret or stands where one does.
fn formed(text: &str, found: &mut Vec<Range<usize>>) {
    found.extend(TOKEN.iter().flat_map(|token| token.find_iter(text)).map(|token| token.range()));
    for place in PLACE.iter() {
        let groups = place.captures_iter(text).filter_map(|captured| captured.get(1));
        let secret = |value: &str| {
            let lower = value.to_ascii_lowercase();
            !NO_SECRETS.iter().any(|known| lower.starts_with(known))
        };
        found.extend(groups.filter(|value| secret(value.as_str())).map(|value| value.range()));
    }
}

/// Private keys in the textual encoding of RFC 7468 and of OpenSSH, without their marks; also one that is cut short.
fn keys(text: &str) -> Vec<Range<usize>> {
    const BEGIN: &str = "-----BEGIN ";
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(begun) = text.get(at..).and_then(|rest| rest.find(BEGIN)).map(|place| at + place + BEGIN.len()) {
        at = begun;
        let Some(rest) = text.get(begun..) else { break };
        let Some(label) = rest.find("-----").filter(|length| *length < 64) else { continue };
        if !rest.get(..label).is_some_and(|label| label.contains("PRIVATE KEY")) {
            continue;
        }
        let start = begun + label + 5;
        let Some(body) = text.get(start..) else { break };
        let length = body.find(['"', '<', '>', '-']).unwrap_or(body.len());
        if length > 0 {
            found.push(start..start + length);
        }
        at = start + length;
    }
    found
}

/// Seed phrases of BIP 39: words of its English list, as many as it knows, with the right check bits.
fn phrases(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut run: Vec<Range<usize>> = Vec::new();
    let mut at = 0;
    for word in text.split(|c: char| !c.is_ascii_lowercase()) {
        let mut range = at..at + word.len();
        at = range.end + 1;
        // The separator may be longer than a byte.
        while at < text.len() && !text.is_char_boundary(at) {
            at += 1;
        }
        // The letter of an escape (`\n`) belongs to what stands between two words.
        let escaped = text.get(..range.start).is_some_and(|before| before.ends_with('\\'));
        let word = match word.strip_prefix(['n', 'r', 't']).filter(|_| escaped) {
            Some(rest) => {
                range.start += 1;
                rest
            }
            None => word,
        };
        if word.is_empty() {
            continue;
        }
        let between = run.last().map(|last| range.start - last.end);
        let shaped = (3..=8).contains(&word.len());
        // What stands between two words of a phrase is a blank, a comma, a line break or an escape of one.
        if !shaped || between.is_some_and(|between| between > 3) {
            listed(text, &run, &mut found);
            run.clear();
        }
        if shaped {
            run.push(range);
        }
    }
    listed(text, &run, &mut found);
    found
}

/// The phrases in a run of words that could be on the list by their length. Words are looked up only where there are enough.
fn listed(text: &str, run: &[Range<usize>], found: &mut Vec<Range<usize>>) {
    if run.len() >= SHORTEST_PHRASE {
        let unlisted =
            |word: &Range<usize>| text.get(word.clone()).and_then(|word| Language::English.find_word(word)).is_none();
        run.split(unlisted).for_each(|words| phrase(text, words, found));
    }
}

/// Words of the shortest phrase.
const SHORTEST_PHRASE: usize = 12;

/// The longest phrases in a run of words that are on the list.
fn phrase(text: &str, run: &[Range<usize>], found: &mut Vec<Range<usize>>) {
    let mut first = 0;
    while run.len().saturating_sub(first) >= SHORTEST_PHRASE {
        let holds = |length: &usize| {
            let words = run.get(first..first + length)?;
            let joined: Vec<&str> = words.iter().filter_map(|word| text.get(word.clone())).collect();
            Mnemonic::parse_in_normalized(Language::English, &joined.join(" ")).ok()?;
            Some(words.first()?.start..words.last()?.end)
        };
        match [24, 21, 18, 15, SHORTEST_PHRASE].iter().find_map(|length| Some((length, holds(length)?))) {
            Some((length, range)) => {
                found.push(range);
                first += length;
            }
            None => first += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<&str> {
        find(text).into_iter().map(|range| &text[range]).collect()
    }

    #[test]
    fn every_form_is_a_regular_expression() {
        assert!(TOKEN.is_some());
        assert_eq!(PLACE.len(), PLACES.len());
    }

    #[test]
    fn what_is_found_by_its_form_holds_a_hint() {
        // What each form demands, spelled out once: the part of it that no repetition or choice can leave out.
        let hint = HINT.as_ref().unwrap();
        for needed in [
            "AKIA",
            "ASIA",
            "ghp_",
            "gho_",
            "ghu_",
            "ghs_",
            "ghr_",
            "github_pat_",
            "glpat-",
            "gldt-",
            "glrt-",
            "glcbt-",
            "glptt-",
            "glsoat-",
            "xoxb-",
            "sk-",
            "hf_",
            "r8_",
            "gsk_",
            "xai-",
            "AIza",
            "ya29.",
            "npm_",
            "pypi-",
            "sk_live_",
            "rk_test_",
            "dop_v1_",
            "hvs.",
            "hvb.",
            "hvr.",
            "tskey-",
            "eyJ",
            ":AA",
            "Authorization",
            "x-api-key",
            "private-token",
            "xprv",
            "ssh://",
            "password",
            "passwd",
            "passphrase",
            "secret",
            "api_key",
            "access-key",
            "private_key",
            "auth_token",
            "session-token",
            "mnemonic",
            "--pass",
            "--token",
            "--auth-key",
            "sshpass",
            "curl",
            "wget",
            "authtoken",
            "-----BEGIN ",
        ] {
            assert!(hint.is_match(needed), "{needed}");
        }
        assert_eq!(found("pa\u{17f}\u{17f}word=hunter22"), ["hunter22"]);
    }

    #[test]
    fn tokens_are_found_by_their_form() {
        // Made up, in the forms that their issuers document; AKIAIOSFODNN7EXAMPLE is the example of AWS itself.
        let letters = "0123456789abcdefghijABCDEFGHIJ0123456789";
        for token in [
            "AKIAIOSFODNN7EXAMPLE".to_owned(),
            format!("ghp_{}", &letters[..36]),
            format!("glpat-{}", &letters[..20]),
            format!("sk-ant-api03-{letters}"),
            format!("sk-proj-{letters}"),
            format!("hf_{}", &letters[..34]),
            format!("xoxb-{}", &letters[..24]),
            format!("AIza{}", &letters[..35]),
            format!("hvs.{}", &letters[..24]),
            format!("tskey-auth-{}", &letters[..20]),
            // RFC 7519, section 3.1, without its signature.
            "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODB9.dBjf".to_owned(),
        ] {
            for text in [format!("export X={token};"), format!("{{\"a\":\"{token}\"}}"), format!("run '{token}'\\n")] {
                assert_eq!(found(&text), [token.as_str()], "{text}");
            }
        }
    }

    #[test]
    fn secrets_are_found_by_what_stands_before_them() {
        for (text, secret) in [
            ("curl -H 'Authorization: Bearer abcdef0123456789' https://a.example", "abcdef0123456789"),
            ("{\"command\":\"curl -H \\\"X-Api-Key: abcdef0123456789\\\"\"}", "abcdef0123456789"),
            ("git clone https://bot:hunter2@git.example/a.git", "hunter2"),
            ("PGPASSWORD=hunter22 psql", "hunter22"),
            (
                "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
                "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            ),
            ("sshpass -p hunter2 ssh host", "hunter2"),
            ("curl -s -u admin:hunter2 http://a.example", "hunter2"),
            ("mc --password=hunter2 ls", "hunter2"),
            ("cloudflared tunnel run --token abcdefghij", "abcdefghij"),
            ("ngrok config add-authtoken 2abcdefghijklmnopqrstu_3vwxyz", "2abcdefghijklmnopqrstu_3vwxyz"),
            ("{\\\"api_key\\\": \\\"abcdef123456\\\"}", "abcdef123456"),
        ] {
            assert_eq!(found(text), [secret], "{text}");
        }
    }

    #[test]
    fn keys_are_found_whole_and_cut_short() {
        let key = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA\nBG5vbmU=\n-----END OPENSSH PRIVATE KEY-----\n";
        assert_eq!(found(key), ["\nb3BlbnNzaC1rZXktdjEAAAAA\nBG5vbmU=\n"]);
        assert_eq!(found("{\"t\":\"-----BEGIN RSA PRIVATE KEY-----\\nMIIEow\"}"), ["\\nMIIEow"]);
        assert!(found("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----").is_empty());
        assert!(found("-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----").is_empty());
    }

    #[test]
    fn seed_phrases_are_found_by_their_check_bits() {
        // The vectors of BIP 39 (trezor/python-mnemonic, vectors.json): 128 and 256 bits.
        let twelve = "legal winner thank year wave sausage worth useful legal winner thank yellow";
        let long = "hamster diagram private dutch cause delay private meat slide toddler razor book happy fancy gospel tennis maple \
                    dilemma loan word shrug inflict delay length";
        for phrase in [twelve, long] {
            let text = format!("echo \"{phrase}\" > seed");
            assert_eq!(found(&text), [phrase]);
        }
        assert!(found(&twelve.replace("yellow", "winner")).is_empty(), "the check bits are wrong");
        assert!(
            found("legal winner thank year wave sausage worth useful legal winner thank").is_empty(),
            "eleven words"
        );
        for between in [", ", "\n", "\\n", "\r\n"] {
            assert_eq!(found(&twelve.replace(' ', between)).len(), 1, "{between:?}");
        }
        assert!(found("ä ö legal winner ü").is_empty());
    }

    #[test]
    fn what_is_no_secret_stays() {
        for text in [
            "password=$PASSWORD",
            "token: ${{ secrets.GITHUB_TOKEN }}",
            "api_key=os.environ['KEY']",
            "the password is in the vault",
            "https://a.example:8443/path@2",
            "sk-learn is a library",
            "{\"sha256\":\"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"}",
            "user agent-token-limit 4096",
            "password=…#2d711642",
        ] {
            assert_eq!(found(text), [""; 0], "{text}");
        }
    }
}
