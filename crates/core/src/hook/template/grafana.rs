//! Notifications of Grafana's alerting, from a contact point of the type Webhook.
//! <https://grafana.com/docs/grafana/latest/alerting/configure-notifications/manage-contact-points/integrations/>

use serde_json::Value;

use super::notification::{Notification, cut};
use super::parts::{beginning, text};

/// The longest line of an alert, in characters.
const LINE: usize = 120;

/// The notification of a group of alerts; `None` if it is not a Grafana notification.
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
    // An alert without annotations has only its name, and Grafana's own text says more.
    let message = match alerts.iter().any(|alert| annotation(alert).is_some()) {
        true => None,
        false => text(&group, "/message"),
    };
    let body = match message {
        Some(message) => message.to_owned(),
        None => {
            let truncated = group.pointer("/truncatedAlerts").and_then(Value::as_u64);
            let truncated = usize::try_from(truncated.unwrap_or_default()).unwrap_or(usize::MAX);
            beginning(
                alerts.iter().map(line),
                alerts.len().saturating_add(truncated),
            )
        }
    };
    let url = match alerts.as_slice() {
        [alert] => ["/panelURL", "/dashboardURL", "/generatorURL"]
            .iter()
            .find_map(|place| text(alert, place)),
        _ => None,
    };
    let url = url.or_else(|| text(&group, "/externalURL"));
    Some(Notification::new(&title, &body, url))
}

/// What an alert says, in one line.
fn line(alert: &Value) -> String {
    let status = text(alert, "/status").unwrap_or("alert");
    let name = text(alert, "/labels/alertname").unwrap_or("without a name");
    let says = annotation(alert).and_then(|says| says.split('\n').next());
    let says = says.map_or(String::new(), |says| format!(": {says}"));
    cut(&format!("{status} {name}{says}"), LINE)
}

/// What was written about an alert.
fn annotation(alert: &Value) -> Option<&str> {
    ["/annotations/summary", "/annotations/description"]
        .iter()
        .find_map(|place| text(alert, place))
}
