#!/usr/bin/env bash
# Measures the service against handlers that are written by hand, on a private MariaDB. Arguments are those of the bench, such as
# -rounds 3 -connections 32.
. "$(dirname "$0")/lib.sh"
need_go
need_mariadb
need_wrk
go -C bench run . "$@"
