#!/usr/bin/env bash
# Judges the template of the example: cfn-lint, before and after the transform of SAM, which refuses
# what cfn-lint does not know of SAM, and what its policies allow. The tools are installed below
# `target/tools`.
#
#   scripts/check-template.sh        all of that
#   scripts/check-template.sh --sam  and `sam validate --lint`, which is the same transform and the
#                                    same linter, and takes 342 MB to install
set -euo pipefail
cd "$(dirname "$0")/.."

TEMPLATE=examples/product-registration/template.yaml

venv() { # NAME: installs what scripts/requirements/NAME.txt says, and prints where
    local requirements="scripts/requirements/$1.txt" to
    to="$PWD/target/tools/$1-$(sha256sum "$requirements" | cut -c1-16)"
    if [[ ! -e "$to/installed" ]]; then
        python3 -m venv "$to"
        "$to/bin/pip" install --quiet --disable-pip-version-check --require-hashes --no-deps -r "$requirements" >&2
        touch "$to/installed"
    fi
    echo "$to"
}

TOOLS=$(venv template)
AWS_DEFAULT_REGION=eu-west-1 "$TOOLS/bin/python" scripts/transformed.py "$TEMPLATE" \
    >target/template.json
"$TOOLS/bin/cfn-lint" --regions eu-west-1 --template "$TEMPLATE"
# SAM has put in the values of some parameters.
"$TOOLS/bin/cfn-lint" --regions eu-west-1 --ignore-checks W2001 --template target/template.json
echo "cfn-lint: nothing to say"
"$TOOLS/bin/python" scripts/policies_of.py "$TEMPLATE"
if [[ "${1:-}" == --sam ]]; then
    SAM_TOOLS=$(venv sam)
    SAM_CLI_TELEMETRY=0 "$SAM_TOOLS/bin/sam" validate --lint \
        --template "$TEMPLATE" --region eu-west-1
fi
