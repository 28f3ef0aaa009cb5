//! Messages published over a socket, on the way from their frame to their addresses.
//!
//! They are accepted in the order of their frames, although finding the devices of a tag takes time:
//! while one query is under way the next frames gather, and one more query serves them all. How many may
//! gather, and which of them are void by then, the mailbox decides.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use litemap::LiteMap;
use tagpost_core::id::{DeviceId, Tag};
use tagpost_core::mailbox::PublishFrame;
use tagpost_core::message::Target;
use tagpost_core::problem::{Code, Problem};

use super::Object;
use crate::config::Config;
use crate::directory;
use crate::respond::Error;

/// Frames that wait for their addresses.
#[derive(Default)]
pub(super) struct Lane {
    frames: RefCell<Vec<PublishFrame>>,
    moving: Cell<bool>,
}

impl Object {
    /// Puts a frame into the lane.
    pub(super) fn resolve(self: &Rc<Self>, frame: PublishFrame) {
        self.lane.frames.borrow_mut().push(frame);
        if !self.lane.moving.replace(true) {
            let object = Rc::clone(self);
            self.spawn(async move { object.move_lane().await });
        }
    }

    async fn move_lane(self: &Rc<Self>) -> worker::Result<()> {
        loop {
            let frames = self.lane.frames.take();
            if frames.is_empty() {
                self.lane.moving.set(false);
                return Ok(());
            }
            let found = self.look_up(&frames).await;
            for frame in frames {
                let devices = addresses(&frame.to, &found);
                self.event(|mailbox, now| mailbox.publish_frame(frame, devices, now))?;
            }
        }
    }

    async fn look_up(
        &self,
        frames: &[PublishFrame],
    ) -> Result<LiteMap<Tag, Vec<DeviceId>>, Problem> {
        let mut tags: Vec<Tag> = Vec::new();
        for frame in frames {
            match &frame.to {
                Target::Tag(tag) if !tags.contains(tag) => tags.push(tag.clone()),
                _ => {}
            }
        }
        if tags.is_empty() {
            return Ok(LiteMap::new());
        }
        let found = async {
            let limit = Config::from_env(&self.env)?
                .limits
                .max_fanout
                .saturating_add(1);
            let db = directory::database(&self.env)?;
            Ok::<_, Error>(directory::resolve_many(&db, &tags, limit).await?)
        };
        found.await.map_err(|error| {
            error.log();
            Problem::new(
                Code::Unavailable,
                "the tag could not be looked up; nothing was accepted",
            )
        })
    }
}

/// The devices that `to` leads to. One device needs no directory, so it is found also where that failed.
fn addresses(
    to: &Target,
    found: &Result<LiteMap<Tag, Vec<DeviceId>>, Problem>,
) -> Result<Vec<DeviceId>, Problem> {
    match (to, found) {
        (Target::Device(device), _) => Ok(vec![device.clone()]),
        (Target::Tag(tag), Ok(found)) => Ok(found.get(tag).cloned().unwrap_or_default()),
        (Target::Tag(_), Err(problem)) => Err(problem.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_fails_stops_messages_to_tags_and_no_others() {
        let failed = Err(Problem::new(Code::Unavailable, "down"));
        let device: DeviceId = "cam".parse().unwrap();
        let to_device = addresses(&Target::Device(device.clone()), &failed);
        assert_eq!(to_device.unwrap(), [device]);
        let to_tag = addresses(&Target::Tag("kitchen".parse().unwrap()), &failed);
        assert_eq!(to_tag.unwrap_err().code, Code::Unavailable);
    }
}
