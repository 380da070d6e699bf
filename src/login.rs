use crate::{mcp::failure::*, oauth::challenge::Challenge, secret::Secret};
#[derive(Clone, Debug)]
pub struct Login;
#[derive(Debug)]
pub struct LoginError;
impl std::fmt::Display for LoginError {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Ok(())
    }
}
impl LoginError {
    pub fn failure(&self) -> Failure {
        Failure::new(Stage::Auth, false, "x")
    }
}
impl Login {
    pub async fn bearer(&self) -> Result<Option<Secret>, LoginError> {
        Ok(None)
    }
    pub async fn challenged(&self, _: Option<Secret>, _: Challenge) -> Result<Secret, LoginError> {
        Err(LoginError)
    }
    pub async fn insufficient_scope(&self, _: Secret, _: Challenge) -> Result<Secret, LoginError> {
        Err(LoginError)
    }
}
