//! The client: where the service is, which credential it uses, and how requests are retried.
//!
//! Every request of the API is safe to repeat, a publish because of its idempotency key. So a request that fails for
//! a transient reason is retried, until [`Client::retry_for`] has passed. One whose token was refused is made again
//! once, with a new token, if a function gives them: a request that was refused has changed nothing.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper_util::client::proxy::matcher::Matcher;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, USER_AGENT};
use reqwest::{Method, StatusCode, Url};
use serde::de::DeserializeOwned;

use crate::backoff::Backoff;
use crate::credential::{Credential, NoToken};
use crate::error::{Error, Problem};
use crate::handshake::{self, Answer as Handshake};
use crate::tls;

/// How long a request is repeated, unless the application says otherwise.
const RETRY_FOR: Duration = Duration::from_secs(30);
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What this client calls itself.
const NAME: &str = concat!("tagpost/", env!("CARGO_PKG_VERSION"));

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an answer may take, on top of the time that the request asks the service to wait.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);

/// A service and a credential for it. Cheap to clone.
///
/// ```no_run
/// # async fn example() -> Result<(), tagpost_client::Error> {
/// use tagpost_client::Client;
///
/// let token = std::env::var("TAGPOST_TOKEN").unwrap_or_default();
/// let client = Client::new("https://push.example.com", &token)?;
/// println!("tagpost {}", client.health().await?.version);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    url: Url,
    credential: Credential,
    /// Which proxy the environment names for which service; the HTTP client asks the same.
    proxies: Arc<Matcher>,
    tls: Arc<rustls::ClientConfig>,
    retry_for: Duration,
    max_in_flight: Option<u32>,
}

impl Client {
    /// A client of the service at `url`, with a device's token or the admin key. The service may be below
    /// a path. The proxies of the environment are used: `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`.
    ///
    /// # Errors
    /// [`Error::Url`], [`Error::Credential`], [`Error::Tls`]. Nothing is asked of the network.
    pub fn new(url: &str, credential: &str) -> Result<Self, Error> {
        Self::with(parse(url)?, Credential::fixed(credential)?)
    }

    /// The same, with a function that gives a device's token that is valid now, for tokens that end. It is asked when
    /// a token is needed first, in the last tenth of a token's lifetime (at most a minute before its end), and when
    /// the service refuses the token; once at a time, and given up after 15 s. An [`crate::Inbox`] goes on with the
    /// new token over a new connection. If the new token is refused, too, that is an error.
    ///
    /// ```no_run
    /// # async fn ask_backend() -> Result<String, std::io::Error> { Ok(String::new()) }
    /// # fn example() -> Result<(), tagpost_client::Error> {
    /// use tagpost_client::Client;
    ///
    /// let client = Client::with_tokens("https://push.example.com", || async { Ok(ask_backend().await?) })?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Url`], [`Error::Tls`]. The function is not asked yet.
    pub fn with_tokens<F, A>(url: &str, give: F) -> Result<Self, Error>
    where
        F: Fn() -> A + Send + Sync + 'static,
        A: Future<Output = Result<String, NoToken>> + Send + 'static,
    {
        Self::with(parse(url)?, Credential::given(give))
    }

    fn with(url: Url, credential: Credential) -> Result<Self, Error> {
        let tls = tls::config(url.scheme() == "https")?;
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls.clone())
            .connect_timeout(CONNECT_TIMEOUT)
            .user_agent(NAME)
            // A redirect would take the credential elsewhere.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| Error::Url {
                url: url.to_string(),
                reason: reason(&error),
            })?;
        Ok(Self {
            http,
            credential,
            proxies: Arc::new(Matcher::from_system()),
            tls: Arc::new(tls),
            url,
            retry_for: RETRY_FOR,
            max_in_flight: None,
        })
    }

    /// Sets for how long a failed request is retried; 30 seconds unless set, 0 for never.
    /// It does not apply to [`Client::connect`], which never gives up.
    #[must_use]
    pub fn retry_for(mut self, time: Duration) -> Self {
        self.retry_for = time;
        self
    }

    /// Sets how many unacknowledged messages a connection may have: from 1 to the service's limit, which is the
    /// default.
    #[must_use]
    pub fn max_in_flight(mut self, messages: u32) -> Self {
        self.max_in_flight = Some(messages);
        self
    }

    /// Where the service is.
    pub fn url(&self) -> &str {
        self.url.as_str().trim_end_matches('/')
    }

    /// What this client identifies itself with.
    pub(crate) fn credential(&self) -> &Credential {
        &self.credential
    }

    /// Asks the service for a WebSocket, as the device whose token this is.
    pub(crate) async fn handshake(&self, authorization: &HeaderValue) -> Result<Handshake, Error> {
        let mut url = self.url.clone();
        let path = format!("{}/v1/connect", url.path().trim_end_matches('/'));
        url.set_path(&path);
        let window = self.max_in_flight.map(|n| format!("max_in_flight={n}"));
        url.set_query(window.as_deref());
        let headers = HeaderMap::from_iter([
            (AUTHORIZATION, authorization.clone()),
            (USER_AGENT, HeaderValue::from_static(NAME)),
        ]);
        let uri = handshake::uri(&url);
        let answer = match uri {
            Ok(uri) => handshake::perform(uri, headers, &self.proxies, &self.tls).await,
            Err(error) => Err(error),
        };
        answer.map_err(|error| Error::Unreachable {
            url: self.url().to_owned(),
            reason: reason(&*error),
        })
    }

    /// Makes a request until it is answered, or fails for good.
    pub(crate) async fn send(&self, request: &Request) -> Result<Answer, Error> {
        let since = Instant::now();
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        let mut is_renewed = false;
        loop {
            let error = match self.authorized(request, &mut is_renewed).await {
                Err(error) if error.is_transient() => error,
                answered => return answered,
            };
            let pause = error.retry_after().unwrap_or_else(|| backoff.next());
            let Some(pause) = shortened(pause, &error, self.retry_for, since.elapsed()) else {
                return Err(error);
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// Makes a request with the token that there is, and, unless that is `renewed` already, once more with a new one if
    /// it was refused.
    async fn authorized(&self, request: &Request, renewed: &mut bool) -> Result<Answer, Error> {
        let authorization = self.credential.get().await?;
        match self.attempt(request, &authorization).await {
            Err(error)
                if error.is_unauthorized()
                    && !*renewed
                    && self.credential.refuse(&authorization) =>
            {
                *renewed = true;
                let authorization = self.credential.get().await?;
                self.attempt(request, &authorization).await
            }
            answered => answered,
        }
    }

    async fn attempt(
        &self,
        request: &Request,
        authorization: &HeaderValue,
    ) -> Result<Answer, Error> {
        let unreachable = |error: reqwest::Error| Error::Unreachable {
            url: self.url().to_owned(),
            reason: reason(&error),
        };
        let response = self
            .http
            .request(
                request.method.clone(),
                format!("{}{}", self.url(), request.path),
            )
            .header(AUTHORIZATION, authorization)
            .headers(request.headers.clone())
            .body(request.body.clone())
            .timeout(ANSWER_TIMEOUT + request.wait)
            .send()
            .await
            .map_err(unreachable)?;
        let status = response.status();
        let headers = response.headers().clone();
        let body = response.bytes().await.map_err(unreachable)?.to_vec();
        if status.is_success() {
            return Ok(Answer {
                url: self.url().to_owned(),
                status,
                content_type: headers.get(CONTENT_TYPE).cloned(),
                body,
            });
        }
        Err(Error::Refused(Problem::of(status, &headers, &body)))
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("url", &self.url())
            .finish_non_exhaustive()
    }
}

/// A request that can be made more than once.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: Method,
    /// Path and query, made of checked names.
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    /// How long the service is asked to wait.
    pub(crate) wait: Duration,
}

impl Request {
    pub(crate) fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            headers: HeaderMap::new(),
            body: Vec::new(),
            wait: Duration::ZERO,
        }
    }

    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    /// The same request, which asks the service to wait up to `seconds`.
    pub(crate) fn waiting(mut self, seconds: u32) -> Self {
        self.wait = Duration::from_secs(seconds.into());
        self
    }
}

/// An answer with a status of success.
#[derive(Debug)]
pub(crate) struct Answer {
    url: String,
    status: StatusCode,
    content_type: Option<HeaderValue>,
    body: Vec<u8>,
}

impl Answer {
    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// The media type, if it is text, and the body as it is.
    pub(crate) fn into_body(self) -> (Option<String>, Vec<u8>) {
        let content_type = self.content_type;
        let content_type = content_type.and_then(|it| it.to_str().ok().map(ToOwned::to_owned));
        (content_type, self.body)
    }

    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.body).map_err(|error| Error::NotUnderstood {
            url: self.url.clone(),
            reason: error.to_string(),
        })
    }
}

/// How long to pause before one more attempt, of which there is one at the end of the time; `None` if that has passed,
/// or if the service has asked for a longer pause than is left.
fn shortened(
    pause: Duration,
    error: &Error,
    retry_for: Duration,
    elapsed: Duration,
) -> Option<Duration> {
    let left = retry_for
        .checked_sub(elapsed)
        .filter(|left| !left.is_zero())?;
    if error.retry_after().is_some_and(|asked| asked > left) {
        return None;
    }
    Some(pause.min(left))
}

fn parse(text: &str) -> Result<Url, Error> {
    let invalid = |reason: &str| Error::Url {
        url: text.to_owned(),
        reason: reason.to_owned(),
    };
    let url = match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => url,
        Err(error) if text.contains("://") => return Err(invalid(&error.to_string())),
        // `push.example.com` has no scheme, and that of `localhost:8787` is `localhost`.
        Ok(_) | Err(_) => return Err(invalid("it must start with https:// or http://")),
    };
    if !url.username().is_empty()
        || url.password().is_some()
        || url.query().is_some()
        || url.fragment().is_some()
    {
        // The URL itself is not repeated: what should not be in it may be a secret.
        return Err(Error::Url {
            url: url.origin().ascii_serialization(),
            reason: "it must have no credential, query or fragment".to_owned(),
        });
    }
    if url.path().trim_end_matches('/').ends_with("/v1") {
        return Err(invalid(
            "it must end before the /v1 of the interface's paths",
        ));
    }
    Ok(url)
}

/// The innermost cause: `Connection refused` rather than `error sending request`.
fn reason(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(cause) = error.source() {
        error = cause;
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn a_url_that_cannot_be_used_is_named_with_the_reason() {
        for (url, reason) in [
            ("push.example.com", "must start with https://"),
            ("127.0.0.1:8787", "must start with https://"),
            ("localhost:8787", "must start with https://"),
            ("https://push.example.com/v1/", "before the /v1"),
            ("https://:8787", "empty host"),
            ("ftp://push.example.com", "https://"),
            ("https://push.example.com/?a=b", "no credential"),
        ] {
            let error = Client::new(url, "token").unwrap_err().to_string();
            assert!(error.contains(reason), "{url}: {error}");
        }
    }

    #[tokio::test]
    async fn a_secret_in_a_url_or_credential_is_not_repeated() {
        for (url, credential) in [
            ("https://user:hunter2@example.com", "token"),
            ("https://example.com/?token=hunter2", "token"),
            ("https://example.com/#hunter2", "token"),
            ("http://127.0.0.1", "hunter2 hunter2"),
            ("http://127.0.0.1", "hunter2\n"),
        ] {
            let error = Client::new(url, credential).unwrap_err();
            assert!(
                !format!("{error} {error:?}").contains("hunter2"),
                "{error:?}"
            );
        }
        let client = Client::new("http://127.0.0.1", "hunter2").unwrap();
        let authorization = client.credential.get().await.unwrap();
        assert!(!format!("{client:?} {authorization:?}").contains("hunter2"));
    }

    #[test]
    fn a_request_is_repeated_to_the_end_of_its_time_and_not_after_it() {
        let lost = Error::Silent;
        let seconds = Duration::from_secs;
        for (pause, retry_for, elapsed, expected) in [
            (2, 10, 1, Some(2)),
            (5, 10, 7, Some(3)),
            (5, 10, 10, None),
            (5, 10, 11, None),
            (1, 0, 0, None),
        ] {
            let pause = shortened(seconds(pause), &lost, seconds(retry_for), seconds(elapsed));
            assert_eq!(pause, expected.map(seconds), "{retry_for}, {elapsed}");
        }
        let busy = Error::Refused(Problem {
            status: 429,
            code: "too_many_requests".to_owned(),
            detail: String::new(),
            retry_after: Some(seconds(4)),
        });
        assert_eq!(
            shortened(seconds(4), &busy, seconds(9), seconds(5)),
            Some(seconds(4))
        );
        assert_eq!(shortened(seconds(4), &busy, seconds(9), seconds(6)), None);
    }

    #[tokio::test]
    async fn a_request_without_a_token_fails_once_its_time_is_over_and_says_why() {
        let asked = Arc::new(AtomicU32::new(0));
        let count = asked.clone();
        let away = move || {
            count.fetch_add(1, Ordering::SeqCst);
            async { Err(NoToken::for_now("the backend is away")) }
        };
        let client = Client::with_tokens("http://127.0.0.1:1", away).unwrap();
        let client = client.retry_for(Duration::from_millis(300));
        let error = client.health().await.unwrap_err();
        assert!(matches!(error, Error::NoToken(_)), "{error:?}");
        assert!(error.to_string().contains("the backend is away"), "{error}");
        assert!(asked.load(Ordering::SeqCst) > 1, "it was asked once");
    }

    #[test]
    fn a_path_in_the_url_is_kept() {
        let client = Client::new("http://127.0.0.1:8787/push/", "token").unwrap();
        assert_eq!(client.url(), "http://127.0.0.1:8787/push");
    }
}
