//! How much flows, how fast, and how it ends.

mod back_pressure;
mod cycles;
mod host;
mod kinds;
mod leaving;
mod parent;
mod pipe;
mod server;
mod size;

/// A number from the environment that says how much a test does: little by default, all of it
/// where the whole repository is checked.
fn amount(variable: &str, default: usize) -> usize {
    match std::env::var(variable) {
        Ok(given) => given
            .parse()
            .unwrap_or_else(|_| panic!("`{variable}` must be a number, not `{given}`")),
        Err(_) => default,
    }
}
