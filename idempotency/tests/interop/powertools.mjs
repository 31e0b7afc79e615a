// The other side of the shared table: Powertools for AWS Lambda (TypeScript).
//
// Speaks as powertools.py does: one command per line from stdin, one answer per line on stdout.

import { createInterface } from 'node:readline';
import { IdempotencyConfig, makeIdempotent } from '@aws-lambda-powertools/idempotency';
import { DynamoDBPersistenceLayer } from '@aws-lambda-powertools/idempotency/dynamodb';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';

console.warn = () => {};

class Failure extends Error {}

const client = new DynamoDBClient({
  endpoint: process.argv[2],
  region: 'eu-west-1',
  credentials: { accessKeyId: 'x', secretAccessKey: 'x' },
});

const parts = (command) => ({
  store: new DynamoDBPersistenceLayer({
    tableName: command.table,
    awsSdkV3Client: client,
    ...(command.sort_key && {
      sortKeyAttr: command.sort_key,
      staticPkValue: command.partition,
    }),
  }),
  config: new IdempotencyConfig({
    ...(command.key && { eventKeyJmesPath: command.key }),
    ...(command.validate && { payloadValidationJmesPath: command.validate }),
    ...(command.remaining_ms !== undefined && {
      lambdaContext: { getRemainingTimeInMillis: () => command.remaining_ms },
    }),
  }),
});

const outcomes = {
  IdempotencyAlreadyInProgressError: 'in progress',
  IdempotencyValidationError: 'mismatch',
};

const commands = {
  async call(command) {
    const { store, config } = parts(command);
    let ran = false;
    let crash;
    const crashed = new Promise((resolve) => {
      crash = () => resolve({ outcome: 'crashed' });
    });
    const guarded = makeIdempotent(
      async () => {
        ran = true;
        if (command.handler === 'fail') throw new Failure();
        if (command.handler === 'crash') {
          crash();
          await new Promise(() => {});
        }
        return command.result;
      },
      { persistenceStore: store, config, keyPrefix: command.prefix }
    );
    const called = guarded(command.payload).then(
      (value) => ({ outcome: ran ? 'fresh' : 'replayed', value }),
      (error) => {
        if (error instanceof Failure) return { outcome: 'failed' };
        const outcome = outcomes[error.name];
        return outcome ? { outcome } : { outcome: error.name, ran };
      }
    );
    return await Promise.race([called, crashed]);
  },

  async finish(command) {
    const { store, config } = parts(command);
    store.configure({ config, keyPrefix: command.prefix });
    if (command.handler === 'fail') await store.deleteRecord(command.payload);
    else await store.saveSuccess(command.payload, command.result);
    return { outcome: 'written' };
  },

  async key(command) {
    const { store, config } = parts(command);
    store.configure({ config, keyPrefix: command.prefix });
    return {
      key: store.getHashedIdempotencyKey(command.payload),
      validation: store.getHashedPayload(command.payload),
    };
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  process.stdout.write(`${JSON.stringify(await commands[command.do](command))}\n`);
}
