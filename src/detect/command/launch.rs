//! Starts a simple command: wrappers off, launchers noted, the text that shells and schedulers are given read on.

use super::context::{Context, Printed};
use super::peel::{operand, peel};
use super::pure;
use super::run::Runner;
use super::script::{self, Given};
use super::{Arg, Launcher, SimpleCommand, Wrapper, base_name};

/// Bound on the wrappers of one command.
const MOST_WRAPPERS: usize = 12;
/// Bound on the runs of `xargs` that are written out.
const MOST_RUNS: usize = 512;

impl Runner<'_> {
    /// Writes the command down, and what it starts in turn. Gives what it prints where that is known.
    pub(super) fn start(
        &mut self,
        mut command: SimpleCommand,
        mut program: Arg,
        mut args: Vec<Arg>,
        context: &Context,
        stdin: Option<&Printed>,
    ) -> Option<Printed> {
        let mut context = context.clone();
        while let Some(peeled) = peel(&program.text, &args).filter(|_| command.wrappers.len() < MOST_WRAPPERS) {
            let name = base_name(&program.text).to_owned();
            let all = args.iter().map(|arg| arg.text.clone()).collect();
            command.wrappers.push(Wrapper { program: program.text, args: all });
            command.assignments.extend(peeled.assignments);
            if let Some(launcher) = peeled.launcher {
                context = context.launched(launcher);
                command.launchers = context.launchers.clone();
            }
            let mut inner = args.split_off(peeled.command);
            if name == "find" {
                let end = inner.iter().position(|arg| arg.text == ";" || arg.text == "+").unwrap_or(inner.len());
                inner.truncate(end);
            }
            if inner.is_empty() {
                return None;
            }
            program = inner.remove(0);
            let own = std::mem::replace(&mut args, inner);
            if name.ends_with("xargs")
                && let Some(stdin) = stdin.filter(|stdin| !stdin.text.is_empty())
            {
                return self.xargs(&command, &own, &program, &args, &context, stdin);
            }
            let one_text = args.is_empty() && program.text.contains(char::is_whitespace);
            if one_text && matches!(name.as_str(), "watch" | "flock" | "parallel") {
                command.program = name;
                self.emit(command);
                return self.nested(&program.text.clone(), &context, Some(&program));
            }
        }
        command.program = program.text;
        command.args = args;
        self.act(command, &context, stdin)
    }

    /// Runs the command of `xargs` over the words on its standard input.
    fn xargs(
        &mut self,
        command: &SimpleCommand,
        own: &[Arg],
        program: &Arg,
        args: &[Arg],
        context: &Context,
        stdin: &Printed,
    ) -> Option<Printed> {
        let place = own.iter().enumerate().find_map(|(at, arg)| match arg.text.strip_prefix("-I") {
            Some("") => own.get(at + 1).map(|next| next.text.clone()),
            other => other.map(str::to_owned),
        });
        let most = own.iter().enumerate().find_map(|(at, arg)| match arg.text.strip_prefix("-n") {
            Some("") => own.get(at + 1)?.text.parse::<usize>().ok(),
            other => other?.parse().ok(),
        });
        let word = |text: &str| Arg { text: text.to_owned(), range: command.range.clone(), open: false };
        let batches: Vec<Vec<&str>> = match &place {
            Some(_) => stdin.text.lines().map(|line| vec![line.trim()]).collect(),
            None => {
                let words: Vec<&str> = stdin.text.split_whitespace().collect();
                words.chunks(most.unwrap_or(words.len()).max(1)).map(<[&str]>::to_vec).collect()
            }
        };
        if batches.len() > MOST_RUNS {
            self.limit("more than 512 runs of xargs");
        }
        let template: usize = args.iter().map(|arg| size_of::<Arg>() + arg.text.len()).sum();
        for batch in batches.into_iter().take(MOST_RUNS) {
            let given: usize = batch.iter().map(|word| size_of::<Arg>() + word.len()).sum();
            if !self.spend(template + given) {
                return None;
            }
            let mut run = args.to_vec();
            match (&place, batch.first()) {
                (Some(place), Some(value)) if !place.is_empty() => {
                    for arg in &mut run {
                        if let Some(at) = arg.text.find(place.as_str()) {
                            let stem = arg.text.get(..at).unwrap_or("").to_owned();
                            self.prefix(&stem, &arg.range);
                            if !self.spend(arg.text.len() + value.len()) {
                                return None;
                            }
                            arg.text = arg.text.replacen(place.as_str(), value, 4);
                        }
                    }
                }
                _ => run.extend(batch.into_iter().map(word)),
            }
            let mut command = command.clone();
            command.program = program.text.clone();
            command.args = run;
            self.act(command, context, None);
        }
        None
    }

    fn act(&mut self, mut command: SimpleCommand, context: &Context, stdin: Option<&Printed>) -> Option<Printed> {
        let name = command.name().to_owned();
        if detaches(&name, &command) && !command.launchers.contains(&Launcher::SelfDetached) {
            command.launchers.push(Launcher::SelfDetached);
        }
        let own = match name.as_str() {
            "tmux" => Some(Launcher::Tmux),
            "screen" => Some(Launcher::Screen),
            "crontab" if !command.args.iter().any(|arg| arg.text == "-l" || arg.text == "-r") => Some(Launcher::Cron),
            "at" | "batch" => Some(Launcher::At),
            "systemctl" if has_any(&command, &["start", "enable", "restart", "reenable"]) => Some(Launcher::Systemd),
            "docker" | "podman" | "nerdctl" if container_detached(&command) => Some(Launcher::Container),
            _ => None,
        };
        if let Some(own) = own.filter(|own| !command.launchers.contains(own)) {
            command.launchers.push(own);
        }
        match name.as_str() {
            "export" | "declare" | "typeset" | "local" | "readonly" => {
                for arg in command.args.clone() {
                    if let Some((variable, value)) = arg.text.split_once('=') {
                        if !arg.open {
                            self.set(variable, vec![value.to_owned()]);
                        }
                        command.assignments.push((variable.to_owned(), value.to_owned()));
                    }
                }
            }
            "unset" | "read" | "mapfile" | "readarray" => {
                for arg in &command.args {
                    self.variables.remove(&arg.text);
                }
            }
            "sleep" => {
                let seconds = command.args.iter().filter_map(|arg| seconds(&arg.text)).fold(0, u64::saturating_add);
                self.delay = self.delay.saturating_add(seconds);
            }
            "disown" => {
                for earlier in self.out.commands.iter_mut().filter(|earlier| earlier.background) {
                    if !earlier.launchers.contains(&Launcher::Disown) {
                        earlier.launchers.push(Launcher::Disown);
                    }
                }
                self.out.launchers.push(Launcher::Disown);
            }
            _ => {}
        }
        let given = script::given(&command, stdin, &self.files);
        let printed = pure::printed(&command, stdin, &self.files).filter(|printed| self.spend(printed.text.len()));
        if let Some(Given::Script(text) | Given::Shell(text, _)) = &given {
            command.script = Some(text.text.clone());
        }
        let whole = Arg { range: command.range.clone(), ..Arg::default() };
        let printed = self.written(&command, stdin, printed);
        let mut inner = context.clone();
        inner.launchers.clone_from(&command.launchers);
        let program = command.clone();
        self.emit(command);
        match given {
            Some(Given::Shell(text, word)) => {
                return self.piped(&text, &inner, &word.unwrap_or(whole));
            }
            Some(Given::Script(text)) => {
                for call in script::calls(&text.text) {
                    self.nested(&call, &inner, Some(&whole));
                }
            }
            None => self.scheduled(&name, &program, stdin, &inner, &whole),
        }
        printed
    }

    /// Remembers the files that the command writes; what is redirected is not printed.
    fn written(
        &mut self,
        command: &SimpleCommand,
        stdin: Option<&Printed>,
        printed: Option<Printed>,
    ) -> Option<Printed> {
        if command.name() == "tee" {
            let append = command.args.iter().any(|arg| arg.text == "-a" || arg.text == "--append");
            if let Some(stdin) = stdin {
                for arg in command.args.iter().filter(|arg| !arg.open && !arg.text.starts_with('-')) {
                    self.remember(&arg.text, append, stdin);
                }
            }
            return stdin.cloned();
        }
        let target =
            command.redirects.iter().find(|redirect| redirect.operator.contains('>') && redirect.operator != "<>");
        match (target, printed) {
            (Some(redirect), Some(printed)) if redirect.operator != ">&" => {
                if !redirect.target.open && redirect.target.text != "/dev/null" {
                    self.remember(&redirect.target.text, redirect.operator.ends_with(">>"), &printed);
                }
                Some(Printed { complete: true, ..Printed::default() })
            }
            (_, printed) => printed,
        }
    }

    /// The commands that schedulers and terminal multiplexers are handed as text.
    fn scheduled(
        &mut self,
        name: &str,
        command: &SimpleCommand,
        stdin: Option<&Printed>,
        context: &Context,
        whole: &Arg,
    ) {
        match name {
            "crontab" => {
                let at = operand(&command.args, 0, &["-u"]);
                let file = command.args.get(at).map(|arg| arg.text.as_str()).filter(|file| *file != "-");
                let text = match file {
                    Some(file) => pure::file(&self.files, file).cloned(),
                    None => stdin.map(|stdin| stdin.text.clone()),
                };
                for line in text.unwrap_or_default().lines() {
                    if let Some(job) = cron_job(line) {
                        self.nested(job, context, Some(whole));
                    }
                }
            }
            "at" | "batch" => {
                let file = command.args.iter().skip_while(|arg| arg.text != "-f").nth(1).map(|arg| arg.text.clone());
                let text = match file {
                    Some(file) => pure::file(&self.files, &file).cloned(),
                    None => stdin.map(|stdin| stdin.text.clone()),
                };
                if let Some(text) = text {
                    self.nested(&text, context, Some(whole));
                }
            }
            "tmux" => {
                let verb = operand(&command.args, 0, &["-L", "-S", "-f", "-c"]);
                let Some(verb_arg) = command.args.get(verb) else { return };
                match verb_arg.text.as_str() {
                    "send-keys" | "send" => {
                        let at = operand(&command.args, verb + 1, &["-t", "-N"]);
                        for key in command.args.get(at..).unwrap_or(&[]) {
                            if !matches!(key.text.as_str(), "C-m" | "Enter" | "ENTER") {
                                self.nested(&key.text, context, Some(key));
                            }
                        }
                    }
                    "new-session" | "new" | "new-window" | "neww" | "split-window" | "splitw" | "respawn-pane" => {
                        let valued = ["-s", "-n", "-c", "-t", "-x", "-y", "-e", "-F", "-l", "-p"];
                        let at = operand(&command.args, verb + 1, &valued);
                        self.rest_of(command, at, context);
                    }
                    _ => {}
                }
            }
            "screen" => {
                if let Some(stuff) = command.args.iter().position(|arg| arg.text == "stuff") {
                    if let Some(keys) = command.args.get(stuff + 1) {
                        self.nested(&keys.text.replace("^M", "\n"), context, Some(keys));
                    }
                    return;
                }
                let at = operand(&command.args, 0, &["-S", "-t", "-L", "-Logfile", "-c", "-e", "-h", "-p", "-s", "-T"]);
                self.rest_of(command, at, context);
            }
            "start-stop-daemon" => {
                let mut words = Vec::new();
                for option in ["-x", "--exec", "-a", "--startas"] {
                    words.extend(command.args.iter().skip_while(|arg| arg.text != option).nth(1).cloned());
                }
                words.extend(command.args.iter().skip_while(|arg| arg.text != "--").skip(1).cloned());
                self.direct(words, command, context);
            }
            "trap" => {
                if let Some(action) = command.args.first() {
                    self.nested(&action.text, context, Some(action));
                }
            }
            _ => {
                // A file of this very line, run by its path.
                if let Some(text) = pure::file(&self.files, &command.program).cloned()
                    && script::is_shell_text(&text)
                {
                    self.nested(&text, context, Some(whole));
                }
            }
        }
    }

    /// The command that the words of another command are, or hold as one text.
    fn rest_of(&mut self, command: &SimpleCommand, from: usize, context: &Context) {
        let words = command.args.get(from..).unwrap_or(&[]).to_vec();
        match words.as_slice() {
            [one] => {
                self.nested(&one.text, context, Some(one));
            }
            _ => self.direct(words, command, context),
        }
    }

    fn direct(&mut self, mut words: Vec<Arg>, outer: &SimpleCommand, context: &Context) {
        if words.is_empty() {
            return;
        }
        let program = words.remove(0);
        let command = SimpleCommand {
            program: String::new(),
            args: Vec::new(),
            redirects: Vec::new(),
            assignments: Vec::new(),
            wrappers: Vec::new(),
            script: None,
            ..outer.clone()
        };
        if command.wrappers.len() < MOST_WRAPPERS && context.launchers.len() < 16 {
            let inner = context.substituted();
            if inner.within_bounds() {
                self.start(command, program, words, &inner, None);
            }
        }
    }
}

fn has_any(command: &SimpleCommand, words: &[&str]) -> bool {
    command.args.iter().any(|arg| words.contains(&arg.text.as_str()))
}

/// `docker run -d`, `docker compose up -d`, `docker start`.
fn container_detached(command: &SimpleCommand) -> bool {
    let detach = command.args.iter().any(|arg| {
        arg.text == "--detach"
            || arg.text == "-d"
            || (arg.text.starts_with("-d") && arg.text.len() < 5 && !arg.text.contains('='))
            || matches!(arg.text.as_str(), "-itd" | "-tid" | "-idt")
    });
    (has_any(command, &["run", "up", "create"]) && detach) || has_any(command, &["start"])
}

/// The program puts itself into the background.
fn detaches(name: &str, command: &SimpleCommand) -> bool {
    match name {
        "ssh" | "autossh" => command.ssh().is_some_and(|call| call.background),
        "start-stop-daemon" => has_any(command, &["-b", "--background"]),
        "xmrig" | "xmr-stak" | "minerd" | "cpuminer" => has_any(command, &["-B", "--background"]),
        "sslh" | "socat" | "dnsmasq" => false,
        _ => has_any(command, &["--daemonize", "--daemon"]),
    }
}

/// `90`, `1.5`, `10m`, `2h`, `1d` as whole seconds, rounded up.
fn seconds(text: &str) -> Option<u64> {
    let unit = match text.chars().last()? {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => 0,
    };
    let number = if unit == 0 { text } else { text.get(..text.len() - 1)? };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let more = u64::from(fraction.bytes().any(|digit| digit != b'0'));
    whole.checked_mul(unit.max(1))?.checked_add(more)
}

/// The command of a crontab line: behind five time fields or a word such as `@reboot` (crontab(5)).
fn cron_job(line: &str) -> Option<&str> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let fields = if line.starts_with('@') { 1 } else { 5 };
    let mut rest = line;
    for _ in 0..fields {
        let end = rest.find(char::is_whitespace)?;
        let field = rest.get(..end)?;
        let valid = |c: char| c.is_ascii_alphanumeric() || "*/,-@?#~".contains(c);
        if !field.chars().all(valid) {
            return None;
        }
        rest = rest.get(end..)?.trim_start();
    }
    (!rest.is_empty()).then_some(rest)
}
