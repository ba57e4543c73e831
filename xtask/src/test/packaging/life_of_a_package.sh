# What becomes of nslife's package in a system of its own, which has what the README speaks of in the
# folder /life: $1 and $2 are two versions of the package, $3 and $4 what the README has people type.
set -euo pipefail

say() { echo "== $*"; }
fail() { echo "FAILED: $*"; journalctl --no-pager -u nslife | tail -n 40; exit 1; }
until_it_is() { # until_it_is WHAT COMMAND…
    local what=$1 deadline=$((SECONDS + 120))
    shift
    until "$@"; do
        ((SECONDS < deadline)) || fail "$what, not within two minutes"
        sleep 0.5
    done
}
main_pid() { systemctl show --property MainPID --value nslife; }
is_another() { local pid; pid=$(main_pid) && [[ $pid != 0 && $pid != "$1" ]] && systemctl is-active --quiet nslife; }
get() { # get PORT PATH
    exec 5<>"/dev/tcp/127.0.0.1/$1" || return 1
    printf 'GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' "$2" >&5
    cat <&5
    exec 5>&-
}
everything() {
    # dpkg, apt and the journal remember what has been.
    find / -xdev \( -path /var/lib/dpkg -o -path /var/lib/apt -o -path /var/log -o -path /var/cache -o -path /tmp \) -prune -o -print | sort
}

everything > /tmp/before

say "installed, as the README has it: it runs, and will after the next start of the system"
grep -qF "./${1#/life/}" "$3" || fail "$1 is not what the README has people install"
(cd /life && bash -eux "$3" > /tmp/said) || fail "that does not work"
grep -q '^nslife_namespaces{ns_type="net",state="active"} [1-9]' /tmp/said || fail "no metrics"
grep -q '^pid .* active' /tmp/said || fail "no list: $(cat /tmp/said)"
systemctl is-active --quiet nslife || fail "it does not run"
systemctl is-enabled --quiet nslife || fail "it is not enabled"
[[ $(get 19619 /readyz) == *" 200 OK"* ]] || fail "it is not ready"
nslife --version
[[ $(get 19619 /metrics) == *'nslife_namespaces{ns_type="net",state="active"} '[1-9]* ]] ||
    fail "it knows no network namespace"

say "as nobody in particular, with nothing"
pid=$(main_pid)
for status in "/proc/$pid/task/"*/status; do
    [[ $(grep ^Uid: "$status") != *[[:space:]]0[[:space:]]* ]] || fail "it runs as root"
    grep -q '^CapEff:\s0000000000000000$' "$status" || fail "a thread has capabilities"
    grep -q '^NoNewPrivs:\s1$' "$status" || fail "it could gain privileges"
    grep -q '^Seccomp:\s2$' "$status" || fail "it has no filter"
done
nslife list --from daemon --ns-type pid | grep -q active || fail "it answers no nslife list"

say "flags are in /etc/default"
echo NSLIFE_WEB_LISTEN_ADDRESS=127.0.0.1:19620 >> /etc/default/nslife
mkdir /run/systemd/system/nslife.service.d
printf '[Service]\nWatchdogSec=15\nRestartSec=0\n' > /run/systemd/system/nslife.service.d/test.conf
systemctl daemon-reload
systemctl restart nslife
[[ $(get 19620 /readyz) == *" 200 OK"* ]] || fail "it listens somewhere else"

say "the watchdog ends it when it hangs, and another one begins"
pid=$(main_pid)
sleep 20
[[ $(main_pid) == "$pid" ]] || fail "the watchdog ended one that does not hang"
kill -STOP "$pid"
until_it_is "another one runs" is_another "$pid"
[[ $(systemctl show --property NRestarts --value nslife) == 1 ]] || fail "it was started otherwise"
journalctl --unit nslife | grep -q -i watchdog || fail "it was not the watchdog"
rm -r /run/systemd/system/nslife.service.d
systemctl daemon-reload

say "upgraded: another one runs, with the same flags, and disabled if it was"
pid=$(main_pid)
systemctl disable --quiet nslife
dpkg --install "$2"
is_another "$pid" || fail "the old one still runs"
[[ $(get 19620 /readyz) == *" 200 OK"* ]] || fail "it lost its flags"
systemctl is-enabled --quiet nslife && fail "it is enabled again"
systemctl enable --quiet nslife

say "systemd listens where it is told to"
sed -i /NSLIFE_WEB_LISTEN_ADDRESS=127/d /etc/default/nslife
cp /usr/share/doc/nslife/examples/nslife.socket /etc/systemd/system/
systemctl daemon-reload
echo NSLIFE_WEB_SYSTEMD_SOCKET=true >> /etc/default/nslife
systemctl stop nslife
systemctl enable --quiet --now nslife.socket
# Whoever connects has it started, and waits for it.
[[ $(get 19619 /healthz) == *" 200 OK"* ]] || fail "nobody answers at the socket"
until_it_is "it is ready" systemctl is-active --quiet nslife
systemctl disable --quiet --now nslife.socket
rm /etc/systemd/system/nslife.socket
systemctl daemon-reload

say "removed: nothing runs, the flags are still there"
dpkg --remove nslife
systemctl is-active --quiet nslife && fail "it still runs"
[[ ! -e /usr/sbin/nslife && -e /etc/default/nslife ]] || fail "not what was to be removed"

say "purged: nothing is left"
apt purge --yes nslife
everything > /tmp/after
diff /tmp/before /tmp/after || fail "something is left, or gone"
[[ ! -e /run/nslife ]] || fail "/run/nslife is left"
systemctl daemon-reload
[[ $(systemctl show --property LoadState --value nslife) == not-found ]] || fail "systemd knows it"
say "installed by hand, as the README has it"
(cd /life && bash -eux "$4") || fail "that does not work"
systemctl is-active --quiet nslife || fail "it does not run"
[[ $(get 19619 /readyz) == *" 200 OK"* ]] || fail "it is not ready"
[[ $(readlink "/proc/$(main_pid)/exe") == /usr/local/sbin/nslife ]] || fail "another one runs"
say "done"
