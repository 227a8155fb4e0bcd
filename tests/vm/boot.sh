# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Starts a guest and follows it. Three serial lines: the kernel's console, what
# the host reads (tests, demo), and at the end the kernel's whole log; all three
# are files in build/log/. Nothing waits longer than its limit.
#
# A guest cannot plug its own devices: a line "monitor: COMMAND" of what the host reads
# goes to QEMU's monitor, whose answers are in MONITOR.out, which nobody reads.

# boot_files NAME: sets CONSOLE, OUTPUT, DMESG, QEMU_LOG, MONITOR to the guest's files.
boot_files() {
	local guest
	guest=$1-$RELEASE-qemu-$(qemu_tag)
	CONSOLE=$LOG/console-$guest.log
	OUTPUT=$LOG/output-$guest.log
	DMESG=$LOG/dmesg-$guest.log
	QEMU_LOG=$LOG/qemu-$guest.log
	MONITOR=$LOG/monitor-$guest
	rm -f "$CONSOLE" "$OUTPUT" "$DMESG" "$QEMU_LOG" "$MONITOR".{in,out}
	: >"$OUTPUT"
	mkfifo "$MONITOR".{in,out}
}

# guest_size MEM SMP: of the next guest: memory, half of it on each node; processors.
guest_size() {
	local mib
	[[ $1 =~ ^([0-9]+)([MG])$ ]] || die "MEM=$1 is not a size such as 512M or 4G."
	mib=${BASH_REMATCH[1]}
	[[ ${BASH_REMATCH[2]} == M ]] || mib=$((mib * 1024))
	((mib >= 512 && mib % 2 == 0)) || die "MEM=$1 is less than a guest needs, 512M, or odd."
	case $2 in
	1 | 2 | 4 | 6 | 8 | 16 | 32 | 64) ;;
	*) die "SMP=$2 is none of 1, 2, 4, 6, 8, 16, 32, 64." ;;
	esac
	GUEST_MIB=$mib
	GUEST_SMP=$2
}

# qemu_command ACCEL RUN CONSOLE_CHARDEV: sets COMMAND.
qemu_command() {
	local accel=$1 run=$2 console=$3 smp=${GUEST_SMP:-2} mib=${GUEST_MIB:-8192}
	local cpu=max,-erms,-fsrm
	# With ERMS or FSRM the kernel copies by rep movsb, which TCG runs slowly.
	case $accel in
	tcg) accel=tcg,thread=multi ;;
	kvm) cpu=host ;;
	esac
	# shellcheck disable=SC2054 # commas inside words
	local append=(
		console=ttyS0,115200 panic=-1 oops=panic
		log_buf_len=4M loglevel=7 mitigations=off tsc=reliable no_timer_check
		random.trust_cpu=on cryptomgr.notests audit=0 nowatchdog secretmem.enable=1
		raid=noautodetect net.ifnames=0
		"dmirage_run=$run"
	)
	# Words for /init and the kernel from the caller.
	# shellcheck disable=SC2206
	append+=(${GUEST_APPEND:-} ${APPEND:-})
	# shellcheck disable=SC2054
	COMMAND=(
		"$QEMU" -L "$QEMU_FIRMWARE" -no-user-config -nodefaults
		-machine q35 -accel "$accel" -cpu "$cpu" -m "${mib}M"
		-object "memory-backend-ram,id=node0,size=$((mib / 2))M${GUEST_MEMORY:+,$GUEST_MEMORY}"
		-object "memory-backend-ram,id=node1,size=$((mib / 2))M${GUEST_MEMORY:+,$GUEST_MEMORY}"
		-numa "node,nodeid=0,cpus=0$( ((smp <= 2)) || echo "-$((smp / 2 - 1))"),memdev=node0"
		-display none -no-reboot
		-chardev "$console" -serial chardev:console
		-chardev "file,id=output,path=$OUTPUT,append=on" -serial chardev:output
		-chardev "file,id=dmesg,path=$DMESG" -serial chardev:dmesg
		-device pcie-root-port,id=port0,chassis=1
		-device "dmirage,id=dmirage,bus=port0${DEVICE:+,$DEVICE}"
		-chardev "pipe,id=monitor,path=$MONITOR" -mon chardev=monitor,mode=readline
		-kernel "$IMAGE" -initrd "${GUEST_INITRD:-$BUILD/initramfs-$RELEASE.cpio}"
		-append "${append[*]}"
	)
	# GUEST_SMP=1: one processor, and a node without any. Else there is a socket for each
	# node, or the kernel warns that a cache has two.
	if ((smp == 1)); then
		COMMAND+=(-smp 1 -numa "node,nodeid=1,memdev=node1")
	else
		COMMAND+=(
			-smp "$smp,sockets=2,cores=$((smp / 2)),threads=1"
			-numa "node,nodeid=1,cpus=$((smp / 2))$( ((smp <= 2)) || echo "-$((smp - 1))"),memdev=node1"
		)
	fi
	# What a guest has that others have not: a function that adds to COMMAND.
	[[ ! ${GUEST_DEVICES:-} ]] || "$GUEST_DEVICES"
	# More devices, -d trace:dmirage_*, -s and the like.
	# shellcheck disable=SC2206
	COMMAND+=(${QEMU_ARGS:-})
}

QEMU_PID=
stop_qemu() {
	[[ $QEMU_PID ]] || return 0
	local i
	kill -TERM "$QEMU_PID" 2>/dev/null || true
	for ((i = 0; i < 30; i++)); do
		kill -0 "$QEMU_PID" 2>/dev/null || break
		sleep 0.1
	done
	kill -KILL "$QEMU_PID" 2>/dev/null || true
	wait "$QEMU_PID" 2>/dev/null || true
	QEMU_PID=
}

# The console, for when a guest did not do what it should: from where the kernel first
# complained, after the last program began; else the end.
show_console() {
	local first
	progress_clear
	{
		if [[ -s $QEMU_LOG ]]; then
			echo "  QEMU said:"
			tail -n 5 "$QEMU_LOG" | sed 's/^/    | /'
		fi
		if [[ -s $CONSOLE ]]; then
			first=$(awk '
				/dmirage-test: / { at = 0 }
				!at && /BUG: |WARNING: |Oops: |general protection|INFO: / { at = NR }
				END { print at + 0 }
			' "$CONSOLE")
			if ((first)); then
				echo "  Its kernel complained:"
				tail -n "+$first" "$CONSOLE" | head -n 90 | tr -d '\r' | sed 's/^/    | /'
			fi
			echo "  The last lines of its console:"
			tail -n 25 "$CONSOLE" | tr -d '\r' | sed 's/^/    | /'
		else
			echo "  The kernel's console is empty."
		fi
		echo "  Console: ${CONSOLE#"$TOP"/}, command line of QEMU: ${QEMU_LOG#"$TOP"/}.cmd"
	} >&2
}

# run_guest NAME ACCEL RUN CALLBACK BOOT_LIMIT LIMIT
#
# Boots and calls CALLBACK with each line of output as it comes. Limits are in
# seconds: until the first line, and for everything. Sets FIRST_MS (start to
# first line), GUEST_STATUS (empty if the guest never said that it ended) and
# GUEST_TROUBLE (why not). Returns 0 if the guest came to its end.
run_guest() {
	local guest=$1 accel=$2 run=$3 callback=$4 boot_limit=$5 limit=$6
	local began now line buffer='' status reader elapsed monitor
	boot_files "$guest"
	qemu_command "$accel" "$run" "file,id=console,path=$CONSOLE"
	printf '%q ' "${COMMAND[@]}" >"$QEMU_LOG.cmd"
	echo >>"$QEMU_LOG.cmd"
	FIRST_MS=
	GUEST_STATUS=
	GUEST_TROUBLE=
	began=$(now_ms)
	(
		ulimit -c 0
		exec "${COMMAND[@]}" >"$QEMU_LOG" 2>&1 </dev/null
	) &
	QEMU_PID=$!
	# For reading, too: so it opens, and takes what is written, whatever QEMU does.
	exec {monitor}<>"$MONITOR.in"
	exec {reader}< <(exec tail -n +1 -f --pid="$QEMU_PID" -s 0.2 "$OUTPUT" 2>/dev/null)

	while true; do
		status=0
		line=
		# With a limit of its own, read may lose a line that comes just when it ends:
		# it is asked when there is something, and the limit is for pieces of lines.
		if read -r -t 0 -u "$reader"; then
			IFS= read -r -t 5 -u "$reader" line || status=$?
		else
			sleep 0.1
			status=129
		fi
		if ((status > 128)); then
			# Nothing, or nothing complete: keep the piece, look at the clock.
			buffer+=$line
		elif ((status)); then
			break
		else
			line=$buffer$line
			buffer=
			[[ $FIRST_MS ]] || FIRST_MS=$(($(now_ms) - began))
			if [[ $line =~ ^guest-exit:\ ([0-9]+) ]]; then
				GUEST_STATUS=${BASH_REMATCH[1]}
			elif [[ $line == "monitor: "* ]]; then
				printf '%s\n' "${line#monitor: }" >&"$monitor"
			else
				"$callback" "$line"
			fi
		fi
		# For each line, and there may be thousands: without another process.
		now=$EPOCHREALTIME
		elapsed=$((${now%.*} * 1000 + 10#${now#*.} / 1000 - began))
		if [[ ! $FIRST_MS ]] && ((elapsed > boot_limit * 1000)); then
			GUEST_TROUBLE="did not boot within $boot_limit s"
			break
		fi
		if ((elapsed > limit * 1000)); then
			GUEST_TROUBLE="hung: stopped at its limit of $limit s"
			break
		fi
	done
	exec {reader}<&- {monitor}>&-
	if [[ ! $GUEST_TROUBLE ]]; then
		{ wait "$QEMU_PID" || status=$?; } 2>/dev/null
		[[ $GUEST_STATUS ]] || GUEST_TROUBLE="ended before it was done"
	fi
	stop_qemu
	[[ ! $GUEST_TROUBLE ]]
}

need_initramfs() {
	[[ -r $BUILD/initramfs-$RELEASE.cpio ]] ||
		die "there is no initramfs for $RELEASE." "Run make initramfs first."
}

# choose_accel: sets ACCEL_USED. ACCEL=auto takes KVM only after this kernel has
# come up under it: a /dev/kvm that opens may still be unusable.
choose_accel() {
	case ${ACCEL:-auto} in
	tcg | kvm)
		ACCEL_USED=$ACCEL
		return 0
		;;
	auto) ;;
	*) die "ACCEL=$ACCEL is not known." "It is auto, tcg or kvm." ;;
	esac
	ACCEL_USED=tcg
	[[ -r /dev/kvm && -w /dev/kvm ]] || return 0
	local key known reason
	known=$BUILD/accel-$RELEASE-qemu-$(qemu_tag)
	key=$(
		{
			stat -c '%i %s %Y' "$QEMU" "$IMAGE" /dev/kvm
			uname -rv
		} | sha256sum | cut -c1-16
	)
	if [[ $(cat "$known" 2>/dev/null) != "$key "* ]]; then
		# shellcheck disable=SC2034 # progress reads it
		STAGE=accel
		progress "trying KVM"
		if run_guest "accel${IOMMU:+-iommu}" kvm none : 20 20 2>/dev/null && [[ $GUEST_STATUS == 0 ]]; then
			echo "$key kvm" >"$known"
		else
			reason=$(grep -v '^$' "$QEMU_LOG" | grep -iE 'error|fail|abort|assert|kvm' |
				head -n 1 | sed 's/^[^ ]*qemu-system-x86_64: //' | cut -c1-60)
			echo "$key tcg ${reason:-the trial guest ${GUEST_TROUBLE:-failed}}" >"$known"
		fi
		progress_clear
		# shellcheck disable=SC2034
		STAGE=
	fi
	local verdict rest
	read -r _ verdict rest <"$known"
	ACCEL_USED=$verdict
	# shellcheck disable=SC2034 # note reads it
	[[ $verdict != tcg ]] || STAGE=accel note "/dev/kvm is there but unusable ($rest): TCG"
}

# The line that says that a guest is up; called at its first output.
boot_line() {
	progress_clear
	printf '  %-10s %-56s %12s\n' boot "$RELEASE, QEMU $QEMU_RELEASE, $ACCEL_USED; first line after" \
		"$(format_ms "$FIRST_MS")"
}

trap 'stop_qemu; exit 130' INT
trap 'stop_qemu; exit 143' TERM HUP
