//! Prints `docs/metrics.md`; `cargo xtask docs` puts it there.

fn main() {
    print!("{}", nslife::view::metrics::reference());
}
