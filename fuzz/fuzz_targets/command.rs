//! The parser of shell command lines, and what is asked of its outcome, on any text.

#![no_main]

use coincident::detect::command::{CommandLine, is_network_capable, literals, name_resolutions, wallets};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let line = CommandLine::parse(&text);
    assert_eq!(line, CommandLine::parse(&text));
    for command in &line.commands {
        // What is shown of a command can be read again.
        let _ = (command.name(), command.launcher(), command.ssh());
        let _ = CommandLine::parse(&command.line());
    }
    let _ = (is_network_capable(&line), literals(&line, &text), name_resolutions(&text));
    for (_, place) in wallets(&text) {
        assert!(text.get(place).is_some());
    }
});
