#!/usr/bin/env bash
# Uses the modules as somebody outside would after a release: from a file-system module proxy that is built of this
# tree, in empty modules outside the repository, where go.work and the replacements in go.mod play no part. README's
# service and those of the adapters' READMEs are compiled, started and asked; the command is installed and started.
. "$(dirname "$0")/lib.sh"
need_go
need_mariadb

version=v$(cat VERSION)
core=$(awk '$1 == "module" { print $2 }' go.mod)
repo=$PWD
tmp=$(mktemp -d)
pid=
central=
database=
cleanup() {
	[ -z "$pid" ] || kill "$pid" 2>/dev/null || true
	[ -z "$central" ] || kill "$central" 2>/dev/null || true
	[ -z "$database" ] || { kill "$database" && wait "$database"; } 2>/dev/null || true
	rm -rf "$tmp"
}
trap cleanup EXIT

go -C internal/tools run ./proxy "$repo" "$tmp/proxy"
go -C internal/tools build -o "$tmp/" ./ask ./central ./mariadb

# Other people's modules may come from the download cache of this machine; ours only from the new proxy, so nothing is
# fetched from a repository directly.
proxies=$(go env GOPROXY | sed -E 's/[,|]?direct//g')
GOPROXY="file://$tmp/proxy,file://$(go env GOMODCACHE)/cache/download${proxies:+,$proxies}"
GONOSUMDB="$core,$(go env GONOSUMDB)"
export GOPROXY GONOSUMDB GOMODCACHE="$tmp/mod" GOBIN="$tmp/bin" GOWORK=off GOFLAGS=-modcacherw

# A private MariaDB for the services whose READMEs have a DATABASE_URL.
mkfifo "$tmp/url"
"$tmp/mariadb" notes >"$tmp/url" &
database=$!
read -r DATABASE_URL <"$tmp/url" || fail "MariaDB did not start."
export DATABASE_URL

# fence FILE FIRST prints the first code block of FILE whose first line begins with FIRST.
fence() {
	awk -v first="$2" '
		/^```/ { if (inside && found) exit; inside = !inside; start = inside; next }
		inside && start { found = index($0, first) == 1; start = 0 }
		inside && found' "$1"
}

# start PROGRAM ARGUMENT... runs a server in the background and sets url when it listens.
start() {
	: >"$tmp/log" # of the one before
	"$@" >"$tmp/log" 2>&1 &
	pid=$!
	url=
	for _ in $(seq 100); do
		url=$(grep -oE '127\.0\.0\.1:[1-9][0-9]*' "$tmp/log" | head -n 1) && break
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.1
	done
	[ -n "$url" ] || fail "$1 did not start:" "$(cat "$tmp/log")"
	url=http://$url
}

# stop ends the server and wants it to end well.
stop() {
	kill -TERM "$pid"
	wait "$pid" || fail "The server ended with status $?:" "$(cat "$tmp/log")"
	pid=
}

# ask WANT METHOD PATH [TOKEN [BODY]] sends a request and wants a piece of text in status and body of the answer.
ask() {
	local got
	got=$("$tmp/ask" "$2" "$url$3" "${4-}" "${5-}")
	case $got in
	*"$1"*) echo "$2 $3: $1" ;;
	*) fail "$2 $3: want $1, got: $got" ;;
	esac
}

# try README MODULE... runs the service of a README in a new module that requires the given ones.
try() {
	local readme=$1 dir
	shift
	dir=$(mktemp -d "$tmp/try.XXXX")
	cd "$dir"
	fence "$readme" "package main" >main.go
	mkdir doctypes
	fence "$repo/README.md" '{"doctype": "DocType"' >doctypes/note.json
	fence "$repo/README.md" '[{"user":' >users.json
	for file in main.go doctypes/note.json users.json; do
		[ -s "$file" ] || fail "$readme: a code block for $file was not found"
	done
	go mod init example.com/notes 2>/dev/null
	for module; do go get "$module@$version"; done
	go build -trimpath -o notes .
	ADDR=127.0.0.1:0 start ./notes
	ask '403 ' GET /api/resource/Note
	ask '"title":"Milk"' POST /api/resource/Note "token ada:secret" '{"title": "Milk"}'
	ask '200 {"data":[{"title":"Milk"}]}' GET '/api/resource/note?fields=["title"]' "token ada:secret"
	stop
	cd "$repo"
}

step "README's service"
try "$repo/README.md" "$core"

# The Central Site of the services that want one.
start "$tmp/central"
central=$pid pid=
site=$url
export CENTRAL_SITE_URL=$site CENTRAL_SITE_TIMEOUT=5 CENTRAL_TENANT_FIELD=tenant_id

for dir in adapters/*/; do
	dir=${dir%/}
	step "the service of $dir/README.md"
	try "$repo/$dir/README.md" "$core" "$core/$dir"
done

unset CENTRAL_SITE_URL

step "the command, installed"
go install -trimpath "$core/cmd/frappems@$version"
mkdir "$tmp/serve"
cd "$tmp/serve"
start "$tmp/bin/frappems" serve --addr 127.0.0.1:0
ask '200 {"data":[{"name":' GET '/api/resource/Sales Order?limit=1' "token clerk:demo-clerk-secret"
stop

step "the command, on MariaDB"
mkdir doctypes
fence "$repo/README.md" '{"doctype": "DocType"' >doctypes/note.json
fence "$repo/README.md" '[{"user":' >users.json
start "$tmp/bin/frappems" serve --doctypes doctypes --users users.json --addr 127.0.0.1:0
ask '200 {"data":[{"title":"Milk"}]}' GET '/api/resource/note?fields=["title"]' "token ada:secret"
stop

step "the command, with a Central Site"
start "$tmp/bin/frappems" serve --doctypes doctypes --store memory: --central "$site" --addr 127.0.0.1:0
ask '"title":"Milk"' POST /api/resource/Note "token ada:secret" '{"title": "Milk"}'
ask '401 ' GET /api/resource/Note "token ada:wrong"
stop
