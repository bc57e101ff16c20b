# What the checks of the tree share: where the trees are, and how to say what was
# found. Sourced, with the directory of the check in $tools.
# shellcheck shell=sh

top_srcdir=${abs_top_srcdir:-$(cd "$tools/.." && pwd)}
# shellcheck disable=SC2034 # for those who source this
top_builddir=${abs_top_builddir:-$top_srcdir}
tap_count=0
tap_failed=0

# report NAME FINDINGS: the check passes when nothing was found.
report() {
	tap_count=$((tap_count + 1))
	if [ -z "$2" ]; then
		printf '%s\n' "ok $tap_count - $1"
	else
		printf '%s\n' "not ok $tap_count - $1"
		printf '%s\n' "$2" | sed 's/^/# /'
		tap_failed=1
	fi
}

# skip NAME WHY
skip() {
	tap_count=$((tap_count + 1))
	printf '%s\n' "ok $tap_count - $1 # SKIP $2"
}

# finish: prints the plan and ends with the verdict. (The plan comes last, because a
# check may not know before how many lines it will print.)
finish() {
	echo "1..$tap_count"
	exit $tap_failed
}
