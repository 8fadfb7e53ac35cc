"""The templates against the documents, and what evaluates them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from check.evaluate import Deployment, EvaluationError, evaluate
from check.invariants_alarms import alarm_metrics, dashboard_metrics
from check.invariants_services import environment, tasks
from check.parameters import Parameter, Refusal, check, declared, read
from check.project import Project
from check.template import load
from check.variants import BASE, VARIANTS

PROJECT = Project()


@pytest.mark.parametrize("file", ["templates/redis.yaml", "templates/memorydb.yaml"])
def test_the_services_user_has_the_documented_line(templates: Path, file: str) -> None:
    user = load(templates / file)["Resources"]["User"]
    assert user["Properties"]["AccessString"] == PROJECT.aws_access_string


def test_what_aws_is_told_of_rights_differs_by_resetkeys_alone() -> None:
    documented, told = PROJECT.access_string.split(), PROJECT.aws_access_string.split()
    assert told == [word for word in documented if word != "resetkeys"]
    assert len(told) == len(documented) - 1


def test_the_documented_line_is_that_of_the_code() -> None:
    source = (PROJECT.root / "Sources/MessageBus/AccessRights.swift").read_text()
    commands = source.partition("private static let commands = [")[2].partition("]")[0]
    rights = " ".join(f"+{name}" for name in re.findall(r'"([a-z|]+)"', commands))
    assert PROJECT.access_string == f"on resetkeys ~connect:* resetchannels -@all {rights}"


def test_metrics_are_read_from_the_code_and_documented() -> None:
    text = (PROJECT.documents / "Running.md").read_text()
    assert set(PROJECT.metrics) == {"gateway", "messaging"}
    for service, metrics in PROJECT.metrics.items():
        row = re.search(rf"^\| `{service}` \| (`Connections`|`Stored`).*$", text, re.MULTILINE)
        assert row is not None
        assert set(re.findall(r"`(\w+)`", row.group(0))) - {service} == metrics


def test_every_runbook_is_named_by_an_alarm(deployments: dict[str, Deployment]) -> None:
    named = {
        alarm.get("AlarmDescription").rpartition("Runbook: ")[2]
        for deployment in deployments.values()
        for alarm in deployment.of("CloudWatch::Alarm")
    }
    assert named == PROJECT.runbooks


def test_links_within_the_document_lead_somewhere() -> None:
    text = (PROJECT.documents / "AWS.md").read_text()
    headings = {
        re.sub(r"[^A-Za-z0-9 -]", "", heading).replace(" ", "-")
        for heading in re.findall(r"^##+ (.+)$", text, re.MULTILINE)
    }
    for link in re.findall(r"\]\(#([^)]+)\)", text):
        assert link in headings, link


def test_every_parameter_that_the_document_names_is_there(templates: Path) -> None:
    text = (PROJECT.documents / "AWS.md").read_text()
    part = text.partition("\n## Parameters that matter\n")[2].partition("\n## ")[0]
    names = {
        name for row in re.findall(r"^\| (`[^|]+) \|", part, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)
    }
    assert len(names) > 15
    assert names <= set(load(templates / "template.yaml")["Parameters"])


def test_what_the_capacity_model_prints_is_said_in_parameters_that_are_there(templates: Path) -> None:
    text = (PROJECT.documents / "AWS.md").read_text()
    table = text.partition("\n| `infra/capacity/model` | parameters |\n")[2].partition("\n\n")[0]
    names = set(re.findall(r"`([A-Z]\w+)(?:=[^`]*)?`", table))
    assert {"RedisShards", "RedisNodeType", "GatewayMaximum", "MessagingMaximum", "Partitions"} <= names
    assert names <= set(load(templates / "template.yaml")["Parameters"])


def test_the_parameters_of_the_first_deployment_are_taken_once_filled_in(templates: Path) -> None:
    text = (PROJECT.documents / "AWS.md").read_text()
    file = text.partition("cat > connect.parameters <<'END'\n")[2].partition("\nEND\n")[0]
    parameters = declared(templates / "template.yaml")
    lines = [*file.splitlines(), f"S3PrefixListId={BASE['S3PrefixListId']}"]
    placeholders = {
        "DOMAIN": "chat.example.com", "HOSTED_ZONE_ID": "Z1", "ORIGINS": "https://app.example.com",
        "EMAIL": "team@example.com",
    }
    pairs = [line.split("=", 1) for line in lines]

    def filled_but_for(left: str) -> list[str]:
        return [f"{name}={value if value == left else placeholders.get(value, value)}" for name, value in pairs]

    for placeholder in placeholders:
        with pytest.raises(Refusal, match=f"={placeholder}: allowed is"):
            check(read(filled_but_for(placeholder), parameters), parameters)
    check(read(filled_but_for("nothing"), parameters), parameters)


def test_parameters_are_read_as_yaml_has_them(templates: Path) -> None:
    """`deploy` reads them without a YAML parser."""
    wanted = {
        name: Parameter(
            default=str(parameter["Default"]) if "Default" in parameter else None,
            numeric=parameter["Type"] == "Number",
            pattern=parameter.get("AllowedPattern"),
            values=tuple(str(value) for value in parameter.get("AllowedValues", ())),
            minimum=parameter.get("MinValue"),
            maximum=parameter.get("MaxValue"),
            constraint=parameter.get("ConstraintDescription"),
        )
        for name, parameter in load(templates / "template.yaml")["Parameters"].items()
    }
    assert declared(templates / "template.yaml") == wanted


def test_every_pattern_of_a_parameter_is_said_in_words(templates: Path) -> None:
    for name, parameter in load(templates / "template.yaml")["Parameters"].items():
        assert ("AllowedPattern" in parameter) == ("ConstraintDescription" in parameter), name


def test_every_set_of_parameters_that_is_checked_is_allowed(templates: Path) -> None:
    parameters = declared(templates / "template.yaml")
    for given in VARIANTS.values():
        for name, value in {**BASE, **given}.items():
            assert parameters[name].allows(value), f"{name}={value}"


@pytest.mark.parametrize(
    ("parameter", "container", "setting"),
    [
        ("HistoryLimit", "messaging", "CONNECT_HISTORY_LIMIT"),
        ("MailboxLimit", "messaging", "CONNECT_MAILBOX_LIMIT"),
        ("MailboxBytes", "messaging", "CONNECT_MAILBOX_BYTES"),
        ("SendsPerSecond", "gateway", "CONNECT_SENDS_PER_SECOND"),
    ],
)
def test_a_parameter_of_a_limit_is_the_documented_setting(
    templates: Path, parameter: str, container: str, setting: str
) -> None:
    text = (PROJECT.documents / "Configuration.md").read_text()
    row = re.search(rf"\| `{setting}` \| ([\d,]+) \| ([\d,]+) to ([\d,]+) ", text)
    assert row is not None
    described = load(templates / "template.yaml")["Parameters"][parameter]
    assert [described[name] for name in ("Default", "MinValue", "MaxValue")] == [
        int(number.replace(",", "")) for number in row.groups()
    ]
    told = {
        item["Name"]: environment(item).get(setting)
        for _, item, _ in tasks(evaluate(templates, {**BASE, parameter: "7"}))
    }
    assert told == {"gateway": None, "messaging": None, "operator": None, container: "7"}


def test_every_parameter_says_what_it_is_for(templates: Path) -> None:
    for name, parameter in load(templates / "template.yaml")["Parameters"].items():
        assert parameter.get("Description"), name


def test_a_dashboard_without_a_known_metric_would_be_seen(deployments: dict[str, Deployment]) -> None:
    """Its shorthand is read, `.` and `...` included."""
    dashboard, = deployments["default"].of("CloudWatch::Dashboard")
    metrics = set(dashboard_metrics(dashboard))
    assert ("Connect/connect", "RedisErrors", "gateway") in metrics
    assert ("Connect/connect", "DeliverMilliseconds", "gateway") in metrics
    assert ("AWS/ElastiCache", "EngineCPUUtilization", None) in metrics
    assert ("AWS/ApplicationELB", "HTTPCode_Target_5XX_Count", None) in metrics


def test_queries_of_alarms_are_read(deployments: dict[str, Deployment]) -> None:
    metrics = {
        metric for alarm in deployments["memorydb"].of("CloudWatch::Alarm") for metric in alarm_metrics(alarm)
    }
    assert ("AWS/MemoryDB", "EngineCPUUtilization", None) in metrics


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        ({"HostedZoneId": ""}, "Certificate"),
        ({"Engine": "valkey-8-1"}, "LogOfTheEngine"),
        ({"Engine": "redis-7-1", "Durability": "log-async"}, "LogOfTheEngine"),
        ({"Durability": "replicas"}, "Replicas"),
    ],
)
def test_rules_refuse_what_contradicts_itself(templates: Path, given: dict[str, str], rule: str) -> None:
    refusals = evaluate(templates, {**BASE, **given}).refusals
    assert [refusal.partition(":")[0] for refusal in refusals] == [rule]


def test_what_cannot_be_evaluated_is_no_silent_default(templates: Path) -> None:
    with pytest.raises(EvaluationError, match="has no parameter Colour"):
        evaluate(templates, {**BASE, "Colour": "blue"})
    with pytest.raises(EvaluationError, match="is not given Image"):
        evaluate(templates, {name: value for name, value in BASE.items() if name != "Image"})


def test_switches_make_what_they_say(deployments: dict[str, Deployment]) -> None:
    assert len(deployments["default"].of("ElastiCache::ReplicationGroup")) == 1
    assert len(deployments["two clusters"].of("ElastiCache::ReplicationGroup")) == 2
    assert not deployments["memorydb"].of("ElastiCache::ReplicationGroup")
    assert len(deployments["memorydb, two clusters"].of("MemoryDB::Cluster")) == 2
    assert not deployments["default"].of("EC2::NatGateway")
    assert len(deployments["nat"].of("EC2::NatGateway")) == 3
    assert not deployments["default"].of("WAFv2::WebACL")
    assert deployments["waf"].of("WAFv2::WebACLAssociation")
    assert not deployments["own certificate"].of("CertificateManager::Certificate")
    assert deployments["e-mail"].of("SNS::Subscription")


def test_the_log_of_the_engine_is_asked_for_by_default(deployments: dict[str, Deployment]) -> None:
    group, = deployments["default"].of("ElastiCache::ReplicationGroup")
    assert group.get("Durability") == "sync"
    assert deployments["replicas"].of("ElastiCache::ReplicationGroup")[0].get("Durability") is None


def test_nothing_is_skipped_without_a_reason(templates: Path) -> None:
    """Of checkov, in bootstrap.yaml, too; the invariant sees what a deployment has. Of cfn-lint, one."""
    for path in [*templates.glob("*.yaml"), *(templates / "templates").glob("*.yaml")]:
        template = load(path)
        for resource in template["Resources"].values():
            for skipped in resource.get("Metadata", {}).get("checkov", {}).get("skip", []):
                assert len(skipped["comment"].split()) >= 5, f"{path.name}: {skipped}"
        ignored = template.get("Metadata", {}).get("cfn-lint", {}).get("config", {}).get("ignore_checks", [])
        assert ignored == (["W3002"] if path.name == "template.yaml" else [])


def test_files_read_in_one_sitting(templates: Path) -> None:
    for path in [*(templates / "templates").glob("*.yaml"), *(templates / "check").glob("*.py"),
                 *(templates / "tests").glob("*.py")]:
        assert len(path.read_text().splitlines()) <= 400, path.name
