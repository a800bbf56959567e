"""The DHCP server: subnets, leases on disk before their ACK, and the packets in between."""
