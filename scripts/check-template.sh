#!/usr/bin/env bash
# Judges the template of the example: cfn-lint, with the transform of SAM, and what its policies
# allow. The tools are installed below `target/tools`.
#
#   scripts/check-template.sh        cfn-lint and parliament
#   scripts/check-template.sh --sam  and `sam validate --lint`, which takes 342 MB to install and
#                                    finds what cfn-lint finds
set -euo pipefail
cd "$(dirname "$0")/.."

CFN_LINT=1.58.0
PARLIAMENT=1.6.4
SAM=1.170.0
TEMPLATE=examples/product-registration/template.yaml
TOOLS="$PWD/target/tools/template-$CFN_LINT-$PARLIAMENT"

venv() { # DIRECTORY PACKAGE...
    local to=$1
    shift
    if [[ ! -e "$to/installed" ]]; then
        python3 -m venv "$to"
        "$to/bin/pip" install --quiet --disable-pip-version-check "$@"
        touch "$to/installed"
    fi
}

venv "$TOOLS" "cfn-lint==$CFN_LINT" "parliament==$PARLIAMENT"
"$TOOLS/bin/cfn-lint" --template "$TEMPLATE" --regions eu-west-1
echo "cfn-lint: nothing to say"
"$TOOLS/bin/python" scripts/policies_of.py "$TEMPLATE"
if [[ "${1:-}" == --sam ]]; then
    venv "target/tools/sam-$SAM" "aws-sam-cli==$SAM"
    SAM_CLI_TELEMETRY=0 "target/tools/sam-$SAM/bin/sam" validate --lint \
        --template "$TEMPLATE" --region eu-west-1
fi
