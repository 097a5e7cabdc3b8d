// The health service of grpc-go behind grpc-go's own server: what it says of "tea.Pot" is SERVING, NOT_SERVING after SIGUSR1,
// and SERVING again after SIGUSR2. Each answer says by `x-server` who gave it. With -key it wants clients of its CA only.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"flag"
	"log"
	"net"
	"os"
	"os/signal"
	"syscall"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
)

const service = "tea.Pot"

var (
	address = flag.String("address", "", "where to listen: host:port")
	name    = flag.String("name", "", "what x-server says")
	chain   = flag.String("cert", "", "file with our certificate")
	key     = flag.String("key", "", "file with its key; without it there is no TLS")
	ca      = flag.String("ca", "", "file with the CA of clients")
)

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func named(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	if err := grpc.SetHeader(ctx, metadata.Pairs("x-server", *name)); err != nil {
		return nil, err
	}
	return handler(ctx, req)
}

func main() {
	flag.Parse()
	options := []grpc.ServerOption{grpc.UnaryInterceptor(named)}
	if *key != "" {
		clients := x509.NewCertPool()
		if !clients.AppendCertsFromPEM(must(os.ReadFile(*ca))) {
			log.Fatal("no CA in ", *ca)
		}
		options = append(options, grpc.Creds(credentials.NewTLS(&tls.Config{
			Certificates: []tls.Certificate{must(tls.LoadX509KeyPair(*chain, *key))},
			ClientAuth:   tls.RequireAndVerifyClientCert,
			ClientCAs:    clients,
		})))
	}
	said := health.NewServer()
	server := grpc.NewServer(options...)
	grpc_health_v1.RegisterHealthServer(server, said)
	said.SetServingStatus(service, grpc_health_v1.HealthCheckResponse_SERVING)

	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR1, syscall.SIGUSR2)
	go func() {
		for sign := range signals {
			if sign == syscall.SIGUSR1 {
				said.SetServingStatus(service, grpc_health_v1.HealthCheckResponse_NOT_SERVING)
			} else {
				said.SetServingStatus(service, grpc_health_v1.HealthCheckResponse_SERVING)
			}
		}
	}()
	log.Fatal(server.Serve(must(net.Listen("tcp", *address))))
}
