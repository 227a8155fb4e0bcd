# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Kernel modules, built out of the source tree: in a folder with links to the sources,
# for the kernel that load_kernel has set. A warning is an error.

# module_links FOLDER SOURCES: the folder, with links to what is in SOURCES
module_links() {
	local folder=$1 sources=$2 file
	[[ -r $sources/Kbuild ]] || die "${sources#"$TOP"/}/Kbuild is missing: the sources are incomplete."
	mkdir -p "$folder"
	for file in "$sources"/*.c "$sources"/*.h "$sources/Kbuild"; do
		[[ -e $file ]] || continue
		[[ $(readlink "$folder/${file##*/}") == "$file" ]] || ln -sfn "$file" "$folder/"
	done
	# What was removed from the sources is no longer built.
	find "$folder" -maxdepth 1 -xtype l -delete
}

# module_make FOLDER ARG…: kbuild there
module_make() {
	local folder=$1 compiler
	shift
	local build=(timeout 900 make -C "$HEADERS" "M=$folder" "DMIRAGE_TOP=$TOP"
		-j "$JOBS" W=1 KCFLAGS=-Werror CONFIG_DEBUG_INFO_BTF_MODULES=)
	# The headers' scripts are run as they were built; a compiler of another minor
	# version is said to be all right by the distribution itself. The kernel of an older
	# release names one that this release does not have: its own takes its place.
	compiler=$(sed -n 's/^CONFIG_CC_VERSION_TEXT="\([^ "]*\).*/\1/p' "$HEADERS/.config" 2>/dev/null || true)
	[[ ! $compiler ]] || command -v "$compiler" >/dev/null || build+=(CC=gcc)
	run "${build[@]}" "$@"
}

# module_sparse FOLDER SOURCES: all of it is checked with sparse, each time: it has
# nothing to say about what is not compiled. Fails if it complains, and shows that.
module_sparse() {
	local folder=$1 sources=$2
	run rm -f "$folder"/*.o
	module_make "$folder" C=2 CHECK=sparse modules
	if grep -qE "^($folder|$TOP|\./)?.*: (warning|error): " "$LOGFILE"; then
		grep -E ': (warning|error): ' "$LOGFILE" | sed "s|$folder/|${sources#"$TOP"/}/|; s/^/    /"
		return 1
	fi
}

# module_build FOLDER NAME: builds NAME.ko; ends the stage.
module_build() {
	local folder=$1 name=$2 before
	before=$(stat -c %Y.%s "$folder/$name.ko" 2>/dev/null || true)
	hint "$name.ko for $RELEASE does not build; the messages are above."
	module_make "$folder" modules
	if [[ $(stat -c %Y.%s "$folder/$name.ko") == "$before" ]]; then
		stage_done "$name.ko for $RELEASE, up to date"
	else
		stage_done "$name.ko for $RELEASE"
	fi
}
