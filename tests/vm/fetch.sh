# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Packages as files: downloads binary and source packages of the distribution
# with an apt state of its own in the cache. The system's apt lists, its cache
# and what is installed stay as they are. Mirrors, proxies and keys are those of
# the system's own apt configuration.

APT=$CACHE/apt
SUITE=
SECURITY_GUESSED=

# apt_private TOOL ARG…: an apt tool on the private state.
apt_private() {
	local tool=$1
	shift
	timeout 900 "$tool" \
		-o Dir::Etc::sourcelist="$APT/sources.list" \
		-o Dir::Etc::sourceparts=- \
		-o Dir::State::Lists="$APT/lists" \
		-o Dir::Cache="$APT/cache" \
		-o APT::Sandbox::User=root \
		-o APT::Update::Error-Mode=any \
		-o Acquire::Retries=2 \
		-o Acquire::http::Timeout=30 \
		-o Acquire::https::Timeout=30 \
		-o Acquire::Languages=none \
		-q=1 "$@"
}

# The system's mirrors as "URI SUITE", read off the addresses that apt itself
# would fetch: that needs neither root nor lists, and knows every way of
# writing a source.
system_suites() {
	apt-get update --print-uris 2>/dev/null |
		sed -n "s|^'\(.*\)/dists/\([^/']*\)/InRelease'.*|\1 \2|p" | sort -u
}

# write_sources [no-security]: binary and source lines for SUITE and its
# security suite. Both are looked for where the system has its own release from,
# and a security suite that the system does not name beside the main one.
write_sources() {
	local codename uri suite main='' security='' options=''
	local key=/usr/share/keyrings/debian-archive-keyring.gpg
	codename=$(os_field VERSION_CODENAME)
	while read -r uri suite; do
		case $suite in
		"$codename") : "${main:=$uri}" ;;
		"$codename-security") : "${security:=$uri}" ;;
		esac
	done < <(system_suites)
	[[ $main ]] || die "apt on this system has no source for Debian $codename." \
		"dmirage takes QEMU's source and the guest kernels from there:" \
		"add that suite to /etc/apt/sources.list."
	if [[ ! $security ]]; then
		SECURITY_GUESSED=1
		security=${main%/}-security
	fi
	[[ ! -r $key ]] || options=" [signed-by=$key]"
	mkdir -p "$APT/lists/partial" "$APT/cache/archives/partial"
	{
		echo "deb$options $main $SUITE main"
		echo "deb-src$options $main $SUITE main"
		if [[ ${1:-} != no-security ]]; then
			echo "deb$options $security $SUITE-security main"
			echo "deb-src$options $security $SUITE-security main"
		fi
	} >"$APT/sources.list"
}

no_network() {
	die "the package lists of Debian $SUITE cannot be fetched." \
		"Is there a network, and a proxy in apt's configuration if one is needed?" \
		"apt said (all of it is in ${LOGFILE#"$TOP"/}):" \
		"$(grep -E '^(E|W|Err)' "$LOGFILE" | head -n 1)"
}

# apt_ready_for SUITE: package lists, at most once per stage and only if it has to
# download. What follows is of that suite; each has a state of its own, so that
# neither offers the other's versions.
APT_READY=
apt_ready_for() {
	local own
	own=$(os_field VERSION_CODENAME)
	SUITE=$1
	APT=$CACHE/apt
	[[ $SUITE == "$own" ]] || APT=$CACHE/apt/$SUITE
	[[ " $APT_READY " != *" $SUITE "* ]] || return 0
	need apt-get apt-cache
	progress "fetching the package lists of $SUITE"
	SECURITY_GUESSED=
	write_sources
	if ! run apt_private apt-get update; then
		# A security mirror need not have every release.
		[[ $SECURITY_GUESSED || $SUITE != "$own" ]] || no_network
		write_sources no-security
		run apt_private apt-get update || no_network
	fi
	APT_READY+=" $SUITE"
}

# The system's own release.
apt_ready() {
	apt_ready_for "$(os_field VERSION_CODENAME)"
}

# versions PACKAGE: binary versions on offer, newest first.
versions() {
	apt_private apt-cache madison "$1" 2>/dev/null |
		awk -F' *\\| *' '$3 ~ /Packages/ { print $2 }' | awk '!seen[$0]++'
}

# source_versions PACKAGE: versions of a source package, newest first.
source_versions() {
	apt_private apt-cache showsrc --only-source "$1" 2>/dev/null |
		sed -n 's/^Version: //p' | sort -Vru
}

# fetch_deb FOLDER PACKAGE[=VERSION]…: downloads exactly these, all or fail.
fetch_deb() {
	local folder=$1
	shift
	mkdir -p "$folder"
	(cd "$folder" && run apt_private apt-get download "$@")
}

# fetch_newest_deb FOLDER PACKAGE: the newest version that the mirror really
# has; a version so new that its file is not there yet is passed over.
fetch_newest_deb() {
	local folder=$1 package=$2 version
	for version in $(versions "$package"); do
		if fetch_deb "$folder" "$package=$version"; then
			return 0
		fi
		echo "$package $version cannot be had, trying the version before" >>"$LOGFILE"
	done
	die "no version of the package $package can be downloaded." \
		"What apt said is in ${LOGFILE#"$TOP"/}."
}

# fetch_newest_source FOLDER PACKAGE: downloads a source package and sets DSC
# to its .dsc file. The signature chain of the archive vouches for it.
DSC=
fetch_newest_source() {
	local folder=$1 package=$2 version
	mkdir -p "$folder"
	for version in $(source_versions "$package"); do
		if (cd "$folder" && run apt_private apt-get source --download-only \
			--only-source "$package=$version"); then
			DSC=$folder/${package}_${version#*:}.dsc
			[[ -r $DSC ]] || die "the source package $package $version has no .dsc file."
			return 0
		fi
		echo "$package $version cannot be had, trying the version before" >>"$LOGFILE"
	done
	die "no version of the source package $package can be downloaded." \
		"What apt said is in ${LOGFILE#"$TOP"/}."
}
