"""Boot Service Discovery Protocol: how a Mac finds a boot image (Apple's BSDP document 1.0.8).

BSDP rides in DHCP. A client asks with DHCPINFORM (or DHCPDISCOVER, while it has no address); class
identifier 60 marks the message and vendor option 43 holds the question in sub-options:

    Mac                                        server
     | INFORM  60=AAPLBSDPC/i386/iMac14,2 43{LIST}    |   what do you offer?
     |----------------------------------------------->|
     |<--------- ACK 60=AAPLBSDPC 43{LIST, images} ---|
     | INFORM  43{SELECT, server, image}              |   I take that one
     |----------------------------------------------->|
     |<- ACK 17=root path file=booter 43{SELECT} -----|   or ACK 43{FAILED}
     | DISCOVER 43{version}                           |   later, from the firmware
     |----------------------------------------------->|
     |<- OFFER 17=root path file=booter 43{image} ----|   only to a machine that has selected

`formats` defines the bytes; `vendor`, `image_id`, `image_list` and `class_id` are the values;
`request`, `server` and `template` answer; `inform`, `answer`, `menu` and `client` ask. Sources are
cited as file and line of Apple's bootp-494.60.3. The BOOTP-only NetBoot 1.0 protocol of old
PowerPC Macs (options 220 and up) is not spoken.
"""
