//! Telling host names from file names, versions and attribute chains.

/// Top-level names that count in free text: the ISO 3166 codes in use, the usual generic ones (IANA root zone), and the
/// names that networks use inside (RFC 2606, 6761, 6762, 8375, and common custom).
const GENERIC: &str = " com net org info biz edu gov mil int arpa app dev xyz online site top club shop live pro tech \
    cloud space store website fun icu vip work world link click life today network systems digital agency solutions \
    services zone email host press run page mobi name tel asia cat jobs travel museum aero coop bar cafe wiki blog \
    news media agency global group company center social exchange finance money fund capital gold farm games game \
    chat team tools software computer academy science stream download party review trade date racing win bid loan \
    men cricket faith accountant webcam pub moe ninja rocks guru expert bot foundation build engineering \
    onion example test invalid localhost local lan internal intranet corp home private svc ";
const COUNTRIES: &str = " ac ad ae af ag ai al am ao ar as at au aw ax az ba bb bd be bf bg bh bi bj bm bn bo br bs bt bw \
    by bz ca cc cd cf cg ch ci ck cl cm cn co cr cu cv cw cx cy cz de dj dk dm do dz ec ee eg er es et eu fi fj fk fm fo \
    fr ga gd ge gf gg gh gi gl gm gn gp gq gr gs gt gu gw gy hk hm hn hr ht hu id ie il im in io iq ir is it je jm jo jp \
    ke kg kh ki km kn kp kr kw ky kz la lb lc li lk lr ls lt lu lv ly ma mc md me mg mh mk ml mm mn mo mp mq mr ms mt mu \
    mv mw mx my mz na nc ne nf ng ni nl no np nr nu nz om pa pe pf pg ph pk pl pm pn pr ps pt pw py qa re ro rs ru rw sa \
    sb sc sd se sg sh si sk sl sm sn so sr ss st su sv sx sy sz tc td tf tg th tj tk tl tm tn to tr tt tv tw tz ua ug uk \
    us uy uz va vc ve vg vi vn vu wf ws ye yt za zm zw ";
/// Top-level names that are also endings of files or last members of attribute chains.
const ENDINGS: &str = " py sh rs md pl so ps mk ml cc mm in la am ac ms st ts id is to as do no name map py test app \
    at it be run host info bar date download group work local link build games page services tools network mo po pm \
    tf cl cs vi hr dev zone media blog news ";

fn listed(list: &str, word: &str) -> bool {
    list.split_ascii_whitespace().any(|entry| entry == word)
}

/// Letters, digits, hyphens and dots as RFC 952 and 1123 have them, with at least one dot and a known top-level name.
pub(super) fn is_name(text: &str) -> bool {
    let Some((_, top)) = text.rsplit_once('.') else { return false };
    let top = top.to_ascii_lowercase();
    is_labels(text) && (listed(GENERIC, &top) || listed(COUNTRIES, &top) || top.starts_with("xn--"))
}

/// A name that is unlikely to be anything else where nothing says that a host stands here.
pub(super) fn is_plain_name(text: &str) -> bool {
    let Some((stem, top)) = text.rsplit_once('.') else { return false };
    let lower = text.to_ascii_lowercase();
    is_name(text)
        && (!listed(ENDINGS, &top.to_ascii_lowercase()) || (stem.matches('.').count() >= 2 && lower == text))
        && !text.bytes().next().is_some_and(|first| first.is_ascii_uppercase())
        && stem.bytes().any(|byte| byte.is_ascii_alphabetic())
}

/// Anything a resolver would accept as a name, dotted or not.
pub(super) fn is_labels(text: &str) -> bool {
    (1..=253).contains(&text.len())
        && text.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
                && !label.starts_with('-')
                && !label.ends_with('-')
        })
        && text.bytes().any(|byte| byte.is_ascii_alphabetic())
}

/// `host:port`, `[v6]:port`, `host`: the host without brackets and the port.
pub(super) fn split_host_port(text: &str) -> (&str, Option<u16>) {
    if let Some((host, rest)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return (host, rest.strip_prefix(':').and_then(|port| port.parse().ok()));
    }
    match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') => match port.parse() {
            Ok(port) => (host, Some(port)),
            Err(_) => (host, None),
        },
        _ => (text, None),
    }
}
