#[derive(Default, Debug)]
pub struct Challenge;
impl Challenge {
    pub fn parse(_: &[String]) -> Option<Self> {
        None
    }
    pub fn is_insufficient_scope(&self) -> bool {
        false
    }
}
