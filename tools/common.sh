# What tools/quickstart and tools/check share: saying things, installing what is
# missing, and a copy of the sources to build from. Sourced by bash.
# shellcheck shell=bash

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
program=${0##*/}
# Where the output of the step under way goes, shown when the step fails.
step_log=

say() { printf '%s\n' "$*"; }
progress() { printf '==> %s\n' "$*"; }

die() {
	printf '%s: %s\n' "$program" "$1" >&2
	shift
	if [ $# -gt 0 ]; then printf '    %s\n' "$@" >&2; fi
	exit 1
}

# step WHAT COMMAND...: runs a command quietly; if it fails, shows the end of what it said.
step() {
	local what=$1 began=$SECONDS
	shift
	progress "$what"
	if ! "$@" >"$step_log" 2>&1; then
		printf '%s: failed: %s. The end of its output:\n\n' "$program" "$what" >&2
		tail -n 30 "$step_log" | sed 's/^/    /' >&2
		return 1
	fi
	say "    done in $((SECONDS - began)) s"
}

# ---- packages ----------------------------------------------------------------

# shellcheck disable=SC2034 # for those who source this
build_packages=(autoconf automake make gcc libc6-dev pkgconf libev-dev libssl-dev
	libidn-dev libinih-dev libc-ares-dev libpq-dev libpam0g-dev libldap-dev uthash-dev
	libsystemd-dev)

# The newest PostgreSQL that has both the server and pgbench: sets pg_bin.
find_postgres() {
	local dir
	pg_bin=
	while IFS= read -r dir; do
		if [ -x "$dir/initdb" ] && [ -x "$dir/pgbench" ]; then pg_bin=$dir; fi
	done < <(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V)
	[ -n "$pg_bin" ]
}

# Any version will do, so a package is needed only where there is none: sets
# postgres_packages.
# shellcheck disable=SC2034 # for those who source this
need_postgres() {
	postgres_packages=()
	find_postgres || postgres_packages=(postgresql postgresql-client)
}

# missing_packages PACKAGE...: those that are not installed, one a line.
missing_packages() {
	local package
	for package in "$@"; do
		dpkg-query -W -f='${db:Status-Status}\n' "$package" 2>/dev/null |
			grep -qx installed || echo "$package"
	done
}

# as_root COMMAND...
as_root() {
	if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

may_become_root() {
	[ "$(id -u)" -eq 0 ] && return 0
	command -v sudo >/dev/null || return 1
	if [ -t 0 ]; then sudo -v; else sudo -n true 2>/dev/null; fi
}

# Debian creates a cluster when PostgreSQL is installed, and starts the services of all
# packages at once. Nobody asked for any here, so these say no for as long as the
# installation takes. An administrator's own policy stays as it is.
cluster_dropin=/etc/postgresql-common/createcluster.d/zz-pooler.conf
service_policy=/usr/sbin/policy-rc.d
policy_mark="made by pooler's tools, to be removed"

# as_root_write FILE: standard input becomes its content.
as_root_write() { as_root tee "$1" >/dev/null; }

forbid_services() {
	as_root mkdir -p "${cluster_dropin%/*}" &&
		echo "create_main_cluster = false" | as_root_write "$cluster_dropin" || return
	[ ! -e "$service_policy" ] || return 0
	printf '%s\n' '#!/bin/sh' "# $policy_mark" 'exit 101' | as_root_write "$service_policy" &&
		as_root chmod 755 "$service_policy"
}

# allow_services: takes back what forbid_services did; harmless when it did nothing.
allow_services() {
	if grep -qs "$policy_mark" "$service_policy"; then as_root rm -f "$service_policy"; fi
	[ -e "$cluster_dropin" ] || return 0
	as_root rm -f "$cluster_dropin"
	as_root rmdir --ignore-fail-on-non-empty "${cluster_dropin%/*}" 2>/dev/null
}

# Services that the tests start themselves, with files of their own; installed here, they
# do not come up with the machine either.
test_services=(slapd)

# disable_services PACKAGE...: of those just installed, the ones above.
disable_services() {
	local service
	for service in "${test_services[@]}"; do
		case " $* " in
		*" $service "*) as_root update-rc.d "$service" disable >/dev/null 2>&1 || return ;;
		esac
	done
}

apt() {
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y \
		-o DPkg::Lock::Timeout=300 "$@"
}

# install_missing PACKAGE...: installs those that are not there, or says why it cannot.
install_missing() {
	local missing status=0
	if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
		die "this system has no apt-get" \
			"On Debian 12 these packages are needed; install their like by hand:" "$*"
	fi
	mapfile -t missing < <(missing_packages "$@")
	if [ ${#missing[@]} -eq 0 ]; then
		progress "all packages needed are installed"
		return
	fi
	may_become_root || die "some packages are missing, and installing them takes root or sudo" \
		"As root, run:  apt-get install ${missing[*]}"
	step "fetching the list of packages" apt update ||
		die "apt-get update failed (no network, or no rights?)"
	forbid_services || die "cannot write $cluster_dropin and $service_policy"
	step "installing ${missing[*]}" apt install --no-install-recommends "${missing[@]}" ||
		status=1
	disable_services "${missing[@]}" || status=1
	allow_services
	[ $status -eq 0 ] || die "some packages could not be installed: ${missing[*]}"
}

# ---- building ------------------------------------------------------------------

# copy_sources DIR: what git knows or would take, or, outside of git, everything. So the
# tree itself is never written to, and may hold a build of its own.
copy_sources() {
	mkdir "$1" || return
	if git -c safe.directory="$top" -C "$top" rev-parse --is-inside-work-tree >/dev/null 2>&1 &&
		[ -e "$top/.git" ]; then
		(cd "$top" && git -c safe.directory="$top" ls-files -z -co --exclude-standard |
			while IFS= read -r -d '' file; do
				[ -e "$file" ] && printf '%s\0' "$file"
			done | tar -c --null -T -) | tar -x -C "$1"
	else
		tar -C "$top" -c --exclude=./.git . | tar -x -C "$1"
		# A build in the tree would stand in the way of one beside it.
		if [ -e "$1/config.status" ]; then make -C "$1" distclean; fi
	fi
}

processors() { nproc 2>/dev/null || echo 1; }

# make_workdir: where to build; a path short enough for Unix sockets.
make_workdir() {
	local base=${TMPDIR:-/tmp}
	[ ${#base} -le 40 ] || base=/tmp
	mktemp -d "$base/pooler-$program.XXXXXX"
}
