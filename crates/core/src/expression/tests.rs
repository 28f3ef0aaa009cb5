//! Claims about expressions: what they match, and where an error is.

use std::fmt::Write;

use proptest::prelude::*;

use super::*;

fn read(text: &str) -> Expression {
    text.parse()
        .unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

/// Whether a device with these names matches.
fn matches(text: &str, names: &[&str]) -> bool {
    let expression = read(text);
    let mut set = 0;
    for (n, name) in expression.names().iter().enumerate() {
        set |= u8::from(names.contains(name)) << n;
    }
    expression.matches(set)
}

#[test]
fn an_expression_means_the_devices_that_its_operators_say() {
    for (text, matching, others) in [
        ("a", &["a", "a b"][..], &["", "b"][..]),
        ("a & b", &["a b", "a b c"], &["a", "b", ""]),
        ("a | b", &["a", "b", "a b"], &["", "c"]),
        ("a & !b", &["a", "a c"], &["a b", "b", ""]),
        ("a | b & c", &["a", "b c"], &["b", "c", ""]),
        ("(a | b) & c", &["a c", "b c"], &["a", "a b", "c"]),
        ("a & b | c & d", &["a b", "c d"], &["a c", "b d"]),
        ("a & !b & !c", &["a"], &["a b", "a c", "a b c"]),
        ("a & !(b | c)", &["a"], &["a b", "a c", ""]),
        ("a & !(b & c)", &["a", "a b", "a c"], &["a b c", ""]),
        ("a & !b | b", &["a", "b", "a b"], &[""]),
        ("a & (b & !c)", &["a b"], &["a", "a b c"]),
        ("a & !a", &[], &["a", ""]),
        ("@cam | a & !@cam", &["@cam", "a", "a @cam"], &[""]),
    ] {
        let split = |names: &&str| matches(text, &names.split(' ').collect::<Vec<_>>());
        assert!(
            matching.iter().all(split),
            "{text} matches each of {matching:?}"
        );
        assert!(
            !others.iter().any(split),
            "{text} matches none of {others:?}"
        );
    }
}

#[test]
fn white_space_separates_and_means_nothing_else() {
    let expected = read("a&!(b|@c)").sets();
    for text in [
        "a & !(b | @c)",
        "  a  &  !  (  b  |  @c  )  ",
        "\ta\t&\t!(b|@c)\t",
    ] {
        assert_eq!(read(text).sets(), expected, "{text:?}");
        assert_eq!(read(text).as_str(), text, "it stays as it was written");
    }
}

#[test]
fn a_name_is_listed_once_in_the_order_of_its_first_place() {
    let named = read("b & !(@a | c) | b & c");
    assert_eq!(named.names(), ["b", "@a", "c"]);
    let unlike = read("a | @a");
    assert_eq!(unlike.names().len(), 2, "a tag and a device of one name");
}

#[test]
fn an_error_has_its_position() {
    const NAME: &str = "expected a tag, an @device or (";
    const NOT: &str = "! is allowed only directly after &, and not inside what it negates";
    const NEXT: &str = "expected &, | or the end";
    const TAG: &str = "tag must match [A-Za-z0-9][A-Za-z0-9._:-]{0,127}";
    const DEVICE: &str = "device must match [A-Za-z0-9][A-Za-z0-9._-]{0,63}";
    for (text, at, wrong) in [
        ("", 1, NAME),
        ("   ", 4, NAME),
        ("!a", 1, NOT),
        ("a | !b", 5, NOT),
        ("(!a)", 2, NOT),
        ("a & (!b)", 6, NOT),
        ("a & !!b", 6, NOT),
        ("a & !(b & !c)", 11, NOT),
        ("a & !(b & (c & !d))", 16, NOT),
        ("a !b", 3, NEXT),
        ("a b", 3, NEXT),
        ("a & b)", 6, NEXT),
        ("a & ", 5, NAME),
        ("a & & b", 5, NAME),
        ("a || b", 4, NAME),
        ("| a", 1, NAME),
        ("()", 2, NAME),
        ("(a", 3, "expected &, | or )"),
        ("(a b)", 4, "expected &, | or )"),
        ("a & \u{fc}", 5, TAG),
        ("\u{fc}", 1, TAG),
        ("a, b", 1, TAG),
        ("a & b*", 5, TAG),
        ("a\nb", 1, TAG),
        ("a & @", 5, DEVICE),
        ("a & @b:c", 5, DEVICE),
        ("a & @@b", 5, DEVICE),
    ] {
        let error = text.parse::<Expression>().unwrap_err();
        assert_eq!((error.at, error.wrong.as_str()), (at, wrong), "{text:?}");
        assert_eq!(error.to_string(), format!("at character {at}: {wrong}"));
    }
}

#[test]
fn no_more_names_and_characters_than_allowed_are_taken() {
    let eight = "a|b|c|d|e|f|g|@a";
    assert_eq!(read(eight).names().len(), MAX_NAMES);
    assert_eq!(read(&format!("({eight}) & !({eight})")).sets(), [0; 0]);
    let error = format!("{eight}|h").parse::<Expression>().unwrap_err();
    assert_eq!(
        (error.at, error.wrong.as_str()),
        (18, "no more than 8 names are allowed")
    );

    let longest = format!("{}a", " ".repeat(MAX_CHARACTERS - 1));
    assert!(longest.parse::<Expression>().is_ok());
    let error = format!("{longest} ").parse::<Expression>().unwrap_err();
    assert_eq!(error.at, MAX_CHARACTERS + 1);
    // Characters, not bytes.
    let wide = "\u{1f514}".repeat(MAX_CHARACTERS);
    assert_eq!(wide.parse::<Expression>().unwrap_err().at, 1);
}

#[test]
fn parentheses_may_be_nested_as_deep_as_there_is_room() {
    let deep = |levels: usize| format!("{}a{}", "(".repeat(levels), ")".repeat(levels));
    assert_eq!(read(&deep(127)).sets(), [1]);
    let open = "(".repeat(MAX_CHARACTERS).parse::<Expression>();
    assert_eq!(open.unwrap_err().at, MAX_CHARACTERS + 1);
}

#[test]
fn it_is_written_and_read_as_its_text() {
    let target = Target::Match(read("hallway & !muted"));
    let text = r#"{"match":"hallway & !muted"}"#;
    assert_eq!(serde_json::to_string(&target).unwrap(), text);
    assert_eq!(serde_json::from_str::<Target>(text).unwrap(), target);
    let wrong = serde_json::from_str::<Target>(r#"{"match":"!muted"}"#).unwrap_err();
    assert!(wrong.to_string().contains("at character 1"), "{wrong}");
}

/// An expression as a tree, which says by itself what matches.
#[derive(Debug, Clone)]
enum Tree {
    Name(usize),
    And(Box<Tree>, Box<Tree>),
    AndNot(Box<Tree>, Box<Tree>),
    Or(Box<Tree>, Box<Tree>),
}

impl Tree {
    fn matches(&self, has: &dyn Fn(usize) -> bool) -> bool {
        match self {
            Tree::Name(n) => has(*n),
            Tree::And(a, b) => a.matches(has) && b.matches(has),
            Tree::AndNot(a, b) => a.matches(has) && !b.matches(has),
            Tree::Or(a, b) => a.matches(has) || b.matches(has),
        }
    }

    /// Appends its text, with parentheses around each operation.
    fn write(&self, text: &mut String) {
        let (a, sign, b) = match self {
            Tree::Name(n) => return write!(text, "t{n}").unwrap(),
            Tree::And(a, b) => (a, " & ", b),
            Tree::AndNot(a, b) => (a, " & !", b),
            Tree::Or(a, b) => (a, " | ", b),
        };
        text.push('(');
        a.write(text);
        text.push_str(sign);
        b.write(text);
        text.push(')');
    }
}

fn tree(negates: bool) -> BoxedStrategy<Tree> {
    let name = (0..MAX_NAMES).prop_map(Tree::Name);
    let nested = name.prop_recursive(4, 16, 2, move |inner| {
        let pair = || {
            (
                inner.clone().prop_map(Box::new),
                inner.clone().prop_map(Box::new),
            )
        };
        let and = pair().prop_map(|(a, b)| Tree::And(a, b));
        let or = pair().prop_map(|(a, b)| Tree::Or(a, b));
        match negates {
            true => {
                let none = tree(false).prop_map(Box::new);
                let without = (inner.clone().prop_map(Box::new), none);
                prop_oneof![and, or, without.prop_map(|(a, b)| Tree::AndNot(a, b))].boxed()
            }
            false => prop_oneof![and, or].boxed(),
        }
    });
    nested.boxed()
}

proptest! {
    #[test]
    fn an_expression_means_what_its_tree_means(tree in tree(true)) {
        let mut text = String::new();
        tree.write(&mut text);
        prop_assume!(text.len() <= MAX_CHARACTERS);
        let expression = read(&text);
        for set in 0..=u8::MAX {
            let has = |n: usize| {
                let name = format!("t{n}");
                let place = expression.names().iter().position(|known| *known == name);
                place.is_some_and(|place| set >> place & 1 == 1)
            };
            prop_assert_eq!(expression.matches(set), tree.matches(&has), "{} of {}", set, text);
        }
    }

    #[test]
    fn no_text_makes_reading_panic_and_no_expression_means_a_device_without_names(
        text in r"[ab@ &|!()\x{fc}]{0,40}|.{0,300}"
    ) {
        match text.parse::<Expression>() {
            Ok(expression) => {
                prop_assert!(!expression.matches(0));
                prop_assert!((1..=MAX_NAMES).contains(&expression.names().len()));
                prop_assert_eq!(expression.as_str(), text);
            }
            Err(error) => prop_assert!((1..=text.chars().count() + 1).contains(&error.at)),
        }
    }
}
