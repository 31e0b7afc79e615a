#!/usr/bin/env bash
# Deploys the six functions of the example to a cloud on this machine, sends registrations, and
# checks from the tables what became of them. Nothing is left running. MiniStack is installed below
# `target/tools`.
#
#   scripts/local-cloud.sh [REGISTRATIONS [CRASHES]]
set -euo pipefail
cd "$(dirname "$0")/.."

REQUIREMENTS=scripts/requirements/local-cloud.txt
VENV="$PWD/target/tools/local-cloud-$(sha256sum "$REQUIREMENTS" | cut -c1-16)"

if [[ ! -e "$VENV/installed" ]]; then
    python3 -m venv "$VENV"
    "$VENV/bin/pip" install --quiet --disable-pip-version-check --require-hashes --no-deps -r "$REQUIREMENTS"
    touch "$VENV/installed"
fi

cargo build -p product-registration --features lambda --bins
binaries="${CARGO_TARGET_DIR:-target}/debug"

work=$(mktemp -d)
cloud=
stop() {
    if [[ -n "$cloud" ]]; then
        # With all sandboxes, which are in its group.
        kill -- "-$cloud" 2>/dev/null || true
        for _ in {1..50}; do
            kill -0 -- "-$cloud" 2>/dev/null || break
            sleep 0.1
        done
        kill -KILL -- "-$cloud" 2>/dev/null || true
        wait "$cloud" 2>/dev/null || true
    fi
    rm -rf "$work"
}
trap stop EXIT
trap 'exit 130' INT TERM

export AWS_DEFAULT_REGION=us-east-1 AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test
port=$(python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
endpoint="http://127.0.0.1:$port"
log="$PWD/target/local-cloud.log"
set -m
BIND_HOST=127.0.0.1 GATEWAY_PORT=$port LAMBDA_EXECUTOR=local AWS_ENDPOINT_URL=$endpoint \
    TMPDIR=$work "$VENV/bin/ministack" &>"$log" &
cloud=$!
set +m
for _ in {1..300}; do
    if (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then break; fi
    kill -0 "$cloud" 2>/dev/null || { cat "$log" >&2; exit 1; }
    sleep 0.1
done

"$VENV/bin/python" scripts/local_cloud.py "$endpoint" "$binaries" "$cloud" "$@" || {
    echo "the log is in $log" >&2
    exit 1
}
