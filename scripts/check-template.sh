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

CFN_LINT=1.58.0
PARLIAMENT=1.6.4
SAM_TRANSLATOR=1.115.0
SAM=1.170.0
TEMPLATE=examples/product-registration/template.yaml
TOOLS="$PWD/target/tools/template-$CFN_LINT-$PARLIAMENT-$SAM_TRANSLATOR"

venv() { # DIRECTORY PACKAGE...
    local to=$1
    shift
    if [[ ! -e "$to/installed" ]]; then
        python3 -m venv "$to"
        "$to/bin/pip" install --quiet --disable-pip-version-check "$@"
        touch "$to/installed"
    fi
}

venv "$TOOLS" "cfn-lint==$CFN_LINT" "parliament==$PARLIAMENT" \
    "aws-sam-translator==$SAM_TRANSLATOR"
AWS_DEFAULT_REGION=eu-west-1 "$TOOLS/bin/python" scripts/transformed.py "$TEMPLATE" \
    >target/template.json
"$TOOLS/bin/cfn-lint" --regions eu-west-1 --template "$TEMPLATE"
# SAM has put in the values of some parameters.
"$TOOLS/bin/cfn-lint" --regions eu-west-1 --ignore-checks W2001 --template target/template.json
echo "cfn-lint: nothing to say"
"$TOOLS/bin/python" scripts/policies_of.py "$TEMPLATE"
if [[ "${1:-}" == --sam ]]; then
    venv "target/tools/sam-$SAM" "aws-sam-cli==$SAM"
    SAM_CLI_TELEMETRY=0 "target/tools/sam-$SAM/bin/sam" validate --lint \
        --template "$TEMPLATE" --region eu-west-1
fi
