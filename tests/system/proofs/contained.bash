# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Below sandboxes a device comes, or a message says what is missing.

leg=$(disk one)
# of regbuf's, more than these
options=()

servers() { find /proc -maxdepth 2 -name exe -lname '*/regbuf*' 2> /dev/null; }
nothing_is_left()
{
	no_device_is_left && ! servers | grep . && ! find /run/regbuf -type s -o -name '*.device' 2> /dev/null | grep .
}

# refused SAID PROPERTY...: regbuf add ends soon, with 1 and that message
refused()
{
	local said=$1 property args=() status=0
	shift
	for property; do args+=(-p "$property"); done
	timeout 60 systemd-run --quiet --wait --pipe --collect "${args[@]}" regbuf add -t loop -l "$leg" "${options[@]}" < /dev/null > /tmp/said 2>&1 || status=$?
	sed "s/^/# /" /tmp/said >&3
	cat /tmp/said
	[ $status = 1 ] || { echo "status $status"; return 1; }
	grep -qE "$said" /tmp/said && until_true nothing_is_left
}

# serves PROPERTY...: a device that can be used from outside, and goes
serves()
{
	local property args=() status=0
	for property; do args+=(-p "$property"); done
	timeout 60 systemd-run --quiet --unit=sandboxed --collect -p Type=notify -p NotifyAccess=all -p KillMode=process "${args[@]}" regbuf add -f --name sandboxed -t loop -l "$leg" || {
		journalctl -q -o cat -u sandboxed | tail
		return 1
	}
	regbuf list
	regbuf list | grep -q loop || return
	dd if=/dev/urandom of=/tmp/data bs=1M count=4 2> /dev/null
	dd if=/tmp/data of=/dev/ublkb0 bs=1M oflag=direct 2>&1 && cmp -n 4M /tmp/data /dev/ublkb0 && cmp -n 4M /tmp/data "$leg" || status=1
	timeout 60 systemctl stop sandboxed || status=1
	until_true nothing_is_left && return $status
}

there_is_a_driver() { the_kernel_has_the_mode && nothing_is_left; }

without_its_node() { refused 'ublk-control: .*its node is not' PrivateDevices=yes; }
with_a_list_of_devices() { refused 'ublk-control: .*DeviceAllow' DevicePolicy=closed; }
with_a_list_of_devices_that_has_ours() { serves DevicePolicy=closed 'DeviceAllow=/dev/ublk-control rw' 'DeviceAllow=char-ublk-char rw' "DeviceAllow=$(realpath "$leg") rw"; }
without_io_uring() { refused 'io_uring: .*seccomp' 'SystemCallFilter=~io_uring_setup' SystemCallErrorNumber=EPERM; }
without_all_of_io_uring() { refused 'io_uring: .*seccomp' 'SystemCallFilter=~io_uring_setup io_uring_enter io_uring_register' SystemCallErrorNumber=EPERM; }
without_io_uring_register() { refused 'io_uring_register: .*seccomp' 'SystemCallFilter=~io_uring_register' SystemCallErrorNumber=EPERM; }
without_io_uring_enter() { refused 'io_uring_enter: .*seccomp' 'SystemCallFilter=~io_uring_enter' SystemCallErrorNumber=EPERM; }
without_system_calls_that_systemd_thinks_of_as_needless() { serves SystemCallFilter=@system-service 'SystemCallFilter=@io-event @mount' SystemCallErrorNumber=EPERM; }
without_the_privilege() { refused 'CAP_SYS_ADMIN' 'CapabilityBoundingSet=~CAP_SYS_ADMIN'; }
as_root_of_a_user_namespace() { refused 'CAP_SYS_ADMIN' PrivateUsers=yes; }
without_unix_sockets() { refused 'NOTIFY_SOCKET .* cannot be told: Address family' RestrictAddressFamilies=AF_INET Type=notify NotifyAccess=all; }
without_a_writable_file() { (leg=/srv/file && truncate -s 64M $leg && refused "$leg: Read-only" ProtectSystem=strict); }
with_namespaces_forbidden() { serves RestrictNamespaces=yes; }
with_mounts_of_its_own() { serves PrivateMounts=yes ProtectSystem=strict PrivateTmp=yes ProtectHome=yes RuntimeDirectory=regbuf; }
with_a_run_that_cannot_be_written() { rm -rf /run/regbuf && options=(--name sandboxed) && refused '/run/regbuf: Read-only' ProtectSystem=strict; }
with_the_kernel_protected() { serves ProtectKernelTunables=yes ProtectKernelModules=yes ProtectKernelLogs=yes ProtectControlGroups=yes NoNewPrivileges=yes MemoryDenyWriteExecute=yes LockPersonality=yes; }
without_a_network() { serves PrivateNetwork=yes RestrictAddressFamilies=AF_UNIX; }
without_much_of_proc() { serves ProtectProc=invisible ProcSubset=pid; }
with_few_privileges() { serves 'CapabilityBoundingSet=CAP_SYS_ADMIN'; }

check there_is_a_driver
check without_its_node
check with_a_list_of_devices
check with_a_list_of_devices_that_has_ours
check without_io_uring
check without_all_of_io_uring
check without_io_uring_register
check without_io_uring_enter
check without_system_calls_that_systemd_thinks_of_as_needless
check without_the_privilege
check as_root_of_a_user_namespace
check without_unix_sockets
check without_a_writable_file
check with_namespaces_forbidden
check with_mounts_of_its_own
check with_a_run_that_cannot_be_written
check with_the_kernel_protected
check without_a_network
check without_much_of_proc
check with_few_privileges
