"""What netbootd tells Prometheus beside its counters: gauges, and counters that belong together.

Imported only where `[metrics]` is enabled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from cryptography import x509

from images.paths import Role
from netbootd.boot import Boot, BootOutcome
from netbootd.config import Config
from netbootd.dhcp.pool_use import PoolUse
from netbootd.event import (
    BootMenuOffered,
    BootOffered,
    BootUnanswered,
    EntrySelected,
    Event,
    ImageOffered,
    ImageSelected,
    ImagesListed,
    RequestUnanswered,
    SelectionFailed,
    TransferFinished,
)
from netbootd.transfer import Outcome
from netbootd.world import World
from ops.counter import Counters
from ops.metrics_service import MetricsService
from protocols.bsdp.outcome import ReplyKind

if TYPE_CHECKING:
    from netbootd.dhcp.service import DhcpService
    from netbootd.service import BootService

STAGES: Final[Mapping[type[Event], str]] = {
    ImagesListed: "list",
    ImageSelected: "select",
    SelectionFailed: "select_failed",
    ImageOffered: "offer",
    BootOffered: "offer",
    BootMenuOffered: "menu",
    EntrySelected: "choice",
    RequestUnanswered: "unanswered",
    BootUnanswered: "unanswered",
}
"""What a machine was told; the others are the files that it has read, by their role."""


def metrics(service: BootService, config: Config, world: World) -> MetricsService:
    """The service that serves the metrics of `service`; they are declared now."""
    counters = service.counters
    _declare(service, config, world)
    _group(counters)
    service.timeline.listen(_stages(counters))
    service.history.watch(_boots(counters))
    return MetricsService(world.reactor, config.metrics, counters=counters, daemon="netbootd")


def _declare(service: BootService, config: Config, world: World) -> None:
    gauge = service.counters.gauge
    gauge("netbootd_images", "Images served.", lambda: len(service.booter.snapshot.bundles))
    gauge(
        "netbootd_boot_entries",
        "Boot entries for PCs served.",
        lambda: len(service.booter.snapshot.entries),
    )
    gauge(
        "netbootd_bound_machines",
        "Machines that have selected an image.",
        lambda: service.bindings.count,
    )
    gauge(
        "netbootd_store_waiting_writes",
        "Writes that are not on disk yet.",
        lambda: service.store.waiting,
    )
    if (tftp := service.tftp) is not None:
        gauge("netbootd_tftp_active_transfers", "TFTP transfers under way.", lambda: tftp.under_way)
    webs = [web for web in (service.http, service.https) if web is not None]
    if webs:
        gauge(
            "netbootd_http_open_connections",
            "Connections of HTTP and HTTPS that are open.",
            lambda: sum(web.connections for web in webs),
        )
    if service.dhcp is not None:
        _declare_leases(service.counters, service.dhcp, world.unix, world.reactor)
    https = config.https
    if https.enabled and https.certificate is not None:
        certificate = x509.load_pem_x509_certificates(https.certificate.read_bytes())[0]
        end = certificate.not_valid_after_utc.timestamp()
        gauge(
            "netbootd_https_certificate_expiry_timestamp_seconds",
            "End of the certificate of [https], in seconds since 1970.",
            lambda: end,
        )


def _declare_leases(
    counters: Counters, dhcp: DhcpService, unix: Callable[[], float], reactor: Any
) -> None:
    use = PoolUse(
        dhcp.leases.table,
        plan=lambda: dhcp.responder.plan,
        unix=unix,
        call_later=reactor.callLater,
    )
    counters.gauge(
        "netbootd_dhcp_pool_addresses",
        "Addresses in the pools of a subnet.",
        use.sizes,
        label="subnet",
    )
    counters.gauge(
        "netbootd_dhcp_used_pool_addresses",
        "Of these, addresses that are leased, offered, or in use by a stranger.",
        use.used,
        label="subnet",
    )


def _group(counters: Counters) -> None:
    group = counters.group
    group(
        "netbootd_bsdp_replies_total",
        "BSDP answers sent.",
        "type",
        {
            kind.name.lower(): f"netbootd_bsdp_{kind.name.lower()}_replies_total"
            for kind in ReplyKind
        },
    )
    group(
        "netbootd_dhcp_replies_total",
        "DHCP answers sent.",
        "type",
        {
            "offer": "netbootd_dhcp_offers_total",
            "ack": "netbootd_dhcp_acknowledgements_total",
            "ack_inform": "netbootd_dhcp_informs_total",
            "nak": "netbootd_dhcp_refusals_total",
        },
    )
    group(
        "netbootd_pxe_replies_total",
        "proxyDHCP and boot server answers sent.",
        "type",
        {
            "offer": "netbootd_pxe_offer_replies_total",
            "ack": "netbootd_pxe_ack_replies_total",
        },
    )
    group(
        "netbootd_tftp_transfers_total",
        "TFTP transfers that ended.",
        "outcome",
        {outcome.value: f"netbootd_tftp_transfers_{outcome.value}_total" for outcome in Outcome},
    )
    group(
        "netbootd_tftp_unserved_requests_total",
        "TFTP requests that began no transfer.",
        "reason",
        {
            reason: f"netbootd_tftp_requests_{reason}_total"
            for reason in ("limited", "busy", "duplicate", "missing", "refused")
        },
    )


def _stages(counters: Counters) -> Callable[[Event], None]:
    """A timeline listener that counts how far machines get."""
    names = dict.fromkeys([*STAGES.values(), *(role.value for role in Role)])
    stages = counters.family(
        "netbootd_boot_stages_total",
        "Steps of boots: what machines were told, and files that they have read whole.",
        "stage",
        names,
    )

    def heard(event: Event) -> None:
        name = STAGES.get(type(event))
        if isinstance(event, TransferFinished) and event.outcome is Outcome.COMPLETE:
            name = event.role
        if name is not None:
            stages[name].value += 1

    return heard


def _boots(counters: Counters) -> Callable[[Boot], None]:
    """A watcher of the history that counts boots that are over."""
    over = counters.family(
        "netbootd_boots_total",
        "Boots that are over, by how they went as far as a server can tell.",
        "outcome",
        [one.value for one in BootOutcome if one is not BootOutcome.BOOTING],
    )

    def changed(boot: Boot) -> None:
        if boot.outcome is not BootOutcome.BOOTING:
            over[boot.outcome.value].value += 1

    return changed
