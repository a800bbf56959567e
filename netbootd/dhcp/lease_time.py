"""For how long addresses are leased, as the settings of `[dhcp]` and of one subnet have it."""

from __future__ import annotations

from netbootd.dhcp.settings import ClassSettings, DhcpSettings, SubnetSettings
from ops.config import Invalid
from ops.setting import Duration
from protocols.dhcp.server.plan import LeaseTimes


def lease_times(settings: DhcpSettings, subnet: SubnetSettings, path: str) -> LeaseTimes:
    """What the subnet at `path` says, else what [dhcp] says. Raises Invalid."""

    def found(key: str) -> tuple[str, Duration | None]:
        own = getattr(subnet, key)
        return (f"{path}.{key}", own) if own is not None else (key, getattr(settings, key))

    lease_key, default = found("lease_time")
    assert default is not None  # noqa: S101 - [dhcp] always has one
    minimum_key, minimum = found("min_lease_time")
    if minimum is not None and minimum > default:
        problem = f"{minimum} is more than `{lease_key}`, {default}"
        raise Invalid(minimum_key, problem, "give no more than that")
    maximum_key, maximum = found("max_lease_time")
    if maximum is not None and maximum < default:
        problem = f"{maximum} is less than `{lease_key}`, {default}"
        raise Invalid(maximum_key, problem, "give no less than that")
    renewal_key, renewal = found("renewal")
    rebinding_key, rebinding = found("rebinding")
    latest = Duration(default * 7 // 8) if rebinding is None else rebinding
    earliest = Duration(default // 2) if renewal is None else renewal
    if rebinding is not None and rebinding > default:
        problem = f"{rebinding} is more than `{lease_key}`, {default}"
        raise Invalid(rebinding_key, problem, "give a time before the lease ends")
    if earliest > latest:
        key = rebinding_key if renewal is None else renewal_key
        problem = f"renewal after {earliest} is later than rebinding after {latest}"
        raise Invalid(key, problem, "a machine asks us first, then everybody")
    return LeaseTimes(
        default=int(default),
        minimum=int(default if minimum is None else minimum),
        maximum=int(default if maximum is None else maximum),
        renewal=None if renewal is None else int(renewal),
        rebinding=None if rebinding is None else int(rebinding),
    )


def class_lease_times(each: ClassSettings) -> LeaseTimes | None:
    """What the class says, if it says something."""
    if each.lease_time is None:
        return None
    seconds = int(each.lease_time)
    return LeaseTimes(default=seconds, minimum=seconds, maximum=seconds)
