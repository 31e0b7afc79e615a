#!/usr/bin/env bash
# Refuses doc comments that open with a word which the reader has to resolve before the sentence is
# understood. A summary begins with the noun that an item is, or the verb of what it does.
set -euo pipefail
cd "$(dirname "$0")/.."

git ls-files -- '*.rs' ':!*/tests/*' ':!*/tests.rs' ':!*/benches/*' ':!fuzz' | xargs awk '
    FNR == 1 { inside = 0 }
    /^[ \t]*\/\/[\/!]/ {
        text = $0
        sub(/^[ \t]*\/\/[\/!] ?/, "", text)
        if (!inside && text ~ /^(What|Whether|Where|How|As|The same|Who|Whose|Until when|Since when|Which|Why)[ ,]/) {
            print FILENAME ":" FNR ": " text
            found = 1
        }
        inside = 1
        next
    }
    { inside = 0 }
    END { exit found }
' || {
    echo 'begin each of these with a noun or a verb' >&2
    exit 1
}
