"""Each test breaks a copy of the templates in one way, and expects the refusal by the invariant's name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from check.__main__ import broken
from check.invariant import INVARIANTS

NETWORK = "templates/network.yaml"
ACCESS = "templates/access.yaml"
EDGE = "templates/edge.yaml"
REDIS = "templates/redis.yaml"
TOPIC = "templates/topic.yaml"
SECRETS = "templates/secrets.yaml"
GATEWAY = "templates/gateway.yaml"
MESSAGING = "templates/messaging.yaml"
OPERATOR = "templates/operator.yaml"
ROLES = "templates/roles.yaml"
LOGS = "templates/logs.yaml"
ALARMS = "templates/alarms-services.yaml"
FOUNDATION_ALARMS = "templates/alarms-foundation.yaml"
REACH = "templates/alarms-reach.yaml"
DASHBOARD = "templates/dashboard.yaml"
FOUNDATION = "foundation.yaml"
SERVICES = "services.yaml"

# The invariant, the file, what stands there, what it becomes.
BREAKS: list[tuple[str, str, str, str]] = [
    # Network.
    ("only_https_and_its_redirect_are_open_to_the_world", ACCESS,
     "SourceSecurityGroupId: !Ref EdgeGroup", "CidrIp: 0.0.0.0/0"),
    ("only_https_and_its_redirect_are_open_to_the_world", ACCESS,
     "FromPort: 80\n          ToPort: 80", "FromPort: 22\n          ToPort: 22"),
    ("only_https_and_its_redirect_are_open_to_the_world", EDGE,
     "- Type: redirect\n          RedirectConfig: {Protocol: HTTPS, Port: '443', StatusCode: HTTP_301}",
     "- {Type: forward, TargetGroupArn: !Ref Gateways}"),
    ("every_other_rule_names_a_group", ACCESS,
     "SourceSecurityGroupId: !Ref ApiClientGroup", "SourcePrefixListId: pl-12345678"),
    ("every_other_rule_names_a_group", ACCESS,
     "DestinationSecurityGroupId: !Ref RedisGroup", "CidrIp: 10.0.0.0/8"),
    ("rules_open_single_known_ports", ACCESS,
     "FromPort: 8080\n      ToPort: 8080", "FromPort: 8080\n      ToPort: 9090"),
    ("redis_is_reached_by_the_services_alone", ACCESS,
     "GroupId: !Ref RedisGroup\n      IpProtocol: tcp\n      FromPort: 6379\n      ToPort: 6379\n"
     "      SourceSecurityGroupId: !Ref MessagingGroup",
     "GroupId: !Ref RedisGroup\n      IpProtocol: tcp\n      FromPort: 6379\n      ToPort: 6379\n"
     "      SourceSecurityGroupId: !Ref ApiClientGroup"),
    ("services_and_redis_are_in_private_subnets", FOUNDATION,
     "PrivateSubnets: !GetAtt Network.Outputs.PrivateSubnets\n        RedisGroup",
     "PrivateSubnets: !GetAtt Network.Outputs.PublicSubnets\n        RedisGroup"),
    ("services_and_redis_are_in_private_subnets", FOUNDATION,
     "PrivateSubnets:\n    Value: !GetAtt Network.Outputs.PrivateSubnets",
     "PrivateSubnets:\n    Value: !GetAtt Network.Outputs.PublicSubnets"),
    ("services_and_redis_are_in_private_subnets", GATEWAY,
     "AssignPublicIp: DISABLED", "AssignPublicIp: ENABLED"),
    ("private_subnets_have_no_route_to_an_internet_gateway", NETWORK,
     "{SubnetId: !Ref PrivateSubnetB, RouteTableId: !Ref PrivateRoutesB}",
     "{SubnetId: !Ref PrivateSubnetB, RouteTableId: !Ref PublicRoutes}"),
    ("private_subnets_have_no_route_to_an_internet_gateway", NETWORK,
     "MapPublicIpOnLaunch: false", "MapPublicIpOnLaunch: true"),
    ("only_the_alb_is_public", MESSAGING, "Scheme: internal", "Scheme: internet-facing"),
    ("everything_is_in_two_zones_or_more", NETWORK,
     "AvailabilityZone: !Select [1, !Ref ZoneNames]\n      CidrBlock: !Select [4",
     "AvailabilityZone: !Select [0, !Ref ZoneNames]\n      CidrBlock: !Select [4"),
    ("tasks_reach_what_starts_them", ACCESS, "${AWS::Region}.ecr.dkr'", "${AWS::Region}.ecs'"),
    ("the_way_to_s3_is_for_images_unless_there_is_nat", ACCESS,
     "-starport-layer-bucket/*'\n        - !Ref AWS::NoValue",
     "-starport-layer-bucket/*'\n        - {Statement: [{Resource: layers-starport-layer-bucket/*}]}"),
    ("the_way_to_s3_is_for_images_unless_there_is_nat", ACCESS, "-starport-layer-bucket/*'", "-other-bucket/*'"),
    ("tasks_reach_what_starts_them", ACCESS, "PrivateDnsEnabled: true", "PrivateDnsEnabled: false"),
    # Edge.
    ("tls_is_1_2_or_newer", EDGE,
     "SslPolicy: ELBSecurityPolicy-TLS13-1-2-2021-06", "SslPolicy: ELBSecurityPolicy-2016-08"),
    ("tls_is_1_2_or_newer", MESSAGING, "Protocol: TLS", "Protocol: TCP"),
    ("idle_timeout_is_twice_the_ping_period", SERVICES,
     "MaxValue: 60\n    Description: How often", "MaxValue: 61\n    Description: How often"),
    ("idle_timeout_is_twice_the_ping_period", EDGE,
     "idle_timeout.timeout_seconds, Value: '120'", "idle_timeout.timeout_seconds, Value: '60'"),
    ("deregistration_delay_covers_the_drain", EDGE,
     "deregistration_delay.timeout_seconds, Value: '120'}", "deregistration_delay.timeout_seconds, Value: '110'}"),
    ("deregistration_delay_covers_the_drain", SERVICES, "MaxValue: 105", "MaxValue: 115"),
    ("load_balancers_ask_healthz", EDGE, "HealthCheckPath: /healthz", "HealthCheckPath: /readyz"),
    ("sessions_stick_to_gateways", EDGE,
     "{Key: stickiness.enabled, Value: 'true'}", "{Key: stickiness.enabled, Value: 'false'}"),
    ("sessions_stick_to_gateways", EDGE, "duration_seconds, Value: '60'}", "duration_seconds, Value: '3600'}"),
    ("no_gateway_draws_connections_by_refusing", EDGE, "Value: round_robin}", "Value: least_outstanding_requests}"),
    ("no_gateway_draws_connections_by_refusing", EDGE, "Value: round_robin}", "Value: weighted_random}"),
    ("access_logs_are_kept_in_private", EDGE, "BlockPublicPolicy: true", "BlockPublicPolicy: false"),
    ("access_logs_are_kept_in_private", EDGE,
     "{Key: access_logs.s3.enabled, Value: 'true'}", "{Key: access_logs.s3.enabled, Value: 'false'}"),
    ("certificates_are_for_both_names", EDGE,
     "SubjectAlternativeNames: [!Sub 'messaging.${DomainName}']", "SubjectAlternativeNames: []"),
    ("the_internal_api_stays_internal", MESSAGING,
     "      VPCs:\n        - {VPCId: !Ref VpcId, VPCRegion: !Ref AWS::Region}\n", ""),
    # Redis.
    ("redis_speaks_tls_only", REDIS, "TransitEncryptionEnabled: true", "TransitEncryptionEnabled: false"),
    ("redis_speaks_tls_only", REDIS, "TransitEncryptionMode: required", "TransitEncryptionMode: preferred"),
    ("redis_speaks_tls_only", REDIS, "'rediss://${Bus", "'redis://${Bus"),
    ("redis_has_the_parameters_of_the_document", REDIS,
     "maxmemory-policy: noeviction", "maxmemory-policy: allkeys-lru"),
    ("redis_has_the_parameters_of_the_document", REDIS,
     "stream-node-max-bytes: '1024'", "stream-node-max-byte: '1024'"),
    ("redis_survives_a_zone", REDIS, "MultiAZEnabled: true", "MultiAZEnabled: false"),
    ("redis_survives_a_zone", REDIS, "ReplicasPerNodeGroup: !Ref Replicas", "ReplicasPerNodeGroup: 0"),
    ("redis_has_the_parameters_of_the_document", REDIS, "cluster-enabled: 'yes'", "cluster-enabled: 'no'"),
    ("redis_users_have_the_documented_rights", REDIS, "+script|load", "+script|load +flushall"),
    ("redis_users_have_the_documented_rights", REDIS, "on ~connect", "on resetkeys ~connect"),
    ("redis_users_change_one_after_the_other", REDIS, "    DependsOn: User\n", ""),
    ("redis_passwords_come_from_secrets_manager", REDIS,
     "- !Sub '{{resolve:secretsmanager:${RedisPasswordArn}:SecretString::AWSCURRENT}}'", "- hunter2hunter2hunter2"),
    ("redis_is_encrypted_at_rest", REDIS, "AtRestEncryptionEnabled: true", "AtRestEncryptionEnabled: false"),
    ("redis_has_snapshots", REDIS, "SnapshotRetentionLimit: !Ref SnapshotDays", "SnapshotRetentionLimit: 0"),
    ("redis_has_snapshots", REDIS, "DeletionPolicy: Snapshot", "DeletionPolicy: Delete"),
    ("durability_fits_the_engine", REDIS, "Version: '9.0', Family: valkey9", "Version: '8.1', Family: valkey8"),
    ("durability_fits_the_engine", FOUNDATION, "{Engine: sync, Services", "{Engine: disabled, Services"),
    ("durability_fits_the_engine", FOUNDATION,
     "ServiceDurability:\n    Value: !FindInMap [Durabilities, !Ref Durability, Services]",
     "ServiceDurability:\n    Value: replicated:1"),
    ("durability_fits_the_engine", FOUNDATION, "RedisNodeType:\n    Type: String\n    Default: r7g.large",
     "RedisNodeType:\n    Type: String\n    Default: t4g.small"),
    ("both_clusters_are_used", GATEWAY,
     "            - {Name: CONNECT_REGISTRY_REDIS_URL, Value: !Ref RegistryRedisUrl}\n", ""),
    ("an_update_replaces_no_redis", REDIS,
     "ReplicationGroupId: !Sub '${Name}-bus'", "ReplicationGroupId: !Sub '${Name}-bus-${Shards}'"),
    ("an_update_replaces_no_redis", REDIS, "      ReplicationGroupId: !Sub '${Name}-bus'\n", ""),
    # Services.
    ("there_are_both_services", GATEWAY, "Command: [gateway]", "Command: [dev]"),
    ("stop_timeout_covers_the_drain", GATEWAY, "StopTimeout: 120", "StopTimeout: 115"),
    ("stop_timeout_covers_the_drain", SERVICES, "MaxValue: 105", "MaxValue: 110"),
    ("stop_timeout_covers_the_drain", MESSAGING, "StopTimeout: 30", "StopTimeout: 10"),
    ("each_service_has_two_tasks_or_more", SERVICES,
     "GatewayMinimum:\n    Type: Number\n    Default: 2", "GatewayMinimum:\n    Type: Number\n    Default: 1"),
    ("each_service_has_two_tasks_or_more", MESSAGING,
     "      PropagateTags: SERVICE", "      DesiredCount: 2\n      PropagateTags: SERVICE"),
    ("messaging_has_no_more_tasks_than_partitions", SERVICES,
     "MessagingMaximum:\n    Type: Number\n    Default: 8", "MessagingMaximum:\n    Type: Number\n    Default: 32"),
    ("services_scale_on_load_and_gently_in", GATEWAY, "ScaleInCooldown: 900", "ScaleInCooldown: 30"),
    ("services_scale_on_load_and_gently_in", MESSAGING, "Statistic: Average", "Statistic: Sum"),
    ("deployments_roll_back", GATEWAY, "{Enable: true, Rollback: true}", "{Enable: true, Rollback: false}"),
    ("deployments_roll_back", MESSAGING, "MinimumHealthyPercent: 100", "MinimumHealthyPercent: 0"),
    ("a_single_task_can_be_replaced", GATEWAY, "MaximumPercent: 200", "MaximumPercent: 150"),
    ("a_single_task_can_be_replaced", MESSAGING, "MaximumPercent: 200", "MaximumPercent: 199"),
    ("containers_have_few_rights", GATEWAY, "User: '65532:65532'", "User: '0'"),
    ("containers_have_few_rights", MESSAGING, "!If [MayExecute, false, true]", "false"),
    ("containers_have_few_rights", OPERATOR, "{Drop: [ALL]}", "{Drop: [ALL], Add: [SYS_PTRACE]}"),
    ("execute_command_is_off_unless_asked_for", SERVICES,
     "ExecuteCommand:\n    Type: String\n    Default: 'off'", "ExecuteCommand:\n    Type: String\n    Default: 'on'"),
    ("execute_command_is_off_unless_asked_for", GATEWAY,
     "EnableExecuteCommand: !If [MayExecute, true, false]", "EnableExecuteCommand: true"),
    ("health_checks_ask_the_management_port", MESSAGING, "127.0.0.1:9091/healthz", "127.0.0.1:9090/healthz"),
    ("ports_agree", GATEWAY, "Value: 0.0.0.0:8080", "Value: 0.0.0.0:8081"),
    ("settings_are_known_to_connect", GATEWAY, "CONNECT_DRAIN_SECONDS", "CONNECT_DRAIN_SECOND"),
    ("services_are_told_the_same", MESSAGING, "'Connect/${Name}'}", "'Connect'}"),
    ("services_are_told_the_same", GATEWAY,
     "{Name: CONNECT_PARTITIONS, Value: !Ref Partitions}", "{Name: CONNECT_PARTITIONS, Value: '32'}"),
    ("secrets_come_from_secrets_manager", GATEWAY,
     "'${AuthSecretArn}::AWSPENDING:'", "'${AuthSecretArn}::AWSCURRENT:'"),
    ("secrets_come_from_secrets_manager", GATEWAY,
     "            - {Name: CONNECT_LOG_FORMAT, Value: json}",
     "            - {Name: CONNECT_LOG_FORMAT, Value: json}\n"
     "            - {Name: CONNECT_AUTH_SECRET, Value: not-so-secret}"),
    ("secrets_come_from_secrets_manager", SECRETS,
     "DeletionPolicy: RetainExceptOnCreate", "DeletionPolicy: Delete"),
    ("gateways_have_files_for_their_connections", GATEWAY,
     "SoftLimit: 131072, HardLimit: 131072", "SoftLimit: 1024, HardLimit: 131072"),
    # Access.
    ("task_roles_may_do_nothing", ROLES, "        - !Ref AWS::NoValue\n\nOutputs:",
     "        - - PolicyName: more\n            PolicyDocument:\n              Version: '2012-10-17'\n"
     "              Statement:\n"
     "                - {Effect: Allow, Action: s3:GetObject, Resource: 'arn:aws:s3:::bucket/key'}\n\n"
     "Outputs:"),
    ("execution_roles_may_do_what_starts_a_task", ROLES,
     "Action: [logs:CreateLogStream, logs:PutLogEvents]",
     "Action: [logs:CreateLogStream, logs:PutLogEvents, logs:DeleteLogGroup]"),
    ("execution_roles_may_do_what_starts_a_task", SERVICES,
     "[!Ref AuthSecret, !Ref RedisPassword]", "[!Ref AuthSecret, !Ref RedisPassword, !Ref ServiceToken]"),
    ("policies_allow_no_wildcards", ROLES, "ecr:BatchGetImage", "ecr:*"),
    ("roles_are_for_the_tasks_of_this_account", ROLES,
     "Principal: {Service: ecs-tasks.amazonaws.com}", "Principal: {AWS: '*'}"),
    ("everything_is_encrypted_with_the_key_that_is_given", SECRETS,
     "KmsKeyId: !If [OwnKey, !Ref KmsKeyArn, !Ref AWS::NoValue]", "KmsKeyId: alias/other"),
    ("suppressions_have_reasons", EDGE, "comment: It is the bucket of access logs", "comment: later"),
    # Alarms.
    ("every_alarm_has_an_action", ALARMS, "AlarmActions: [!Ref TopicArn]", "AlarmActions: []"),
    ("every_alarm_has_a_runbook", ALARMS, "Runbook: Bus lag", "Runbook: Bus leg"),
    ("every_alarm_has_a_runbook", FOUNDATION_ALARMS,
     "Runbook: Deployment failed\n      EventPattern", "It failed\n      EventPattern"),
    ("metrics_are_those_that_are_sent", ALARMS, "MetricName: LagEntries", "MetricName: Lag"),
    ("metrics_are_those_that_are_sent", GATEWAY, "MetricName: Connections", "MetricName: Connection"),
    ("metrics_are_those_that_are_sent", DASHBOARD, '"AcceptMilliseconds"', '"AcceptSeconds"'),
    ("metrics_are_those_that_are_sent", FOUNDATION_ALARMS, "SUM(Evictions)", "SUM(Eviction)"),
    ("what_must_be_watched_has_an_alarm", ALARMS, "MetricName: DeadLetters", "MetricName: Repeats"),
    ("what_must_be_watched_has_an_alarm", FOUNDATION_ALARMS, "MAX(DurabilityLag)", "MAX(Evictions)"),
    ("what_must_be_watched_has_an_alarm", FOUNDATION_ALARMS,
     "SUM(DurabilityBufferExceededErrorCount)", "SUM(Evictions)"),
    ("each_redis_has_alarms_of_its_own", FOUNDATION_ALARMS, "        - {Name: Role, Value: Primary}\n", ""),
    ("each_redis_has_alarms_of_its_own", FOUNDATION_ALARMS,
     "Value: !Sub '${Name}-registry'", "Value: !Sub '${Name}-bus'"),
    ("each_redis_has_alarms_of_its_own", FOUNDATION_ALARMS, "Value: !Sub '${Name}-bus'", "Value: !Sub '${Name}'"),
    ("failovers_and_failed_deployments_are_told", REDIS, "      NotificationTopicArn: !Ref TopicArn\n", ""),
    ("failovers_and_failed_deployments_are_told", TOPIC,
     "{AWS:SourceOwner: !Ref AWS::AccountId}", "{aws:SourceAccount: !Ref AWS::AccountId}"),
    ("failovers_and_failed_deployments_are_told", TOPIC,
     "{Service: events.amazonaws.com}", "{Service: ecs.amazonaws.com}"),
    ("failovers_and_failed_deployments_are_told", TOPIC,
     "{Service: events.amazonaws.com}",
     "{Service: events.amazonaws.com}\n"
     "            Condition: {StringEquals: {aws:SourceAccount: !Ref AWS::AccountId}}"),
    ("failovers_and_failed_deployments_are_told", FOUNDATION_ALARMS,
     "[SERVICE_DEPLOYMENT_FAILED]", "[SERVICE_DEPLOYMENT_COMPLETED]"),
    ("failovers_and_failed_deployments_are_told", FOUNDATION_ALARMS,
     "          Arn: !Ref TopicArn\n", "          Arn: !Ref Cluster\n"),
    ("silence_is_an_alarm", ALARMS, "TreatMissingData: breaching", "TreatMissingData: notBreaching"),
    ("silence_is_an_alarm", REACH, "TreatMissingData: breaching", "TreatMissingData: missing"),
    ("alarms_of_silence_come_after_what_they_watch", SERVICES,
     "    DependsOn: Messaging\n    Properties:\n      TemplateURL: templates/alarms-services.yaml",
     "    Properties:\n      TemplateURL: templates/alarms-services.yaml"),
    ("the_dashboard_shows_what_matters", DASHBOARD, '"Accepted"', '"Rejected"'),
    ("searches_find_the_clusters", DASHBOARD,
     "(CacheClusterId=${Name}-bus OR CacheClusterId=${Name}-registry)", '\\"${Name}\\"'),
    ("searches_find_the_clusters", DASHBOARD, " OR CacheClusterId=${Name}-registry", ""),
    ("searches_find_the_clusters", DASHBOARD, "(CacheClusterId=${Name}-bus", "(Cluster=${Name}-bus"),
    ("logs_expire", LOGS, "      RetentionInDays: !Ref LogDays\n", ""),
    ("logs_expire", GATEWAY, "awslogs-group: !Sub '/connect/${Name}/gateway'", "awslogs-group: /connect/gateway"),
    ("logs_expire", MESSAGING, "mode: non-blocking", "mode: blocking"),
    ("logs_expire", OPERATOR, "mode: blocking", "mode: non-blocking"),
    # The two stacks.
    ("failed_services_take_nothing_of_the_foundation", MESSAGING, "Resources:\n",
     "Resources:\n  LogGroup:\n    Type: AWS::Logs::LogGroup\n    Properties: {RetentionInDays: 7}\n"),
    ("failed_services_take_nothing_of_the_foundation", FOUNDATION, "Resources:\n",
     "Resources:\n  Service:\n    Type: AWS::ECS::Service\n    Properties: {Cluster: !Ref Cluster}\n"),
    ("a_first_deployment_can_be_repeated", LOGS, "DeletionPolicy: Delete", "DeletionPolicy: Retain"),
    ("a_first_deployment_can_be_repeated", EDGE,
     "    Properties:\n      BucketEncryption", "    Properties:\n      BucketName: logs\n      BucketEncryption"),
    ("a_first_deployment_can_be_repeated", SECRETS,
     "      Description: !Sub 'Connect ${Name}, secret of the tokens", "      Name: tokens\n      Description: !Sub 'Connect "
     "${Name}, secret of the tokens"),
    ("redis_is_made_after_what_fails_sooner", FOUNDATION, "    DependsOn: Edge\n", ""),
    ("every_parameter_is_in_one_group", SERVICES, "DrainSeconds, AuthSecrets", "AuthSecrets"),
    ("every_parameter_is_in_one_group", FOUNDATION, "[DomainName, HostedZoneId", "[DomainName, Zones, HostedZoneId"),
    ("every_parameter_is_in_one_group", FOUNDATION, "{default: Rarely}", "{default: Seldom}"),
    ("every_parameter_is_in_one_group", SERVICES,
     "  Image:\n    Type: String\n", "  Image:\n    Type: String\n    Default: connect:latest\n"),
    ("services_get_what_the_foundation_has", FOUNDATION, "  LoadBalancer:\n    Description",
     "  LoadBalancer:\n    Export: {Name: balancer}\n    Description"),
    ("services_get_what_the_foundation_has", SERVICES, "Parameters: [Name, Vpc,", "Parameters: [Name, KmsKeyArn, Vpc,"),
    ("services_get_what_the_foundation_has", FOUNDATION,
     "  RegistryRedisUrl:\n    Condition: TwoClusters", "  RegistryUrl:\n    Condition: TwoClusters"),
]


@pytest.mark.parametrize(
    ("name", "file", "old", "new"),
    BREAKS,
    ids=[f"{name}-{index}" for index, (name, *_) in enumerate(BREAKS)],
)
def test_a_broken_template_is_refused_by_name(
    altered: Callable[..., Path], name: str, file: str, old: str, new: str
) -> None:
    assert name in broken(altered(file, old, new))


def test_every_invariant_is_seen_to_refuse_something() -> None:
    refusing = {name for name, *_ in BREAKS}
    assert {invariant.name for invariant in INVARIANTS} <= refusing


def test_the_templates_as_they_are_break_nothing(templates: Path) -> None:
    assert broken(templates) == {}


def test_each_invariant_says_in_a_sentence_what_holds() -> None:
    for invariant in INVARIANTS:
        assert invariant.sentence.endswith("."), invariant.name
        assert len(invariant.sentence.split()) > 5, invariant.name
