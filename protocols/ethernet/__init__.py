"""Frames that no UDP socket sends or reads: to hosts without an address, ARP, ICMP echo."""
