//! Command names are bytes chosen by strangers, and output goes to terminals.
//! So are the words of whoever answers at a socket, and paths.

use std::fmt::{self, Write as _};

use crate::model::Comm;

/// Whether a terminal may act on this character, or hide or reorder others
/// because of it, instead of showing it.
pub fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{00ad}'                  // soft hyphen
            | '\u{061c}'                // bidirectional marks, embeddings,
            | '\u{200b}'..='\u{200f}'   // overrides and isolates; zero width
            | '\u{2028}'..='\u{202e}'   // line and paragraph separators
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}')
}

/// A command name fit for a terminal: what cannot be shown as it is becomes
/// an escape (`\n`, `\x1b`, `\u{202e}`; bytes that are not UTF-8 `\xff`), and
/// a backslash is doubled so that the escapes are unambiguous.
#[derive(Clone, Copy)]
pub struct Shown<'a>(pub &'a Comm);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.bytes().utf8_chunks() {
            for c in chunk.valid().chars() {
                match c {
                    '\\' => f.write_str("\\\\")?,
                    c => write_safely(f, c)?,
                }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

/// A message fit for a terminal, on one line. As [`Shown`], but a backslash stays
/// what it is: this is for people, and in most messages nothing is escaped.
#[derive(Clone, Copy)]
pub struct Told<'a>(pub &'a str);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| write_safely(f, c))
    }
}

fn write_safely(f: &mut fmt::Formatter<'_>, c: char) -> fmt::Result {
    match c {
        '\n' => f.write_str("\\n"),
        '\t' => f.write_str("\\t"),
        c if c.is_ascii() && is_unsafe(c) => write!(f, "\\x{:02x}", u32::from(c)),
        c if is_unsafe(c) => write!(f, "\\u{{{:x}}}", u32::from(c)),
        c => f.write_char(c),
    }
}

/// A command name as a string for JSON: bytes that are not UTF-8 become
/// U+FFFD. (What a terminal may act on is escaped when the JSON is written,
/// see [`super::json::write_line`].)
pub fn lossy(comm: &Comm) -> String {
    String::from_utf8_lossy(comm.bytes()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn comm(bytes: &[u8]) -> Comm {
        let mut padded = [0; 16];
        padded[..bytes.len()].copy_from_slice(bytes);
        Comm(padded)
    }

    fn shown(bytes: &[u8]) -> String {
        Shown(&comm(bytes)).to_string()
    }

    #[test]
    fn ordinary_names_stay_as_they_are() {
        assert_eq!(shown(b"unshare"), "unshare");
        assert_eq!(shown(b"kworker/0:1-eve"), "kworker/0:1-eve");
        assert_eq!(shown("föö ☃".as_bytes()), "föö ☃");
        assert_eq!(shown(b""), "");
    }

    #[test]
    fn nothing_reaches_the_terminal_that_it_would_act_on() {
        assert_eq!(shown(b"\x1b[2J\x1b[31mx"), "\\x1b[2J\\x1b[31mx");
        assert_eq!(shown(b"a\nb\tc\rd"), "a\\nb\\tc\\x0dd");
        assert_eq!(shown("\u{9b}31m".as_bytes()), "\\u{9b}31m");
        assert_eq!(shown("\u{202e}exe".as_bytes()), "\\u{202e}exe");
        assert_eq!(shown(b"\x7f"), "\\x7f");
    }

    #[test]
    fn invalid_utf8_is_shown_byte_by_byte() {
        assert_eq!(shown(b"a\xff\xc3"), "a\\xff\\xc3");
        assert_eq!(shown(&[0xe2; 16]), "\\xe2".repeat(16));
    }

    #[test]
    fn escapes_cannot_be_forged() {
        assert_eq!(shown(b"\\x1b"), "\\\\x1b");
    }

    #[test]
    fn every_name_comes_out_printable() {
        for a in 0..=255 {
            for b in [0x1b, 0x80, 0x9b, 0xc2, 0xe2, 0xff] {
                let text = shown(&[a, b, b'x']);
                assert!(!text.chars().any(is_unsafe), "{a} {b}: {text:?}");
            }
        }
    }

    #[test]
    fn messages_stay_on_one_line() {
        let told = |text: &str| Told(text).to_string();
        assert_eq!(told("no \\ here: föö"), "no \\ here: föö");
        assert_eq!(
            told("a\n\x1b]0;x\x07\u{9b}m\u{202e}"),
            "a\\n\\x1b]0;x\\x07\\u{9b}m\\u{202e}"
        );
    }

    #[test]
    fn json_names_are_lossy() {
        assert_eq!(lossy(&comm(b"a\xffb")), "a\u{fffd}b");
    }
}
