// Go's net/http in the push bench: its HTTP/2 client as it is, one connection, a goroutine for each
// stream. Prints the seconds.
//
//	push_client FOLDER PORT STREAMS PUSHES
package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	folder, port := os.Args[1], os.Args[2]
	streams, _ := strconv.Atoi(os.Args[3])
	pushes, _ := strconv.ParseInt(os.Args[4], 10, 64)
	authority, err := os.ReadFile(folder + "/authority.pem")
	must(err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority)
	certificate, err := tls.LoadX509KeyPair(folder+"/client.pem", folder+"/client.key")
	must(err)
	client := &http.Client{Transport: &http.Transport{
		ForceAttemptHTTP2: true,
		MaxConnsPerHost:   1,
		TLSClientConfig:   &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{certificate}},
	}}
	payload := []byte(`{"aps":{"alert":"` + strings.Repeat("x", 179) + `"}}`)

	send := func(number int64) {
		url := fmt.Sprintf("https://localhost:%s/3/device/%064x", port, number)
		request, err := http.NewRequest("POST", url, bytes.NewReader(payload))
		must(err)
		request.Header.Set("apns-topic", "com.example.app")
		request.Header.Set("apns-push-type", "alert")
		request.Header.Set("apns-priority", "10")
		request.Header.Set("apns-expiration", "1900000000")
		request.Header.Set("apns-id", fmt.Sprintf("eabeae54-14a8-11e5-b60b-%012x", number))
		response, err := client.Do(request)
		must(err)
		io.Copy(io.Discard, response.Body)
		response.Body.Close()
		if response.StatusCode != 200 || response.ProtoMajor != 2 || response.Header.Get("apns-id") == "" {
			must(fmt.Errorf("%s %s", response.Proto, response.Status))
		}
	}

	send(0) // the connection, and the server's SETTINGS
	var next int64
	var workers sync.WaitGroup
	began := time.Now()
	for worker := 0; worker < streams; worker++ {
		workers.Add(1)
		go func() {
			defer workers.Done()
			for number := atomic.AddInt64(&next, 1); number <= pushes; number = atomic.AddInt64(&next, 1) {
				send(number)
			}
		}()
	}
	workers.Wait()
	fmt.Println(time.Since(began).Seconds())
}
