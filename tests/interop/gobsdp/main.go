// LIST and SELECT by the BSDP client of github.com/insomniacslk/dhcp, on the interface named.
// Prints the conversation; the exit status is 1 when the library did not like it.
package main

import (
	"fmt"
	"os"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4/bsdp"
)

func main() {
	client := bsdp.NewClient()
	client.ReadTimeout = 5 * time.Second
	conversation, err := client.Exchange(os.Args[1])
	for _, packet := range conversation {
		fmt.Println(packet.Summary())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
