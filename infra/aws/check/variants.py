"""The sets of parameters for which the templates are evaluated: the defaults, and each switch thrown."""

from __future__ import annotations

BASE = {
    "DomainName": "chat.example.com",
    "Image": "connect:1.0.0",
    "HostedZoneId": "Z0123456789ABC",
    "S3PrefixListId": "pl-6ea54007",
}

_KEY = "arn:aws:kms:eu-central-1:123456789012:key/00000000-0000-0000-0000-000000000000"
_CERTIFICATE = "arn:aws:acm:eu-central-1:123456789012:certificate/00000000-0000-0000-0000-000000000000"
_DIGEST = "0" * 64

VARIANTS: dict[str, dict[str, str]] = {
    "default": {},
    "two zones": {"Zones": "2"},
    "nat": {"PrivateAccess": "nat"},
    "two clusters": {"RegistryCluster": "own"},
    "larger": {"RedisNodeType": "r7g.4xlarge", "RedisShards": "20", "RedisReplicas": "2"},
    "memorydb": {"Database": "memorydb"},
    "memorydb, two clusters": {"Database": "memorydb", "RegistryCluster": "own"},
    "log-async": {"Durability": "log-async", "Engine": "valkey-9-1"},
    "replicas": {"Durability": "replicas", "Engine": "valkey-8-1", "RedisReplicas": "2"},
    "redis": {"Durability": "primary", "Engine": "redis-7-1"},
    "password being replaced": {"RedisPasswords": "both"},
    "secret of the tokens being replaced": {"AuthSecrets": "both"},
    "execute-command": {"ExecuteCommand": "on"},
    "execute-command, nat": {"ExecuteCommand": "on", "PrivateAccess": "nat"},
    "waf": {"Waf": "on"},
    "own certificate": {"HostedZoneId": "", "CertificateArn": _CERTIFICATE},
    "own key": {"KmsKeyArn": _KEY},
    "x86": {"Architecture": "X86_64", "Image": f"team/connect@sha256:{_DIGEST}"},
    "e-mail": {"AlarmEmail": "team@example.com"},
}
