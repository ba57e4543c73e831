//! Kernel addresses are nobody's business: they are what its protection against
//! intruders rests on.

use std::borrow::Cow;

/// How many hexadecimal digits an address has.
const DIGITS: usize = 16;

/// With what each address of the kernel's half begins on x86-64.
const KERNEL: &str = "ffff";

/// What stands where an address was.
const INSTEAD: &str = "ADDRESS";

/// A message without the kernel addresses in it. The verifier writes those of
/// maps when it shows the instructions of a program that it rejects.
pub fn without_addresses(message: &str) -> Cow<'_, str> {
    let mut cleaned = String::new();
    let mut done = 0;
    let mut from = 0;
    while let Some(start) = find_digit(message, from) {
        let digits = &message[start..];
        let length = digits
            .find(|c: char| !c.is_ascii_hexdigit())
            .unwrap_or(digits.len());
        if length == DIGITS && digits[..KERNEL.len()].eq_ignore_ascii_case(KERNEL) {
            cleaned.push_str(&message[done..start]);
            cleaned.push_str(INSTEAD);
            done = start + length;
        }
        from = start + length;
    }
    if done == 0 {
        return Cow::Borrowed(message);
    }
    cleaned.push_str(&message[done..]);
    Cow::Owned(cleaned)
}

fn find_digit(message: &str, from: usize) -> Option<usize> {
    let found = message[from..].find(|c: char| c.is_ascii_hexdigit())?;
    Some(from + found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_out_and_nothing_else() {
        for (message, cleaned) in [
            ("", ""),
            (
                "R1 invalid mem access 'scalar'",
                "R1 invalid mem access 'scalar'",
            ),
            (
                "12: (18) r1 = 0xffff888100A3b000      ; R1_w=map",
                "12: (18) r1 = 0xADDRESS      ; R1_w=map",
            ),
            (
                "ffffffff81000000ffffffff81000000",
                "ffffffff81000000ffffffff81000000",
            ),
            ("ffffffff81000000 ffffffff81000001", "ADDRESS ADDRESS"),
            ("0x000000007fffffff", "0x000000007fffffff"),
            ("ünsafe 0xffffffffc0123456…", "ünsafe 0xADDRESS…"),
        ] {
            assert_eq!(without_addresses(message), cleaned);
        }
    }
}
