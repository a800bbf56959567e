"""What else is there: other DHCP servers, firewalls, programs that have our ports."""
