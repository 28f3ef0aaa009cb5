//! The diagram of a delivery in the documents is the table of transitions.
//!
//! It is written anew by `UPDATE_GOLDEN=1 cargo test -p tagpost-core --test diagram`.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by panicking"
)]

use std::fmt::Write;
use std::{env, fs};

use tagpost_core::delivery::Phase;
use tagpost_core::delivery::phase::{AT_RECIPIENT, TRANSITIONS};

const DOCUMENTS: [&str; 2] = ["protocol.md", "architecture.md"];

const START: &str = "```mermaid\nstateDiagram-v2\n";
const END: &str = "```\n";

#[test]
fn the_documents_show_the_table_of_transitions() {
    for name in DOCUMENTS {
        let path = format!("{}/../../docs/{name}", env!("CARGO_MANIFEST_DIR"));
        let text = fs::read_to_string(&path).unwrap();
        let (before, rest) = text.split_once(START).expect("the document has a diagram");
        let (_, after) = rest.split_once(END).expect("the diagram has an end");
        let wanted = format!("{before}{START}{}{END}{after}", diagram());
        if env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&path, wanted).unwrap();
        } else {
            assert!(text == wanted, "{name} does not show:\n{}", diagram());
        }
    }
}

/// The table as the body of a mermaid diagram. What can happen in every phase at the recipient is drawn once.
fn diagram() -> String {
    let (mut inside, mut outside) = (String::new(), String::new());
    for phase in Phase::ALL {
        let state = serde_json::to_string(&phase.state()).unwrap();
        let state = state.trim_matches('"');
        let label = match phase.state().is_terminal() {
            true => format!("{phase:?}: {state}"),
            false => format!("{phase:?}: {phase:?} ({state})"),
        };
        put(&mut inside, &mut outside, &[phase], &label);
    }
    outside.push_str("    [*] --> Unreached: Publish\n");
    for (from, event, to) in TRANSITIONS {
        if *from == AT_RECIPIENT {
            writeln!(outside, "    Recipient --> {to:?}: {event:?}").unwrap();
            continue;
        }
        for phase in *from {
            let line = format!("{phase:?} --> {to:?}: {event:?}");
            put(&mut inside, &mut outside, &[*phase, *to], &line);
        }
    }
    for phase in Phase::ALL.iter().filter(|it| it.state().is_terminal()) {
        writeln!(outside, "    {phase:?} --> [*]").unwrap();
    }
    format!("    state \"In the recipient's mailbox\" as Recipient {{\n{inside}    }}\n{outside}")
}

/// A line goes into the recipient's box if all its phases are at the recipient.
fn put(inside: &mut String, outside: &mut String, phases: &[Phase], line: &str) {
    match phases.iter().all(|phase| AT_RECIPIENT.contains(phase)) {
        true => writeln!(inside, "        {line}").unwrap(),
        false => writeln!(outside, "    {line}").unwrap(),
    }
}
