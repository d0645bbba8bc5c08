# Says, one line each, what the machine lacks. Everything else is installed by `make setup`.
fail=0
missing() { echo "missing: $1" >&2; fail=1; }

goMinimum=$(sed -n "s/^go //p" go.mod)
if ! command -v go >/dev/null 2>&1; then
  missing "Go >= $goMinimum: install it from https://go.dev/dl and put its bin folder into PATH"
else
  found=$(go env GOVERSION 2>/dev/null | sed 's/^go//; s/[^0-9.].*//')
  oldest=$(printf '%s\n%s\n' "$goMinimum" "${found:-0}" | sort -V | head -n 1)
  [ "$oldest" = "$goMinimum" ] || missing "Go >= $goMinimum (found ${found:-none}): install a newer one from https://go.dev/dl"
fi

cc=${CC:-$(go env CC 2>/dev/null)}
cc=${cc:-cc}
# shellcheck disable=SC2086  # CC may carry flags
if ! command -v ${cc%% *} >/dev/null 2>&1; then
  missing "a C compiler ($cc): install gcc or clang, for example 'apt-get install gcc libc6-dev' or 'xcode-select --install'"
elif ! printf '#include <stdlib.h>\nint main(void){return 0;}\n' | $cc -x c -fsyntax-only - >/dev/null 2>&1; then
  missing "the C headers ($cc cannot find stdlib.h): install them, for example 'apt-get install libc6-dev'"
elif [ "${CGO_ENABLED:-1}" = 0 ]; then
  missing "cgo: unset CGO_ENABLED, XLA is called through C"
fi

python=${PYTHON:-python3}
if ! command -v "$python" >/dev/null 2>&1; then
  missing "Python >= 3.11 ($python): install it, or name another with 'make PYTHON=python3.12'"
elif ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
  missing "Python >= 3.11 (found $("$python" -V 2>&1)): install a newer one, or name it with 'make PYTHON=python3.12'"
elif ! "$python" -c 'import venv, ensurepip' 2>/dev/null; then
  missing "Python's venv module: install it, for example 'apt-get install python3-venv'"
fi
exit $fail
