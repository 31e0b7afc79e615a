#!/usr/bin/env bash
# Removes one safety after the other from a copy of the sources, and shows who notices: which tests,
# and the seed of the first of a thousand worlds.
#
#   scripts/without-safety.sh          all of them
#   scripts/without-safety.sh owner    only this one
#
# Fails when nobody notices. It builds below `target/`.
set -euo pipefail
cd "$(dirname "$0")/.."

copy="$PWD/target/without-safety"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}" CARGO_INCREMENTAL=0

# NAME FILE BEFORE AFTER TESTS WORLD: the text that makes it safe, what is there without, which tests
# should notice, and in which world. Where the last is empty, no world has what it is about. Nothing is
# asked for one package alone, so that all of them are built with the same features, and once.
without() {
    local name=$1 file=$2 before=$3 after=$4 noticed
    local -a tests=($5) world=($6)
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
    echo "without $name:"
    if [[ -z "$noticed" || "$noticed" == *"does not compile"* ]]; then
        echo "    no test notices ${noticed}" >&2
        failed=1
    else
        echo "$noticed" | sed 's/^/    /'
    fi
    if ((${#world[@]})); then
        noticed=$(cd "$copy" && { SETPIECE_SEEDS=0..1000 cargo test -q --test world -- --exact "${world[@]}" 2>&1 || true; } |
            sed -n 's/^.*a world fails: \(seed [0-9]*\)$/\1/p')
        if [[ -z "$noticed" ]]; then
            echo "    no world notices" >&2
            failed=1
        else
            echo "    ${world[*]}: $noticed"
        fi
    fi
    rm -rf "$copy"
}

only=${1:-}
failed=0
app='--test app'
in_memory=faults::when_processes_stand_still_too
in_engine=engine::in_the_engine_everything_happens_once_too

# What comes behind an AND is swallowed by the OR: the attempt, too.
without owner idempotency/src/dynamodb/expression.rs \
    'const MINE: &str = "owner_token = :me AND' \
    'const MINE: &str = "attribute_exists(owner_token) OR owner_token = :me AND' \
    '--test it' "$in_engine"
without relay handler/src/apply.rs \
    'let applied = self.replay(&record, receipt.outbox, deadline).await?;' \
    'let (applied, _) = (Applied::Replayed { events: 0 }, record);' "$app" "$in_memory"
without partial-batch handler/src/answer.rs \
    'Source::Sqs { .. } if !whole_batches => self.write_failures(usize::MAX),' \
    'Source::Sqs { .. } if !whole_batches => self.write_failures(0),' "$app" "$in_memory"
without transaction idempotency/src/dynamodb.rs \
    '            let record = settle
                .prepared
                .get_or_make(|| self.action(&settle.key, self.settle_draft(settle)?))?;
            self.transact(&settle.key, &settle.owner, record, writes).await' \
    '            let reply = self.settle(settle).await?;
            let apart = self.client.transact_write_items();
            _ = apart.set_transact_items(Some(writes.to_vec())).send().await;
            Ok(reply.into())' "$app" "$in_engine"
without order handler/src/batch.rs \
    'Source::Kinesis | Source::DynamoDbStream => true,' \
    'Source::Kinesis | Source::DynamoDbStream => false,' "$app" ''
without fifo-order handler/src/batch.rs \
    'Source::Sqs { fifo } => fifo,' \
    'Source::Sqs { .. } => false,' "$app" transport::a_fifo_queue_keeps_its_order_through_crashes
without quarantine handler/src/app/deliver.rs \
    'match quarantine.put(&poison).await {' \
    'match std::future::ready(Ok::<(), Fault>(drop((&poison, quarantine)))).await {' "$app" transport::poison_is_put_aside_and_holds_up_nobody
without removal handler/src/apply/relay.rs \
    'Ok(_) => self.remove(&keys, deadline).await,' \
    'Ok(_) => Ok(()),' "$app" "$in_memory"
without one-step idempotency/src/dynamodb.rs \
    'self.transact(&once.key, &once.owner, record, writes).await' \
    'let reply = self.change(&once.key, self.once_draft(once)?, "committing").await?;
            let apart = self.client.transact_write_items();
            _ = apart.set_transact_items(Some(writes.to_vec())).send().await;
            Ok(reply.into())' "$app" strikes::an_own_success_is_not_taken_for_a_refusal
without stream-relay handler/src/app/deliver.rs \
    'let relayed = self.applier.relay(&[key], known.time.answer_by).await;' \
    'let relayed: Result<(), crate::ApplyError> = Ok(drop(key));' "$app" relay::an_event_is_published_though_its_process_never_comes_back
without partial-stream handler/src/answer.rs \
    'Source::Kinesis | Source::DynamoDbStream if !whole_batches => self.write_failures(1),' \
    'Source::Kinesis | Source::DynamoDbStream if !whole_batches => self.write_failures(0),' "$app" ''
without publish-quarantine handler/src/apply/error.rs \
    'ApplyError::Publish(error) => Self::from(error).hand_back(),' \
    'ApplyError::Publish(error) => Self::from(error),' "$app" buses::a_bus_refuses_some_events_for_good
without consistent-outbox handler/src/dynamodb.rs \
    '.consistent_read(true)' \
    '.consistent_read(false)' '--test effects' ''
without whole-reasons idempotency/src/dynamodb/cancellation.rs \
    'Some(code @ ("ThrottlingError" | "ProvisionedThroughputExceeded")) => {' \
    'Some("ThrottlingError" | "ProvisionedThroughputExceeded") if true => Verdict::Held,
        Some(code @ ("SomethingElse" | "ProvisionedThroughputExceeded")) => {' "$app" strikes::an_own_success_is_not_taken_for_a_refusal
without short-lease handler/src/app/lease.rs \
    'if deadline.remaining(clock) <= LENGTH {' \
    'if deadline.remaining(clock) <= LENGTH * 1000 {' "$app" leases::one_crash_of_a_function_of_fifteen_minutes_loses_nothing
without receipt-bound handler/src/apply/receipt.rs \
    'if receipt.outbox > Receipt::MOST {' \
    'if receipt.outbox > 10_000 {' '--lib receipt' ''
without function-in-key handler/src/app/build.rs \
    'Some(function) => format!("{function}/{of_key}"),' \
    'Some(_) => of_key.to_owned(),' "$app" names::two_functions_of_a_service_have_a_handler_of_one_name
without renamed-key handler/src/app/build.rs \
    'let of_key = before.map_or(&*name, |(_, before)| before);' \
    'let of_key = before.map_or(&*name, |_| &*name);' "$app" names::a_handler_gets_another_name_while_its_events_are_on_their_way
without outbox-owner handler/src/apply/relay.rs \
    'Some(owner) if *owner == self.owner => match item.event() {' \
    'Some(_) => match item.event() {' "$app" buses::services_on_one_table_publish_each_on_its_own_bus
without refused-event handler/src/apply/relay.rs \
    'relayed.refused.extend(refused.ok_or(ApplyError::Publish(error))?);' \
    'relayed.refused.extend(refused.filter(Vec::is_empty).ok_or(ApplyError::Publish(error))?);' "$app" buses::a_bus_refuses_some_events_for_good
exit "$failed"
