// A peer of TLS that go-spiffe judges for and by: `ask` makes one request of HTTP, `serve` answers each with what it knows
// of its client. Who is let in is go-spiffe's decision alone; nothing here looks at a certificate by itself, but that
// `-ahead` has it judged as of a later time.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
)

var (
	address   = flag.String("address", "", "where to listen, or whom to ask: host:port")
	chain     = flag.String("svid", "", "file with the X.509-SVID")
	key       = flag.String("key", "", "file with its key")
	bundles   = flag.String("bundle", "", "trust-domain=file, several with commas between")
	authorize = flag.String("authorize", "", "the only SPIFFE ID to be accepted")
	useHTTP2  = flag.Bool("http2", false, "ask for HTTP/2 by ALPN")
	ahead     = flag.Duration("ahead", 0, "judge peers as of so much later")
)

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

// As tlsconfig.VerifyPeerCertificate, at a time of our choice.
func judgedLater(trusted x509bundle.Source, authorizer tlsconfig.Authorizer) func([][]byte, [][]*x509.Certificate) error {
	return func(raw [][]byte, _ [][]*x509.Certificate) error {
		id, chains, err := x509svid.ParseAndVerify(raw, trusted, x509svid.WithTime(time.Now().Add(*ahead)))
		if err != nil {
			return err
		}
		return authorizer(id, chains)
	}
}

func nameOf(state *tls.ConnectionState) string {
	return must(x509svid.IDFromCert(state.PeerCertificates[0])).String()
}

func serve(config *tls.Config) {
	listener := must(net.Listen("tcp", *address))
	server := &http.Server{
		TLSConfig: config,
		ErrorLog:  log.New(os.Stdout, "", 0),
		Handler: http.HandlerFunc(func(response http.ResponseWriter, request *http.Request) {
			fmt.Fprintf(response, "%s from %s", request.Proto, nameOf(request.TLS))
		}),
	}
	log.Fatal(server.ServeTLS(listener, "", ""))
}

func ask(config *tls.Config) {
	transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: *useHTTP2}
	client := &http.Client{Transport: transport, Timeout: 10 * time.Second}
	response, err := client.Get("https://" + *address + "/")
	if err != nil {
		fmt.Printf("refused: %v\n", err)
		os.Exit(1)
	}
	body := must(io.ReadAll(response.Body))
	fmt.Printf("%s %d by %s: %s\n", response.Proto, response.StatusCode, nameOf(response.TLS), body)
}

func main() {
	mode := os.Args[1]
	must(0, flag.CommandLine.Parse(os.Args[2:]))
	svid := must(x509svid.Load(*chain, *key))
	trusted := x509bundle.NewSet()
	for _, pair := range strings.Split(*bundles, ",") {
		domain, file, _ := strings.Cut(pair, "=")
		trusted.Add(must(x509bundle.Load(must(spiffeid.TrustDomainFromString(domain)), file)))
	}
	authorizer := tlsconfig.AuthorizeID(must(spiffeid.FromString(*authorize)))
	var config *tls.Config
	if mode == "serve" {
		config = tlsconfig.MTLSServerConfig(svid, trusted, authorizer)
	} else {
		config = tlsconfig.MTLSClientConfig(svid, trusted, authorizer)
	}
	if *ahead > 0 {
		config.VerifyPeerCertificate = judgedLater(trusted, authorizer)
	}
	if mode == "serve" {
		serve(config)
	} else {
		ask(config)
	}
}
