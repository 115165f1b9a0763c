//! How far reading is, on stderr, where a person watches.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How often it is drawn anew.
const EVERY: Duration = Duration::from_millis(150);

/// Runs `work`, and meanwhile draws how many of `all` bytes `read` counts, how fast, and how long the rest will take.
pub(crate) fn watched<T>(read: &Arc<AtomicU64>, all: u64, work: impl FnOnce() -> T) -> T {
    let bar = ProgressBar::with_draw_target(Some(all), ProgressDrawTarget::stderr());
    let template = "reading {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left {wide_bar}";
    bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let drawing = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                // What is read twice, to look through it first, is counted once.
                bar.set_position(read.load(Ordering::Relaxed).min(all));
                std::thread::park_timeout(EVERY);
            }
        });
        // Told even if the work panics: the scope waits for its threads.
        let told = Told(&done, drawing.thread());
        let outcome = work();
        drop(told);
        bar.finish_and_clear();
        outcome
    })
}

struct Told<'a>(&'a AtomicBool, &'a std::thread::Thread);

impl Drop for Told<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
        self.1.unpark();
    }
}
