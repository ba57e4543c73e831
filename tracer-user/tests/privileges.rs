//! What the system call filter allows and what it does not. Each case is this
//! program once more: a filter is for ever.

use std::{
    env,
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    net::{TcpListener, TcpStream, UdpSocket},
    os::unix::{net::UnixDatagram, process::ExitStatusExt as _},
    process::{Command, ExitStatus},
    thread,
    time::Duration,
};

use nslife::privileges;
use rustix::{
    fs::{MemfdFlags, memfd_create},
    io::Errno,
    process::Signal,
    system::RebootCommand,
    system::reboot,
    thread::{UnshareFlags, unshare_unsafe},
};

/// Which case this process is.
const CASE: &str = "NSLIFE_TEST_CASE";

/// Runs the case in a process that is confined, and says how that ended.
fn confined(name: &str, case: impl FnOnce()) -> Option<ExitStatus> {
    if env::var_os(CASE).is_some() {
        case();
        return None;
    }
    let status = Command::new(env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(CASE, name)
        .status()
        .unwrap();
    Some(status)
}

fn confine() {
    privileges::keep_for_start().unwrap();
    privileges::give_up_here().unwrap();
    privileges::confine().unwrap();
}

#[track_caller]
fn passes(status: Option<ExitStatus>) {
    if let Some(status) = status {
        assert!(status.success(), "{status}");
    }
}

#[track_caller]
fn is_unheard_of<T>(result: io::Result<T>) {
    let error = result.map(|_| ()).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(Errno::NOSYS.raw_os_error()));
}

#[test]
fn what_is_left_to_do_is_allowed() {
    passes(confined("what_is_left_to_do_is_allowed", || {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        confine();
        assert!(!fs::read_to_string("/proc/self/stat").unwrap().is_empty());
        assert!(fs::read_dir("/proc/self/fd").unwrap().count() > 3);
        fs::read_link("/proc/self/ns/pid").unwrap();
        thread::spawn(|| thread::sleep(Duration::from_millis(1)))
            .join()
            .unwrap();
        assert_eq!(vec![1_u8; 1 << 24].len(), 1 << 24);
        let (mut server, _) = listener.accept().unwrap();
        client.write_all(b"x").unwrap();
        server.read_exact(&mut [0]).unwrap();
        UnixDatagram::unbound().unwrap();
    }));
}

#[test]
fn what_nobody_needs_fails_as_if_there_were_no_such_call() {
    let name = "what_nobody_needs_fails_as_if_there_were_no_such_call";
    passes(confined(name, || {
        let file = env::temp_dir().join(format!("nslife-{}", std::process::id()));
        confine();
        is_unheard_of(File::create(&file));
        is_unheard_of(OpenOptions::new().write(true).open("/dev/null"));
        is_unheard_of(OpenOptions::new().append(true).open("/dev/null"));
        is_unheard_of(UdpSocket::bind("127.0.0.1:0"));
        is_unheard_of(fs::rename(&file, &file));
        let memory = memfd_create("x", MemfdFlags::CLOEXEC);
        is_unheard_of(memory.map_err(io::Error::from));
    }));
}

/// Cases that end the process, by what they do.
#[test]
fn what_an_intruder_would_do_is_the_end() {
    for (number, act) in [execute as fn(), unshare, restart].into_iter().enumerate() {
        if let Some(case) = env::var_os(CASE) {
            if case == *format!("end {number}") {
                confine();
                act();
                panic!("still here");
            }
            continue;
        }
        let status = Command::new(env::current_exe().unwrap())
            .args(["--exact", "what_an_intruder_would_do_is_the_end"])
            .env(CASE, format!("end {number}"))
            .status()
            .unwrap();
        assert_eq!(status.signal(), Some(Signal::SYS.as_raw()), "{status}");
    }
}

fn execute() {
    use std::os::unix::process::CommandExt as _;
    let _ = Command::new("/bin/true").exec();
}

fn unshare() {
    // SAFETY: no descriptor is shared with a thread of another table.
    let _ = unsafe { unshare_unsafe(UnshareFlags::NEWUTS) };
}

fn restart() {
    // This does nothing but say that Ctrl-Alt-Delete does nothing.
    let _ = reboot(RebootCommand::CadOff);
}
