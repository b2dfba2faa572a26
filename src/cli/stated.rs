//! What two people state, as several commands take it.

/// Why, and who says so.
#[derive(Debug, clap::Args)]
pub struct Stated {
    #[arg(long, value_name = "WORDS")]
    pub because: String,
    #[arg(long, value_name = "WHO")]
    pub by: String,
    #[arg(long, value_name = "WHO")]
    pub witness: String,
}
