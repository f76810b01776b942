#!/usr/bin/env bash
# Prepares a release: writes the version to VERSION, to the requirements of the modules on each other, and to go.work.
#
#	scripts/set-version.sh 0.2.0
. "$(dirname "$0")/lib.sh"
need_go
[[ ${1-} =~ ^[0-9]+\.[0-9]+\.[0-9]+$ ]] || fail "usage: scripts/set-version.sh X.Y.Z"
echo "$1" >VERSION
for dir in $(modules); do
	path=$(awk '$1 == "module" { print $2 }' "$dir/go.mod")
	for other in $(modules); do
		if grep -qF "$path v" "$other/go.mod"; then
			(cd "$other" && go mod edit -require "$path@v$1")
		fi
	done
	# The version that is replaced stands in go.work once for each module.
	old=$(awk -v path="$path" '$1 == path { print $2 }' go.work)
	[ -z "$old" ] || go work edit -dropreplace "$path@$old" -replace "$path@v$1=./$dir"
done
echo "Now CHANGELOG.md: move what is under Unreleased to $1. Then make test, commit, and scripts/tag.sh."
