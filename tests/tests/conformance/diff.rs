//! What differs, told so that it can be read.

use similar::TextDiff;

use crate::outcome::Outcome;

/// A unified diff from root's outcome to frng's, or `None` where they are equal.
pub fn between(expected: &Outcome, seen: &Outcome) -> Option<String> {
    if expected == seen {
        return None;
    }
    let mut told = String::new();
    if expected.end != seen.end {
        told.push_str(&format!("ended with {}, as root with {}\n", seen.end, expected.end));
    }
    for (stream, expected, seen) in
        [("stdout", &expected.stdout, &seen.stdout), ("stderr", &expected.stderr, &seen.stderr)]
    {
        if expected != seen {
            let (expected, seen) = (readable(expected), readable(seen));
            let diff = TextDiff::from_lines(&expected, &seen);
            let mut unified = diff.unified_diff();
            unified.context_radius(3).header(&format!("{stream} as root"), &format!("{stream} under frng"));
            told.push_str(&unified.to_string());
        }
    }
    Some(told)
}

/// Bytes as text, with a mark for those that are none.
fn readable(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap_or_else(|e| e.as_bytes().escape_ascii().to_string())
}
