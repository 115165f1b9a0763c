use super::Seen;
pub fn judge(_m: &crate::model::Mining) -> Option<Seen> {
    None
}
