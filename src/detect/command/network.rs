//! Which commands could open a connection.

use super::script::is_shell;
use super::{CommandLine, SimpleCommand};

/// Programs and shell words that work on this machine only. What is not listed may do anything.
const LOCAL: &str = " : . [ [[ alias awk b2sum base32 base64 basename bc bg break bzip2 cal cat cd chgrp chmod chown cksum \
    clear cmp column comm command continue cp csplit cut date dd declare df diff dircolors dirname dirs disown du echo \
    egrep eval exec exit expand expr export factor false fc fd fdfind fg fgrep file find fmt fold free fuser gawk getopt \
    getopts grep groups gunzip gzip hash head hexdump history hostname iconv id install ionice jobs join jq kill killall \
    less let link ln local locale logname ls lsattr lsb_release lsblk lscpu lsmem lsof md5sum mkdir mkfifo mknod mktemp \
    more mv nice nl nohup nproc numfmt nvidia-smi od paste patch pgrep pidof pkill popd pr printenv printf ps pushd pwd \
    pwdx read readarray readelf readlink readonly realpath return rev rg rm rmdir sed seq set setsid sha1sum sha224sum \
    sha256sum sha384sum sha512sum shift shopt shred shuf size sleep sort source split stat strings stty sudo sum sync tac \
    tail tar tee test time timeout touch tr trap tree true truncate tsort tty type typeset ulimit umask unalias uname \
    unexpand uniq unlink unset unxz unzip uptime users vdir vmstat w wait wc which who whoami xargs xxd xz xzcat yes yq \
    zcat zip zgrep zstd ";

/// Subcommands of git that stay on this machine.
const GIT_LOCAL: &str = " add am apply bisect blame branch checkout cherry-pick clean commit config describe diff \
    format-patch gc grep init log ls-files merge merge-base mv notes rebase reflog reset restore rev-list rev-parse rm \
    shortlog show show-ref stash status switch symbolic-ref tag worktree ";

/// Programs that have closed their connections when they return, and run no code of others.
const DONE_ON_RETURN: &str =
    " aria2c curl dig drill ftp git host nmap nslookup ping rsync scp sftp traceroute wget whois ";

/// Whether all that a line opens is over when it returns, as far as its programs are known.
pub fn is_done_on_return(line: &CommandLine) -> bool {
    let known = |command: &SimpleCommand| DONE_ON_RETURN.split_ascii_whitespace().any(|entry| entry == command.name());
    line.limits.is_empty() && line.commands.iter().filter(|command| command_is_capable(command)).all(known)
}

/// Whether a line could open a connection: anything but shell words and programs that are known to work on files.
///
/// Unknown programs count as capable. A line without any command is not capable.
pub fn is_network_capable(line: &CommandLine) -> bool {
    !line.limits.is_empty() || line.commands.iter().any(command_is_capable)
}

/// Whether one command could.
pub(super) fn command_is_capable(command: &SimpleCommand) -> bool {
    let device = |text: &str| text.starts_with("/dev/tcp/") || text.starts_with("/dev/udp/");
    if command.redirects.iter().any(|redirect| device(&redirect.target.text)) {
        return true;
    }
    let listed = |list: &str, word: &str| list.split_ascii_whitespace().any(|entry| entry == word);
    let name = command.name();
    match name {
        "" => false,
        "git" => {
            let verb = super::peel::operand(&command.args, 0, &["-C", "-c", "--git-dir", "--work-tree"]);
            !command.args.get(verb).is_some_and(|verb| listed(GIT_LOCAL, &verb.text))
        }
        // What a shell is given is judged command by command; without it nothing is known.
        _ if is_shell(name) => command.script.is_none(),
        _ => !listed(LOCAL, name) || command.program.starts_with("./"),
    }
}
