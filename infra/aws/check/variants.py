"""The sets of parameters for which the templates are evaluated: the defaults, and each switch thrown once.
What does not touch each other is thrown together."""

from __future__ import annotations

BASE = {
    "DomainName": "chat.example.com",
    "HostedZoneId": "Z0123456789ABC",
    "AlarmEmail": "team@example.com",
    "Image": "connect:1.0.0",
    "S3PrefixListId": "pl-6ea54007",
    "ZoneNames": "eu-central-1a,eu-central-1b,eu-central-1c",
}

_KEY = "arn:aws:kms:eu-central-1:123456789012:key/00000000-0000-0000-0000-000000000000"
_CERTIFICATE = "arn:aws:acm:eu-central-1:123456789012:certificate/00000000-0000-0000-0000-000000000000"
_DIGEST = "0" * 64

VARIANTS: dict[str, dict[str, str]] = {
    "default": {},
    "two zones": {"Zones": "2", "ZoneNames": "eu-central-1b,eu-central-1c"},
    "nat": {"PrivateAccess": "nat"},
    "two clusters": {"RegistryCluster": "own", "RegistryNodeType": "r7g.4xlarge", "RegistryShards": "20"},
    "log-async, new engine": {"Durability": "log-async", "Engine": "valkey-9-1"},
    "replicas": {"Durability": "replicas", "RedisReplicas": "2"},
    "secrets being replaced": {"RedisPasswords": "both", "AuthSecrets": "both"},
    "execute-command": {"ExecuteCommand": "on"},
    "execute-command, nat": {"ExecuteCommand": "on", "PrivateAccess": "nat"},
    "own certificate, waf, x86": {
        "HostedZoneId": "", "CertificateArn": _CERTIFICATE, "Waf": "on",
        "Architecture": "X86_64", "Image": f"team/connect@sha256:{_DIGEST}"},
    "own key": {"KmsKeyArn": _KEY},
}
