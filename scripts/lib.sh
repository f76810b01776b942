# shellcheck shell=bash
# Sourced by the other scripts: strict mode, the root of the repository as working directory, and a few functions.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# step TEXT announces what comes next, with the seconds since the script started.
step() { printf '\n== %s (at %d s)\n' "$*" "$SECONDS"; }

fail() {
	printf '%s\n' "$*" >&2
	exit 1
}

# modules prints the directory of each module.
modules() { awk '!/^#/ && NF { print $1 }' allmodules; }

# install PACKAGE... installs Debian packages, or says how to.
install() {
	local sudo=
	command -v apt-get >/dev/null || fail "Missing: $*. Please install what your system calls these packages, and try again."
	if [ "$(id -u)" != 0 ]; then
		sudo -n true 2>/dev/null || fail "Missing: $*. Please run as root: apt-get update && apt-get install -y $*"
		sudo="sudo -n"
	fi
	echo "Installing $*"
	{ $sudo apt-get update -qq && $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$@" >/dev/null; } ||
		fail "apt-get could not install $*, see above. Please install them in another way, and try again."
}

# need_go checks that there is Go, and that it is new enough.
need_go() {
	command -v go >/dev/null || fail "Go is missing: install it and put its bin directory into PATH."
	local want have
	want=$(awk '$1 == "go" { print $2 }' go.work)
	have=$(go env GOVERSION)
	[ "$(printf 'go%s\n%s\n' "$want" "$have" | sort -V | head -n 1)" = "go$want" ] || fail "Go $want or newer is needed; this is $have."
}

# need_cc sees to the C compiler and headers that the race detector is linked with.
need_cc() {
	local cc
	cc=$(go env CC | awk '{ print $1 }')
	if ! command -v "$cc" >/dev/null || ! echo '#include <stdlib.h>' | "$cc" -E -x c - >/dev/null 2>&1; then
		install gcc libc6-dev
	fi
	export CGO_ENABLED=1
}

# need_wrk sees to the load generator of the bench.
need_wrk() {
	command -v wrk >/dev/null || install wrk
}

# need_mariadb sees to a MariaDB server. The tests start private ones, so of Debian's packages it takes those that bring no service.
need_mariadb() {
	(PATH=$PATH:/usr/sbin:/usr/bin && command -v mariadbd && command -v mariadb-install-db) >/dev/null || install mariadb-server-core mariadb-client-core
}
