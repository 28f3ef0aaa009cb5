//! Messages published over a socket, on the way from their frame to their addresses.
//!
//! They are accepted in the order of their frames, although finding the devices of a tag takes time:
//! while one query is under way the next frames gather, and one more query serves them all.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

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
                let devices = match &found {
                    Ok(found) => Ok(addresses(&frame.to, found)),
                    Err(problem) => Err(problem.clone()),
                };
                self.event(|mailbox, now| mailbox.publish_frame(frame, devices, now))?;
            }
        }
    }

    async fn look_up(
        &self,
        frames: &[PublishFrame],
    ) -> Result<BTreeMap<Tag, Vec<DeviceId>>, Problem> {
        let tags = frames.iter().filter_map(|frame| match &frame.to {
            Target::Tag(tag) => Some(tag.clone()),
            Target::Device(_) => None,
        });
        let tags: Vec<Tag> = tags.collect::<BTreeSet<_>>().into_iter().collect();
        if tags.is_empty() {
            return Ok(BTreeMap::new());
        }
        let found = async {
            let limit = Config::from_env(&self.env)?
                .limits
                .max_fanout
                .saturating_add(1);
            let db = directory::database(&self.env);
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

fn addresses(to: &Target, found: &BTreeMap<Tag, Vec<DeviceId>>) -> Vec<DeviceId> {
    match to {
        Target::Device(device) => vec![device.clone()],
        Target::Tag(tag) => found.get(tag).cloned().unwrap_or_default(),
    }
}
