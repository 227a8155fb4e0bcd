# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Modules of the guest kernel beside the driver: which ones somebody needs, with all that
# these depend on. The kernel's package is unpacked and not installed, so there is no
# modules.dep; a module says itself what it depends on.

declare -A MODULE_FILE=()	# all that there are, by name
MODULE_ORDER=()			# what is needed, by name: each after what it depends on

# modules_in FOLDER: which modules there are. In file names - and _ are the same.
modules_in() {
	local file name
	while IFS= read -r file; do
		name=${file##*/}
		name=${name%%.ko*}
		MODULE_FILE[${name//-/_}]=$file
	done < <(find "$1" -name '*.ko' -o -name '*.ko.?z' -o -name '*.ko.zst')
}

# module_add NAME: appends it, and before it what it depends on. What is no module is
# built in, or missing: then who needs it notices.
module_add() {
	local name=${1//-/_} other
	[[ ${MODULE_FILE[$name]:-} && " ${MODULE_ORDER[*]} " != *" $name "* ]] || return 0
	while IFS= read -r other; do
		[[ ! $other ]] || module_add "$other"
	done < <(modinfo -F depends "${MODULE_FILE[$name]}" | tr ',' '\n')
	MODULE_ORDER+=("$name")
}

# module_copy NAME FILE: unpacked; the guest's insmod takes no other.
module_copy() {
	local file=${MODULE_FILE[$1]}
	case $file in
	*.xz) xz -dc "$file" >"$2" ;;
	*.gz) gzip -dc "$file" >"$2" ;;
	*.zst) zstd -q -dc "$file" >"$2" ;;
	*) cp "$file" "$2" ;;
	esac
}
