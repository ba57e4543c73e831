//! The initramfs of the virtual machines: vm-init, and the modules that the kernel needs first.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use cpio::newc::{Builder, trailer};
use vm_init::MODULES_FOLDER;

use crate::{build, kernels::Kernel, process::Chatter, project::Project};

const FOLDER: u32 = 0o040_755;
const PROGRAM: u32 = 0o100_755;
const DATA: u32 = 0o100_644;
const CHARACTER_DEVICE: u32 = 0o020_600;

/// Builds vm-init and returns its path.
pub(crate) fn build_vm_init(project: &Project, chatter: Chatter) -> Result<PathBuf> {
    build::program(project, "vm-init", "vm-init", chatter)
}

/// Where vm-init is once it has been built.
pub(crate) fn vm_init_path(project: &Project) -> PathBuf {
    build::path(project, "vm-init")
}

/// Writes the initramfs for `kernel` to `path`.
pub(crate) fn write(path: &Path, vm_init: &Path, kernel: &Kernel) -> Result<()> {
    let file = File::create(path).with_context(|| format!("cannot create {}", path.display()))?;
    let mut archive = Archive::new(BufWriter::new(file));
    archive.add_folder("dev")?;
    archive.add_console()?;
    archive.add_file("init", PROGRAM, vm_init)?;
    archive.add_folder(MODULES_FOLDER)?;
    for (position, module) in kernel.modules.iter().enumerate() {
        archive.add_file(&format!("{MODULES_FOLDER}/{position:02}.ko"), DATA, module)?;
    }
    archive.finish()
}

/// An archive in the format that the kernel unpacks.
struct Archive<W> {
    writer: W,
    /// Files with the same number would be taken for links to each other.
    next_inode: u32,
}

impl<W: io::Write> Archive<W> {
    fn new(writer: W) -> Self {
        Self {
            writer,
            next_inode: 1,
        }
    }

    fn entry(&mut self, name: &str, mode: u32) -> Builder {
        let inode = self.next_inode;
        self.next_inode += 1;
        Builder::new(name).ino(inode).mode(mode)
    }

    fn add(&mut self, entry: Builder, content: &[u8]) -> Result<()> {
        let size = content
            .len()
            .try_into()
            .context("a file is too large for an initramfs")?;
        let mut writer = entry.write(&mut self.writer, size);
        writer.write_all(content)?;
        writer.finish()?;
        Ok(())
    }

    fn add_folder(&mut self, name: &str) -> Result<()> {
        let entry = self.entry(name, FOLDER);
        self.add(entry, &[])
    }

    /// The device that the kernel opens as init's standard input and outputs.
    fn add_console(&mut self) -> Result<()> {
        let entry = self.entry("dev/console", CHARACTER_DEVICE);
        self.add(entry.rdev_major(5).rdev_minor(1), &[])
    }

    fn add_file(&mut self, name: &str, mode: u32, source: &Path) -> Result<()> {
        let content =
            fs::read(source).with_context(|| format!("cannot read {}", source.display()))?;
        let entry = self.entry(name, mode);
        self.add(entry, &content)
    }

    fn finish(self) -> Result<()> {
        trailer(self.writer)?.flush()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use cpio::newc::Reader;

    use super::*;

    #[test]
    fn holds_what_was_added() {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("source");
        fs::write(&source, "abc").unwrap();
        let mut bytes = Vec::new();
        let mut archive = Archive::new(&mut bytes);
        archive.add_folder("dev").unwrap();
        archive.add_console().unwrap();
        archive.add_file("init", PROGRAM, &source).unwrap();
        archive.finish().unwrap();

        let mut rest = bytes.as_slice();
        let mut entries = Vec::new();
        loop {
            let mut reader = Reader::new(rest).unwrap();
            if reader.entry().is_trailer() {
                break;
            }
            let mut content = String::new();
            io::Read::read_to_string(&mut reader, &mut content).unwrap();
            let entry = reader.entry();
            entries.push((entry.name().to_owned(), entry.mode(), entry.ino(), content));
            rest = reader.finish().unwrap();
        }
        let expected = [
            ("dev".to_owned(), FOLDER, 1, String::new()),
            ("dev/console".to_owned(), CHARACTER_DEVICE, 2, String::new()),
            ("init".to_owned(), PROGRAM, 3, "abc".to_owned()),
        ];
        assert_eq!(entries, expected);
    }
}
