//! Which boots the records of a file count from whose times are seconds since boot: a look through it ahead of its reader,
//! since lines are read in parallel and in any order.

use std::sync::Arc;

use super::{Probed, years};
use crate::evidence::EvidenceFile;
use crate::formats::firewall::syslog::{Stamp, peel};
use crate::time::{BootScan, TimeContext};

/// The context with the boots by the order of records, if the file counts from more than one.
pub(super) fn in_order(file: &EvidenceFile, probed: &Probed, time: TimeContext) -> TimeContext {
    if !probed.since_boot {
        return time;
    }
    let mut scan = BootScan::default();
    // A failure to read comes again, and is reported, when the file is read.
    let _ = years::each_line(file, &mut |line, number| {
        if let Some(Stamp::SinceBoot { ns, .. }) = peel(line).stamp {
            scan.see(number, ns);
        }
    });
    TimeContext { boots: scan.finish().map(Arc::new), ..time }
}

#[cfg(test)]
mod tests;
