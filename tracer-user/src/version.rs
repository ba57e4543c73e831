//! Which nslife this is.

/// The version of the package.
pub const NUMBER: &str = env!("CARGO_PKG_VERSION");

/// The git commit that it was built from, with `-dirty` behind it if anything
/// was changed since; `unknown` if whoever built it did not say.
pub const COMMIT: &str = env!("NSLIFE_BUILT_FROM");

/// The first twelve digits of the SHA-256 of the kernel programs in it.
pub const EBPF_OBJECT: &str = env!("NSLIFE_EBPF_OBJECT_HASH");

/// All of that in one line.
pub const WHOLE: &str = env!("NSLIFE_WHOLE_VERSION");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_has_all_three() {
        let whole = format!("{NUMBER} (commit {COMMIT}, eBPF object {EBPF_OBJECT})");
        assert_eq!(WHOLE, whole);
        assert_eq!(EBPF_OBJECT.len(), 12);
        assert!(EBPF_OBJECT.bytes().all(|digit| digit.is_ascii_hexdigit()));
    }
}
