# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# The source of a kernel, from the distribution's package of it. Expects lib.sh and fetch.sh.

# source_deb SERIES [VERSION]: the package of that version, or if that cannot be had, or none
# is named, the newest; kept in the cache. Sets SOURCE_DEB, and SOURCE_VERSION to its version.
# shellcheck disable=SC2034 # for who calls it
source_deb() {
	local package=linux-source-$1 version=${2:-} new=$CACHE/source/new-linux-source-$1
	SOURCE_VERSION=$version
	SOURCE_DEB=$CACHE/source/${package}_${version}_all.deb
	[[ ! $version || ! -r $SOURCE_DEB ]] || return 0
	need dpkg-deb flock
	lock kernel-source
	if [[ ! $version || ! -r $SOURCE_DEB ]]; then
		apt_ready
		rm -rf "$new"
		progress "downloading $package"
		if [[ ! $version ]] || ! fetch_deb "$new" "$package=$version"; then
			fetch_newest_deb "$new" "$package"
		fi
		SOURCE_VERSION=$(dpkg-deb -f "$new"/*.deb Version)
		SOURCE_DEB=$CACHE/source/${package}_${SOURCE_VERSION}_all.deb
		rm -f "$CACHE/source/${package}"_*.deb
		mv "$new"/*.deb "$SOURCE_DEB"
		rm -rf "$new"
	fi
	unlock
}

# source_unpack FOLDER [PATH…]: all that SOURCE_DEB has, or only these files and folders
source_unpack() {
	local folder=$1 name=${SOURCE_DEB##*/}
	shift
	set -- "${@/#/${name%%_*}/}"
	mkdir -p "$folder"
	# Read to the end: nothing must be stopped by a closed pipe.
	dpkg-deb --fsys-tarfile "$SOURCE_DEB" |
		tar -x -O --wildcards '*/linux-source-*.tar.xz' | xz -dc -T0 |
		tar -x -C "$folder" --strip-components=1 "$@" 2>>"$LOGFILE"
}
