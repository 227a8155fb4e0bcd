# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Parts of the test suite that run beside each other.
#
# A part is a command with a name. What it prints is kept, and shown in one piece when
# it ends, so that nothing is between the lines of two; what runs meanwhile is one line
# of progress. With V=1 or JOBS=1 a part runs by itself, and is seen as it goes.
#
#	part_start NAME CMD…	waits for a place, of which there are JOBS, and starts it
#	parts_wait		until all have ended
#	parts_failed		whether one of them failed
#	parts_stop		ends all that run
#
# Each has a session of its own: what it started can be found, and ended with it.

PARTS_FAILED=
declare -A PART_PID=()	# of those that run, by name

# part_output NAME, part_progress NAME: the files of a part
part_output() {
	echo "$LOG/part-$1.log"
}

part_progress() {
	echo "$LOG/part-$1.progress"
}

# part_end NAME: it is over; show what it said.
part_end() {
	local name=$1 status=0
	wait "${PART_PID[$name]}" || status=$?
	unset "PART_PID[$name]"
	progress_clear
	cat "$(part_output "$name")"
	rm -f "$(part_progress "$name")"
	((status == 0)) || PARTS_FAILED=1
}

# parts_until N: until no more than N run.
# shellcheck disable=SC2034 # progress reads STAGE
parts_until() {
	local name text alive
	while true; do
		alive=" $(jobs -rp | tr '\n' ' ')"
		for name in "${!PART_PID[@]}"; do
			[[ $alive == *" ${PART_PID[$name]} "* ]] || part_end "$name"
		done
		((${#PART_PID[@]} > $1)) || return 0
		text=
		for name in "${!PART_PID[@]}"; do
			text+="${text:+; }$name $(cat "$(part_progress "$name")" 2>/dev/null || true)"
		done
		STAGE=running
		progress "${text:0:66}"
		STAGE=
		sleep 0.2
	done
}

part_start() {
	local name=$1
	shift
	if [[ $V ]] || ((JOBS == 1)); then
		"$@" || PARTS_FAILED=1
		return 0
	fi
	parts_until $((JOBS - 1))
	rm -f "$(part_progress "$name")"
	PROGRESS_FILE=$(part_progress "$name") setsid "$@" >"$(part_output "$name")" 2>&1 </dev/null &
	PART_PID[$name]=$!
}

parts_wait() {
	parts_until 0
}

parts_failed() {
	[[ $PARTS_FAILED ]]
}

# session_signal SID SIGNAL: to all processes of a session; fails if there is none.
session_signal() {
	local stat line fields found=1
	for stat in /proc/[0-9]*/stat; do
		# pid (name) state ppid pgrp session …; a name may have anything in it.
		{ IFS= read -r line <"$stat"; } 2>/dev/null || continue
		read -ra fields <<<"${line##*) }"
		[[ ${fields[3]} == "$1" && ${fields[0]} != Z ]] || continue
		kill "-$2" "${line%% *}" 2>/dev/null || true
		found=0
	done
	return $found
}

# parts_stop: ends all that run, with all that they started.
parts_stop() {
	local name pid i
	for name in "${!PART_PID[@]}"; do
		pid=${PART_PID[$name]}
		session_signal "$pid" TERM || true
	done
	for name in "${!PART_PID[@]}"; do
		pid=${PART_PID[$name]}
		for ((i = 0; i < 30; i++)); do
			session_signal "$pid" 0 || break
			sleep 0.1
		done
		session_signal "$pid" KILL || true
		wait "$pid" 2>/dev/null || true
		rm -f "$(part_progress "$name")"
	done
	PART_PID=()
}
