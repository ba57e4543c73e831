//! What `cargo xtask vm` and PID 1 of its virtual machines have to agree on.
//!
//! They share one folder, the control folder: a virtiofs with the tag [`CONTROL_TAG`] in the
//! guest. The host puts [`JOB_FILE`] into it and watches [`STDOUT_FILE`] and [`STDERR_FILE`] grow;
//! when [`STATUS_FILE`] appears, the command has ended.

use std::{ffi::OsString, path::PathBuf};

use serde::{Deserialize, Serialize};

/// Tag of the virtiofs that is the control folder.
pub const CONTROL_TAG: &str = "nslife-control";
/// Tag of the virtiofs that is the host's root.
pub const ROOT_TAG: &str = "nslife-root";
/// Folder of the initramfs with kernel modules to load, in the order of their names.
pub const MODULES_FOLDER: &str = "modules";

/// The [`Job`], as JSON.
pub const JOB_FILE: &str = "job.json";
/// What the command writes to its standard output.
pub const STDOUT_FILE: &str = "stdout";
/// What the command writes to its standard error.
pub const STDERR_FILE: &str = "stderr";
/// The command's exit status, in decimal; it appears all at once.
pub const STATUS_FILE: &str = "status";

/// Folders that are empty and writable in the guest, whatever the host has there.
pub const SCRATCH_FOLDERS: [&str; 3] = ["/run", "/tmp", "/var/tmp"];

/// What a virtual machine is to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// The host name that the guest gives itself.
    pub host_name: String,
    /// A host folder with a whole system, which the guest has for itself: `command` becomes its
    /// first process, and leaves results in the control folder. Without one, `command` is run in
    /// the host's root, which is read-only.
    pub system: Option<PathBuf>,
    /// Host folders below one of the [`SCRATCH_FOLDERS`] that are to be seen all the same.
    pub visible: Vec<PathBuf>,
    /// Host folders that are writable.
    pub shares: Vec<Share>,
    /// The program to run and its arguments.
    pub command: Vec<OsString>,
    /// Its whole environment.
    pub environment: Vec<(OsString, OsString)>,
    /// The folder to run it in; the root, if there is no such folder in the guest.
    pub working_folder: PathBuf,
}

/// A folder of the host that is writable in the guest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// Tag of its virtiofs.
    pub tag: String,
    /// Where it is, on the host and in the guest.
    pub path: PathBuf,
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt as _;

    use super::*;

    #[test]
    fn a_job_survives_the_way_even_if_it_is_not_text() {
        let job = Job {
            host_name: "vm".to_owned(),
            system: Some("/srv/system".into()),
            visible: vec!["/tmp/a b".into()],
            shares: vec![Share {
                tag: "share0".to_owned(),
                path: "/srv".into(),
            }],
            command: vec!["printf".into(), OsString::from_vec(vec![0xff, b'\n'])],
            environment: vec![("HOME".into(), "/root".into())],
            working_folder: "/".into(),
        };
        let text = serde_json::to_string(&job).unwrap();
        assert_eq!(serde_json::from_str::<Job>(&text).unwrap(), job);
    }
}
