"""Deploys the template of the example to a cloud on this machine, sends registrations, and checks
from the tables what became of them.

usage: local_cloud.py ENDPOINT BINARIES PID [REGISTRATIONS [CRASHES]]

While they are handled, sandboxes are killed wherever they are. ENDPOINT is MiniStack, whose process is PID, and BINARIES the directory with the six functions.
"""

import io
import json
import os
import platform
import random
import signal
import sys
import threading
import time
import zipfile
from collections import Counter
from pathlib import Path

import boto3
from botocore.config import Config
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

SERVICES = ["products", "loyalty", "promotions", "communications", "customer", "manufacturer"]
READERS_OF_REGISTRATIONS = [it for it in SERVICES if it != "communications"]
SOURCE, NAME = "retail.registration.products", "product_registered"
STACK = "product-registration-local"
CUSTOMERS = 50
# For how long nothing may have happened, and how long all of it may take.
QUIET_SECONDS, PATIENCE_SECONDS = 3, 240
# What SAM deploys beside the functions has no part in what is checked here.
LEFT_OUT = ["AWS::CodeDeploy", "AWS::CloudWatch", "AWS::Logs"]


def main(endpoint, binaries, pid, registrations=600, crashes=12):
    cloud = Cloud(endpoint)
    sandboxes = Sandboxes(int(pid))
    started = time.monotonic()
    resources = cloud.deploy(Path(binaries))
    print(f"deployed in {time.monotonic() - started:.1f} s: {len(resources)} resources")
    for service in SERVICES:
        cloud.pre_traffic(resources[f"{service.title()}Function"])

    sent = Sent(int(registrations))
    started = time.monotonic()
    cloud.send(resources, sent)
    sandboxes.crashes = int(crashes)
    cloud.wait_until_quiet(resources)
    seconds = time.monotonic() - started - QUIET_SECONDS

    mistakes = check(cloud, resources, sent)
    sandboxes.stop()
    print(
        f"{sent.events} registrations in {len(sent.entries)} entries, "
        f"{len(sent.entries) - sent.events - len(sent.poison)} of them duplicates and "
        f"{len(sent.poison)} poison: {seconds:.1f} s, "
        f"{sandboxes.killed} sandboxes killed, "
        f"{sandboxes.most / 2**20:.0f} MiB at most with {sandboxes.functions} sandboxes"
    )
    for mistake in mistakes[:20]:
        print(f"  {mistake}", file=sys.stderr)
    verdict = f"{len(mistakes)} mistakes" if mistakes else "no effect twice, no event lost"
    print(verdict)
    return 1 if mistakes else 0


class Cloud:
    def __init__(self, endpoint):
        session = boto3.Session()
        config = Config(retries={"max_attempts": 3}, read_timeout=120)

        def client(service):
            return session.client(service, endpoint_url=endpoint, config=config)

        self.formation, self.s3, self.functions = map(client, ["cloudformation", "s3", "lambda"])
        self.events, self.sqs, self.dynamodb = map(client, ["events", "sqs", "dynamodb"])

    def deploy(self, binaries):
        self.s3.create_bucket(Bucket="artifacts")
        template = yaml_parse(Path("examples/product-registration/template.yaml").read_text())
        machine = {"x86_64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}[platform.machine()]
        template["Globals"]["Function"]["Architectures"] = [machine]
        resources = template["Resources"]
        for name in ["PreTraffic", "PreTrafficRole", "PreTrafficLogs"]:
            del resources[name]
        for service in SERVICES:
            self.s3.put_object(
                Bucket="artifacts", Key=f"{service}.zip", Body=packed(binaries / service)
            )
            function = resources[f"{service.title()}Function"]["Properties"]
            function["CodeUri"] = f"s3://artifacts/{service}.zip"
            del function["DeploymentPreference"], function["LoggingConfig"]
            # What a killed sandbox had comes again sooner, and its claims run out sooner.
            function["Timeout"] = 5
            resources[f"{service.title()}Queue"]["Properties"]["VisibilityTimeout"] = 5
            role = resources[f"{service.title()}Role"]["Properties"]
            statements = role["Policies"][0]["PolicyDocument"]["Statement"]
            # The log groups are left out, and so is the right to write to them.
            assert "logs:PutLogEvents" in statements.pop()["Action"]
        template = transform(template, {}, None)
        # MiniStack takes a number for a text where it comes from a parameter.
        parameters = template["Parameters"].items()
        numbers = {name: it["Default"] for name, it in parameters if it["Type"] == "Number"}
        template = with_values(template, numbers | {"MaximumConcurrency": 3})
        for name, resource in list(template["Resources"].items()):
            if resource["Type"].startswith(tuple(LEFT_OUT)):
                del template["Resources"][name]
        self.formation.create_stack(
            StackName=STACK,
            TemplateBody=json.dumps(template, default=str),
            Parameters=[{"ParameterKey": "Stage", "ParameterValue": "dev"}],
            Capabilities=["CAPABILITY_IAM"],
        )
        while True:
            stack = self.formation.describe_stacks(StackName=STACK)["Stacks"][0]
            if not stack["StackStatus"].endswith("IN_PROGRESS"):
                break
            time.sleep(0.2)
        if stack["StackStatus"] != "CREATE_COMPLETE":
            events = self.formation.describe_stack_events(StackName=STACK)["StackEvents"]
            why = [it for it in events if "FAILED" in it["ResourceStatus"]]
            reasons = [f"{it['LogicalResourceId']}: {it.get('ResourceStatusReason')}" for it in why]
            sys.exit("the stack was not created\n" + "\n".join(reasons))
        pages = self.formation.get_paginator("list_stack_resources").paginate(StackName=STACK)
        return {
            it["LogicalResourceId"]: it["PhysicalResourceId"]
            for page in pages
            for it in page["StackResourceSummaries"]
        }

    def pre_traffic(self, function):
        """What the hook of a deployment asks."""
        test = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "pre-traffic"}
        answer = self.functions.invoke(FunctionName=function, Payload=json.dumps(test))
        if "FunctionError" in answer:
            sys.exit(f"{function} does not start: {answer['Payload'].read().decode()}")

    def send(self, resources, sent):
        for start in range(0, len(sent.entries), 10):
            entries = [
                {
                    "EventBusName": resources["Bus"],
                    "Source": SOURCE,
                    "DetailType": NAME,
                    "Detail": detail,
                }
                for detail in sent.entries[start : start + 10]
            ]
            answer = self.events.put_events(Entries=entries)
            assert answer["FailedEntryCount"] == 0, answer
        self.sqs.send_message(QueueUrl=resources["LoyaltyQueue"], MessageBody=sent.no_event)

    def wait_until_quiet(self, resources):
        started = quiet_since = time.monotonic()
        while time.monotonic() - quiet_since < QUIET_SECONDS:
            if time.monotonic() - started > PATIENCE_SECONDS:
                print(f"not quiet after {PATIENCE_SECONDS} s", file=sys.stderr)
                return
            queues = [resources[f"{service.title()}Queue"] for service in SERVICES]
            if any(map(self.depth, queues)) or self.outbox(resources):
                quiet_since = time.monotonic()
            time.sleep(0.25)

    def depth(self, queue):
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        attributes = self.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=names)
        return sum(int(it) for it in attributes["Attributes"].values())

    def outbox(self, resources):
        return [it for it in self.items(resources["PromotionsIdempotency"]) if "outbox_event" in it]

    def items(self, table):
        pages = self.dynamodb.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
        # All values here are texts and numbers.
        return [
            {name: next(iter(value.values())) for name, value in item.items()}
            for page in pages
            for item in page["Items"]
        ]

    def messages(self, queue):
        found = []
        while True:
            answer = self.sqs.receive_message(
                QueueUrl=queue,
                MaxNumberOfMessages=10,
                MessageAttributeNames=["All"],
                VisibilityTimeout=600,
            )
            if not answer.get("Messages"):
                return found
            found += answer["Messages"]


def with_values(template, values):
    if isinstance(template, list):
        return [with_values(it, values) for it in template]
    if not isinstance(template, dict):
        return template
    if template.get("Ref") in values:
        return values[template["Ref"]]
    return {key: with_values(it, values) for key, it in template.items()}


def packed(binary):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        bootstrap = zipfile.ZipInfo("bootstrap")
        bootstrap.external_attr = 0o100755 << 16
        bootstrap.compress_type = zipfile.ZIP_DEFLATED
        archive.writestr(bootstrap, binary.read_bytes())
    return file.getvalue()


class Sent:
    """What is sent: registrations, a fifth of them twice and some three times, and poison."""

    def __init__(self, count):
        self.events = count
        self.points, self.balances = {}, Counter()
        details = []
        for number in range(count):
            price, customer = 500 + 37 * number, f"cu-{number % CUSTOMERS}"
            event = f"registered-{number:05}"
            self.points[event] = max(price // 100, 10)
            self.balances[customer] += self.points[event]
            data = {
                "customer_id": customer,
                "customer_name": "Ada Brook",
                "email": f"ada.{number}@example.com",
                "model": "Aurora kettle",
                "serial_number": f"AK-{number}",
                "price_cents": price,
            }
            details.append(self.detail(event, data))
        # Readable, but not what was agreed on; and no event at all.
        self.poison = [self.detail("poison-1", {"customer_id": 7}), '{"no": "metadata"}']
        self.no_event = "this is not JSON"
        near, far = details[::5], details[::25]
        self.entries = details[: count // 2] + near + self.poison + details[count // 2 :] + far

    @staticmethod
    def detail(event, data):
        metadata = {
            "version": "1",
            "event_id": event,
            "domain": "retail",
            "subdomain": "registration",
            "service": "products",
            "category": "domain-event",
            "type": "data",
            "name": NAME,
            "occurred_at": "2026-11-20T12:10:21.123Z",
            "correlation_id": event,
        }
        return json.dumps({"metadata": metadata, "data": data})


def check(cloud, resources, sent):
    """What is not as it should be, by the tables and the queues alone."""
    mistakes = []

    def expect(what, found, expected):
        if found != expected:
            mistakes.append(f"{what}: {found} instead of {expected}")

    def by_cause(service):
        effects = [it for it in cloud.items(resources[f"{service.title()}Table"]) if "caused_by" in it]
        for effect in effects:
            expect(f"{service}, times of {effect['caused_by']}", effect["times"], "1")
        causes = Counter(effect["caused_by"] for effect in effects)
        for cause, count in causes.items():
            expect(f"{service}, effects of {cause}", count, 1)
        return {effect["caused_by"]: effect for effect in effects}

    effects = {service: by_cause(service) for service in SERVICES}
    for service in READERS_OF_REGISTRATIONS:
        lost, made_up = sent.points.keys() - effects[service], effects[service].keys() - sent.points
        expect(f"{service}, registrations without effects", sorted(lost), [])
        expect(f"{service}, effects without registrations", sorted(made_up), [])
    for event, award in effects["loyalty"].items():
        expect(f"points of {event}", int(award["points"]), sent.points.get(event))
    accounts = cloud.items(resources["LoyaltyTable"])
    balances = {it["customer_id"]: int(it["points"]) for it in accounts if it["entry"] == "balance"}
    expect("balances", balances, dict(sent.balances))
    # Each code has been announced and e-mailed once.
    codes = sorted(it["code"] for it in effects["promotions"].values())
    words = (it["text"].split() for it in effects["communications"].values())
    emailed = sorted(word for text in words for word in text if word.startswith("THANKS-"))
    expect("codes in e-mails", Counter(emailed) - Counter(codes), Counter())
    expect("codes without e-mails", Counter(codes) - Counter(emailed), Counter())

    poison = Counter()
    for message in cloud.messages(resources["Quarantine"]):
        attributes = message["MessageAttributes"]
        body, reason = message["Body"], attributes["reason"]["StringValue"]
        if body != sent.no_event:
            body = json.loads(body)["detail"]
            body = json.dumps(body)
        poison[body, reason] += 1
    readers = len(READERS_OF_REGISTRATIONS)
    contract, unreadable = sent.poison
    expected = {(contract, "Contract"): readers, (unreadable, "Contract"): readers}
    expect("quarantine", poison, Counter(expected | {(sent.no_event, "Unreadable"): 1}))

    for service in SERVICES:
        name = service.title()
        expect(f"messages left to {service}", cloud.depth(resources[f"{name}Queue"]), 0)
        expect(f"dead letters of {service}", cloud.depth(resources[f"{name}DeadLetters"]), 0)
        records = cloud.items(resources[f"{name}Idempotency"])
        states = Counter(it.get("status") for it in records if "outbox_event" not in it)
        expect(f"records of {service}", states, Counter(COMPLETED=sent.events))
    expect("events left in the outbox", len(cloud.outbox(resources)), 0)
    return mistakes


class Sandboxes(threading.Thread):
    """Looks at how much memory the cloud and its sandboxes take, and kills some of these."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.most, self.functions = pid, 0, 0
        # How many are still to be killed, and how many were.
        self.crashes, self.killed = 0, 0
        self.ended = threading.Event()
        self.start()

    def run(self):
        while not self.ended.wait(0.25):
            resident = dict(self.processes())
            self.most = max(self.most, sum(resident.values()))
            del resident[self.pid]
            self.functions = max(self.functions, len(resident))
            if self.crashes and resident:
                os.kill(random.choice(list(resident)), signal.SIGKILL)
                self.crashes, self.killed = self.crashes - 1, self.killed + 1

    def processes(self):
        """The processes of the group of `pid`, with the bytes that each has in memory."""
        page = os.sysconf("SC_PAGE_SIZE")
        for directory in Path("/proc").glob("[0-9]*"):
            try:
                group = (directory / "stat").read_text().rpartition(")")[2].split()[2]
                if int(group) == self.pid:
                    yield int(directory.name), int((directory / "statm").read_text().split()[1]) * page
            except (OSError, IndexError):
                continue

    def stop(self):
        self.ended.set()
        self.join()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
