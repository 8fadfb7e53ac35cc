"""The templates against the documents, and what evaluates them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from check.__main__ import problems
from check.cost import monthly
from check.evaluate import Deployment, EvaluationError, evaluate
from check.invariant import INVARIANTS
from check.invariants_alarms import alarm_metrics, dashboard_metrics, named_runbook
from check.invariants_services import environment, tasks
from check.project import Project
from check.template import load
from check.variants import BASE, VARIANTS
from deployment.parameters import Parameter, Refusal, check, declared, read
from deployment.parameters import templates as known_templates

PROJECT = Project()
# What stands in capitals in the files of parameters to start from, and what it may become.
PLACEHOLDERS = {
    "DOMAIN": "chat.example.com", "HOSTED_ZONE_ID": "Z1", "EMAIL": "team@example.com",
    "ORIGINS": "https://app.example.com",
}


def parameters_of(templates: Path) -> dict[str, dict]:
    """The parameters of both root templates, but for those that are passed from one to the other."""
    services = load(templates / "services.yaml")
    passed = load(templates / "foundation.yaml")["Outputs"]
    return load(templates / "foundation.yaml")["Parameters"] | {
        name: it for name, it in services["Parameters"].items() if name not in passed}


def test_the_services_user_has_the_documented_line(templates: Path) -> None:
    user = load(templates / "templates/redis.yaml")["Resources"]["User"]
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
        named_runbook(alarm)
        for deployment in deployments.values()
        for alarm in deployment.of("CloudWatch::Alarm", "Events::Rule")
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
    assert names <= set(parameters_of(templates))


def test_what_the_capacity_model_prints_is_said_in_parameters_that_are_there(templates: Path) -> None:
    text = (PROJECT.documents / "AWS.md").read_text()
    table = text.partition("\n| `infra/capacity/model` | parameters |\n")[2].partition("\n\n")[0]
    names = set(re.findall(r"`([A-Z]\w+)(?:=[^`]*)?`", table))
    assert {"RedisShards", "RedisNodeType", "GatewayMaximum", "MessagingMaximum", "Partitions"} <= names
    assert names <= set(parameters_of(templates))


@pytest.mark.parametrize("file", ["smallest.parameters", "production.parameters"])
def test_a_file_to_start_from_is_taken_once_filled_in(templates: Path, file: str) -> None:
    known = known_templates(templates)
    lines = (templates / file).read_text().splitlines()
    pairs = [line.split("=", 1) for line in lines if line and not line.startswith("#")]
    used = {value for _, value in pairs} & set(PLACEHOLDERS)
    assert {"DOMAIN", "HOSTED_ZONE_ID", "EMAIL"} <= used

    def filled_but_for(left: str) -> list[str]:
        return [f"{name}={value if value == left else PLACEHOLDERS.get(value, value)}" for name, value in pairs]

    for placeholder in used:
        with pytest.raises(Refusal, match=f"={placeholder}: allowed is"):
            check(read(filled_but_for(placeholder), known), known)
    check(read(filled_but_for("nothing"), known), known)


@pytest.fixture(scope="module")
def started(templates: Path) -> dict[str, Deployment]:
    """What the files to start from make."""
    found = {}
    for name in ("smallest", "production"):
        lines = (templates / f"{name}.parameters").read_text().splitlines()
        given = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
        values = {name: PLACEHOLDERS.get(value, value) for name, value in given.items()}
        found[name] = evaluate(templates, {**BASE, **values}, f"{name}.parameters")
    return found


def test_files_to_start_from_break_nothing(started: dict[str, Deployment]) -> None:
    for deployment in started.values():
        for invariant in INVARIANTS:
            assert list(problems(invariant, deployment, PROJECT)) == [], invariant.name


def test_the_document_says_what_the_files_to_start_from_cost(started: dict[str, Deployment]) -> None:
    text = (PROJECT.documents / "AWS.md").read_text()
    part = text.partition("\n## What it costs\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| ([a-zR][^|]+) \| ([\d,]+) \| ([\d,]+) \|$", part, re.MULTILINE)
    said = {name: [int(number.replace(",", "")) for number in numbers] for name, *numbers in rows}
    costs = [monthly(started[name], PROJECT) for name in ("smallest", "production")]
    wanted = {part: [round(cost[part]) for cost in costs] for part in costs[0]}
    assert said == {**wanted, "all": [round(sum(cost.values())) for cost in costs]}


def test_the_files_to_start_from_say_about_what_they_cost(templates: Path, started: dict[str, Deployment]) -> None:
    for name, deployment in started.items():
        text = (templates / f"{name}.parameters").read_text()
        said = int(re.search(r"Some US\$ ([\d,]+) a\s", text).group(1).replace(",", ""))
        assert abs(said / sum(monthly(deployment, PROJECT).values()) - 1) < 0.05


def test_the_capacity_model_counts_what_the_templates_have(deployments: dict[str, Deployment]) -> None:
    source = (PROJECT.root / "infra/capacity/connect_capacity/cost.py").read_text()
    counted = {name: int(number) for name, number in re.findall(r"^([A-Z_]+) = (\d+)$", source, re.MULTILINE)}
    default = deployments["default"]
    endpoints = [it for it in default.of("EC2::VPCEndpoint") if it.get("VpcEndpointType") == "Interface"]
    assert counted["INTERFACE_ENDPOINTS"] == len(endpoints)
    assert counted["SECRETS"] == len(default.of("SecretsManager::Secret"))
    assert counted["ALARMS"] == len(default.of("CloudWatch::Alarm"))
    assert counted["DASHBOARDS"] == len(default.of("CloudWatch::Dashboard"))


def test_parameters_are_read_as_yaml_has_them(templates: Path) -> None:
    """`deploy` reads them without a YAML parser."""
    for root in ("foundation", "services"):
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
            for name, parameter in load(templates / f"{root}.yaml")["Parameters"].items()
        }
        assert declared(templates / f"{root}.yaml") == wanted


def test_what_both_templates_have_they_declare_alike(templates: Path) -> None:
    foundation, services = (load(templates / f"{root}.yaml")["Parameters"] for root in ("foundation", "services"))
    both = set(foundation) & set(services)
    assert both == {"DomainName", "KmsKeyArn", "ExecuteCommand"}
    for name in both:
        assert foundation[name] == services[name]


def test_every_pattern_of_a_parameter_is_said_in_words(templates: Path) -> None:
    for name, parameter in parameters_of(templates).items():
        assert ("AllowedPattern" in parameter) == ("ConstraintDescription" in parameter), name


def test_every_set_of_parameters_that_is_checked_is_allowed(templates: Path) -> None:
    known = known_templates(templates)
    for given in VARIANTS.values():
        values = {**BASE, **given}
        assert int(values.get("Zones", 3)) <= len(values.pop("ZoneNames").split(","))
        assert values.pop("S3PrefixListId")
        check(read([f"{name}={value}" for name, value in values.items()], known), known)


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
    described = parameters_of(templates)[parameter]
    assert [described[name] for name in ("Default", "MinValue", "MaxValue")] == [
        int(number.replace(",", "")) for number in row.groups()
    ]
    told = {
        item["Name"]: environment(item).get(setting)
        for _, item, _ in tasks(evaluate(templates, {**BASE, parameter: "7"}))
    }
    assert told == {"gateway": None, "messaging": None, "operator": None, container: "7"}


def test_every_parameter_says_what_it_is_for(templates: Path) -> None:
    for name, parameter in parameters_of(templates).items():
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
        metric for alarm in deployments["default"].of("CloudWatch::Alarm") for metric in alarm_metrics(alarm)
    }
    assert ("AWS/ElastiCache", "DurabilityLag", None) in metrics


def test_what_cannot_be_evaluated_is_no_silent_default(templates: Path) -> None:
    with pytest.raises(EvaluationError, match="has a parameter Colour"):
        evaluate(templates, {**BASE, "Colour": "blue"})
    with pytest.raises(EvaluationError, match="is not given Image"):
        evaluate(templates, {name: value for name, value in BASE.items() if name != "Image"})


def test_switches_make_what_they_say(deployments: dict[str, Deployment]) -> None:
    assert len(deployments["default"].of("ElastiCache::ReplicationGroup")) == 1
    assert len(deployments["two clusters"].of("ElastiCache::ReplicationGroup")) == 2
    assert not deployments["default"].of("EC2::NatGateway")
    assert len(deployments["nat"].of("EC2::NatGateway")) == 3
    assert len(deployments["two zones"].of("EC2::Subnet")) == 4
    assert not deployments["default"].of("WAFv2::WebACL")
    other = deployments["own certificate, waf, x86"]
    assert other.of("WAFv2::WebACLAssociation")
    assert not other.of("CertificateManager::Certificate")


def test_zones_are_those_that_are_passed(deployments: dict[str, Deployment]) -> None:
    """CloudFormation's own choice changes when somebody removes a default subnet."""
    zones = {subnet.get("AvailabilityZone") for subnet in deployments["two zones"].of("EC2::Subnet")}
    assert zones == set(VARIANTS["two zones"]["ZoneNames"].split(","))


def test_the_log_of_the_engine_is_asked_for_by_default(deployments: dict[str, Deployment]) -> None:
    asked = {
        name: deployment.of("ElastiCache::ReplicationGroup")[0].get("Durability")
        for name, deployment in deployments.items()
    }
    assert asked["default"] == "sync"
    assert asked["log-async, new engine"] == "async"
    assert asked["replicas"] == "disabled"


def test_nothing_is_skipped_without_a_reason(templates: Path) -> None:
    """Of checkov, in bootstrap.yaml, too; the invariant sees what a deployment has. Of cfn-lint, one."""
    for path in [*templates.glob("*.yaml"), *(templates / "templates").glob("*.yaml")]:
        template = load(path)
        for resource in template["Resources"].values():
            for skipped in resource.get("Metadata", {}).get("checkov", {}).get("skip", []):
                assert len(skipped["comment"].split()) >= 5, f"{path.name}: {skipped}"
        ignored = template.get("Metadata", {}).get("cfn-lint", {}).get("config", {}).get("ignore_checks", [])
        assert ignored == (["W3002"] if path.name in ("foundation.yaml", "services.yaml") else [])


def test_files_read_in_one_sitting(templates: Path) -> None:
    for path in [*(templates / "templates").glob("*.yaml"), *(templates / "check").glob("*.py"),
                 *(templates / "tests").glob("*.py")]:
        assert len(path.read_text().splitlines()) <= 400, path.name
