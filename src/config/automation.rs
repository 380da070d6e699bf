//! What stands in for a person: tokens and refresh tokens from variables and commands.

use super::given::{Given, Lookup};
use super::{BearerSource, Surroundings};
use crate::cli::{BearerOptions, SeedOptions, ServerArgs, UsageError};
use crate::oauth::dpop;
use crate::oauth::flow::Seed;
use crate::secret::Secret;
use crate::secret_command::{SecretCommand, is_token};

/// The variable that holds a refresh token, unless an option names another.
pub(super) const REFRESH_TOKEN: &str = "MCP_DRAWBRIDGE_REFRESH_TOKEN";

/// `--bearer-env` and `--bearer-command`: the source, and how messages call what was configured.
pub(super) fn bearer(
    options: &BearerOptions,
    lookup: &Lookup<'_>,
    around: &Surroundings<'_>,
) -> Result<Option<(BearerSource, String)>, UsageError> {
    let variable = lookup.text("bearer-env", &options.bearer_env);
    let command = lookup.text("bearer-command", &options.bearer_command);
    match (variable, command) {
        (None, None) => Ok(None),
        (Some(variable), Some(command)) => Err(UsageError::new(format!(
            "{} and {} exclude each other",
            variable.origin, command.origin
        ))
        .with_hint("leave out one of them")),
        (Some(given), None) => {
            let (name, token) = variable_of(&given, around)?;
            Ok(Some((BearerSource::Variable { name, token }, given.origin)))
        }
        (None, Some(given)) => {
            let command = SecretCommand::parse(&given.text)
                .map_err(|error| UsageError::new(format!("{} {error}", given.origin)))?;
            Ok(Some((BearerSource::Command(command), given.origin)))
        }
    }
}

/// How messages call the token of the user's own that is sent in place of signing in, if there is
/// one. Whether it can be had is not asked.
pub(super) fn own_token(args: &ServerArgs, lookup: &Lookup<'_>) -> Option<String> {
    let is_token = |given: &Given| {
        let name = given.text.split_once(':').map_or("", |(name, _)| name);
        name.trim().eq_ignore_ascii_case("authorization")
    };
    let bearer = &args.bearer;
    let source = lookup
        .text("bearer-env", &bearer.bearer_env)
        .or_else(|| lookup.text("bearer-command", &bearer.bearer_command));
    let headers = lookup.lists("header", &args.traffic.header);
    let mut headers = headers.into_iter().flatten();
    source
        .map(|given| given.origin)
        .or_else(|| headers.find(is_token).map(|given| given.origin))
}

/// `--refresh-token-env`, the variable that stands for it, or the member of the configuration file.
pub(super) fn seed(
    options: &SeedOptions,
    lookup: &Lookup<'_>,
    around: &Surroundings<'_>,
) -> Result<Option<Seed>, UsageError> {
    if let Some(given) = lookup.text("refresh-token-env", &options.refresh_token_env) {
        let (name, refresh_token) = variable_of(&given, around)?;
        let origin = format!("the variable `{name}`");
        return Ok(Some(Seed {
            refresh_token,
            origin,
        }));
    }
    let (text, origin) = match default_variable(around) {
        Some(text) => (text.clone(), format!("the variable `{REFRESH_TOKEN}`")),
        None => match lookup.only_filed("refresh-token") {
            Some(given) => (given.text, given.origin),
            None => return Ok(None),
        },
    };
    let refresh_token = token(&text, &origin)?;
    Ok(Some(Seed {
        refresh_token,
        origin,
    }))
}

/// What tells the sign-in that begins with a configured refresh token from that of a person, and
/// from those that begin with one of another place: the place, not the token. Whoever stores the
/// successor of a token puts it into the same place, and a new one in the place of a dead one is for
/// the same sign-in. `None` if none is configured.
pub(super) fn seed_place(
    options: &SeedOptions,
    lookup: &Lookup<'_>,
    around: &Surroundings<'_>,
) -> Option<String> {
    let named = lookup.text("refresh-token-env", &options.refresh_token_env);
    let variable = named.map(|given| given.text.trim().to_owned());
    let variable = variable.or_else(|| default_variable(around).map(|_| REFRESH_TOKEN.to_owned()));
    // The configuration file is one place.
    variable.or_else(|| lookup.only_filed("refresh-token").map(|_| String::new()))
}

fn default_variable<'a>(around: &Surroundings<'a>) -> Option<&'a String> {
    let text = around.env.get(REFRESH_TOKEN);
    text.filter(|text| !text.trim().is_empty())
}

/// `--dpop`, which has nothing to bind where the ID token is sent.
pub(super) fn dpop(args: &ServerArgs, lookup: &Lookup<'_>) -> Result<dpop::Mode, UsageError> {
    let Some(given) = lookup.text("dpop", &args.dpop.dpop) else {
        return Ok(dpop::Mode::default());
    };
    let mode = given.dpop()?;
    let id_token = lookup.switched_on("use-id-token", args.which.seed.use_id_token)?;
    match (mode, id_token) {
        (dpop::Mode::Always, Some(id_token)) => Err(UsageError::new(format!(
            "{id_token} and `always` in {} exclude each other: an ID token is bound to no key",
            given.origin
        ))
        .with_hint("leave out one of them")),
        _ => Ok(mode),
    }
}

/// The variable that an option names, and the token in it.
fn variable_of(given: &Given, around: &Surroundings<'_>) -> Result<(String, Secret), UsageError> {
    let name = given.variable_name()?;
    let text = around.env.get(name).map(String::as_str).unwrap_or_default();
    if text.trim().is_empty() {
        return Err(UsageError::new(format!(
            "{} names the variable `{}`, which is not set",
            given.origin,
            given.shown_variable()
        ))
        .with_hint(
            "set it in the environment, such as by the `env` of the AI client's configuration",
        ));
    }
    let token = token(text, &format!("the variable `{name}`"))?;
    Ok((name.to_owned(), token))
}

fn token(text: &str, origin: &str) -> Result<Secret, UsageError> {
    let text = text.trim();
    match is_token(text) {
        true => Ok(Secret::new(text)),
        false => Err(UsageError::new(format!(
            "{origin} holds no token: it has blanks or characters that no token has"
        ))
        .with_hint("it must be the token alone, without `Bearer`")),
    }
}
