# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What every script in tests/vm shares: where things are, stages and their one
# line of output, logs, progress, locks and clear errors.
#
# A script is a stage:
#	stage qemu                   name of the stage and of its log
#	run CMD…                     run CMD, output to the log, fail the stage if it fails
#	stage_done "7.2.22 …"        the stage's one line, with the time it took
#
# STAGE_OF says of which version it is, where its failure would not.
# A stage that fails says so, shows the end of its log and what to do.

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck disable=SC2034 # for the scripts that read this file
VM=$TOP/tests/vm
BUILD=$TOP/build
LOG=$BUILD/log
CACHE=${DMIRAGE_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/dmirage}
JOBS=${JOBS:-$(nproc)}
KERNEL=${KERNEL:-6.12}
QEMU_VERSION=${QEMU_VERSION:-7.2}
V=${V:-}
DEBUG=${DEBUG:-}
[[ $DEBUG != 0 ]] || DEBUG=
IOMMU=${IOMMU:-}
[[ $IOMMU != 0 ]] || IOMMU=
export LC_ALL=C

# The system's own tools come first: a Python or compiler of someone's own in
# front of them on PATH breaks meson.
PATH=/usr/sbin:/usr/bin:/sbin:/bin:$PATH

STAGE=
STAGE_OF=
LOGFILE=
STAGE_START=
STAGE_HINT=
PROGRESS_SHOWN=
PROGRESS_LAST=

mkdir -p "$LOG" "$CACHE" 2>/dev/null || {
	echo "dmirage: cannot write to $BUILD or $CACHE." >&2
	echo "         Set DMIRAGE_CACHE= to a folder that you may write to." >&2
	exit 1
}

# --- time and output -------------------------------------------------------

now_ms() {
	local t=$EPOCHREALTIME
	echo $((${t%.*} * 1000 + 10#${t#*.} / 1000))
}

# format_ms MILLISECONDS: "4.1 s", "3 min 10 s"
format_ms() {
	local ms=$1
	if ((ms < 100000)); then
		printf '%d.%d s' $((ms / 1000)) $((ms % 1000 / 100))
	else
		printf '%d min %02d s' $((ms / 60000)) $((ms % 60000 / 1000))
	fi
}

# A line that is not a stage's, under the stages.
note() {
	progress_clear
	printf '  %-10s %s\n' "${STAGE:-}" "$*"
}

progress_clear() {
	if [[ $PROGRESS_SHOWN ]]; then
		printf '\r\033[K'
		PROGRESS_SHOWN=
	fi
}

# progress TEXT: one line that is overwritten on a terminal; elsewhere a plain
# line at most every 30 seconds. A part of the test suite that runs beside others
# leaves it in PROGRESS_FILE, for who has the terminal (parts.sh).
progress() {
	if [[ ${PROGRESS_FILE:-} ]]; then
		printf '%s\n' "$1" >"$PROGRESS_FILE"
	elif [[ -t 1 ]]; then
		printf '\r\033[K  %-10s %s' "$STAGE" "$1"
		PROGRESS_SHOWN=1
	else
		local now=$EPOCHSECONDS
		: "${PROGRESS_LAST:=$now}"
		if ((now - PROGRESS_LAST >= 30)); then
			printf '  %-10s … %s\n' "$STAGE" "$1"
			PROGRESS_LAST=$now
		fi
	fi
}

# --- stages ----------------------------------------------------------------

stage() {
	STAGE=$1
	STAGE_OF=
	LOGFILE=$LOG/${2:-$1}.log
	STAGE_START=$(now_ms)
	STAGE_HINT=
	PROGRESS_LAST=
	: >"$LOGFILE"
	trap 'stage_exit $?' EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
}

stage_done() {
	local took
	took=$(format_ms $(($(now_ms) - STAGE_START)))
	progress_clear
	printf '  %-10s %-56s %12s\n' "$STAGE" "$1" "$took"
	trap - EXIT INT TERM
	STAGE=
}

# What to do if this stage fails; shown under the end of the log.
hint() {
	local IFS=$'\n'
	STAGE_HINT=$*
}

stage_exit() {
	local status=$1
	trap - EXIT
	progress_clear
	[[ $STAGE ]] || exit "$status"
	if ((status == 130 || status == 143)); then
		printf '  %-10s interrupted\n' "$STAGE"
		exit "$status"
	fi
	local took
	took=$(format_ms $(($(now_ms) - STAGE_START)))
	printf '  %-10s %-56s %12s\n' "$STAGE" "FAILED${STAGE_OF:+, $STAGE_OF}" "$took"
	{
		if [[ -s $LOGFILE ]]; then
			echo
			tail -n 20 "$LOGFILE" | cut -c1-200 | sed 's/^/    | /'
			echo
			echo "  The whole log is in ${LOGFILE#"$TOP"/}."
		fi
		[[ -z $STAGE_HINT ]] || printf '%s\n' "$STAGE_HINT" | sed 's/^/  /'
	} >&2
	((status)) || status=1
	exit "$status"
}

# die "what is wrong" ["what to do" …]: a known error; no log is shown.
die() {
	progress_clear
	if [[ $STAGE ]]; then
		printf '  %-10s %s\n' "$STAGE" "FAILED${STAGE_OF:+, $STAGE_OF}"
	fi
	trap - EXIT
	{
		echo "dmirage: $1"
		shift
		[[ $# -eq 0 ]] || printf '         %s\n' "$@"
	} >&2
	exit 1
}

# run CMD…: all output to the log (and to the terminal with V=1).
run() {
	local status=0
	echo "+ $*" >>"$LOGFILE"
	if [[ $V ]]; then
		"$@" 2>&1 </dev/null | tee -a "$LOGFILE" || status=$?
	else
		"$@" >>"$LOGFILE" 2>&1 </dev/null || status=$?
	fi
	((status != 124)) || echo "(stopped at its time limit)" >>"$LOGFILE"
	return "$status"
}

# run_steps WHAT CMD…: like run, for tools that print "[12/345] …" (ninja), or
# "[12] …". Leaves the number of the last step in STEPS.
STEPS=0
# shellcheck disable=SC2034
run_steps() {
	local what=$1 line status=0
	shift
	STEPS=0
	echo "+ $*" >>"$LOGFILE"
	# The last line of the stream is the status of the command.
	while IFS= read -r line; do
		if [[ $line == "status "* ]]; then
			status=${line#status }
			continue
		fi
		printf '%s\n' "$line" >>"$LOGFILE"
		[[ -z $V ]] || printf '%s\n' "$line"
		if [[ $line =~ ^\[([0-9]+)(/[0-9]+)?\] ]]; then
			STEPS=${BASH_REMATCH[1]}
			progress "$what ${BASH_REMATCH[1]}${BASH_REMATCH[2]}"
		fi
	done < <(
		s=0
		"$@" 2>&1 </dev/null || s=$?
		echo "status $s"
	)
	return "$status"
}

# --- tests on the host -------------------------------------------------------

# run_tap PART CMD…: CMD prints TAP of any number of programs, which goes to
# build/results/PART.tap and is counted in PART.count; what the compiler and the
# programs say goes to the log. Ends the stage.
run_tap() {
	local part=$1 tap=$BUILD/results/$1.tap status=0
	local passed failed skipped planned missing text
	shift
	mkdir -p "$BUILD/results"
	rm -f "$tap" "$BUILD/results/$part.count"
	"$@" </dev/null >"$tap" 2>>"$LOGFILE" || status=$?
	cat "$tap" >>"$LOGFILE"

	skipped=$(grep -cE '^ok .*# *[Ss][Kk][Ii][Pp]' "$tap" || true)
	passed=$(($(grep -cE '^ok ' "$tap" || true) - skipped))
	failed=$(grep -cE '^not ok ' "$tap" || true)
	planned=$(sed -n 's/^1\.\.\([0-9]*\).*/\1/p' "$tap" | awk '{ n += $1 } END { print n + 0 }')
	# A program that dies says nothing of the tests after the one it died of.
	missing=$((planned - passed - failed - skipped))
	((missing <= 0)) || failed=$((failed + missing))
	((status == 0 || failed)) || failed=1
	echo "$passed $failed $skipped" >"$BUILD/results/$part.count"

	if ((failed)); then
		hint "$passed passed, $failed failed; results: ${tap#"$TOP"/}"
		exit 1
	fi
	text="$passed passed"
	((!skipped)) || text="$text, $skipped skipped"
	stage_done "$text"
}

# --- small helpers ---------------------------------------------------------

need() {
	local tool
	for tool; do
		command -v "$tool" >/dev/null ||
			die "the program '$tool' is missing." "make packages installs what dmirage needs."
	done
}

# hash_files PATH…: one short hash over the names and contents of files; folders
# are taken with all that is in them.
hash_files() {
	local path
	for path; do
		if [[ -d $path ]]; then
			(cd "$path" && find . -type f ! -name '*~' -print0 | sort -z | xargs -0r sha256sum)
		elif [[ -e $path ]]; then
			sha256sum <"$path"
		else
			echo "absent ${path##*/}"
		fi
	done | sha256sum | cut -c1-16
}

# lock NAME: waits until no other checkout works on the same thing in the cache.
# Held until the script ends (or unlock).
lock() {
	mkdir -p "$CACHE/lock"
	exec 9>"$CACHE/lock/$1"
	local waited=0
	until flock -w 2 9; do
		((waited += 2))
		progress "waiting for another build in $CACHE (${waited} s)"
		((waited < 3600)) ||
			die "another build has held $CACHE/lock/$1 for an hour." \
				"Stop it, or use another DMIRAGE_CACHE=."
	done
}

unlock() {
	exec 9>&-
}

# copy_changed SRC DST: copies only if the content differs.
copy_changed() {
	cmp -s "$1" "$2" || cp -f "$1" "$2"
}

# --- the distribution ------------------------------------------------------

OS_RELEASE=${DMIRAGE_OS_RELEASE:-/etc/os-release}

os_field() {
	sed -n "s/^$1=//p" "$OS_RELEASE" 2>/dev/null | tr -d "\"'" | head -n 1
}

# The distribution that the recipes know: Debian 12 on x86-64.
supported_system() {
	[[ $(os_field ID) == debian && $(os_field VERSION_ID) == 12 &&
		$(uname -m) == x86_64 ]]
}

system_name() {
	local name
	name=$(os_field PRETTY_NAME)
	echo "${name:-an unknown system}, $(uname -m)"
}

# --- QEMU ------------------------------------------------------------------

# The versions that can be had by name, those of Debian 12 and 13.
QEMU_VERSIONS=(7.2 10.0)

# The name by which this run's QEMU goes: the version, or own.
qemu_tag() {
	if [[ ${QEMU_SRC:-} ]]; then echo own; else echo "$QEMU_VERSION"; fi
}

# It goes to the guest as one word of the kernel's command line.
[[ ${ONLY:-} != *[[:space:]]* ]] ||
	die "ONLY='$ONLY' has blanks in it, and is one part of a name."

# Sets COLOUR to what a report wants to be told if its output is for a terminal.
report_colour() {
	COLOUR=()
	# shellcheck disable=SC2034 # for the scripts that read this file
	[[ ! -t 1 || ${NO_COLOR:-} ]] || COLOUR=(--colour)
}

# Refuses a version that is not one of these, before anything is done for it.
check_qemu_version() {
	local version
	[[ ! ${QEMU_SRC:-} ]] || return 0
	for version in "${QEMU_VERSIONS[@]}"; do
		[[ $QEMU_VERSION != "$version" ]] || return 0
	done
	die "QEMU_VERSION=$QEMU_VERSION is not known." \
		"The choices are: ${QEMU_VERSIONS[*]}. make check-all takes all of them." \
		"For another version give its source tree: QEMU_SRC=/path/to/qemu."
}

# Sets QEMU, QEMU_FIRMWARE, QEMU_LIBQTEST and QEMU_RELEASE from what the qemu stage left.
load_qemu() {
	local file
	check_qemu_version
	file=$BUILD/qemu-$(qemu_tag).env
	[[ -r $file ]] || die "QEMU $(qemu_tag) has not been built." "Run make qemu first."
	# shellcheck disable=SC1090
	. "$file"
	: "${QEMU:?}" "${QEMU_FIRMWARE:?}" "${QEMU_LIBQTEST:?}" "${QEMU_RELEASE:?}"
}

# --- the guest kernel ------------------------------------------------------

# The name by which this run's kernel goes: the series, with -debug for the one
# that DEBUG=1 builds, or own.
kernel_tag() {
	if [[ ${KERNEL_IMAGE:-} ]]; then echo own; else echo "$KERNEL${DEBUG:+-debug}"; fi
}

# With DEBUG=1 the kernel looks for bugs in each access and each lock, and everything
# takes some times as long. Limits of time are as many times theirs.
time_scale() {
	echo $((${DEBUG:+5} + 1))
}

# The name by which the guest tests of this kernel in this QEMU go.
guest_tag() {
	echo "guest${IOMMU:+-iommu}-$(kernel_tag)-qemu-$(qemu_tag)"
}

# The name by which the matrix of this kernel in this QEMU goes.
matrix_tag() {
	echo "matrix-$(kernel_tag)-qemu-$(qemu_tag)"
}

# The name by which the mutants of this kernel in this QEMU go.
mutants_tag() {
	echo "mutants-$(kernel_tag)-qemu-$(qemu_tag)"
}

# observed_tag SET: the name by which the programs of that set go on this kernel.
observed_tag() {
	echo "observed-$1-$(kernel_tag)"
}

# Sets RELEASE, IMAGE and HEADERS from what the kernel stage left.
load_kernel() {
	local file
	file=$BUILD/kernel-$(kernel_tag).env
	[[ -r $file ]] || die "no kernel has been set up." "Run make kernel first."
	# shellcheck disable=SC1090
	. "$file"
	: "${RELEASE:?}" "${IMAGE:?}" "${HEADERS:?}"
}
