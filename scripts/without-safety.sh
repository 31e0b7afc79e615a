#!/usr/bin/env bash
# Removes one safety after the other from a copy of the sources, and shows which tests notice.
#
#   scripts/without-safety.sh          all of them
#   scripts/without-safety.sh owner    only this one
#
# Fails when nobody notices. It builds below `target/`.
set -euo pipefail
cd "$(dirname "$0")/.."

copy="$PWD/target/without-safety"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}" CARGO_INCREMENTAL=0

# NAME FILE BEFORE AFTER [TESTS]: the text that makes it safe, what is there without, and who should
# notice.
without() {
    local name=$1 file=$2 before=$3 after=$4 noticed
    local -a tests=(${5:--p setpiece-handler --test app})
    if [[ -n "$only" && "$only" != "$name" ]]; then return; fi
    rm -rf "$copy"
    mkdir -p "$copy"
    git ls-files -z | tar --null -T - -c | tar -x -m -C "$copy"
    BEFORE=$before AFTER=$after python3 - "$copy/$file" <<'PYTHON'
import os, sys
path = sys.argv[1]
text = open(path).read()
before = os.environ["BEFORE"]
if text.count(before) != 1:
    sys.exit(f"{path} does not have this once: {before}")
open(path, "w").write(text.replace(before, os.environ["AFTER"]))
PYTHON
    noticed=$(cd "$copy" && { cargo test -q "${tests[@]}" --no-fail-fast 2>&1 || true; } |
        sed -n 's/^test \(.*\) \.\.\. FAILED$/\1/p; s/^    \([a-z_]*::[a-z0-9_:]*\)$/\1/p; s/^error.*could not compile.*/does not compile/p' |
        sort -u)
    rm -rf "$copy"
    if [[ -z "$noticed" || "$noticed" == *"does not compile"* ]]; then
        echo "without $name: nobody notices (${noticed:-no test failed})" >&2
        failed=1
        return
    fi
    echo "without $name:"
    echo "$noticed" | sed 's/^/    /'
}

only=${1:-}
failed=0

without owner idempotency/src/dynamodb/expression.rs \
    'const MINE: &str = "owner_token = :me AND' \
    'const MINE: &str = "(owner_token = :me OR attribute_exists(owner_token)) AND' \
    '-p setpiece-idempotency --test it'
without relay handler/src/apply.rs \
    'let applied = self.replay(&record, receipt.outbox, deadline).await?;' \
    'let (applied, _) = (Applied::Replayed { events: 0 }, record);'
without partial-batch handler/src/answer.rs \
    'Source::Sqs { .. } if !whole_batches => self.write_failures(usize::MAX),' \
    'Source::Sqs { .. } if !whole_batches => self.write_failures(0),'
without transaction idempotency/src/dynamodb.rs \
    '            let draft = self.settle_draft(settle)?;
            self.transact(&settle.key, &settle.owner, draft, writes).await' \
    '            let reply = self.settle(settle).await?;
            let apart = self.client.transact_write_items();
            _ = apart.set_transact_items(Some(writes.to_vec())).send().await;
            Ok(reply.into())'
without order handler/src/batch.rs \
    'Source::Kinesis | Source::DynamoDbStream => true,' \
    'Source::Kinesis | Source::DynamoDbStream => false,'
without quarantine handler/src/app/deliver.rs \
    'match quarantine.put(&poison).await {' \
    'match std::future::ready(Ok::<(), Fault>(drop((&poison, quarantine)))).await {'
without removal handler/src/apply/relay.rs \
    'Ok(_) => self.remove(&keys, deadline).await,' \
    'Ok(_) => Ok(()),'
exit "$failed"
