"""A DHCP server without its sockets, its clock and its disk (RFC 2131 §4.3).

`plan` says which addresses and options there are to give, `lease` who holds which address,
`conversation` what a message gets for an answer.
"""
