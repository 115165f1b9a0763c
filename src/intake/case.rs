/// What the responder knows (`case.toml`). Everything works without it.
#[derive(Clone, Debug, Default)]
pub struct CaseFile {}
