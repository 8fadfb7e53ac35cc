"""What `infra/aws/deploy` runs, with the path of the AWS CLI before its options: see there."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import NoReturn

from .bootstrap import TEMPLATE_BUCKET, bootstrap
from .changes import review
from .cli import Aws, Failure, Refused, say
from .dns import Resolver
from .image import require_image
from .names import require_names
from .parameters import ROOTS, Refusal, Templates, load, templates
from .report import end_with_failures
from .stack import Stack
from .zones import choose_zones, require_kept

_HERE = Path(__file__).resolve().parents[1]
# Templates with the addresses of those that they nest, and parameters, as they were deployed.
_BUILD = _HERE.parents[1] / ".build-tools"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise Failure(f"{message}; see --help")


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = _Parser(prog="deploy", add_help=False, allow_abbrev=False)
    for name in ("--stack", "--region", "--parameters", "--bucket", "--resolver"):
        parser.add_argument(name, default="")
    for name in ("--dry-run", "--skip-dns", "--bootstrap"):
        parser.add_argument(name, action="store_true")
    options = parser.parse_args(arguments)
    if not options.bootstrap:
        if not options.stack:
            raise Failure("--stack is missing, such as --stack connect")
        # Names of Redis are made of it, and the templates take it from the name of their stack.
        if not re.fullmatch(r"(?!.*--)(?!.*-(foundation|services))[a-z][a-z0-9-]{0,19}(?<!-)", options.stack):
            raise Failure(
                "--stack: 1 to 20 of a-z, 0-9 and -, a letter first, no two - in a row and none last, "
                "and neither -foundation nor -services in it"
            )
        if not options.parameters:
            raise Failure("--parameters is missing: a file to start from is infra/aws/smallest.parameters")
    if not options.region:
        raise Failure("--region is missing, such as --region eu-central-1")
    return options


class Deployment:
    """The two stacks, and what is given for them."""

    def __init__(self, cli: str, options: argparse.Namespace) -> None:
        self.options = options
        self.known: Templates = templates(_HERE)
        self.settings = load(Path(options.parameters), self.known)
        self.aws = Aws(cli, options.region)
        self.aws.require_credentials()
        self.stacks = {root: Stack(self.aws, f"{options.stack}-{root}") for root in ROOTS}
        self.bucket = ""
        # What is looked up, by the name of the parameter.
        self.found: dict[str, str] = {}

    @property
    def foundation(self) -> Stack:
        return self.stacks["foundation"]

    def require_all(self) -> None:
        """Looks at everything that has to be there, and changes nothing."""
        for stack in self.stacks.values():
            stack.look().require_deployable()
        require_image(self.aws, self.settings["Image"], self.settings["Architecture"])
        self.found["ZoneNames"] = self._zones()
        self._require_names()
        self.found["S3PrefixListId"] = self._prefix_list()
        self.bucket = self._bucket()

    def _zones(self) -> str:
        wanted, kept = int(self.settings["Zones"]), self.foundation.parameters.get("ZoneNames")
        if kept:
            require_kept(kept, wanted)
            return kept
        return choose_zones(self.aws, wanted)

    def _require_names(self) -> None:
        before, settings = self.foundation.parameters, self.settings
        # What stands in DNS under the same name is this deployment's own.
        same = all(before.get(name) == settings[name] for name in ("DomainName", "HostedZoneId"))
        if same or not settings["HostedZoneId"]:
            return
        if self.options.skip_dns:
            say("Not checked: DNS, by --skip-dns.")
            return
        require_names(
            self.aws, Resolver(self.options.resolver), settings["DomainName"], settings["HostedZoneId"],
            makes_certificate=not settings["CertificateArn"],
        )

    def _prefix_list(self) -> str:
        name = f"com.amazonaws.{self.aws.region}.s3"
        try:
            answer = self.aws.ask(
                "ec2", "describe-managed-prefix-lists", "--filters", f"Name=prefix-list-name,Values={name}"
            )
            identity: str = answer["PrefixLists"][0]["PrefixListId"]
        except (Refused, LookupError) as error:
            raise Failure(
                f"the prefix list {name} cannot be looked up (ec2:DescribeManagedPrefixLists): {error}"
            ) from None
        return identity

    def _bucket(self) -> str:
        bucket: str = self.options.bucket
        if not bucket:
            bucket = Stack(self.aws, TEMPLATE_BUCKET.stack).look().outputs.get(TEMPLATE_BUCKET.output, "")
        if not bucket:
            raise Failure(
                f"there is no bucket for templates: 'infra/aws/deploy --bootstrap --region {self.aws.region}' "
                "makes one, or give --bucket"
            )
        try:
            self.aws.ask("s3api", "head-bucket", "--bucket", bucket)
        except Refused as refused:
            raise Failure(
                f"the bucket {bucket} does not exist, or you may not use it ({refused}); see --bucket"
            ) from None
        return bucket

    def package(self, root: str) -> Path:
        """Uploads what a template nests. Its copy that names the uploads."""
        _BUILD.mkdir(exist_ok=True)
        packaged = _BUILD / f"{self.stacks[root].name}.yaml"
        try:
            self.aws.run(
                "cloudformation", "package", "--template-file", str(_HERE / f"{root}.yaml"),
                "--s3-bucket", self.bucket, "--s3-prefix", self.stacks[root].name,
                "--output-template-file", str(packaged),
            )
        except Refused as refused:
            raise Failure(f"{root}.yaml could not be packaged to s3://{self.bucket}: {refused}") from None
        return packaged

    def values(self, root: str) -> list[str]:
        passed = {name: value for name, value in self.foundation.outputs.items() if name in self.known.reasons}
        return self.known.values_for(root, {**passed, **self.settings, **self.found})

    def deploy(self) -> None:
        """Deploys one stack after the other. Raises `Failure`, saying what failed and what stands."""
        packaged = {root: self.package(root) for root in ROOTS}
        for root, stack in self.stacks.items():
            was_new = stack.is_new
            say(f"{'Making' if was_new else 'Updating'} {stack.name}.")
            since = stack.deploy(packaged[root], self.values(root), self.bucket)
            if since is not None:
                end_with_failures(self.aws, stack, since, was_new, self.foundation)
            stack.protect()
        for stack in self.stacks.values():
            for name, value in stack.described_outputs:
                print(f"{name:24}{value}")

    def review(self) -> None:
        """Prints what deploying would change. Makes no change set for what is not there: all of it would
        be new, and CloudFormation would keep an empty stack for it."""
        for root, stack in self.stacks.items():
            if stack.is_new:
                print(f"{stack.name}: is not there yet, would be made")
                continue
            print(f"{stack.name}:", flush=True)
            try:
                values = self.values(root)
            except Refusal as refusal:
                raise Failure(
                    f"what would change in {stack.name} is known when {self.foundation.name} is updated: {refusal}"
                ) from None
            review(self.aws, stack, self.package(root), values)


def main(cli: str, *arguments: str) -> int:
    try:
        options = _options(list(arguments))
        if options.bootstrap:
            bootstrap(Aws(cli, options.region), _HERE / "bootstrap.yaml")
            return 0
        deployment = Deployment(cli, options)
        deployment.require_all()
        if options.dry_run:
            deployment.review()
        else:
            deployment.deploy()
    except (Failure, Refusal) as failure:
        say(f"deploy: {failure}")
        return 1
    except KeyboardInterrupt:
        say("deploy: interrupted. CloudFormation goes on with what it has begun; deploy again when that is over.")
        return 1
    return 0

