use super::*;

fn told(turns: &[(bool, &[u8])]) -> Option<(&'static str, Mark)> {
    let mut readers = TcpReaders::new(Flow::default(), true);
    let mut seen = Vec::new();
    for (number, (from_opener, bytes)) in (1..).zip(turns) {
        readers.data(*from_opener, bytes, Instant(0), number, &mut |o| seen.push(o.to_static()));
    }
    readers.finish(Instant(0), &mut |o| seen.push(o.to_static()));
    seen.iter().find_map(|o| match &o.detail {
        Detail::Tunnel(tunnel) => Some((tunnel.protocol, tunnel.mark)),
        _ => None,
    })
}

/// The framing of pkg/msg by hand.
fn frp(kind: u8, text: &str) -> Vec<u8> {
    [&[kind][..], &(text.len() as u64).to_be_bytes(), text.as_bytes()].concat()
}

const LOGIN: &str =
    r#"{"version":"0.51.3","hostname":"","os":"linux","arch":"amd64","privilege_key":"00","timestamp":1}"#;

#[test]
fn frp_in_the_clear_and_multiplexed() {
    let login = frp(b'o', LOGIN);
    let answer = frp(b'1', r#"{"version":"0.51.3","run_id":"0123456789abcdef","error":""}"#);
    assert_eq!(told(&[(true, &login), (false, &answer)]), Some(("frp", Mark::Exchange)));
    let length = u32::try_from(login.len()).unwrap().to_be_bytes();
    let data = [&[0, 0, 0, 0, 0, 0, 0, 1][..], &length, &login].concat();
    let syn: &[u8] = &[0, 1, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0];
    assert_eq!(told(&[(true, syn), (true, &data), (false, &answer)]), Some(("frp", Mark::Exchange)));
    // Another program over yamux.
    assert_eq!(told(&[(true, syn), (true, &[0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 4, 1, 2, 3, 4])]), None);
}

/// A hello of 43 bytes with one cipher (RFC 5246 section 7.4.1.2), behind frp's byte; the server's hello as any other.
#[test]
fn frp_in_front_of_tls() {
    let client = [&[0x16, 3, 1, 0, 45, 1, 0, 0, 41, 3, 3][..], &[1; 32], &[0, 0, 2, 0xc0, 0x2f, 1, 0]].concat();
    let server = [&[0x16, 3, 3, 0, 42, 2, 0, 0, 38, 3, 3][..], &[2; 32], &[0, 0xc0, 0x2f, 0]].concat();
    assert_eq!(told(&[(true, &[0x17]), (true, &client), (false, &server)]), Some(("frp", Mark::Exchange)));
    let together = [&[0x17][..], &client].concat();
    assert_eq!(told(&[(true, &together)]), Some(("frp", Mark::OneSide)));
    assert_eq!(told(&[(true, &client), (false, &server)]), None);
}

#[test]
fn bore_messages() {
    assert_eq!(told(&[(true, b"{\"Hello\":0}\0"), (false, b"{\"Hello\":34567}\0")]), Some(("bore", Mark::Exchange)));
    let challenge = (false, &b"{\"Challenge\":\"67e55044-10b1-426f-9247-bb680e5fe0c8\"}\0"[..]);
    assert_eq!(told(&[challenge, (true, b"{\"Authenticate\":\"00ff\"}\0")]), Some(("bore", Mark::Exchange)));
    assert_eq!(told(&[(true, b"{\"Hello\":\"world\"}\n"), (false, b"{\"Hello\":1}\n")]), None);
}

#[test]
fn every_cut_is_survived() {
    let login = frp(b'o', LOGIN);
    for length in 0..login.len() {
        let known = memmem::find(&login[..length], b"privilege_key\"").is_some();
        assert_eq!(frp_login(&login[..length]) == Fit::Yes, known, "{length}");
        frp_answer(&login[..length]);
        bore(&login[..length]);
        frp_login(&login[length..]);
    }
}
