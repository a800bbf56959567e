"""Makes `netbootd` known to twistd and twist."""

from twisted.application.service import ServiceMaker

netbootd = ServiceMaker(
    "netbootd", "netbootd.tap", "Netboot Macs and PCs: BSDP, DHCP, PXE, TFTP, HTTP.", "netbootd"
)
