//! Notifications of Grafana's alerting, from a contact point of the type Webhook.
//! <https://grafana.com/docs/grafana/latest/alerting/configure-notifications/manage-contact-points/integrations/>

use serde_json::Value;

use super::notification::{Notification, cut};

/// How many alerts are listed.
const ALERTS: usize = 8;
/// The longest line of an alert, in characters.
const LINE: usize = 120;

/// The notification of a group of alerts; `None` if it is none of Grafana's.
pub(super) fn read(body: &[u8]) -> Option<Notification> {
    let group: Value = serde_json::from_slice(body).ok()?;
    let alerts = group.pointer("/alerts")?.as_array()?;
    let status = text(&group, "/status")?;
    let title = match text(&group, "/title") {
        Some(title) => title.to_owned(),
        None => {
            let name = text(&group, "/commonLabels/alertname").unwrap_or("alerts");
            format!("[{}] {name}", status.to_ascii_uppercase())
        }
    };
    let mut lines: Vec<String> = alerts.iter().take(ALERTS).map(line).collect();
    if let Some(more) = alerts.len().checked_sub(ALERTS).filter(|more| *more > 0) {
        lines.push(format!("and {more} more"));
    }
    let url = match alerts.as_slice() {
        [alert] => ["/panelURL", "/dashboardURL", "/generatorURL"]
            .iter()
            .find_map(|place| text(alert, place)),
        _ => None,
    };
    let url = url.or_else(|| text(&group, "/externalURL"));
    Some(Notification::new(&title, &lines.join("\n"), url))
}

/// What an alert says, in one line.
fn line(alert: &Value) -> String {
    let status = text(alert, "/status").unwrap_or("alert");
    let name = text(alert, "/labels/alertname").unwrap_or("without a name");
    let says = ["/annotations/summary", "/annotations/description"]
        .iter()
        .find_map(|place| text(alert, place));
    let says = says.and_then(|says| says.split('\n').next());
    let says = says.map_or(String::new(), |says| format!(": {says}"));
    cut(&format!("{status} {name}{says}"), LINE)
}

/// The text at a JSON pointer (RFC 6901).
fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    let text = value.pointer(pointer)?.as_str()?;
    Some(text).filter(|text| !text.trim().is_empty())
}
