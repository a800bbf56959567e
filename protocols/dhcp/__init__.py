"""DHCP and BOOTP (RFC 2131, RFC 2132): messages, options, and where a reply must go.

`codec` turns bytes into a `message.DhcpMessage` and back, `registry` gives the options their types,
`route` decides the address of a reply, `formats` holds the normative construct definitions.
"""
