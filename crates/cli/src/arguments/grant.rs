//! What a new token allows, for every command that makes one.

use clap::Args;
use tagpost_client::{Grant as Request, Pattern};

use super::time::within;

/// The permissions of a token.
#[derive(Debug, Args)]
pub(crate) struct Grant {
    /// Where it may publish to: hall, hall*, @device, @*; repeatable [default: everywhere]
    #[arg(long, value_name = "PATTERN", value_delimiter = ',', value_parser = pattern)]
    pub(crate) publish: Vec<Pattern>,
    /// The token may not publish
    #[arg(long, conflicts_with = "publish")]
    pub(crate) no_publish: bool,
    /// The tags that the device may join and leave by itself: hall, hall*; repeatable [default: none]
    #[arg(long, value_name = "PATTERN", value_delimiter = ',', value_parser = tag_pattern)]
    pub(crate) tags: Vec<Pattern>,
    /// The device may set a webhook for itself
    #[arg(long)]
    pub(crate) webhook: bool,
    /// How long the token is valid [default: until it is revoked]
    #[arg(long, value_name = "TIME", value_parser = within(1..=u32::MAX, "49710d, and not 0"))]
    pub(crate) expires_in: Option<u32>,
}

impl Grant {
    /// What the service is asked for.
    pub(crate) fn request(&self) -> Request {
        Request {
            publish: self.patterns(),
            tags: self.tags.clone(),
            webhook: self.webhook,
            expires_in: self.expires_in,
        }
    }

    /// Where the token may publish to; `None` for everywhere.
    pub(crate) fn patterns(&self) -> Option<Vec<Pattern>> {
        (self.no_publish || !self.publish.is_empty()).then(|| self.publish.clone())
    }
}

fn pattern(text: &str) -> Result<Pattern, String> {
    Pattern::try_from(text.to_owned()).map_err(|error| error.to_string())
}

fn tag_pattern(text: &str) -> Result<Pattern, String> {
    let patterns = Pattern::of_tags(vec![pattern(text)?]).map_err(|error| error.to_string())?;
    patterns
        .into_iter()
        .next()
        .ok_or_else(|| "a pattern is missing".to_owned())
}
