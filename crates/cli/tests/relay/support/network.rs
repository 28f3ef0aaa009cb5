//! A network between a client and the relay that a test can break: TCP, passed on byte by byte.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What the network does. Connections are numbered from 1 on.
#[derive(Debug, Clone, Copy, Default)]
struct Weather {
    /// New connections are broken at once.
    is_down: bool,
    /// Connections up to this one are broken.
    cut: u64,
    /// What the clients of connections up to this one say is swallowed.
    mute: u64,
    /// What the service says over connections up to this one is swallowed.
    deaf: u64,
    /// Clients' acknowledgements arrive with an id that is none.
    is_garbled: bool,
    /// By how much the times are changed that the service says.
    shift: i64,
}

/// A way to the relay. It goes when it is dropped.
pub(crate) struct Network {
    port: u16,
    weather: watch::Sender<Weather>,
    connections: Arc<AtomicU64>,
    swallowed: watch::Receiver<u64>,
    task: JoinHandle<()>,
}

impl Network {
    /// A network to the relay on this port, whether that listens yet or not.
    pub(crate) async fn to(relay: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("no free port");
        let port = listener.local_addr().expect("no address").port();
        let (weather, current) = watch::channel(Weather::default());
        let (swallowed, count) = watch::channel(0);
        let connections = Arc::new(AtomicU64::new(0));
        let counter = connections.clone();
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let number = counter.fetch_add(1, Ordering::SeqCst) + 1;
                if !current.borrow().is_down {
                    tokio::spawn(carry(
                        client,
                        relay,
                        number,
                        current.clone(),
                        swallowed.clone(),
                    ));
                }
            }
        });
        Self {
            port,
            weather,
            connections,
            swallowed: count,
            task,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// How many connections were ever made over it.
    pub(crate) fn connections(&self) -> u64 {
        self.connections.load(Ordering::SeqCst)
    }

    /// Breaks all connections; new ones can be made.
    pub(crate) fn cut(&self) {
        self.weather
            .send_modify(|weather| weather.cut = self.connections());
    }

    /// Breaks all connections and every new one, until it is up again.
    pub(crate) fn down(&self) {
        self.weather.send_modify(|weather| {
            weather.is_down = true;
            weather.cut = self.connections();
        });
    }

    pub(crate) fn up(&self) {
        self.weather.send_modify(|weather| weather.is_down = false);
    }

    /// Swallows what the clients of the present connections say from now on.
    pub(crate) fn mute(&self) {
        self.weather
            .send_modify(|weather| weather.mute = self.connections());
    }

    /// Swallows what both sides of the present connections say from now on, and closes nothing.
    pub(crate) fn freeze(&self) {
        self.weather.send_modify(|weather| {
            weather.mute = self.connections();
            weather.deaf = self.connections();
        });
    }

    /// Swallows what anybody says from now on, over the present connections and new ones, and closes
    /// nothing.
    pub(crate) fn swallow_all(&self) {
        self.weather.send_modify(|weather| {
            weather.mute = u64::MAX;
            weather.deaf = u64::MAX;
        });
    }

    /// Carries again what new connections say.
    pub(crate) fn thaw(&self) {
        self.freeze();
    }

    /// Changes a bit of the id in each acknowledgement from now on, or no longer: what a frame says is
    /// masked by exclusive or (RFC 6455, section 5.3), and so is the change.
    pub(crate) fn garble(&self, is_garbled: bool) {
        self.weather
            .send_modify(|weather| weather.is_garbled = is_garbled);
    }

    /// Shifts every time that the service sends by `millis`, as if the client's own clock were wrong by as much.
    pub(crate) fn shift(&self, millis: i64) {
        self.weather.send_modify(|weather| weather.shift = millis);
    }

    /// How many bytes were swallowed.
    pub(crate) fn swallowed_so_far(&self) -> u64 {
        *self.swallowed.borrow()
    }

    /// Waits until something was swallowed.
    pub(crate) async fn swallowed(&mut self) {
        let swallowed = self.swallowed.wait_for(|bytes| *bytes > 0);
        super::within("something to be swallowed", swallowed)
            .await
            .expect("the network is gone");
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(
    mut client: TcpStream,
    relay: u16,
    number: u64,
    mut weather: watch::Receiver<Weather>,
    swallowed: watch::Sender<u64>,
) {
    let Ok(mut service) = TcpStream::connect((Ipv4Addr::LOCALHOST, relay)).await else {
        return;
    };
    let _ = (client.set_nodelay(true), service.set_nodelay(true));
    let (mut from_client, mut to_client) = client.split();
    let (mut from_service, mut to_service) = service.split();
    let (out, back) = (weather.clone(), weather.clone());
    tokio::select! {
        () = pump(&mut from_client, &mut to_service, |said| {
            let Weather { mute, is_garbled, .. } = *out.borrow();
            if is_garbled {
                garble_id(said);
            }
            pass(said, number <= mute, &swallowed)
        }) => {}
        () = pump(&mut from_service, &mut to_client, |said| {
            let Weather { deaf, shift, .. } = *back.borrow();
            if shift != 0 {
                shift_times(said, shift);
            }
            pass(said, number <= deaf, &swallowed)
        }) => {}
        _ = weather.wait_for(|weather| number <= weather.cut) => {}
    }
}

/// Passes on what one side says until one of them is gone. What `treat` refuses is not passed on.
async fn pump(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    treat: impl Fn(&mut [u8]) -> bool,
) {
    let mut buffer = vec![0; 65_536];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let said = &mut buffer[..length];
        if treat(said) && to.write_all(said).await.is_err() {
            return;
        }
    }
}

/// Whether something is passed on; what is not is counted.
fn pass(said: &[u8], is_swallowed: bool, swallowed: &watch::Sender<u64>) -> bool {
    if is_swallowed {
        swallowed.send_modify(|bytes| *bytes += said.len() as u64);
    }
    !is_swallowed
}

/// Changes the numbers that are times in these years: thirteen digits, before and after.
fn shift_times(said: &mut [u8], shift: i64) {
    for digits in said.split_mut(|byte| !byte.is_ascii_digit()) {
        if let Ok(text) = str::from_utf8(digits)
            && digits.len() == 13
            && let Ok(time) = text.parse::<i64>()
        {
            digits.copy_from_slice((time + shift).to_string().as_bytes());
        }
    }
}

/// Makes the id of every acknowledgement without a reply one that is out of range. Frames may come together: a
/// `ping` and an acknowledgement, when the network is slow.
fn garble_id(said: &mut [u8]) {
    /// Of a client's frame with at most 125 bytes: two bytes, and the mask.
    const HEADER: usize = 6;
    const TEXT: u8 = 0x81;
    const MASKED: u8 = 0x80;
    let id = "01HF7YAT00FYHWCCN200000007";
    let ack = format!(r#"{{"type":"ack","id":"{id}","ref":"{id}"}}"#);
    let mut rest = said;
    while let [TEXT, length, ..] = *rest {
        let end = HEADER + usize::from(length & !MASKED);
        let Some((frame, behind)) = rest.split_at_mut_checked(end) else {
            return;
        };
        if frame.len() == HEADER + ack.len() {
            frame[HEADER + ack.find(id).expect("the id")] ^= 0x40;
        }
        rest = behind;
    }
}

#[test]
fn an_acknowledgement_behind_a_ping_is_garbled_too() {
    let ack =
        r#"{"type":"ack","id":"01HF7YAT00FYHWCCN200000007","ref":"01HF7YAT00FYHWCCN200000007"}"#;
    let frame = |text: &str| {
        let length = 0x80 | u8::try_from(text.len()).expect("a short frame");
        [&[0x81, length, 0, 0, 0, 0], text.as_bytes()].concat()
    };
    let mut said = [frame("ping"), frame(ack)].concat();
    garble_id(&mut said);
    let garbled = frame(&ack.replacen("01HF", "p1HF", 1));
    assert_eq!(said, [frame("ping"), garbled].concat());
}
