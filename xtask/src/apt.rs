//! Debian packages of suites that this machine does not use: found, fetched and unpacked into the
//! cache with apt's own means, and never installed.
//!
//! apt is given a state of its own, so the system's sources, indexes and packages stay as they
//! are. What it fetches is verified against Debian's keys like everything else that it fetches.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, anyhow, bail};

use crate::{
    cache::Cache,
    install,
    packages::{
        Candidate, Repository, debian_codename, parse_repositories, parse_simulation, parse_stanzas,
    },
    process::{Chatter, on_path, run, stdout_of},
};

const KEYRINGS: [&str; 2] = [
    "/usr/share/keyrings/debian-archive-keyring.gpg",
    "/usr/share/keyrings/debian-archive-keyring.pgp",
];
const MIRROR: &str = "NSLIFE_DEBIAN_MIRROR";
const SECURITY_MIRROR: &str = "NSLIFE_DEBIAN_SECURITY_MIRROR";

/// The mirrors of Debian's archives that this machine uses.
#[derive(Clone, Debug)]
pub(crate) struct Archive {
    cache: Cache,
    mirror: Option<String>,
    security_mirror: Option<String>,
    keyring: PathBuf,
    codename: Option<String>,
}

/// The package indexes of some suites, as they are now.
#[derive(Debug)]
pub(crate) struct Index {
    suites: Vec<String>,
    folder: PathBuf,
}

impl Archive {
    /// Reads from the machine's own apt configuration where its mirrors are.
    pub(crate) fn discover(cache: &Cache) -> Result<Self> {
        for program in ["apt-get", "apt-cache", "dpkg-deb"] {
            if on_path(program).is_none() {
                bail!(
                    "{program} is not there: kernels, and QEMU where it is not installed, come \
                     from Debian packages, which apt fetches (it need not be a Debian machine; \
                     apt, dpkg and Debian's archive keyring are enough)"
                );
            }
        }
        let keyring = KEYRINGS
            .iter()
            .map(PathBuf::from)
            .find(|path| path.exists())
            .ok_or_else(|| {
                anyhow!(
                    "{} is not there, so nothing from Debian's archive can be verified: install \
                     debian-archive-keyring",
                    KEYRINGS[0]
                )
            })?;
        let listing = stdout_of(
            Command::new("apt-get")
                .args(["indextargets", "--no-release-info"])
                .args(["--format", "$(RELEASE) $(COMPONENT) $(REPO_URI)"])
                .arg("Identifier: Packages"),
        )?;
        let repositories = parse_repositories(&listing);
        let os_release = fs::read_to_string("/etc/os-release").unwrap_or_default();
        let codename = debian_codename(&os_release).map(str::to_owned);
        let configured = |wanted: fn(&Repository, &str) -> bool, variable| {
            env::var(variable).ok().or_else(|| {
                let codename = codename.as_deref()?;
                repositories
                    .iter()
                    .find(|repository| wanted(repository, codename))
                    .map(|repository| repository.uri.clone())
            })
        };
        Ok(Self {
            cache: cache.clone(),
            mirror: configured(Repository::is_main_archive, MIRROR),
            security_mirror: configured(Repository::is_security_archive, SECURITY_MIRROR),
            keyring,
            codename,
        })
    }

    /// The release of Debian that this machine runs, if it does.
    pub(crate) fn codename(&self) -> Option<&str> {
        self.codename.as_deref()
    }

    /// Fetches the package indexes of `suites`.
    pub(crate) fn index(&self, suites: &[&str]) -> Result<Index> {
        let name = format!("apt/{}", suites.join("+"));
        let _lock = self.cache.lock(&name)?;
        let index = Index {
            suites: suites.iter().map(|&suite| suite.to_owned()).collect(),
            folder: self.cache.folder(&name)?,
        };
        for folder in ["lists/partial", "archives/partial"] {
            self.cache.folder(&format!("{name}/{folder}"))?;
        }
        let sources = suites
            .iter()
            .map(|suite| Ok(source(self.mirror_of(suite)?, suite, &self.keyring)))
            .collect::<Result<Vec<_>>>()?;
        fs::write(index.folder.join("apt.sources"), sources.join("\n"))?;
        run(
            index.apt("apt-get").args(["update", "--error-on=any"]),
            Chatter::OnFailure,
        )
        .with_context(|| format!("cannot fetch the package index of {}", index.name()))?;
        Ok(index)
    }

    fn mirror_of(&self, suite: &str) -> Result<&str> {
        let (mirror, variable) = if suite.ends_with("-security") {
            (&self.security_mirror, SECURITY_MIRROR)
        } else {
            (&self.mirror, MIRROR)
        };
        mirror.as_deref().ok_or_else(|| {
            anyhow!(
                "this machine's apt configuration names no mirror of Debian that could have \
                 {suite}: give its address in {variable}"
            )
        })
    }
}

impl Archive {
    /// Installs a small system of this machine's release, with these packages and what they take,
    /// in the folder.
    pub(crate) fn install_system(&self, folder: &Path, packages: &[&str]) -> Result<()> {
        let release = self.codename().context("this is not a Debian machine")?;
        let (mirror, keyring) = (self.mirror_of(release)?, self.keyring.display());
        install::program("mmdebstrap", "mmdebstrap")?;
        let mut mmdebstrap = Command::new("mmdebstrap");
        mmdebstrap
            .args(["--mode=root", "--variant=minbase", "--include"])
            .arg(packages.join(","))
            .arg(release)
            .arg(folder)
            .arg(format!("deb [signed-by={keyring}] {mirror} {release} main"));
        run(&mut mmdebstrap, Chatter::OnFailure)
            .with_context(|| format!("cannot install a system of {release}"))
    }
}

impl Index {
    /// The newest version of each package whose name matches an extended regular expression.
    pub(crate) fn search(&self, name_pattern: &str) -> Result<Vec<Candidate>> {
        let found = stdout_of(self.apt_of_nothing_installed("apt-cache").args([
            "search",
            "--names-only",
            name_pattern,
        ]))?;
        let names: Vec<_> = found
            .lines()
            .filter_map(|line| line.split_whitespace().next())
            .collect();
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let stanzas = stdout_of(
            self.apt_of_nothing_installed("apt-cache")
                .args(["show", "--no-all-versions"])
                .args(names),
        )?;
        Ok(parse_stanzas(&stanzas))
    }

    /// The packages that installing `package` would add to this machine, itself included, with
    /// versions of the suite `preferred` wherever it has any.
    pub(crate) fn missing_for(&self, package: &str, preferred: &str) -> Result<Vec<Candidate>> {
        let plan = stdout_of(
            self.apt("apt-get")
                .args(["install", "--simulate", "--no-install-recommends"])
                .args(["--target-release", preferred])
                .arg(package),
        )?;
        Ok(parse_simulation(&plan))
    }

    /// Fetches packages and unpacks them on top of each other in `folder`.
    pub(crate) fn unpack(&self, packages: &[Candidate], folder: &Path) -> Result<()> {
        let downloads = tempfile::tempdir_in(&self.folder)?;
        let mut download = self.apt_of_nothing_installed("apt-get");
        download.arg("download").current_dir(downloads.path());
        for package in packages {
            download.arg(format!("{}={}", package.name, package.version));
        }
        run(&mut download, Chatter::OnFailure)
            .with_context(|| format!("cannot fetch packages from {}", self.name()))?;
        for entry in fs::read_dir(downloads.path())? {
            let mut extract = Command::new("dpkg-deb");
            extract.arg("--extract").arg(entry?.path()).arg(folder);
            run(&mut extract, Chatter::OnFailure)?;
        }
        Ok(())
    }

    /// The suites, for people.
    pub(crate) fn name(&self) -> String {
        self.suites.join(" and ")
    }

    /// An apt program whose indexes are these, and which otherwise knows this machine.
    fn apt(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let mut set = |name: &str, value: &Path| {
            command.arg("-o").arg(format!("{name}={}", value.display()));
        };
        set("Dir::State::Lists", &self.folder.join("lists"));
        set("Dir::Cache", &self.folder);
        set("Dir::Etc::SourceList", &self.folder.join("apt.sources"));
        set("Dir::Etc::SourceParts", Path::new("/dev/null"));
        set("Dir::Etc::Preferences", Path::new("/dev/null"));
        set("Dir::Etc::PreferencesParts", Path::new("/dev/null"));
        // Hooks of the system are about the system's indexes.
        set("APT::Update::Post-Invoke::", Path::new("true"));
        command
            .args(["-o", "#clear=APT::Update::Post-Invoke"])
            .args(["-o", "#clear=APT::Update::Post-Invoke-Success"])
            // The cache folder may be where the user _apt cannot go.
            .args(["-o", "APT::Sandbox::User="])
            .arg("--quiet");
        command
    }

    /// As `apt`, on a machine that has no packages.
    fn apt_of_nothing_installed(&self, program: &str) -> Command {
        let mut command = self.apt(program);
        command.args(["-o", "Dir::State::Status=/dev/null"]);
        command
    }
}

/// A suite in the format of `sources.list.d`.
fn source(mirror: &str, suite: &str, keyring: &Path) -> String {
    format!(
        "Types: deb\nURIs: {mirror}\nSuites: {suite}\nComponents: main\nTargets: Packages\n\
         Signed-By: {}\n",
        keyring.display()
    )
}
