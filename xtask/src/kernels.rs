//! The kernels that nslife is tested on.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    str::FromStr,
};

use anyhow::{Context as _, Result, anyhow, bail};

use crate::{
    apt::Archive,
    cache::Cache,
    packages::{Candidate, newest},
};

/// A kernel series, such as 6.12.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Series {
    major: u32,
    minor: u32,
}

/// Where a series comes from and what it takes to boot it.
struct Source {
    series: Series,
    /// Debian's suites that have it, the preferred one first.
    suites: &'static [&'static str],
    /// Modules that stand between this kernel and a virtiofs, in the order of loading.
    modules: &'static [&'static str],
    /// Whether nslife has to be tested on it. Of the others the archive keeps none for long.
    mandatory: bool,
}

/// Newer series have all of it built in.
const VIRTIOFS_MODULES: &[&str] = &[
    "virtio_ring",
    "virtio",
    "virtio_pci_modern_dev",
    "virtio_pci_legacy_dev",
    "virtio_pci",
    "fuse",
    "virtiofs",
];

const MATRIX: &[Source] = &[
    mandatory(6, 1, &["bookworm-security", "bookworm"], VIRTIOFS_MODULES),
    mandatory(6, 12, &["trixie"], &[]),
    passing(6, 16, &["trixie-backports"]),
    passing(6, 17, &["trixie-backports"]),
    mandatory(6, 18, &["trixie-backports"], &[]),
    mandatory(6, 19, &["trixie-backports"], &[]),
    passing(7, 0, &["trixie-backports"]),
    passing(7, 1, &["trixie-backports"]),
    passing(7, 2, &["sid", "trixie-backports"]),
    mandatory(7, 3, &["trixie-backports"], &[]),
];

const fn mandatory(
    major: u32,
    minor: u32,
    suites: &'static [&'static str],
    modules: &'static [&'static str],
) -> Source {
    Source {
        series: Series { major, minor },
        suites,
        modules,
        mandatory: true,
    }
}

const fn passing(major: u32, minor: u32, suites: &'static [&'static str]) -> Source {
    Source {
        series: Series { major, minor },
        suites,
        modules: &[],
        mandatory: false,
    }
}

/// A kernel that is here and can be booted.
#[derive(Clone, Debug)]
pub(crate) struct Kernel {
    /// What was asked for.
    pub(crate) series: Series,
    /// The compressed image.
    pub(crate) image: PathBuf,
    /// Modules to load before anything else, in order.
    pub(crate) modules: Vec<PathBuf>,
    /// The package that it was taken from, and its version.
    pub(crate) package: String,
}

impl Kernel {
    /// The kernel of a series: the kept one, else the newest that the archive has.
    pub(crate) fn get(cache: &Cache, series: Series) -> Result<Self> {
        let source = series.source()?;
        let folder = cache.entry(&format!("kernels/{series}"), |folder| {
            fetch(cache, source, folder)
        })?;
        let open = || -> Result<Self> {
            Ok(Self {
                series,
                image: find_image(&folder)?,
                modules: find_modules(&folder, source.modules)?,
                package: fs::read_to_string(folder.join(PACKAGE_FILE))?,
            })
        };
        open().with_context(|| format!("the kernel kept in {} is of no use", folder.display()))
    }
}

/// Holds the name and version of the package that was unpacked.
const PACKAGE_FILE: &str = "package";

fn fetch(cache: &Cache, source: &Source, folder: &Path) -> Result<()> {
    let archive = Archive::discover(cache)?;
    let mut attempts = Vec::new();
    for suite in source.suites {
        let index = archive.index(&[suite])?;
        let pattern = source.series.package_pattern();
        let Some(package) = newest(index.search(&pattern)?) else {
            attempts.push(format!("no package matches {pattern} in {suite}"));
            continue;
        };
        let Candidate { name, version } = &package;
        eprintln!("xtask: fetching {name} {version} from {suite}");
        index.unpack(std::slice::from_ref(&package), folder)?;
        fs::write(folder.join(PACKAGE_FILE), format!("{name} {version}"))?;
        return Ok(());
    }
    bail!(
        "Debian's archive no longer has a kernel {}: {}",
        source.series,
        attempts.join(", ")
    )
}

fn find_image(folder: &Path) -> Result<PathBuf> {
    let in_boot = files_below(&folder.join("boot"))?;
    let among_modules = files_below(&folder.join("usr/lib/modules"))?;
    in_boot
        .into_iter()
        .chain(among_modules)
        .find(|path| file_name(path).starts_with("vmlinuz"))
        .ok_or_else(|| anyhow!("there is no vmlinuz in it"))
}

fn find_modules(folder: &Path, names: &[&str]) -> Result<Vec<PathBuf>> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let files = [
        files_below(&folder.join("lib/modules"))?,
        files_below(&folder.join("usr/lib/modules"))?,
    ]
    .concat();
    names
        .iter()
        .map(|name| {
            files
                .iter()
                .find(|path| file_name(path).strip_suffix(".ko") == Some(name))
                .cloned()
                .ok_or_else(|| anyhow!("there is no module {name}.ko in it"))
        })
        .collect()
}

fn file_name(path: &Path) -> &str {
    path.file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default()
}

/// All files below a folder; none if it does not exist.
fn files_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        if !folder.exists() {
            continue;
        }
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else {
                files.push(entry.path());
            }
        }
    }
    Ok(files)
}

impl Series {
    /// Every series of the matrix, the oldest first.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        MATRIX.iter().map(|source| source.series)
    }

    /// Those that were named, or all if none was.
    pub(crate) fn or_all(named: Vec<Self>) -> Vec<Self> {
        if named.is_empty() {
            Self::all().collect()
        } else {
            named
        }
    }

    /// Every series that nslife has to be tested on.
    pub(crate) fn mandatory() -> impl Iterator<Item = Self> {
        MATRIX
            .iter()
            .filter(|source| source.mandatory)
            .map(|source| source.series)
    }

    fn source(self) -> Result<&'static Source> {
        MATRIX
            .iter()
            .find(|source| source.series == self)
            .ok_or_else(|| {
                let known: Vec<_> = Self::all().map(|series| series.to_string()).collect();
                anyhow!(
                    "there is no kernel {self} in the matrix; there are {}",
                    known.join(", ")
                )
            })
    }

    /// Matches the names of the packages that hold the image, and of no others.
    ///
    /// Up to 6.18 `linux-image-…` does; from 6.19 on that one only depends on `linux-binary-…`.
    fn package_pattern(self) -> String {
        let kind = if self
            < (Self {
                major: 6,
                minor: 19,
            }) {
            "image"
        } else {
            "binary"
        };
        format!(
            r"^linux-{kind}-{}\.{}\.[0-9+a-z.-]*-cloud-amd64$",
            self.major, self.minor
        )
    }
}

impl fmt::Display for Series {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.major, self.minor)
    }
}

impl FromStr for Series {
    type Err = anyhow::Error;

    /// Reads a series of the matrix.
    fn from_str(text: &str) -> Result<Self> {
        let number = |text: &str| text.parse().ok();
        let series = text
            .split_once('.')
            .and_then(|(major, minor)| {
                Some(Self {
                    major: number(major)?,
                    minor: number(minor)?,
                })
            })
            .ok_or_else(|| {
                anyhow!("a kernel is named by its series, such as 6.12, not {text:?}")
            })?;
        series.source()?;
        Ok(series)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_is_read_as_it_is_written() {
        for series in Series::all() {
            assert_eq!(series.to_string().parse::<Series>().unwrap(), series);
        }
    }

    #[test]
    fn what_is_not_in_the_matrix_is_refused_with_what_is() {
        let error = "5.15".parse::<Series>().unwrap_err().to_string();
        assert!(
            error.contains("5.15") && error.contains("6.1, 6.12"),
            "{error}"
        );
        assert!("seven".parse::<Series>().is_err());
        assert!("6".parse::<Series>().is_err());
    }

    #[test]
    fn both_ends_of_the_matrix_are_mandatory() {
        let names: Vec<_> = Series::mandatory().map(|s| s.to_string()).collect();
        assert_eq!(names, ["6.1", "6.12", "6.18", "6.19", "7.3"]);
    }

    #[test]
    fn the_matrix_is_in_order_and_has_no_series_twice() {
        assert!(Series::all().is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn the_package_that_holds_the_image_changed_its_name() {
        let pattern = |text: &str| text.parse::<Series>().unwrap().package_pattern();
        assert!(pattern("6.18").starts_with(r"^linux-image-6\.18\."));
        assert!(pattern("6.19").starts_with(r"^linux-binary-6\.19\."));
        assert!(pattern("7.0").starts_with(r"^linux-binary-7\.0\."));
    }

    #[test]
    fn images_and_modules_are_found_where_debian_puts_them() {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "").unwrap();
            path
        };
        assert!(find_image(folder.path()).is_err());
        let image = write("usr/lib/modules/7.3.4/vmlinuz");
        assert_eq!(find_image(folder.path()).unwrap(), image);

        write("lib/modules/6.1.0/kernel/fs/fuse/fuse.ko");
        write("lib/modules/6.1.0/kernel/fs/fuse/virtiofs.ko");
        let modules = find_modules(folder.path(), &["virtiofs", "fuse"]).unwrap();
        let names: Vec<_> = modules.iter().map(|path| file_name(path)).collect();
        assert_eq!(names, ["virtiofs.ko", "fuse.ko"]);
        let error = find_modules(folder.path(), &["virtio"]).unwrap_err();
        assert!(error.to_string().contains("virtio.ko"));
    }
}
