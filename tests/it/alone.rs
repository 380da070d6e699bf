//! Without a home directory, and without a person.

mod bearer;
mod folder;
mod seeded;
