//! An event of an object, as the Worker's `src/mailbox.rs` and `src/entry.js` handle it.
//!
//! What an event wrote is committed with its alarm before any of its other effects happen. One that fails
//! ends the object. A mailbox is opened before its first event, so that the alarm which that sets stays if
//! the event fails; only the event of an alarm opens it by itself.

use tagpost_core::mailbox::{Effect, Mailbox};
use tagpost_core::protocol::CODECS;
use tagpost_core::store::StoreError;
use tagpost_core::time::Now;

use super::bounds::{Work, measured};
use super::object::{Core, Object};
use super::{World, said};
use crate::claims::{Checked, broken, claim};
use crate::plan::Moment;

/// After one event in this many, memory is compared with the rows. It takes as long as an event, and what
/// has come apart stays so.
const ROWS_CHECKED: u64 = 16;

impl World<'_> {
    /// Lets the mailbox handle an event and performs what comes of it. `None` if it crashed.
    pub(super) fn event<T>(
        &mut self,
        object: usize,
        handle: impl FnOnce(&mut Core, Now) -> Result<T, StoreError>,
    ) -> Checked<Option<T>> {
        let Some((outcome, effects)) = self.handle(object, handle)? else {
            return Ok(None);
        };
        self.perform(object, effects)?;
        Ok(Some(outcome))
    }

    /// Lets the mailbox handle an event, and commits what it wrote. `None` if it crashed.
    pub(super) fn handle<T>(
        &mut self,
        object: usize,
        handle: impl FnOnce(&mut Core, Now) -> Result<T, StoreError>,
    ) -> Checked<Option<(T, Vec<Effect>)>> {
        self.touched = Some(object);
        if self.plan.sleeps {
            self.evict(object);
        }
        self.objects[object].busy_at = self.now;
        if !self.can_open(object) {
            self.fails(object, |name| format!("{name} cannot be opened"));
            return Ok(None);
        }
        let asleep = self.objects[object].mailbox.is_none();
        if asleep && !self.objects[object].ringing {
            let Some(((), effects)) = self.transact(object, false, |_, _| Ok(()))? else {
                return Ok(None);
            };
            self.perform(object, effects)?;
        }
        let heard = std::mem::take(&mut self.objects[object].heard);
        let taking = |mailbox: &mut Core, now| mailbox.with_batched_frames(&heard, now, handle);
        let Some((outcome, effects)) = self.transact(object, true, taking)? else {
            return Ok(None);
        };
        if let Some(Moment::Committed(left)) = self.objects[object].doom.take() {
            let effects = effects.into_iter().filter(|effect| !sets_alarm(effect));
            self.perform(object, effects.take(left as usize).collect())?;
            self.fails(object, |name| {
                format!("{name} fails when this is committed")
            });
            return Ok(None);
        }
        let answered = heard
            .iter()
            .filter_map(|(connection, frame)| Some((*connection, said::answered(frame.text()?)?)));
        self.objects[object].answered.extend(answered);
        Ok(Some((outcome, effects)))
    }

    /// Does something with the mailbox, which is opened for it if it is not open, and commits that with its
    /// alarm. `None` if it crashed; in the `last` transaction of an event that is to crash it does.
    fn transact<T>(
        &mut self,
        object: usize,
        last: bool,
        handle: impl FnOnce(&mut Core, Now) -> Result<T, StoreError>,
    ) -> Checked<Option<(T, Vec<Effect>)>> {
        let attachments = self.attachments(object);
        // Which connection is alive is not known before the mailbox is open.
        let unopened = Now {
            pong_at: None,
            ..self.clock(object)
        };
        let full = self.now < self.objects[object].full_until;
        let within = match self.objects[object].doom {
            Some(Moment::Within(statements)) => Some(statements),
            _ => None,
        };
        let store = self.objects[object].store.clone();
        store.fail_after(within);
        store.refuse_writes(full);
        let mut work = Work::default();
        let attempt = || -> Result<(T, Vec<Effect>), StoreError> {
            store.begin()?;
            let host = &mut self.objects[object];
            if host.mailbox.is_none() {
                let (store, limits) = (host.store.clone(), self.plan.limits.clone());
                let (opened, opening) = measured(&host.store, || {
                    Mailbox::open(store, limits, CODECS, &attachments, host.alarm, unopened)
                });
                work.opening = Some(opening);
                host.mailbox = Some(opened?);
            }
            let now = self.clock(object);
            let host = &mut self.objects[object];
            let Object { mailbox, store, .. } = host;
            let mailbox = mailbox.as_mut().ok_or(StoreError("not open".to_owned()))?;
            let (done, event) = measured(store, || {
                let outcome = handle(mailbox, now)?;
                Ok((outcome, mailbox.take_effects()))
            });
            work.event = event;
            done
        };
        let outcome = attempt();
        let (failed, left) = (store.failed(), store.lasts());
        store.fail_after(None);
        store.refuse_writes(false);
        if let Some(statements) = within.filter(|_| last || failed) {
            store.roll_back().map_err(broken)?;
            self.objects[object].doom = None;
            self.fails(object, |name| {
                format!("{name} fails at statement {statements} of this")
            });
            claim(
                "an event fails if its store does",
                !failed || outcome.is_err(),
                String::new,
            )?;
            return Ok(None);
        }
        match outcome {
            Err(_) if failed && full => {
                store.roll_back().map_err(broken)?;
                self.fails(object, |name| format!("the store of {name} refuses this"));
                Ok(None)
            }
            Err(error) => Err(broken(error)),
            Ok((outcome, effects)) => {
                claim("an event fails if its store does", !failed, String::new)?;
                store.commit().map_err(broken)?;
                work.is_bounded(object)?;
                let host = &mut self.objects[object];
                let checked = unopened.random.is_multiple_of(ROWS_CHECKED);
                if let Some(mailbox) = host.mailbox.as_mut().filter(|_| checked) {
                    mailbox.assert_rows().map_err(broken)?;
                }
                host.doom = left.map(Moment::Within).or(host.doom);
                let (life, now) = (host.life, unopened.at);
                for effect in &effects {
                    if let Effect::Alarm(at) = effect {
                        self.set_alarm(object, *at);
                    }
                }
                self.ledger.committed(object, &store, now, life)?;
                Ok(Some((outcome, effects)))
            }
        }
    }

    /// An event fails, and the object ends with it.
    fn fails(&mut self, object: usize, what: impl FnOnce(&str) -> String) {
        self.note(|names| what(names[object].as_str()));
        self.crash(object, false);
    }
}

fn sets_alarm(effect: &Effect) -> bool {
    matches!(effect, Effect::Alarm(_))
}
