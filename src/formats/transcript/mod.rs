//! Agent transcripts: who decided what, when, and what came back.
