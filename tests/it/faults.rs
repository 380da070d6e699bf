//! What the host is told when the server does something wrong, and that the bridge goes on.

mod broken;
mod raw;
mod redirects;
mod refusals;
mod row;
mod table;
