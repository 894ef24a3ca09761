echo "$# $1 [$2] $0 ${BASH_SOURCE[0]}"
for a in "$@"; do printf '%s|' "$a"; done; echo
exit 3
