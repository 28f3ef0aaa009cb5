//! A doorbell with a lamp on an ESP32-C3: the button rings at a tag, a message switches the LED.
//!
//! It joins the Wi-Fi, connects, and comes back from whatever breaks that, with a growing, random pause. What
//! it says and hears is in `device`. The settings are taken from the environment when it is compiled; see
//! README.md. Not here: TLS.

#![no_std]
#![no_main]

use core::fmt::Arguments;

use device::{End, Memory, Parts, handshake, serve};
use embassy_executor::Spawner;
use embassy_net::dns::DnsQueryType;
use embassy_net::tcp::TcpSocket;
use embassy_net::{Config, DhcpConfig, Runner, Stack, StackResources};
use embassy_time::{Duration, Instant, Timer, with_timeout};
use esp_backtrace as _;
use esp_hal::clock::CpuClock;
use esp_hal::gpio::{Input, InputConfig, Level, Output, OutputConfig, Pull};
use esp_hal::ram;
use esp_hal::rng::Rng;
use esp_hal::timer::timg::TimerGroup;
use esp_println::println;
use esp_radio::wifi::sta::StationConfig;
use esp_radio::wifi::{
    AuthenticationMethodConfig, Config as WifiConfig, Interface, WifiController,
};
use static_cell::StaticCell;

const WIFI_NAME: &str = env!("WIFI_NAME");
const WIFI_PASSWORD: &str = env!("WIFI_PASSWORD");
/// The service, or the proxy before it: a name or an address, the port, and a path if it is served below one.
const HOST: &str = env!("TAGPOST_HOST");
const TOKEN: &str = env!("TAGPOST_TOKEN");
/// The tag to ring at.
const TAG: &str = env!("TAGPOST_TAG");

/// How long a button is held before it counts: contacts bounce.
const BOUNCE: Duration = Duration::from_millis(30);
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(15);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A connection that lasted so long was a good one: the pauses start anew.
const GOOD: Duration = Duration::from_secs(10);

esp_bootloader_esp_idf::esp_app_desc!();

/// The LED, and the serial console.
struct Board {
    led: Output<'static>,
}

impl Parts for Board {
    fn lamp(&mut self, on: bool) {
        // It lights when the pin is low.
        self.led
            .set_level(if on { Level::Low } else { Level::High });
    }

    fn tell(&mut self, news: Arguments) {
        println!("{news}");
    }
}

#[esp_rtos::main]
async fn main(spawner: Spawner) {
    let peripherals = esp_hal::init(esp_hal::Config::default().with_cpu_clock(CpuClock::max()));
    esp_alloc::heap_allocator!(#[ram(reclaimed)] size: 64 * 1024);
    esp_alloc::heap_allocator!(size: 36 * 1024);
    esp_rtos::start(
        TimerGroup::new(peripherals.TIMG0).timer0,
        peripherals.FROM_CPU_INTR0,
    );
    let mut button = Input::new(
        peripherals.GPIO9,
        InputConfig::default().with_pull(Pull::Up),
    );
    let led = Output::new(peripherals.GPIO8, Level::High, OutputConfig::default());
    let mut board = Board { led };

    let controller = WifiController::new(peripherals.WIFI, Default::default());
    let controller = controller.expect("the radio does not start");
    static RESOURCES: StaticCell<StackResources<3>> = StaticCell::new();
    let (stack, runner) = embassy_net::new(
        Interface::station(),
        Config::dhcpv4(DhcpConfig::default()),
        RESOURCES.init(StackResources::new()),
        u64::from(random()) << 32 | u64::from(random()),
    );
    spawner.spawn(join(controller).expect("one task"));
    spawner.spawn(carry(runner).expect("one task"));

    let (mut memory, mut pause) = (Memory::default(), Duration::from_secs(1));
    loop {
        stack.wait_config_up().await;
        let began = Instant::now();
        let end = connection(stack, &mut memory, &mut board, &mut button).await;
        println!("the connection ended: {end:?}");
        if end.as_ref().is_some_and(End::is_final) {
            // Another token, or the end of the other connection, needs somebody's hand.
            core::future::pending::<()>().await;
        }
        if began.elapsed() > GOOD {
            pause = Duration::from_secs(1);
        }
        // A random part of it, so that after an outage not all devices come back at once.
        Timer::after_millis(u64::from(random()) % pause.as_millis()).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// One connection, until it ends; `None` if there was none.
async fn connection(
    stack: Stack<'static>,
    memory: &mut Memory,
    board: &mut Board,
    button: &mut Input<'static>,
) -> Option<End<embassy_net::tcp::Error>> {
    let (name, port) = HOST.split('/').next()?.rsplit_once(':')?;
    let addresses = stack.dns_query(name, DnsQueryType::A).await.ok()?;
    let (mut received, mut sent) = ([0; 4096], [0; 2048]);
    let mut socket = TcpSocket::new(stack, &mut received, &mut sent);
    // Of a network that is gone nothing is heard; the protocol's pings tell of everything else.
    socket.set_timeout(Some(HANDSHAKE_TIMEOUT));
    let open = async {
        let endpoint = (*addresses.first()?, port.parse().ok()?);
        socket.connect(endpoint).await.ok()?;
        let mut nonce = [0; 16];
        Rng::new().read(&mut nonce);
        Some(handshake(&mut socket, HOST, TOKEN, &nonce).await)
    };
    if let Err(end) = with_timeout(HANDSHAKE_TIMEOUT, open).await.ok()?? {
        return Some(end);
    }
    socket.set_timeout(None);
    let (reader, writer) = socket.split();
    let pressed = async || loop {
        button.wait_for_falling_edge().await;
        Timer::after(BOUNCE).await;
        if button.is_low() {
            return;
        }
    };
    Some(serve(reader, writer, TAG, memory, board, pressed, random).await)
}

/// Joins the Wi-Fi, again and again.
#[embassy_executor::task]
async fn join(mut controller: WifiController<'static>) {
    let password = WIFI_PASSWORD.try_into().expect("WIFI_PASSWORD is too long");
    let station = StationConfig::default()
        .with_ssid(WIFI_NAME.try_into().expect("WIFI_NAME is too long"))
        .with_authentication(AuthenticationMethodConfig::Wpa2Personal(password));
    let config = WifiConfig::Station(station);
    controller
        .set_config(&config)
        .expect("the Wi-Fi's settings are not taken");
    loop {
        match controller.connect_async().await {
            Ok(_) => {
                println!("joined {WIFI_NAME}");
                let _ = controller.wait_for_disconnect_async().await;
                println!("left {WIFI_NAME}");
            }
            Err(error) => println!("{WIFI_NAME} was not joined: {error:?}"),
        }
        Timer::after_secs(2).await;
    }
}

/// Carries packets between the radio and the connections.
#[embassy_executor::task]
async fn carry(mut runner: Runner<'static, Interface>) {
    runner.run().await
}

fn random() -> u32 {
    Rng::new().random()
}
