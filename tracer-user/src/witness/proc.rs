//! The links below `/proc/PID/task/TID/ns`. Reading one opens nothing.

use std::{fs, io, path::Path};

use tracer_common::kind::NsKind;

use super::Named;

/// The namespaces of all tasks, by their inode numbers.
pub(super) fn of_tasks() -> io::Result<Named> {
    let mut all = Named::new();
    for process in numbers_in(Path::new("/proc"))? {
        let tasks = format!("/proc/{process}/task");
        for task in numbers_in(Path::new(&tasks))? {
            for kind in NsKind::ALL {
                let link = fs::read_link(format!("{tasks}/{task}/ns/{}", kind.name()));
                if let Some(link) = if_there(link)?
                    && let Some(inum) = inum_of(&link.to_string_lossy())
                {
                    all.insert((kind, inum));
                }
            }
        }
    }
    Ok(all)
}

fn numbers_in(folder: &Path) -> io::Result<Vec<u32>> {
    let entries = if_there(fs::read_dir(folder))?.into_iter().flatten();
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    Ok(names.filter_map(|name| name.parse().ok()).collect())
}

/// `None` for what belongs to a task that is gone, or has left its namespaces
/// as a zombie.
fn if_there<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) => match error.raw_os_error() {
            Some(libc::ENOENT | libc::ESRCH | libc::EACCES) => Ok(None),
            _ => Err(error),
        },
    }
}

/// The number in `net:[4026531840]`.
fn inum_of(link: &str) -> Option<u64> {
    let (_, rest) = link.split_once(":[")?;
    rest.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_have_a_number() {
        assert_eq!(inum_of("net:[4026531840]"), Some(4_026_531_840));
        assert_eq!(inum_of("net:[]"), None);
        assert_eq!(inum_of("/"), None);
    }

    #[test]
    fn this_task_is_in_a_namespace_of_each_type() {
        let all = of_tasks().unwrap();
        for kind in NsKind::ALL {
            let own = fs::read_link(format!("/proc/self/ns/{}", kind.name())).unwrap();
            let own = inum_of(own.to_str().unwrap()).unwrap();
            assert!(all.contains(&(kind, own)), "{}", kind.name());
        }
    }
}
