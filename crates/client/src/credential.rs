//! What a client identifies itself with: a credential that stays, or a function that gives a new token before the old
//! one ends.
//!
//! The function is asked once at a time, however many wait for the token. How long a token lasts is its own `exp` less
//! its `iat` (RFC 7519), counted from when it was given: no clock of the device is read. Where that is too long,
//! because the function had kept the token for a while, the service refuses it, and another one is asked for then.

use std::fmt;
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64_URL;
use futures_util::future::{BoxFuture, FutureExt, WeakShared};
use reqwest::header::HeaderValue;
use serde::Deserialize;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::error::Error;

/// How long a token function may take.
const LIMIT: Duration = Duration::from_secs(15);
/// A token is renewed in the last tenth of its lifetime, at most [`LONGEST_MARGIN`] before its end, and at least
/// [`SHORTEST_MARGIN`]: its times are whole seconds, and it was on its way for a while.
const MARGIN: u32 = 10;
const LONGEST_MARGIN: Duration = Duration::from_secs(60);
const SHORTEST_MARGIN: Duration = Duration::from_secs(2);
/// The shortest time between a token and its renewal.
const SHORTEST: Duration = Duration::from_secs(1);
/// How long a connection waits before it asks again for a token to go on with.
const RENEWAL_PAUSE: Duration = Duration::from_secs(10);

/// Why a token function gives no token. Every error becomes one with `?`, and the function is asked again later.
#[derive(Debug, Clone)]
pub struct NoToken {
    why: String,
    is_final: bool,
}

impl NoToken {
    /// There is none now; the function is asked again.
    pub fn for_now(why: impl fmt::Display) -> Self {
        Self {
            why: why.to_string(),
            is_final: false,
        }
    }

    /// There will be none: nobody is signed in any more, for example. The client ends with [`Error::NoFurtherToken`].
    pub fn for_good(why: impl fmt::Display) -> Self {
        Self {
            why: why.to_string(),
            is_final: true,
        }
    }
}

impl<E: std::error::Error> From<E> for NoToken {
    fn from(error: E) -> Self {
        Self::for_now(error)
    }
}

impl From<NoToken> for Error {
    fn from(NoToken { why, is_final }: NoToken) -> Self {
        if is_final {
            Self::NoFurtherToken(why)
        } else {
            Self::NoToken(why)
        }
    }
}

/// A credential. Its clones are one: what one of them renews, all have.
#[derive(Clone)]
pub(crate) enum Credential {
    /// A token or key that stays.
    Fixed(HeaderValue),
    /// Tokens that a function gives.
    Given(Arc<Given>),
}

/// Tokens that a function gives.
pub(crate) struct Given {
    give: Give,
    state: Mutex<State>,
}

type Give = Box<dyn Fn() -> BoxFuture<'static, Result<String, NoToken>> + Send + Sync>;
/// The answer of the function, for all who wait for it.
type Asking = BoxFuture<'static, Result<HeaderValue, NoToken>>;

#[derive(Default)]
struct State {
    current: Option<Token>,
    /// What is being asked for. Once nobody waits for it any more, it is given up.
    asking: Option<WeakShared<Asking>>,
    /// The token that the service has refused last.
    refused: Option<HeaderValue>,
}

/// A token, as a header, and when to renew it.
struct Token {
    authorization: HeaderValue,
    until: Option<Instant>,
}

impl Credential {
    /// # Errors
    /// [`Error::Credential`].
    pub(crate) fn fixed(credential: &str) -> Result<Self, Error> {
        authorization(credential).map(Self::Fixed)
    }

    pub(crate) fn given<F, A>(give: F) -> Self
    where
        F: Fn() -> A + Send + Sync + 'static,
        A: Future<Output = Result<String, NoToken>> + Send + 'static,
    {
        Self::Given(Arc::new(Given {
            give: Box::new(move || give().boxed()),
            state: Mutex::default(),
        }))
    }

    /// The header to use now, with a token that is renewed if its time is nearly over. If there is no other, it is used
    /// to its end.
    ///
    /// # Errors
    /// [`Error::NoToken`], [`Error::NoFurtherToken`].
    pub(crate) async fn get(&self) -> Result<HeaderValue, Error> {
        let given = match self {
            Self::Fixed(authorization) => return Ok(authorization.clone()),
            Self::Given(given) => given,
        };
        let current = match &given.state().current {
            Some(token) if token.until.is_none_or(|until| Instant::now() < until) => {
                return Ok(token.authorization.clone());
            }
            current => current.as_ref().map(|token| token.authorization.clone()),
        };
        match (given.renew().await, current) {
            (
                Err(NoToken {
                    is_final: false, ..
                }),
                Some(current),
            ) => Ok(current),
            (renewed, _) => Ok(renewed?),
        }
    }

    /// The service has refused this one. Whether there may be another.
    pub(crate) fn refuse(&self, refused: &HeaderValue) -> bool {
        let Self::Given(given) = self else {
            return false;
        };
        let mut state = given.state();
        let is_current = |token: &Token| token.authorization == *refused;
        if state.current.as_ref().is_some_and(is_current) {
            state.current = None;
        }
        state.refused = Some(refused.clone());
        true
    }

    /// Ends once it is time to go on with another token than `used`, and there is one.
    pub(crate) async fn renewed(&self, used: &HeaderValue) {
        let Self::Given(given) = self else {
            return pending().await;
        };
        loop {
            match given.due(used) {
                Some(due) => sleep_until(due).await,
                None => pending().await,
            }
            if self.get().await.is_ok_and(|token| token != *used) {
                return;
            }
            // The connection works until the service ends it. What follows then tells why there is no token.
            sleep(RENEWAL_PAUSE).await;
        }
    }
}

impl Given {
    /// When to renew the token that is used; now, if it is not the current one any more.
    fn due(&self, used: &HeaderValue) -> Option<Instant> {
        match &self.state().current {
            Some(token) if token.authorization == *used => token.until,
            _ => Some(Instant::now()),
        }
    }

    /// A token that the function gives now.
    async fn renew(self: &Arc<Self>) -> Result<HeaderValue, NoToken> {
        let asking = {
            let mut state = self.state();
            let asking = state.asking.as_ref().and_then(WeakShared::upgrade);
            asking.unwrap_or_else(|| {
                let asking = self.clone().ask().boxed().shared();
                state.asking = asking.downgrade();
                asking
            })
        };
        asking.await
    }

    async fn ask(self: Arc<Self>) -> Result<HeaderValue, NoToken> {
        let answer = timeout(LIMIT, (self.give)()).await;
        let mut state = self.state();
        // Whoever comes from now on asks again.
        state.asking = None;
        let answer = answer.unwrap_or_else(|_| {
            let limit = LIMIT.as_secs();
            Err(NoToken::for_now(format!("no token within {limit} s")))
        });
        let token = answer.map_err(|NoToken { why, is_final }| NoToken {
            why: match is_final {
                true => why,
                false => format!("the token function failed: {why}"),
            },
            is_final,
        })?;
        let authorization = authorization(&token)
            .map_err(|_| NoToken::for_now("the token function gave something that is no token"))?;
        if state.refused.as_ref() == Some(&authorization) {
            return Err(NoToken::for_good(
                "the token function gave a token that the service has refused",
            ));
        }
        state.current = Some(Token {
            authorization: authorization.clone(),
            until: usable(&token).and_then(|time| Instant::now().checked_add(time)),
        });
        Ok(authorization)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that holds it panics half way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long a token that was given now is used before it is renewed; `None` if it does not end.
fn usable(token: &str) -> Option<Duration> {
    #[derive(Deserialize)]
    struct Claims {
        iat: i64,
        exp: i64,
    }
    let claims = token.split('.').nth(1)?;
    let claims = BASE64_URL.decode(claims).ok()?;
    let Claims { iat, exp } = serde_json::from_slice(&claims).ok()?;
    let lifetime = u64::try_from(exp.saturating_sub(iat)).unwrap_or_default();
    let lifetime = Duration::from_secs(lifetime);
    let margin = (lifetime / MARGIN).clamp(SHORTEST_MARGIN, LONGEST_MARGIN);
    Some(lifetime.saturating_sub(margin).max(SHORTEST))
}

fn authorization(credential: &str) -> Result<HeaderValue, Error> {
    if credential.is_empty() || !credential.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Error::Credential);
    }
    let mut value =
        HeaderValue::try_from(format!("Bearer {credential}")).map_err(|_| Error::Credential)?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::sync::Notify;

    use super::*;

    fn token(claims: &str) -> String {
        format!("e30.{}.c2ln", BASE64_URL.encode(claims))
    }

    /// A credential whose function gives these in turn, and how often it was asked.
    fn giving(answers: Vec<Result<String, NoToken>>) -> (Credential, Arc<AtomicU32>) {
        let asked = Arc::new(AtomicU32::new(0));
        let answers = Mutex::new(answers.into_iter());
        let count = asked.clone();
        let credential = Credential::given(move || {
            count.fetch_add(1, Ordering::SeqCst);
            let answer = answers.lock().unwrap().next();
            async { answer.unwrap_or_else(|| Err(NoToken::for_now("no more"))) }
        });
        (credential, asked)
    }

    fn bearer(token: &str) -> HeaderValue {
        authorization(token).unwrap()
    }

    #[test]
    fn a_token_is_renewed_in_the_last_tenth_of_its_lifetime_and_the_last_minute() {
        for (claims, expected) in [
            (r#"{"iat":1000,"exp":1100}"#, Some(90)),
            (r#"{"iat":1000,"exp":4600}"#, Some(3_540)),
            (r#"{"iat":1000,"exp":1006}"#, Some(4)),
            (r#"{"iat":1000,"exp":1001}"#, Some(1)),
            (r#"{"iat":1000,"exp":1}"#, Some(1)),
            (
                r#"{"iat":-9223372036854775808,"exp":9223372036854775807}"#,
                Some(u64::MAX / 2 - 60),
            ),
            (r#"{"iat":1000}"#, None),
            (r#"{"iat":"x","exp":1}"#, None),
            ("", None),
        ] {
            let usable = usable(&token(claims)).map(|time| time.as_secs());
            assert_eq!(usable, expected, "{claims}");
        }
        assert_eq!(usable("a-key"), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_is_asked_for_once_until_it_is_to_be_renewed() {
        let tokens = [
            r#"{"iat":0,"exp":100,"n":1}"#,
            r#"{"iat":0,"exp":100,"n":2}"#,
        ]
        .map(token);
        let (credential, asked) = giving(tokens.iter().cloned().map(Ok).collect());
        for (second, expected) in [(0, 0), (89, 0), (2, 1), (0, 1)] {
            sleep(Duration::from_secs(second)).await;
            let given = credential.get().await.unwrap();
            assert_eq!(given, bearer(&tokens[expected]), "{second}");
        }
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn those_who_wait_at_the_same_time_share_one_answer() {
        let asked = Arc::new(AtomicU32::new(0));
        let go = Arc::new(Notify::new());
        let (count, gone) = (asked.clone(), go.clone());
        let credential = Credential::given(move || {
            count.fetch_add(1, Ordering::SeqCst);
            let gone = gone.clone();
            async move {
                gone.notified().await;
                Ok("a-token".to_owned())
            }
        });
        let same = credential.clone();
        let release = async {
            tokio::task::yield_now().await;
            go.notify_one();
        };
        let (first, second, ()) = tokio::join!(credential.get(), same.get(), release);
        assert_eq!(
            [first.unwrap(), second.unwrap()],
            [bearer("a-token"), bearer("a-token")]
        );
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_function_that_hangs_is_an_error_and_is_asked_again() {
        let asked = Arc::new(AtomicU32::new(0));
        let count = asked.clone();
        let credential = Credential::given(move || {
            let hangs = count.fetch_add(1, Ordering::SeqCst) < 2;
            async move {
                match hangs {
                    true => pending().await,
                    false => Ok("a-token".to_owned()),
                }
            }
        });
        let begun = Instant::now();
        let error = credential.get().await.unwrap_err();
        assert_eq!(begun.elapsed(), LIMIT);
        assert!(
            error.is_transient() && error.to_string().contains("within 15 s"),
            "{error}"
        );
        // Nobody waits for the second answer to its end.
        timeout(Duration::from_secs(1), credential.get())
            .await
            .unwrap_err();
        assert_eq!(credential.get().await.unwrap(), bearer("a-token"));
        assert_eq!(asked.load(Ordering::SeqCst), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_is_used_to_its_end_if_there_is_no_other() {
        let old = token(r#"{"iat":0,"exp":100}"#);
        let away = NoToken::for_now("the backend is away");
        let signed_out = NoToken::for_good("signed out");
        let (credential, _) = giving(vec![Ok(old.clone()), Err(away), Err(signed_out)]);
        credential.get().await.unwrap();
        sleep(Duration::from_secs(95)).await;
        assert_eq!(credential.get().await.unwrap(), bearer(&old));
        let error = credential.get().await.unwrap_err();
        assert!(
            matches!(&error, Error::NoFurtherToken(why) if why == "signed out"),
            "{error:?}"
        );
    }

    #[tokio::test]
    async fn a_token_that_was_refused_is_not_taken_again() {
        let (credential, asked) = giving(vec![Ok("one".to_owned()), Ok("one".to_owned())]);
        let refused = credential.get().await.unwrap();
        assert!(credential.refuse(&refused));
        let error = credential.get().await.unwrap_err();
        assert!(
            matches!(error, Error::NoFurtherToken(_)) && !error.is_transient(),
            "{error:?}"
        );
        assert_eq!(asked.load(Ordering::SeqCst), 2);
        let fixed = Credential::fixed("one").unwrap();
        assert!(!fixed.refuse(&refused));
    }

    #[tokio::test]
    async fn what_is_no_token_is_not_repeated_in_the_error() {
        let (credential, _) = giving(vec![Ok("hunter2\n".to_owned())]);
        let error = credential.get().await.unwrap_err();
        assert!(error.is_transient());
        assert!(
            !format!("{error} {error:?}").contains("hunter2"),
            "{error:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_goes_on_once_there_is_another_token() {
        let one = token(r#"{"iat":0,"exp":100}"#);
        let away = NoToken::for_now("the backend is away");
        let (credential, _) = giving(vec![Ok(one), Err(away), Ok("two".to_owned())]);
        let used = credential.get().await.unwrap();
        let begun = Instant::now();
        credential.renewed(&used).await;
        assert_eq!(begun.elapsed(), Duration::from_secs(90) + RENEWAL_PAUSE);
        assert_eq!(credential.get().await.unwrap(), bearer("two"));
        // Another one has renewed it meanwhile.
        let begun = Instant::now();
        credential.renewed(&used).await;
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }
}
