//! Admission: tokens, connections, closes and their reasons.

use tagpost_core::mailbox::ConnectionId;
use tagpost_core::time::Millis;
use tagpost_core::token::{Claims, TokenId};

use super::{Checked, Ledger, claim};

/// A connection.
#[derive(Debug, Default)]
pub(super) struct Link {
    device: usize,
    bad_frames: u32,
    revocations: u32,
    /// The id of the token with which it was opened, if that has one.
    token: Option<TokenId>,
    /// The window that its device asked for, if it did.
    window: Option<u32>,
    /// By the mailbox's clock.
    pub(super) opened_at: Millis,
    /// When it ended, by the same clock.
    pub(super) over_at: Option<Millis>,
    /// Since when its device sleeps, if it does, and when it slept, by the same clock.
    asleep_from: Option<Millis>,
    slept: Vec<(Millis, Millis)>,
}

impl Link {
    /// Whether its mailbox may have taken it for alive at some time between these, with clocks that are off by so much:
    /// the device was awake, or not asleep for long.
    pub(super) fn may_count_as_alive(
        &self,
        from: Millis,
        until: Millis,
        longest: Millis,
        off: Millis,
    ) -> bool {
        let dead = |(began, ended): &(Millis, Millis)| {
            began + longest + off < from && until + off < *ended
        };
        !self.slept.iter().any(dead)
    }
}

impl Ledger {
    /// Whether a device of this place is known.
    pub(crate) fn is_bound(&self, device: usize) -> bool {
        self.tables[device]
            .account
            .is_some_and(|account| account.created_at > 0)
    }

    /// How often the tokens of a device were revoked.
    pub(crate) fn revocations(&self, device: usize) -> u32 {
        self.tables[device]
            .account
            .map_or(0, |account| account.revocations)
    }

    /// A credential was judged, at this time of the mailbox's clock.
    pub(crate) fn admitted(
        &self,
        device: usize,
        claims: &Claims,
        now: Millis,
        admitted: bool,
    ) -> Checked {
        claim(
            "a token is valid until it is revoked or expires, and no longer",
            self.token_holds(device, claims, now)
                .is_none_or(|holds| holds == admitted),
            || format!("{claims:?}"),
        )
    }

    /// A call with this token is answered with data.
    pub(crate) fn answering(&self, device: usize, claims: &Claims, now: Millis) -> Checked {
        claim(
            "a token is valid when the answer is given",
            self.token_holds(device, claims, now) != Some(false),
            || format!("{claims:?} at {now}"),
        )
    }

    /// Whether a token holds; `None` where nothing is known of its device.
    fn token_holds(&self, device: usize, claims: &Claims, now: Millis) -> Option<bool> {
        let account = self.tables[device].account?;
        if self.is_revoked_alone(device, claims.id.as_ref()) {
            return Some(false);
        }
        let holds = match claims.revocations {
            Some(seen) => seen >= account.revocations,
            None => {
                account.revocations == 0 || claims.issued_at > account.revoked_at.div_euclid(1000)
            }
        };
        let over = claims.expires_at.is_some_and(|at| at * 1000 <= now);
        Some(holds && !over)
    }

    /// A connection is being opened, at this time of the mailbox's clock.
    pub(crate) fn connecting(
        &mut self,
        device: usize,
        connection: ConnectionId,
        token: Option<TokenId>,
        window: Option<u32>,
        now: Millis,
    ) {
        let revocations = self.revocations(device);
        self.links.insert(
            connection,
            Link {
                device,
                revocations,
                token,
                window,
                opened_at: now,
                ..Link::default()
            },
        );
    }

    /// How many messages may be in flight over a connection.
    pub(super) fn window(&self, connection: ConnectionId) -> usize {
        let link = self.links.get(&connection);
        let most = self.limits.max_in_flight;
        let window = link.and_then(|link| link.window).unwrap_or(most);
        window.min(most) as usize
    }

    /// The device of a connection falls asleep, at this time of the mailbox's clock.
    pub(crate) fn falls_silent(&mut self, connection: ConnectionId, now: Millis) {
        if let Some(link) = self.links.get_mut(&connection) {
            link.asleep_from = Some(now);
        }
    }

    /// The device of a connection has woken.
    pub(crate) fn shows_life(&mut self, connection: ConnectionId, now: Millis) {
        if let Some(link) = self.links.get_mut(&connection)
            && let Some(from) = link.asleep_from.take()
        {
            link.slept.push((from, now));
        }
    }

    /// A device sends a frame that is none.
    pub(crate) fn bad_frame(&mut self, connection: ConnectionId) {
        self.links.entry(connection).or_default().bad_frames += 1;
    }

    /// A mailbox closes a connection; `expired` is whether its token has.
    pub(crate) fn hung_up(
        &self,
        device: usize,
        connection: ConnectionId,
        code: u16,
        expired: bool,
    ) -> Checked {
        let newer = self.has_newer(device, connection);
        let Some(link) = self.links.get(&connection) else {
            return Ok(());
        };
        let holds = match code {
            4400 => link.bad_frames >= if self.is_agent(connection) { 1 } else { 10 },
            4401 => {
                expired
                    || self.revocations(device) > link.revocations
                    || self.is_revoked_alone(device, link.token.as_ref())
            }
            4408 => true,
            4409 => newer,
            _ => false,
        };
        claim(
            "a connection is closed for the reason that its code gives",
            holds,
            || format!("{code}: {link:?}"),
        )
    }

    /// Whether a device has opened another connection since.
    pub(super) fn has_newer(&self, device: usize, connection: ConnectionId) -> bool {
        let mut later = self.links.range(connection..).skip(1);
        later.any(|(_, link)| link.device == device)
    }

    /// A mailbox has this connection.
    pub(crate) fn holds(&self, device: usize, connection: ConnectionId) -> Checked {
        let link = self.links.get(&connection);
        let revoked = link.is_none_or(|link| {
            link.revocations < self.revocations(device)
                || self.is_revoked_alone(device, link.token.as_ref())
        });
        claim(
            "a connection ends with its token",
            self.is_bound(device) && !revoked,
            || format!("connection {connection} of device {device}: {link:?}"),
        )
    }
}
