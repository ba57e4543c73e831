//! What apt prints about repositories and packages, read into values.

use std::cmp::Ordering;

/// What a release can be called besides its codename.
const SUITES: [&str; 5] = ["oldoldstable", "oldstable", "stable", "testing", "unstable"];

/// A repository that the machine's apt configuration names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Repository {
    release: String,
    component: String,
    /// Where it is.
    pub(crate) uri: String,
}

impl Repository {
    /// Whether it is where a machine that runs the release `codename` of Debian has it from.
    pub(crate) fn is_main_archive(&self, codename: &str) -> bool {
        self.component == "main" && (self.release == codename || SUITES.contains(&&*self.release))
    }

    /// Whether it is where such a machine has its security updates from.
    pub(crate) fn is_security_archive(&self, codename: &str) -> bool {
        self.component == "main"
            && self
                .release
                .strip_suffix("-security")
                .is_some_and(|release| release == codename || SUITES.contains(&release))
    }
}

/// A version of a package that can be fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// The package's name.
    pub(crate) name: String,
    /// Its version, as Debian writes it.
    pub(crate) version: String,
}

/// The codename in an `os-release` file, if it is Debian's own.
pub(crate) fn debian_codename(os_release: &str) -> Option<&str> {
    let field = |name: &str| {
        os_release
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
            .map(|value| value.trim_matches('"'))
    };
    field("ID")
        .filter(|&id| id == "debian")
        .and_then(|_| field("VERSION_CODENAME"))
}

/// Reads lines of release, component and address.
pub(crate) fn parse_repositories(listing: &str) -> Vec<Repository> {
    listing
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace().map(str::to_owned);
            Some(Repository {
                release: words.next()?,
                component: words.next()?,
                uri: words.next()?,
            })
        })
        .collect()
}

/// Reads the stanzas of `apt-cache show`; one without a name or a version is passed over.
pub(crate) fn parse_stanzas(text: &str) -> Vec<Candidate> {
    text.split("\n\n")
        .filter_map(|stanza| {
            let field = |name: &str| {
                stanza
                    .lines()
                    .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
                    .map(str::to_owned)
            };
            Some(Candidate {
                name: field("Package")?,
                version: field("Version")?,
            })
        })
        .collect()
}

/// Reads the new packages out of the plan that `apt-get install --simulate` prints.
///
/// A package that it would upgrade is on the machine already, and is left as it is.
pub(crate) fn parse_simulation(plan: &str) -> Vec<Candidate> {
    plan.lines()
        .filter_map(|line| {
            let mut words = line.strip_prefix("Inst ")?.split(' ');
            let name = words.next()?.to_owned();
            let version = words.next()?.strip_prefix('(')?.to_owned();
            Some(Candidate { name, version })
        })
        .collect()
}

/// The newest of some packages of one kernel series.
///
/// Versions are compared number by number, which is what the order of kernel versions amounts to;
/// among equal ones the name decides, since it holds the ABI's number.
pub(crate) fn newest(candidates: Vec<Candidate>) -> Option<Candidate> {
    candidates
        .into_iter()
        .max_by(|a, b| match numbers(&a.version).cmp(&numbers(&b.version)) {
            Ordering::Equal => numbers(&a.name).cmp(&numbers(&b.name)),
            order => order,
        })
}

fn numbers(text: &str) -> Vec<u64> {
    text.split(|character: char| !character.is_ascii_digit())
        .filter_map(|digits| digits.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(name: &str, version: &str) -> Candidate {
        Candidate {
            name: name.to_owned(),
            version: version.to_owned(),
        }
    }

    #[test]
    fn tells_debians_archives_from_others() {
        let repositories = parse_repositories(
            "nodistro main mirror://node/\n\
             bookworm-backports main mirror://debian/\n\
             bookworm stable mirror://docker/\n\
             bookworm main mirror://debian/\n\
             bookworm-security main mirror://security/\n\
             truncated\n",
        );
        let uris = |wanted: fn(&Repository, &str) -> bool| -> Vec<_> {
            repositories
                .iter()
                .filter(|repository| wanted(repository, "bookworm"))
                .map(|repository| repository.uri.as_str())
                .collect()
        };
        assert_eq!(uris(Repository::is_main_archive), ["mirror://debian/"]);
        assert_eq!(
            uris(Repository::is_security_archive),
            ["mirror://security/"]
        );
    }

    #[test]
    fn only_debian_itself_has_a_debian_codename() {
        let debian = "PRETTY_NAME=\"Debian GNU/Linux 12\"\nVERSION_CODENAME=bookworm\nID=debian\n";
        assert_eq!(debian_codename(debian), Some("bookworm"));
        let other = "ID=ubuntu\nID_LIKE=debian\nVERSION_CODENAME=noble\n";
        assert_eq!(debian_codename(other), None);
    }

    #[test]
    fn reads_stanzas() {
        let text = "Package: linux-binary-7.3.4\nSource: linux-signed (7.3.4+1)\n\
                    Version: 7.3.4-1~bpo13+1\nDescription: Linux\n Version: of no concern\n\n\
                    Package: nameless\n\nPackage: b\nVersion: 2\n";
        assert_eq!(
            parse_stanzas(text),
            [
                candidate("linux-binary-7.3.4", "7.3.4-1~bpo13+1"),
                candidate("b", "2")
            ]
        );
        assert_eq!(parse_stanzas(""), []);
    }

    #[test]
    fn reads_what_would_be_new() {
        let plan = "Reading package lists...\nRemv qemu-utils [1:10.0.2]\n\
                    Inst libfdt1 (1.6.1-4+b1 Debian:12.15/oldstable [amd64])\n\
                    Inst libc6 [2.36-9] (2.36-10 Debian:12.15/oldstable [amd64])\n\
                    Conf libfdt1 (1.6.1-4+b1 Debian:12.15/oldstable [amd64])\n";
        assert_eq!(parse_simulation(plan), [candidate("libfdt1", "1.6.1-4+b1")]);
    }

    #[test]
    fn newest_compares_numbers_not_text() {
        let newest_of = |versions: &[(&str, &str)]| {
            newest(versions.iter().map(|(n, v)| candidate(n, v)).collect())
                .unwrap()
                .name
        };
        assert_eq!(
            newest_of(&[("a", "6.19.9-1"), ("b", "6.19.14-1"), ("c", "6.19.6-2")]),
            "b"
        );
        assert_eq!(
            newest_of(&[("a-6.1.0-9", "6.1.192-2"), ("a-6.1.0-56", "6.1.192-2")]),
            "a-6.1.0-56"
        );
        assert_eq!(newest(Vec::new()), None);
    }
}
