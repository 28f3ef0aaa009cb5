//! Requests about a message, for its sender or the operator. The sender's mailbox answers them.
//!
//! The operator names no sender: the id of a message has 40 bits of its sender's name, and the devices that share them
//! are asked in turn.

use serde::de::DeserializeOwned;
use tagpost_core::call::Call;
use tagpost_core::id::{DeviceId, MessageId, owner};
use tagpost_core::problem::{Code, Problem};
use tagpost_core::token::Claims;

use super::Exchange;
use crate::auth::Caller;
use crate::directory;
use crate::respond::{Error, Response};

/// The devices that may have sent a message, and the token of the one that asks.
pub(super) struct Senders {
    claims: Option<Claims>,
    devices: Vec<DeviceId>,
    id: MessageId,
}

impl Senders {
    /// Those of this message, as far as the caller may know.
    pub(super) async fn of(
        exchange: &Exchange,
        caller: Caller,
        id: MessageId,
    ) -> Result<Self, Error> {
        let (claims, devices) = match caller {
            Caller::Device(claims) => (Some(claims.clone()), vec![claims.device]),
            Caller::Viewer => {
                let needs = "this needs the admin key, or a token of the sender";
                return Err(caller.refused(needs).into());
            }
            Caller::Admin => {
                let address = id.sender_address();
                let mut devices = directory::senders(&exchange.directory()?, address).await?;
                // The directory does not know the service itself.
                devices.extend(Some(owner::events()).filter(|it| it.address() == address));
                (None, devices)
            }
        };
        Ok(Self {
            claims,
            devices,
            id,
        })
    }

    /// The answer of the sender's mailbox to this call, for the client.
    pub(super) async fn ask(self, exchange: &Exchange, call: &Call) -> Result<Response, Error> {
        for sender in &self.devices {
            let claims = self.claims.clone();
            let answer = exchange
                .ask_of(sender.clone(), claims, call.clone())
                .await?;
            // A device's own mailbox says best what is wrong.
            if self.claims.is_some() || answer.status() != Code::UnknownMessage.status() {
                return Ok(answer);
            }
        }
        Err(self.unknown())
    }

    /// The answer of the sender's mailbox to this call, read as a `T`; and who the sender is.
    pub(super) async fn find<T: DeserializeOwned>(
        self,
        exchange: &Exchange,
        call: &Call,
    ) -> Result<(Sender, T), Error> {
        for sender in &self.devices {
            let claims = self.claims.clone();
            match exchange.ask_for(sender, claims.clone(), call.clone()).await {
                Err(Error::Answered(answer))
                    if claims.is_none() && answer.status() == Code::UnknownMessage.status() => {}
                answer => {
                    let device = sender.clone();
                    return Ok((Sender { device, claims }, answer?));
                }
            }
        }
        Err(self.unknown())
    }

    fn unknown(&self) -> Error {
        let detail = format!(
            "there is no message {}, or its trace is no longer kept",
            self.id
        );
        Problem::new(Code::UnknownMessage, detail).into()
    }
}

/// The sender of a message.
pub(super) struct Sender {
    pub(super) device: DeviceId,
    /// Its token, if it asks itself.
    pub(super) claims: Option<Claims>,
}
