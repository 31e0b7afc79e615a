#!/usr/bin/env bash
# Shares one table with Powertools for AWS Lambda, in Python and in TypeScript.
#
# The packages are installed below target/ once. Without npm, or with INTEROP_LANGUAGES=python, only
# Python is on the other side, and without npm that is said. Fails if anything comes out as it should
# not.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
workspace=$(cd "$here/../../.." && pwd)
tools="$workspace/target/interop"
languages=${INTEROP_LANGUAGES:-python typescript}
mkdir -p "$tools"
arguments=()

if [[ " $languages " == *" python "* ]]; then
    venv="$tools/python-3.37.0"
    if [[ ! -e "$venv/installed" ]]; then
        rm -rf "$venv"
        python3 -m venv "$venv"
        "$venv/bin/pip" install --quiet --disable-pip-version-check \
            aws-lambda-powertools==3.37.0 boto3==1.44.5
        touch "$venv/installed"
    fi
    arguments+=("python=$venv/bin/python $here/powertools.py")
fi

if [[ " $languages " == *" typescript "* ]] && ! command -v npm >/dev/null; then
    echo "SKIPPED: TypeScript, since there is no npm. Nothing is known about it from this run." >&2
elif [[ " $languages " == *" typescript "* ]]; then
    node="$tools/typescript-2.35.0"
    if [[ ! -e "$node/installed" ]]; then
        rm -rf "$node"
        mkdir -p "$node"
        (cd "$node" && npm init --yes >/dev/null 2>&1 && npm install --silent --no-audit --no-fund \
            @aws-lambda-powertools/idempotency@2.35.0 \
            @aws-sdk/client-dynamodb@3 @aws-sdk/lib-dynamodb@3 @aws-sdk/util-dynamodb@3)
        touch "$node/installed"
    fi
    # Modules are looked for beside the file that names them.
    cp "$here/powertools.mjs" "$node/"
    arguments+=("typescript=node --no-warnings $node/powertools.mjs")
fi

cd "$workspace"
exec cargo test --quiet -p setpiece-idempotency --features dynamodb,tokio --test interop -- \
    "${arguments[@]}"
