"""DHCP and BOOTP (RFC 2131, RFC 2132): messages, options, and where a reply must go.

`codec` turns bytes into a `message.DhcpMessage` and back, `registry` names the options and gives
them types, `reply` derives a reply from its request, `route` decides where it goes. `formats` holds
the normative construct definitions of it all.
"""
