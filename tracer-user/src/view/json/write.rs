//! JSON that is safe to look at in a terminal.

use std::io::{self, Write};

use serde::Serialize;

use crate::view::escape::is_unsafe;

/// Writes a value on one line.
pub fn write_line(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    write_escaped(out, &serde_json::to_string(value)?)
}

/// Writes a value over several lines.
pub fn write_pretty(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    write_escaped(out, &serde_json::to_string_pretty(value)?)
}

/// Escapes what JSON would let pass but a terminal may act on (DEL, the C1
/// controls, bidirectional overrides): the same string to a program, and
/// harmless to a person. Outside its strings JSON is plain ASCII, so that
/// such a character can only be in a string.
fn write_escaped(out: &mut impl Write, json: &str) -> io::Result<()> {
    let mut rest = json;
    while let Some((at, c)) = rest
        .char_indices()
        .find(|&(_, c)| c != '\n' && is_unsafe(c))
    {
        out.write_all(&rest.as_bytes()[..at])?;
        let mut units = [0; 2];
        for unit in c.encode_utf16(&mut units) {
            write!(out, "\\u{unit:04x}")?;
        }
        rest = &rest[at + c.len_utf8()..];
    }
    out.write_all(rest.as_bytes())?;
    out.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminals_see_nothing_to_act_on_and_programs_the_same_string() {
        let strange = "a\u{1b}[31m\u{9b}31m\u{7f}\n\u{202e}b☃\u{e0001}";
        let mut line = Vec::new();
        write_line(&mut line, &strange).unwrap();
        let line = String::from_utf8(line).unwrap();
        assert_eq!(
            line,
            "\"a\\u001b[31m\\u009b31m\\u007f\\n\\u202eb☃\u{e0001}\"\n"
        );
        assert_eq!(serde_json::from_str::<String>(&line).unwrap(), strange);
    }
}
