//! As much of a terminal as is needed to know what stands in the line of the cursor (ECMA-48 control functions), and what
//! was typed.

/// Bound on a line, in characters.
const LONGEST: usize = 64 << 10;

/// Where within a control function the text is.
#[derive(Clone, Debug, Default, PartialEq)]
enum Escape {
    #[default]
    None,
    /// Behind ESC.
    Begun,
    /// Behind ESC `[`, with the parameters so far.
    Control(String),
    /// Behind ESC `]` and the like: up to BEL or ESC `\`.
    Text,
    /// One more character belongs to it.
    One,
}

/// A step through text with control functions in it.
enum Piece {
    Letter(char),
    /// Parameters and final byte of a control sequence.
    Control(String, char),
    Nothing,
}

impl Escape {
    fn next(&mut self, letter: char) -> Piece {
        match std::mem::take(self) {
            Escape::None if letter == '\u{1b}' => *self = Escape::Begun,
            Escape::None => return Piece::Letter(letter),
            Escape::Begun => match letter {
                '[' => *self = Escape::Control(String::new()),
                ']' | 'P' | '^' | '_' | 'X' => *self = Escape::Text,
                '(' | ')' | '#' | '%' | '*' | '+' => *self = Escape::One,
                // SS3, as keys of applications are sent: its letter is that of the control sequence.
                'O' => *self = Escape::Control("O".to_owned()),
                _ => {}
            },
            Escape::Control(mut parameters) => {
                if ('\u{40}'..='\u{7e}').contains(&letter) {
                    return Piece::Control(parameters, letter);
                }
                if parameters.len() < 64 {
                    parameters.push(letter);
                    *self = Escape::Control(parameters);
                }
            }
            Escape::Text => match letter {
                '\u{7}' => {}
                '\u{1b}' => *self = Escape::One,
                _ => *self = Escape::Text,
            },
            Escape::One => {}
        }
        Piece::Nothing
    }
}

/// The line of the cursor.
#[derive(Debug, Default)]
pub(super) struct Screen {
    line: Vec<char>,
    column: usize,
    /// Where the row of the cursor begins within the line: a long line takes several rows.
    row: usize,
    /// Columns of the terminal; 0 if unknown.
    pub(super) width: usize,
    escape: Escape,
}

impl Screen {
    /// What stands in the line of the cursor.
    pub(super) fn line(&self) -> String {
        self.line.iter().collect()
    }

    /// Writes a text; lines that are left by a line break go to `left`.
    pub(super) fn write(&mut self, text: &str, left: &mut dyn FnMut(String)) {
        for letter in text.chars() {
            match self.escape.next(letter) {
                Piece::Letter('\n') => {
                    left(self.line());
                    self.clear();
                }
                Piece::Letter('\r') => self.column = self.row,
                Piece::Letter('\u{8}') => self.column = self.column.saturating_sub(1),
                Piece::Letter('\t') => self.put(' '),
                Piece::Letter(letter) if letter.is_control() => {}
                Piece::Letter(letter) => self.put(letter),
                Piece::Control(parameters, letter) => self.control(&parameters, letter),
                Piece::Nothing => {}
            }
        }
    }

    fn clear(&mut self) {
        self.line.clear();
        self.column = 0;
        self.row = 0;
    }

    fn put(&mut self, letter: char) {
        if self.width > 0 && self.column >= self.row + self.width {
            self.row = self.column;
        }
        if self.column >= LONGEST {
            return;
        }
        while self.line.len() < self.column {
            self.line.push(' ');
        }
        match self.line.get_mut(self.column) {
            Some(there) => *there = letter,
            None => self.line.push(letter),
        }
        self.column += 1;
    }

    fn control(&mut self, parameters: &str, letter: char) {
        let count = parameters.split(';').next().unwrap_or_default().parse::<usize>();
        let times = count.clone().unwrap_or(1).clamp(1, 4096);
        match letter {
            'K' | 'J' => match count.unwrap_or(0) {
                0 => self.line.truncate(self.column),
                1 => self.line.iter_mut().take(self.column).for_each(|letter| *letter = ' '),
                _ => self.line.clear(),
            },
            'C' => self.column = (self.column + times).min(LONGEST),
            'D' => self.column = self.column.saturating_sub(times),
            'G' => self.column = (self.row + times - 1).min(LONGEST),
            // Elsewhere on the screen: another line.
            'H' | 'f' | 'A' | 'B' | 'd' => self.clear(),
            'P' if self.column < self.line.len() => {
                let end = (self.column + times).min(self.line.len());
                self.line.drain(self.column..end);
            }
            '@' if self.column < self.line.len() && self.line.len() < LONGEST => {
                let blanks = vec![' '; times];
                self.line.splice(self.column..self.column, blanks);
            }
            _ => {}
        }
    }
}

/// What a key or a run of keys amounts to.
#[derive(Debug, PartialEq)]
pub(super) enum Entered {
    /// A line was sent off.
    Line(Typed),
    /// A key that acts by itself: ^C, ^D, ^Z.
    Key(&'static str),
}

/// The keys of a line.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Typed {
    pub(super) text: String,
    /// In how many pieces they came.
    pub(super) pieces: usize,
    /// The line was edited, completed or fetched from the history: the keys are not its text.
    pub(super) edited: bool,
}

/// Keys as they come.
#[derive(Debug, Default)]
pub(super) struct Keys {
    pub(super) line: Typed,
    escape: Escape,
    /// Within a bracketed paste.
    pasting: bool,
}

impl Keys {
    /// Whether nothing of a line was typed yet.
    pub(super) fn is_blank(&self) -> bool {
        self.line.pieces == 0
    }

    pub(super) fn press(&mut self, keys: &str, entered: &mut dyn FnMut(Entered)) {
        self.line.pieces += 1;
        let mut letters = keys.chars().peekable();
        while let Some(letter) = letters.next() {
            match self.escape.next(letter) {
                Piece::Letter('\r') if self.pasting => self.line.text.push('\n'),
                Piece::Letter('\n') if self.pasting || self.open() => self.line.text.push('\n'),
                Piece::Letter('\r' | '\n') => {
                    entered(Entered::Line(std::mem::take(&mut self.line)));
                    if letters.peek() == Some(&'\n') {
                        letters.next();
                    }
                    self.line.pieces = usize::from(letters.peek().is_some());
                }
                Piece::Letter('\u{7f}' | '\u{8}') => drop(self.line.text.pop()),
                Piece::Letter('\u{15}') => self.line.text.clear(),
                Piece::Letter('\u{17}') => {
                    let kept = self.line.text.trim_end().rfind(' ').map_or(0, |at| at + 1);
                    self.line.text.truncate(kept);
                }
                Piece::Letter('\u{3}') => self.key("^C", entered),
                Piece::Letter('\u{1a}') => self.key("^Z", entered),
                // At the end of a line that holds something it does nothing.
                Piece::Letter('\u{4}') if self.line.text.is_empty() => self.key("^D", entered),
                Piece::Letter('\t' | '\u{10}' | '\u{e}' | '\u{12}') => self.line.edited = true,
                Piece::Letter(letter) if letter.is_control() => self.line.edited = true,
                Piece::Letter(letter) if self.line.text.len() < LONGEST => self.line.text.push(letter),
                Piece::Control(parameters, '~') if parameters == "200" => self.pasting = true,
                Piece::Control(parameters, '~') if parameters == "201" => self.pasting = false,
                // Reports of the terminal are no keys.
                Piece::Control(_, 'R' | 'c' | 'I' | 'O' | 'n' | 't' | 'y') => {}
                Piece::Control(..) => self.line.edited = true,
                Piece::Letter(_) | Piece::Nothing => {}
            }
        }
    }

    fn key(&mut self, name: &'static str, entered: &mut dyn FnMut(Entered)) {
        self.line = Typed::default();
        entered(Entered::Key(name));
    }

    /// A quote is open: the shell waits for more of the line.
    fn open(&self) -> bool {
        super::super::shell::words(&self.line.text).is_none()
    }
}

/// Splits a line into the prompt of a shell and what stands behind it. `None` if it begins with no prompt that is known:
/// `user@host:dir$`, `[user@host dir]#`, `bash-5.2$`, `/dir #`, `$`.
pub(super) fn prompt(line: &str) -> Option<(&str, &str)> {
    for (at, mark) in line.char_indices().filter(|(_, letter)| matches!(letter, '$' | '#' | '%' | '❯')).take(4) {
        let (head, behind) = (line.get(..at)?, line.get(at + mark.len_utf8()..)?);
        if !behind.is_empty() && !behind.starts_with(' ') {
            continue;
        }
        let name = head.trim();
        // `(venv) ` stands in front of it.
        let name = name.strip_prefix('(').and_then(|rest| rest.split_once(") ")).map_or(name, |(_, rest)| rest);
        let bare = name.trim_start_matches('[');
        let user = bare.split_once('@').is_some_and(|(user, host)| {
            !user.is_empty() && !user.contains(char::is_whitespace) && host.starts_with(char::is_alphanumeric)
        });
        let shell = ["bash-", "sh-", "zsh-", "dash-"].iter().any(|shell| name.starts_with(shell))
            && !name.contains(char::is_whitespace);
        let directory = name.starts_with(['/', '~']) && !name.contains(char::is_whitespace);
        let alone = head.is_empty() && mark == '$';
        if head.len() <= 200 && (user || shell || directory || alone) {
            return Some((line.get(..at + mark.len_utf8())?, behind.trim()));
        }
    }
    None
}

/// The name of the host in a prompt with `user@host`.
pub(super) fn host(prompt: &str) -> Option<&str> {
    let (_, behind) = prompt.split_once('@')?;
    let end = behind.find(|letter: char| !letter.is_alphanumeric() && !matches!(letter, '-' | '.' | '_'))?;
    behind.get(..end).filter(|host| !host.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(width: usize, text: &str) -> (Vec<String>, String) {
        let mut screen = Screen { width, ..Screen::default() };
        let mut left = Vec::new();
        screen.write(text, &mut |line| left.push(line));
        (left, screen.line())
    }

    #[test]
    fn a_line_as_it_is_shown() {
        for (text, shown) in [
            ("\u{1b}[?2004hroot@a:/# lz\u{8}s", "root@a:/# ls"),
            ("10%\r100%", "100%"),
            ("abc\u{8}\u{8}\u{1b}[K", "a"),
            ("abc\u{1b}[2D\u{1b}[1P", "ac"),
            ("\u{1b}]0;title\u{7}$ \u{1b}(Bx", "$ x"),
            ("ac\u{8}\u{1b}[1@b", "abc"),
        ] {
            assert_eq!(lines(0, text).1, shown, "{text:?}");
        }
        // Readline wraps at the margin with a blank and a carriage return.
        assert_eq!(lines(4, "abcd \refg").1, "abcdefg");
        assert_eq!(lines(0, "a\r\nb").0, ["a"]);
    }

    #[test]
    fn keys_make_lines() {
        let mut keys = Keys::default();
        let mut found = Vec::new();
        for pressed in ["l", "z", "\u{7f}", "s", "\r", "echo 'a\nb'\r", "\u{3}", "x", "\u{1b}[A", "\r", "\u{4}"] {
            keys.press(pressed, &mut |entered| found.push(entered));
        }
        let line = |text: &str, pieces, edited| Entered::Line(Typed { text: text.into(), pieces, edited });
        assert_eq!(
            found,
            [
                line("ls", 5, false),
                line("echo 'a\nb'", 1, false),
                Entered::Key("^C"),
                line("x", 3, true),
                Entered::Key("^D")
            ]
        );
    }

    #[test]
    fn prompts() {
        for (line, expected) in [
            ("root@9ca37f13ea00:/app# ls -l", Some(("root@9ca37f13ea00:/app#", "ls -l"))),
            ("[me@host dir]$ id", Some(("[me@host dir]$", "id"))),
            ("(venv) me@host:~$ ", Some(("(venv) me@host:~$", ""))),
            ("bash-5.2$ echo $HOME # x", Some(("bash-5.2$", "echo $HOME # x"))),
            ("/app # ls", Some(("/app #", "ls"))),
            ("$ ls", Some(("$", "ls"))),
            ("# a comment", None),
            ("100% done", None),
            ("mail me@host.example costs 5 $ or more", None),
            ("", None),
        ] {
            assert_eq!(prompt(line), expected, "{line}");
        }
        assert_eq!(host("root@9ca37f13ea00:/app#"), Some("9ca37f13ea00"));
        assert_eq!(host("bash-5.2$"), None);
    }
}
