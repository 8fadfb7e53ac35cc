"""What `infra/aws/deploy` says of DNS before anything is made, and how it asks a resolver."""

from __future__ import annotations

from pathlib import Path

import pytest

import deployment.dns
from deployment.cli import Failure
from deployment.dns import Record, Unanswered
from deployment.dns import Resolver as Client
from resolver import CAA, CNAME, NS, Data, Resolver
from stand import Stand

_SERVERS = ["ns-1.awsdns-01.org", "ns-2.awsdns-02.net"]


def test_a_zone_that_is_delegated_and_free_is_taken(stand: Stand) -> None:
    result = stand.deploy("--dry-run")
    assert result.returncode == 0, result.stderr
    assert "DNS: example.com is delegated to Route 53, and chat.example.com is free there." in result.stderr
    # The names that the certificate is for, and all above them.
    assert {name for name, kind in stand.resolver.asked if kind == CAA} == {
        "messaging.chat.example.com", "chat.example.com", "example.com", "com",
    }


def test_a_zone_that_is_not_delegated_is_refused_with_its_name_servers(stand: Stand) -> None:
    stand.resolver.records = []
    said = stand.refused()
    assert "example.com is not delegated" in said
    assert "at the registrar of example.com" in said and ", ".join(_SERVERS) in said


def test_a_zone_that_is_delegated_elsewhere_is_refused(stand: Stand) -> None:
    stand.resolver.records = [("example.com", NS, "ns1.elsewhere.example"), ("example.com", NS, _SERVERS[0])]
    said = stand.refused()
    assert "example.com is delegated to ns-1.awsdns-01.org, ns1.elsewhere.example, which is not the hosted zone" in said


def test_a_zone_that_is_not_there_or_private_or_of_another_name_is_refused(stand: Stand) -> None:
    stand.set(HostedZoneId="Z2")
    assert "HostedZoneId=Z2: this account has no such hosted zone" in stand.refused()
    stand.set(HostedZoneId="Z1", DomainName="chat.other-example.com")
    assert "chat.other-example.com is not in the hosted zone Z1, which is that of example.com" in stand.refused()
    stand.state["hosted_zones"]["Z1"]["Private"] = True
    assert "Z1 is a private zone" in stand.refused()


def test_a_name_that_is_delegated_further_is_refused(stand: Stand) -> None:
    stand.set(DomainName="a.chat.example.com")
    stand.resolver.records.append(("chat.example.com", NS, "ns1.elsewhere.example"))
    assert "chat.example.com has name servers of its own, so example.com does not decide" in stand.refused()


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ([("example.com", CAA, ("issue", "letsencrypt.org"))], "of example.com let only letsencrypt.org issue"),
        ([("example.com", CAA, ("issue", ";"))], "of example.com let only nobody issue"),
        ([("chat.example.com", CAA, ("issue", "letsencrypt.org; accounturi=x")),
          ("example.com", CAA, ("issue", "amazon.com"))], "of chat.example.com let only letsencrypt.org issue"),
        ([("messaging.chat.example.com", CAA, ("issue", "pki.goog"))],
         "of messaging.chat.example.com let only pki.goog issue certificates, so ACM would get none for messaging."),
        # An alias that is already there decides with the records of what it names.
        ([("messaging.chat.example.com", CNAME, "x.example"), ("x.example", CAA, ("issue", "pki.goog"))],
         "of messaging.chat.example.com let only pki.goog"),
    ],
)
def test_caa_records_that_forbid_the_certificate_are_refused(stand: Stand, records: list[Data], said: str) -> None:
    stand.resolver.records += records
    line = stand.refused()
    assert said in line
    assert 'CAA 0 issue "amazon.com"' in line
    # With a certificate that is there, nothing is issued.
    stand.set(CertificateArn="arn:aws:acm:eu-central-1:123456789012:certificate/0")
    assert stand.deploy("--dry-run").returncode == 0


@pytest.mark.parametrize(
    "records",
    [
        [("example.com", CAA, ("issue", "letsencrypt.org")), ("example.com", CAA, ("issue", "amazontrust.com"))],
        [("example.com", CAA, ("iodef", "mailto:team@example.com"))],
        [("chat.example.com", CAA, ("issue", "amazonaws.com")), ("example.com", CAA, ("issue", "pki.goog"))],
        [("example.com", CAA, ("ISSUE", "Amazon.com"))],
        [("example.com", CAA, ("issuewild", ";"))],
    ],
)
def test_caa_records_that_allow_it_are_taken(stand: Stand, records: list[Data]) -> None:
    stand.resolver.records += records
    result = stand.deploy("--dry-run")
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("kind", ["A", "AAAA", "CNAME"])
def test_a_record_of_the_name_that_is_there_already_is_refused(stand: Stand, kind: str) -> None:
    records = stand.state["hosted_zones"]["Z1"]["Records"]
    records.append({"Name": "chat.example.com.", "Type": kind})
    assert f"Z1 has a record {kind} of chat.example.com already" in stand.refused()


def test_records_of_other_names_and_kinds_are_in_nobodys_way(stand: Stand) -> None:
    records = stand.state["hosted_zones"]["Z1"]["Records"]
    records += [{"Name": "chat.example.com.", "Type": "TXT"}, {"Name": "a.chat.example.com.", "Type": "A"}]
    assert stand.deploy("--dry-run").returncode == 0


def test_dns_is_looked_at_when_a_name_is_new_and_not_later(stand: Stand) -> None:
    assert stand.deploy().returncode == 0
    # Its own record, and a resolver that is away.
    stand.state["hosted_zones"]["Z1"]["Records"].append({"Name": "chat.example.com.", "Type": "A"})
    stand.resolver.code = None
    assert stand.deploy().returncode == 0
    stand.resolver.code = 0
    stand.state["hosted_zones"]["Z1"]["Records"].append({"Name": "new.example.com.", "Type": "A"})
    stand.set(DomainName="new.example.com")
    assert "has a record A of new.example.com already" in stand.refused()


def test_who_knows_better_skips_it(stand: Stand) -> None:
    stand.resolver.records = []
    result = stand.deploy("--dry-run", "--skip-dns")
    assert result.returncode == 0, result.stderr
    assert "Not checked: DNS, by --skip-dns." in result.stderr
    assert stand.resolver.asked == []


def test_without_a_zone_in_route_53_there_is_nothing_to_look_at(stand: Stand) -> None:
    stand.set(HostedZoneId="", CertificateArn="arn:aws:acm:eu-central-1:123456789012:certificate/0")
    assert stand.deploy("--dry-run").returncode == 0
    assert stand.resolver.asked == []


def test_a_resolver_that_is_silent_or_refuses_is_said(stand: Stand) -> None:
    stand.resolver.code = None
    said = stand.refused()
    assert "the resolver does not say what example.com has in DNS (127.0.0.1: timed out)" in said
    assert "--resolver ADDRESS, or deploy with --skip-dns" in said
    assert len(stand.resolver.asked) == 3
    stand.resolver.code = 5
    assert "(127.0.0.1: it answers with the code 5)" in stand.refused()


def test_a_delegation_to_servers_that_do_not_answer_is_refused_with_those_that_do(stand: Stand) -> None:
    """As after a zone was deleted and made again: resolvers answer SERVFAIL."""
    stand.resolver.code = 2
    said = stand.refused()
    assert "example.com is delegated, but not to name servers that answer for it" in said
    assert "at the registrar of example.com" in said and ", ".join(_SERVERS) in said


def test_an_answer_that_does_not_fit_is_asked_for_over_tcp(resolver: Resolver) -> None:
    resolver.records = [("example.com", NS, server) for server in _SERVERS]
    resolver.truncates = True
    found = Client(resolver.address).records("example.com", NS)
    assert found == [Record("example.com", NS, server) for server in _SERVERS]


def test_a_name_that_does_not_exist_has_no_records(resolver: Resolver) -> None:
    resolver.code = 3
    assert Client(resolver.address).records("example.com", CAA) == []


@pytest.mark.parametrize("text", ["dns.example", "1.1.1", "1.1.1.1:0", "1.1.1.1:70000", "::1", "[::1]:x", "[1:2]"])
def test_a_resolver_that_is_not_an_address_is_refused(text: str) -> None:
    with pytest.raises(Failure, match="--resolver"):
        Client(text)


@pytest.mark.parametrize("answer", [
    b"", b"\0", b"\x81\x80", b"\x81\x80\0\1\0\1\0\0\0\0",
    # A name that points to itself, one that goes beyond the end, and a record that does.
    b"\x81\x80\0\0\0\1\0\0\0\0\xc0\x0c", b"\x81\x80\0\0\0\1\0\0\0\0\x3fab",
    b"\x81\x80\0\0\0\1\0\0\0\0\0\x01\x01\0\1\0\0\0\0\0\x09\0",
    # A CAA record without a tag.
    b"\x81\x80\0\0\0\1\0\0\0\0\0\x01\x01\0\1\0\0\0\0\0\0",
])
def test_an_answer_that_is_malformed_is_asked_for_again_and_said(
    resolver: Resolver, monkeypatch: pytest.MonkeyPatch, answer: bytes
) -> None:
    monkeypatch.setattr(resolver, "_answer", lambda request: request[:2] + answer)
    asked = []
    monkeypatch.setattr(deployment.dns, "_over_udp", lambda *given, _ask=deployment.dns._over_udp: (
        asked.append(given), _ask(*given))[1])
    with pytest.raises(Unanswered, match="127.0.0.1: "):
        Client(resolver.address).records("example.com", CAA)
    assert len(asked) == 3


def test_the_next_resolver_is_asked_when_the_first_is_away(resolver: Resolver) -> None:
    resolver.records = [("example.com", NS, server) for server in _SERVERS]
    client = Client(resolver.address)
    # Nobody is there, an interface that does not exist, and one that answers.
    client.servers = [("127.0.0.1", 9), ("fe80::1%none", 53), *client.servers]
    assert len(client.records("example.com", NS)) == 2
    # From then on, it is the first.
    assert client.servers[0] == ("127.0.0.1", resolver.port)


def test_the_resolvers_of_the_machine_are_those_that_are_configured(tmp_path: Path) -> None:
    configuration = tmp_path / "resolv.conf"
    configuration.write_text("# nameserver 9.9.9.9\nsearch example\nnameserver 192.0.2.1\nnameserver 192.0.2.2\n")
    assert Client("", configuration).servers == [("192.0.2.1", 53), ("192.0.2.2", 53)]
    configuration.write_text("nameserver nonsense\nnameserver fe80::1%eth0\n")
    assert Client("", configuration).servers == [("fe80::1%eth0", 53)]
    configuration.write_text("")
    with pytest.raises(Failure, match="names no resolver; name another with --resolver"):
        Client("", configuration)
    assert Client("[2001:db8::1]:5353").servers == [("2001:db8::1", 5353)]
    assert Client("[fe80::1%eth0]").servers == [("fe80::1%eth0", 53)]
