#!/usr/bin/env bash
# Tags HEAD with the version of the file VERSION, once for each module that is released. It pushes nothing.
. "$(dirname "$0")/lib.sh"
version=v$(cat VERSION)
[ -z "$(git status --porcelain)" ] || fail "There are changes that are not committed."
grep -q "^## \[${version#v}\]" CHANGELOG.md || fail "CHANGELOG.md has no section for ${version#v}."
for dir in $(awk '!/^#/ && $2 == "release" { print $1 }' allmodules); do
	tag=$dir/$version
	git tag -a "${tag#./}" -m "${tag#./}"
	echo "${tag#./}"
done
