//! What looks like a secret where others may read it.

use url::Url;

/// Parts of the names of headers whose values grant access.
const TELLING: [&str; 6] = ["auth", "cookie", "key", "password", "secret", "token"];

/// Whether the value of such a header grants access.
pub(super) fn is_telling(header: &str) -> bool {
    let header = header.to_ascii_lowercase();
    TELLING.iter().any(|part| header.contains(part))
}

/// Whether it stands there itself, and not by `${VAR}`.
pub(super) fn is_literal(text: &str) -> bool {
    !text.is_empty() && !text.contains("${")
}

/// Whether a header as the option `--header` takes it holds a secret.
pub(super) fn is_telling_line(line: &str) -> bool {
    let name = line.split_once(':').map(|(name, _)| name);
    name.is_some_and(is_telling) && is_literal(line)
}

/// Whether the value of an option, or of a member of the configuration file, holds a secret.
pub(super) fn holds_secret(name: &str, text: &str) -> bool {
    if !is_literal(text) {
        return false;
    }
    let name = name.replace('-', "_");
    // A client may stand in one text as it does on a command line.
    let is_client = name == "static_oauth_client_info" && !text.starts_with('@');
    let is_client = is_client && text.contains("client_secret");
    let has_password = || Url::parse(text).is_ok_and(|url| url.password().is_some());
    let is_secret = matches!(
        &*name,
        "client_secret" | "initial_access_token" | "idp_client_secret" | "refresh_token"
    );
    is_secret || is_client || (text.contains('@') && has_password())
}
