use super::*;

fn parse(words: &str) -> Verb {
    let words = ["nslife"].into_iter().chain(words.split(' '));
    Cli::try_parse_from(words).unwrap().verb
}

#[test]
fn the_command_line_makes_sense() {
    Cli::command().debug_assert();
}

#[test]
fn values_arrive_as_they_were_meant() {
    let Verb::Trace(trace) = parse(
        "trace --ns-type net,pid --ns-type mnt --event created,nsproxy_freed --ns 0xEFFFFFF8 \
         --output json --duration 2m --linger 500ms --all -- ip netns add --help",
    ) else {
        panic!("another verb");
    };
    assert_eq!(
        format!("{trace:?}"),
        "Args { ns_type: [Net, Pid, Mnt], event: [Namespace(Created), NsproxyFreed], pid: None, \
         ns: Some(Inum(4026531832)), output: Json, duration: Some(120s), linger: 500ms, all: true, \
         daemon: false, place: Place { control_socket: \"/run/nslife/control.sock\" }, command: [\"ip\", \"netns\", \"add\", \"--help\"] }"
    );
}

#[test]
fn defaults_are_what_people_expect() {
    assert_eq!(
        format!("{:?}", parse("trace --pid 12")),
        "Trace(Args { ns_type: [], event: [], pid: Some(12), ns: None, output: Text, duration: \
         None, linger: 2s, all: false, daemon: false, place: Place { \
         control_socket: \"/run/nslife/control.sock\" }, command: [] })"
    );
    assert_eq!(
        format!("{:?}", parse("list --state inactive,destroyed")),
        "List(Args { ns_type: [], state: [Inactive, Destroyed], output: Table, from: Auto, \
         daemon: false, place: Place { control_socket: \"/run/nslife/control.sock\" } })"
    );
    assert_eq!(
        format!("{:?}", parse("doctor")),
        "Doctor(Args { output: Text })"
    );
    let daemon = format!("{:?}", parse("daemon"));
    assert!(daemon.contains("127.0.0.1") && daemon.contains("19619"));
    assert!(daemon.contains("/metrics") && daemon.contains("Info"));
}

#[test]
fn every_flag_of_the_daemon_has_a_variable_of_its_name() {
    let command = Cli::command();
    let daemon = command.find_subcommand("daemon").unwrap();
    let flags: Vec<_> = daemon
        .get_arguments()
        .filter(|flag| !matches!(flag.get_id().as_str(), "help" | "version"))
        .collect();
    assert!(flags.len() > 5);
    for flag in flags {
        let long = flag.get_long().unwrap();
        let expected = format!("NSLIFE_{}", long.to_uppercase().replace(['.', '-'], "_"));
        let variable = flag.get_env().and_then(|name| name.to_str());
        assert_eq!(variable, Some(&*expected), "--{long}");
        assert!(!flag.is_hide_env_set(), "--{long}");
    }
}
