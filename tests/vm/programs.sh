# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Programs of the host, or of packages, for a guest: with the loader and the libraries that
# they are linked to, by the same names. Expects lib.sh and fetch.sh.
#
#	root_begin NAME			an empty root for the guest, in build/NAME/
#	take_package PACKAGE PROGRAM…	from now on programs come from there, if it has them
#	program_file PROGRAM		its file, on the host; nothing if there is none
#	take_program FILE		into the root, with what it needs
#	take FILE			a file or a folder alone
#	root_pack			makes of it and of the guest's own root GUEST_INITRD
#
# What a file is called in the guest guest_name says.

# Where a package is unpacked, or what else looks like a root; empty: all is the host's.
PACKAGES=

ROOT=

root_begin() {
	ROOT=$BUILD/$1/root
	rm -rf "${BUILD:?}/$1"
	mkdir -p "$ROOT"
}

guest_name() {
	echo "${1#"$PACKAGES"}"
}

# libraries_of FILE: ldd's lines, with those of the package found.
libraries_of() {
	LD_LIBRARY_PATH=${PACKAGES:+$PACKAGES/usr/lib/x86_64-linux-gnu:$PACKAGES/lib/x86_64-linux-gnu:$PACKAGES/usr/lib} \
		ldd "$1" 2>>"$LOGFILE" || true
}

program_file() {
	local folder
	if [[ $1 == */* ]]; then
		[[ ! -x ${PACKAGES}$1 ]] || { echo "${PACKAGES}$1"; return; }
		[[ ! -x $1 ]] || realpath -s "$1"
		return
	fi
	if [[ $PACKAGES ]]; then
		for folder in usr/bin usr/sbin bin sbin usr/games; do
			[[ ! -x $PACKAGES/$folder/$1 ]] || { echo "$PACKAGES/$folder/$1"; return; }
		done
	fi
	type -P "$1" || true
}

depends_of() {
	apt_private apt-cache depends --no-recommends --no-suggests --no-conflicts --no-breaks \
		--no-replaces --no-enhances "$1" 2>>"$LOGFILE" |
		sed -n 's/^ *|\{0,1\}\(Pre\)\{0,1\}Depends: \([^<>]*\)$/\2/p'
}

# programs_lack PROGRAM…: is one of them not there, or a library of one? It may be a link
# into another package.
programs_lack() {
	local program file
	for program; do
		file=$(program_file "$program")
		[[ $file ]] || return 0
		! libraries_of "$file" | grep -q 'not found' || return 0
	done
	return 1
}

# The package is unpacked in the cache, and of what it depends on as much as the programs
# lack. The version stays until make update.
take_package() {
	local package=$1 resolved version level next name seen=' ' depth
	resolved=$CACHE/resolved/observe-$package
	PACKAGES=$CACHE/observe/$package
	shift
	version=$(cat "$resolved" 2>/dev/null || true)
	if [[ $version && $(cat "$PACKAGES/complete" 2>/dev/null) == "$version" ]] &&
		! programs_lack "$@"; then
		return 0
	fi
	supported_system || die "packages come from Debian 12's mirror; this is $(system_name)."
	need dpkg-deb flock
	lock observe
	apt_ready
	rm -rf "$PACKAGES"
	mkdir -p "$PACKAGES" "$CACHE/resolved"
	level=("$package")
	for ((depth = 0; depth < 5 && ${#level[@]}; depth++)); do
		next=()
		for name in "${level[@]}"; do
			[[ $seen != *" $name "* ]] || continue
			seen+="$name "
			progress "downloading $name"
			fetch_newest_deb "$PACKAGES/deb" "$name"
			run dpkg-deb -x "$PACKAGES/deb/${name}"_*.deb "$PACKAGES"
			mapfile -t -O "${#next[@]}" next < <(depends_of "$name")
		done
		programs_lack "$@" || break
		level=("${next[@]}")
	done
	for name; do
		[[ $(program_file "$name") ]] || die "the package $package has no program '$name'."
	done
	rm -rf "$PACKAGES/deb"
	version=$(versions "$package" | head -n 1)
	echo "$version" >"$PACKAGES/complete"
	echo "$version" >"$resolved"
	unlock
}

# By the same name as here, or in the package.
take() {
	local name
	name=$(guest_name "$1")
	[[ ! -e $ROOT$name || -d $1 ]] || return 0
	mkdir -p "$ROOT${name%/*}"
	cp -aL "$1" "$ROOT${name%/*}/"
}

# A script comes with its interpreter.
take_program() {
	local file=$1 line library missing
	take "$file"
	if [[ $(head -c 2 "$file" | tr -d '\0') == '#!' ]]; then
		line=$(head -n 1 "$file")
		line=${line#\#!}
		# shellcheck disable=SC2086 # the interpreter and its argument
		set -- $line
		take_program "$1"
		[[ ${1##*/} != env || ! ${2:-} ]] || take_program "$(program_file "$2")"
		return
	fi
	missing=$(libraries_of "$file" | sed -n 's/^\t\(.*\) => not found/\1/p' | tr '\n' ' ')
	[[ ! $missing ]] || die "libraries that ${file##*/} needs are not there: $missing"
	while read -r library; do
		take "$library"
	done < <(libraries_of "$file" | sed -nE 's/^\t(.* => )?(\/[^ ]+) \(0x.*/\2/p')
	# The C library loads it when a thread is cancelled.
	for library in /lib/x86_64-linux-gnu /usr/lib/x86_64-linux-gnu; do
		[[ ! -r $library/libgcc_s.so.1 ]] || take "$library/libgcc_s.so.1"
	done
	# Where libraries are that are in no folder of the loader's own.
	[[ $PACKAGES || ! -r /etc/ld.so.cache ]] || take /etc/ld.so.cache
}

# shellcheck disable=SC2034 # boot.sh reads GUEST_INITRD
root_pack() {
	GUEST_INITRD=${ROOT%/root}/initramfs.cpio
	{
		cat "$BUILD/initramfs-$RELEASE.cpio"
		(cd "$ROOT" && find . -mindepth 1 -print0 | sort -z |
			cpio -0 -o -H newc -R 0:0 --quiet) 2>>"$LOGFILE"
	} >"$GUEST_INITRD"
	ROOT_SIZE=$(du -sh "$ROOT" | cut -f1)
	rm -rf "$ROOT"
}
