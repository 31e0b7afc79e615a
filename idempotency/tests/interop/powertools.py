"""The other side of the shared table: Powertools for AWS Lambda (Python).

Reads one command per line from stdin and answers each with one line on stdout, both JSON.
"""

import json
import sys
import warnings

import boto3
from aws_lambda_powertools.utilities.idempotency import (
    DynamoDBPersistenceLayer,
    IdempotencyConfig,
    idempotent_function,
)
from aws_lambda_powertools.utilities.idempotency import exceptions

warnings.simplefilter("ignore")


class Crash(BaseException):
    """Ends a handler as a killed function ends: nothing is cleaned up after it."""


class Failure(Exception):
    """What a handler raises."""


class Context:
    """As much of the Lambda context as Powertools asks for."""

    def __init__(self, remaining_ms):
        self.remaining_ms = remaining_ms

    def get_remaining_time_in_millis(self):
        return self.remaining_ms


def layer(client, command):
    options = {"table_name": command["table"], "boto3_client": client}
    if "sort_key" in command:
        options["sort_key_attr"] = command["sort_key"]
        options["static_pk_value"] = command["partition"]
    return DynamoDBPersistenceLayer(**options)


def config(command):
    options = {"event_key_jmespath": command.get("key", "")}
    if "validate" in command:
        options["payload_validation_jmespath"] = command["validate"]
    if "remaining_ms" in command:
        options["lambda_context"] = Context(command["remaining_ms"])
    return IdempotencyConfig(**options)


def call(client, command):
    """A guarded call: what came of it, whether the handler ran, and the value."""
    ran = []

    def handler(payload):
        ran.append(payload)
        if command["handler"] == "crash":
            raise Crash
        if command["handler"] == "fail":
            raise Failure
        return command["result"]

    guarded = idempotent_function(
        handler,
        data_keyword_argument="payload",
        persistence_store=layer(client, command),
        config=config(command),
        key_prefix=command["prefix"],
    )
    try:
        value = guarded(payload=command["payload"])
        return {"outcome": "fresh" if ran else "replayed", "value": value}
    except Crash:
        return {"outcome": "crashed"}
    except Failure:
        return {"outcome": "failed"}
    except exceptions.IdempotencyAlreadyInProgressError:
        return {"outcome": "in progress"}
    except exceptions.IdempotencyValidationError:
        return {"outcome": "mismatch"}
    except Exception as error:
        return {"outcome": type(error).__name__, "ran": bool(ran)}


def finish(client, command):
    """The end of a call that began long ago, as a zombie makes it: without any condition."""
    store = layer(client, command)
    store.configure(config(command), key_prefix=command["prefix"])
    if command["handler"] == "fail":
        store.delete_record(command["payload"], Failure())
    else:
        store.save_success(command["payload"], command["result"])
    return {"outcome": "written"}


def key(client, command):
    """The key that Powertools makes of a payload, and its hash of what is validated."""
    store = layer(client, command)
    store.configure(config(command), key_prefix=command["prefix"])
    return {
        "key": store._get_hashed_idempotency_key(command["payload"]),
        "validation": store._get_hashed_payload(command["payload"]),
    }


def main():
    client = boto3.client(
        "dynamodb",
        endpoint_url=sys.argv[1],
        region_name="eu-west-1",
        aws_access_key_id="x",
        aws_secret_access_key="x",
    )
    commands = {"call": call, "finish": finish, "key": key}
    for line in sys.stdin:
        command = json.loads(line)
        print(json.dumps(commands[command["do"]](client, command)), flush=True)


if __name__ == "__main__":
    main()
