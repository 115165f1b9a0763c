//! Evidence in: every file through its reader into conversations, facts, GPU series and episodes.
