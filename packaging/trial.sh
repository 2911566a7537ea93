#!/bin/bash
# Runs in a fresh Debian with systemd as the first process: installs the package and uses it.
# Never: runs on a machine with a server; it purges the package with its data.
set -euo pipefail
trap 'echo "trial: line $LINENO failed" >&2' ERR

step() { echo "== $*"; }
fail() { echo "trial: $*" >&2; exit 1; }
expect() { # WHAT SEEN EXPECTED
    [ "$2" = "$3" ] || fail "$1 is '$2' and not '$3'"
}
property() { systemctl show -p "$1" --value portcullis; }
until_active() {
    for _ in $(seq 150); do
        if [ "$(systemctl is-active portcullis)" = active ]; then return; fi
        sleep 0.2
    done
    fail "the server is not active: $(journalctl -u portcullis -o cat | tail -20)"
}

step "install"
dpkg -i /root/portcullis.deb
expect "the shell of the user" "$(getent passwd portcullis | cut -d: -f7)" /usr/sbin/nologin
for expected in "755 root:root /usr/bin/portcullis" "755 root:root /usr/sbin/portcullisctl" \
    "750 root:portcullis /etc/portcullis" "640 root:portcullis /etc/portcullis/portcullis.toml" \
    "700 portcullis:portcullis /var/lib/portcullis" \
    "700 portcullis:portcullis /var/backups/portcullis" \
    "750 portcullis:portcullis /var/log/portcullis"; do
    expect "owner and mode" "$(stat -c '%a %U:%G %n' "${expected##* }")" "$expected"
done
expect "the unit after the installation" "$(systemctl is-enabled portcullis || true)" disabled
expect "the server after the installation" "$(systemctl is-active portcullis || true)" inactive
systemd-analyze verify --man=no /lib/systemd/system/portcullis.service
portcullis --version

step "a server without a certificate does not start, and is not started again and again"
portcullisctl check 2> /tmp/check && fail "check accepts a missing certificate"
grep -q /etc/portcullis/tls /tmp/check || fail "check does not name the file: $(cat /tmp/check)"
systemctl start portcullis 2> /dev/null && fail "the server started without a certificate"
expect "the exit code" "$(property ExecMainStatus)" 2
expect "restarts" "$(property NRestarts)" 0

step "configure and start"
install -o root -g portcullis -m 640 /root/tls.key /etc/portcullis/tls.key
install -o root -g portcullis -m 644 /root/tls.crt /etc/portcullis/tls.crt
portcullisctl init --domain chat.example 2> /dev/null && fail "init replaced the template"
portcullisctl init --force --domain chat.example | grep -q 'portcullisctl check' || fail "no steps"
expect "owner and mode of the new configuration" \
    "$(stat -c '%a %U:%G' /etc/portcullis/portcullis.toml)" "640 root:portcullis"
portcullisctl config example | grep -q '^#registration = ' || fail "no example"
portcullisctl check > /dev/null
systemctl reset-failed portcullis
systemctl enable --now portcullis
expect "the server after its start" "$(systemctl is-active portcullis)" active
process=$(property MainPID)
expect "the user of the process" "$(stat -c %U "/proc/$process")" portcullis
status() { awk -v name="$1:" '$1 == name { print $2 }' "/proc/$process/status"; }
expect "the privileges of the process" "$(status CapEff) $(status CapBnd)" \
    "0000000000000400 0000000000000400"
expect "no new privileges, filter of system calls" "$(status NoNewPrivs) $(status Seccomp)" "1 2"
expect "open files" "$(property LimitNOFILE)" 65536
systemd-analyze security --threshold=15 portcullis.service > /dev/null
portcullisctl health --ready
(cd /tmp && portcullisctl manual . && [ -s portcullis.1 ]) || fail "no manual pages in a folder"
open=$(find /var/lib/portcullis -type f ! -perm 600 ! -name 'security.log*' \
    ! -name audit-chain.keys)
[ -z "$open" ] || fail "other users can read: $open"
portcullisctl state show | grep -q '^state: normal'

step "the first administrator signs in and chats"
page=https://chat.example
request() {
    curl --silent --show-error --fail --cacert /root/tls.crt --resolve chat.example:443:127.0.0.1 \
        -H "Origin: $page" "$@"
}
setup=$(journalctl -u portcullis -o cat | grep -o 'setup=.*' | head -1)
account='"username":"ada","password":"a plain long sentence of my own"'
json='content-type: application/json'
request -H "$json" -d "{\"token\":\"${setup#setup=}\",$account}" $page/auth/setup > /dev/null
token=$(request -H "$json" -d "{$account}" $page/auth/login | grep -o '"access_token":"[^"]*"' |
    cut -d'"' -f4)
polling="$page/socket.io/?EIO=4&transport=polling"
sid=$(request "$polling" | grep -o '"sid":"[^"]*"' | cut -d'"' -f4)
packets() { request -H 'content-type: text/plain' --data-binary "$1" "$polling&sid=$sid" > /dev/null
    request "$polling&sid=$sid"; echo; }
packets "40{\"token\":\"$token\"}"
room=$(packets '420["room:create",{"name":"Tea","visibility":"public"}]' |
    grep -o '"id":"[^"]*"' | head -1 | cut -d'"' -f4)
sent=$(packets "421[\"chat:send\",{\"roomId\":\"$room\",\"message\":\"hello\"}]")
[[ "$sent" == *'"ok":true'* ]] || fail "the message was rejected: $sent"
request $page/ | grep -qi '<!doctype html' || fail "no chat page"

step "backup by the unit of the timer, and a trial of a restore"
systemctl start portcullis-backup.service
expect "the result of the backup" \
    "$(systemctl show -p Result --value portcullis-backup.service)" success
backups=/var/backups/portcullis
portcullisctl backup --into $backups --keep 1 --keys $backups/keys > /tmp/backup
grep -q '^deleted ' /tmp/backup || fail "the older backup is left: $(cat /tmp/backup)"
install -d -o portcullis -g portcullis -m 700 /var/tmp/restored
trial() {
    setpriv --reuid portcullis --regid portcullis --init-groups portcullis "$@" \
        --config /etc/portcullis/portcullis.toml --data /var/tmp/restored
}
trial restore $backups/portcullis-2* --keys $backups/keys > /dev/null
trial user list | grep ada > /dev/null || fail "the account is not in the restored data"
rm -r /var/tmp/restored
expect "the timer after the installation" \
    "$(systemctl is-enabled portcullis-backup.timer || true)" disabled

step "reload"
systemctl reload portcullis
until_active
expect "the process after a reload" "$(property MainPID)" "$process"
journalctl -u portcullis -o cat | grep 'the configuration was reloaded' > /dev/null || fail "no reload"

step "reload of an invalid configuration"
cp -a /etc/portcullis/portcullis.toml /root/valid.toml
echo '[listen' >> /etc/portcullis/portcullis.toml
if systemctl reload portcullis; then fail "the reload of an invalid configuration succeeds"; fi
journalctl -u portcullis -o cat | grep 'portcullis.toml:' > /dev/null || fail "the journal names no line"
expect "the process after an invalid reload" "$(property MainPID)" "$process"
portcullisctl health --ready 2> /tmp/warning || fail "no health beside an invalid configuration"
grep -q configuration-in-force /tmp/warning || fail "no warning: $(cat /tmp/warning)"
cp -a /root/valid.toml /etc/portcullis/portcullis.toml

step "reload with 1,000 connections"
cat >> /etc/portcullis/portcullis.toml <<'END'

[capacity]
connections_per_user = 1100

[rate]
connect_per_prefix = "100000/60s"
connect_known_per_prefix = "100000/60s"
tls_per_prefix = "100000/60s"
namespace_per_user = "100000/60s"
message_per_user = "100000/60s"
END
portcullisctl reload > /tmp/reload
grep -q 'capacity.connections_per_user' /tmp/reload || fail "the reload names no limit: $(cat /tmp/reload)"
mkfifo /tmp/go
python3 /root/trial-connections.py 1000 /root/tls.crt "$token" < /tmp/go > /tmp/connections &
exec 3> /tmp/go
for _ in $(seq 300); do
    if grep -q connected /tmp/connections; then break; fi
    sleep 0.2
done
grep -q connected /tmp/connections || fail "1,000 connections could not be opened"
sed -i 's|^allowed = .*|allowed = ["https://chat.example", "https://app.example"]|' \
    /etc/portcullis/portcullis.toml
portcullisctl reload > /tmp/reload
grep -q origin.allowed /tmp/reload || fail "the reload names no origin: $(cat /tmp/reload)"
echo >&3
exec 3>&-
wait %1
expect "connections that answer after the reload" "$(tail -1 /tmp/connections)" 1000
expect "the process after both reloads" "$(property MainPID)" "$process"

step "stop with a drain"
systemctl stop portcullis
expect "the result of the stop" "$(property Result) $(property ExecMainStatus)" "success 0"
journalctl -u portcullis -o cat | grep 'clients are asked to reconnect' > /dev/null || fail "no drain"

step "watchdog: a process that does not answer is restarted"
mkdir -p /etc/systemd/system/portcullis.service.d
printf '[Service]\nWatchdogSec=2s\n' > /etc/systemd/system/portcullis.service.d/trial.conf
systemctl daemon-reload
systemctl start portcullis
kill -STOP "$(property MainPID)"
for _ in $(seq 100); do
    if [ "$(property NRestarts)" = 1 ]; then break; fi
    sleep 0.2
done
expect "restarts by the watchdog" "$(property NRestarts)" 1
until_active

step "upgrade keeps the configuration, and restarts the server"
echo '# changed by the operator' >> /etc/portcullis/portcullis.toml
process=$(property MainPID)
dpkg -i /root/portcullis.deb
until_active
[ "$(property MainPID)" != "$process" ] || fail "the server was not restarted"
grep -q '^# changed by the operator' /etc/portcullis/portcullis.toml || fail "a change is lost"
portcullisctl user list | grep ada > /dev/null || fail "the account is lost"
portcullisctl audit verify --key "$(portcullisctl audit key)"

step "a lost machine: restore, and sign in again"
portcullisctl backup $backups/last --keys $backups/last-keys > /dev/null
systemctl stop portcullis
find /var/lib/portcullis -mindepth 1 -delete
portcullisctl restore $backups/last --keys $backups/last-keys > /dev/null
systemctl start portcullis
token=$(request -H "$json" -d "{$account}" $page/auth/login | grep -o '"access_token":"[^"]*"' |
    cut -d'"' -f4)
sid=$(request "$polling" | grep -o '"sid":"[^"]*"' | cut -d'"' -f4)
packets "40{\"token\":\"$token\"}" > /dev/null
history=$(packets "422[\"chat:history\",{\"roomId\":\"$room\"}]")
[[ "$history" == *'"hello"'* ]] || fail "the message is lost: $history"
portcullisctl audit verify --key "$(portcullisctl audit key)"

step "a certificate of an authority (pebble)"
systemctl stop portcullis
printf '{"pebble":{"listenAddress":"127.0.0.1:14000","managementListenAddress":"127.0.0.1:15000",
    "certificate":"/root/acme.pem","privateKey":"/root/acme.key","httpPort":80,"tlsPort":443}}
' > /root/pebble.json
pebble-challtestsrv -defaultIPv4 127.0.0.1 -defaultIPv6 '' -http01 '' -https01 '' -tlsalpn01 '' \
    -dns01 127.0.0.1:8053 -management 127.0.0.1:8055 > /dev/null 2>&1 &
pebble -config /root/pebble.json -dnsserver 127.0.0.1:8053 > /root/pebble.log 2>&1 &
for _ in $(seq 150); do
    if curl --silent --cacert /root/acme.pem https://127.0.0.1:14000/dir > /dev/null; then break; fi
    sleep 0.2
done
curl --silent --show-error --cacert /root/acme.pem https://127.0.0.1:14000/dir > /dev/null ||
    fail "the authority does not run: $(cat /root/pebble.log)"
install -o root -g portcullis -m 644 /root/acme.pem /etc/portcullis/acme.pem
portcullisctl init --force --domain chat.example --tls acme --agree-terms > /dev/null
sed -i 's|^acme_terms_agreed.*|&\nacme_directory = "https://127.0.0.1:14000/dir"\
acme_ca_file = "/etc/portcullis/acme.pem"|' /etc/portcullis/portcullis.toml
portcullisctl check > /dev/null
systemctl start portcullis
for _ in $(seq 150); do
    if portcullisctl health --ready > /dev/null 2>&1; then break; fi
    sleep 0.2
done
portcullisctl health --ready || fail "no certificate: $(journalctl -u portcullis -o cat | tail -5)"
curl --silent --show-error --fail --cacert /root/acme.pem https://127.0.0.1:15000/roots/0 > /root/root.pem
curl --silent --show-error --fail --cacert /root/root.pem --resolve chat.example:443:127.0.0.1 \
    $page/auth/login -H "$json" -H "Origin: $page" -d "{$account}" | grep access_token > /dev/null ||
    fail "no sign-in with the certificate of the authority"

step "remove keeps configuration and data"
dpkg -r portcullis
expect "the server after the removal" "$(systemctl is-active portcullis || true)" inactive
[ ! -e /usr/bin/portcullis ] || fail "the binary is left"
[ -s /var/lib/portcullis/portcullis.db ] || fail "the database is lost"
[ -s /etc/portcullis/portcullis.toml ] || fail "the configuration is lost"

step "an installation after that enables the unit again, and starts nothing"
dpkg -i /root/portcullis.deb
expect "the unit after the second installation" "$(systemctl is-enabled portcullis)" enabled
expect "the server after it" "$(systemctl is-active portcullis || true)" inactive

step "purge removes them, and leaves files of the operator"
dpkg -P portcullis
[ ! -e /var/lib/portcullis ] || fail "the data are left"
[ ! -e /var/log/portcullis ] || fail "the logs are left"
[ -s "$(echo /var/backups/portcullis/portcullis-2*/portcullis.db)" ] || fail "backups are lost"
links=$(find /etc/systemd -name portcullis.service)
[ -z "$links" ] || fail "links are left: $links"
[ ! -e /etc/portcullis/portcullis.toml ] || fail "the configuration is left"
[ -s /etc/portcullis/tls.key ] || fail "a file of the operator is lost"
echo "trial: passed"
