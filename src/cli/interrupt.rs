//! SIGINT and SIGTERM. While evidence is read, the first of them ends the reading, and what was read is analysed and called
//! partial. Later, or the second time, the program ends at once and takes files that are half written with it.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, Once, PoisonError};

use coincident::evidence::Watch;

use super::output::Voice;

/// The exit code of a program that a signal ended (128 and the number of SIGINT, as shells have it).
const ENDED: i32 = 130;

/// A signal came.
static ASKED: AtomicBool = AtomicBool::new(false);
/// The reading that is under way.
static READING: Mutex<Option<Watch>> = Mutex::new(None);
/// Files that have no name of their own yet.
static UNFINISHED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// Runs a reading that signals can end.
pub(crate) fn ends_reading<T>(watch: &Watch, voice: Voice, read: impl FnOnce() -> T) -> T {
    listen(voice);
    *READING.lock().unwrap_or_else(PoisonError::into_inner) = Some(watch.clone());
    let outcome = read();
    *READING.lock().unwrap_or_else(PoisonError::into_inner) = None;
    outcome
}

/// Whether a signal ended a reading: what has not begun is not to begin.
pub(crate) fn is_asked_for() -> bool {
    ASKED.load(Ordering::Relaxed)
}

/// A file to be removed if the program is ended before [`finished`].
pub(crate) fn unfinished(path: &Path) {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner).push(path.to_path_buf());
}

/// It has its name now, or is gone.
pub(crate) fn finished(path: &Path) {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner).retain(|other| other != path);
}

fn listen(voice: Voice) {
    static LISTENING: Once = Once::new();
    LISTENING.call_once(|| {
        // Without a handler the signal ends the program, which is right as well.
        let _ = ctrlc::set_handler(move || {
            ASKED.store(true, Ordering::Relaxed);
            let reading = READING.lock().unwrap_or_else(PoisonError::into_inner).clone();
            match reading {
                Some(watch) if !watch.stop.swap(true, Ordering::Relaxed) => {
                    voice.insist("stopping: what was read so far is analysed; once more ends at once");
                }
                _ => leave(),
            }
        });
    });
}

#[allow(clippy::exit, reason = "a signal asks for it, and no destructor is waited for")]
fn leave() {
    for path in UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        let _ = std::fs::remove_file(path);
    }
    std::process::exit(ENDED);
}
