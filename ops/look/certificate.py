"""How long is a certificate good for? Told earlier and louder as its end comes near."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509

from ops.finding import Finding, Severity
from ops.text import escape

STEPS: Final = (
    (1, Severity.ERROR, "renew it today"),
    (7, Severity.WARNING, "renew it now"),
    (14, Severity.WARNING, "renew it this week"),
    (30, Severity.WARNING, "plan to renew it"),
)
"""Days that are left, and what they mean."""


def about_certificates(
    subject: str,
    name: str,
    certificates: Iterable[x509.Certificate],
    now: datetime,
    *,
    reload: str = "",
) -> Iterator[Finding]:
    """A finding for each certificate of the chain in file `name`; `reload` says how the daemon
    takes a new one: `restart netbootd`."""
    for certificate in certificates:
        yield about_expiry(
            subject,
            f"{name}: {_called(certificate)}",
            certificate.not_valid_before_utc,
            certificate.not_valid_after_utc,
            now,
            reload=reload,
        )


def about_end(
    subject: str, name: str, certificates: Iterable[x509.Certificate], now: datetime
) -> Iterator[Finding]:
    """For a check: what is near its end, or past it. No more than a warning, for a daemon starts
    all the same."""
    for finding in about_certificates(subject, name, certificates, now):
        if finding.severity is not Severity.OK:
            yield replace(finding, severity=Severity.WARNING)


def about_expiry(
    subject: str, what: str, begins: datetime, ends: datetime, now: datetime, *, reload: str = ""
) -> Finding:
    """What to say of `what`, which is good from `begins` to `ends`; all times are aware."""
    after = f", then {reload}" if reload else ""
    day = f"{ends:%Y-%m-%d}"
    if now >= ends:
        text = f"{what} expired on {day}, {_days(now - ends)} ago"
        return Finding(Severity.ERROR, subject, text, f"renew it{after}")
    if now < begins:
        text = f"{what} is good from {begins:%Y-%m-%d %H:%M} UTC on only"
        return Finding(Severity.ERROR, subject, text, "set the clock, or get one that is good now")
    left = ends - now
    for days, severity, remedy in STEPS:
        if left <= timedelta(days=days):
            text = f"{what} expires on {day}, in {_days(left)}"
            return Finding(severity, subject, text, f"{remedy}{after}")
    return Finding(Severity.OK, subject, f"{what} is good until {day}, for {_days(left)}")


def _days(time: timedelta) -> str:
    if time < timedelta(days=1):
        hours = int(time.total_seconds() // 3600)
        return "less than an hour" if not hours else f"{hours} hour{'s' * (hours != 1)}"
    return f"{time.days} day{'s' * (time.days != 1)}"


def _called(certificate: x509.Certificate) -> str:
    names = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    text = str(names[0].value) if names else certificate.subject.rfc4514_string()
    return escape(text or f"serial number {certificate.serial_number:x}", 80)
