// Command handwritten serves the same requests as the service that is measured, as a careful Go programmer writes them for two
// DocTypes: net/http, database/sql and encoding/json, one tenant, and no more checks than these documents need. It is what the
// service is compared with.
package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"flag"
	"log"
	"net"
	"net/http"
	"slices"
	"strconv"

	_ "github.com/go-sql-driver/mysql"

	"github.com/frappems/frappems/bench/internal/observe"
)

var users = map[string]string{"token manager:managersecret": "manager@example.com"}

var (
	errNotFound = errors.New("not found")
	errInvalid  = errors.New("invalid")
)

type server struct{ orders *orders }

func main() {
	dsn := flag.String("dsn", "", "data source name of go-sql-driver/mysql")
	flag.Parse()
	if err := run(*dsn); err != nil {
		log.Fatal(err)
	}
}

func run(dsn string) error {
	db, err := sql.Open("mysql", dsn)
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(32)
	db.SetMaxIdleConns(32)
	s := &server{newOrders(db)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/method/ping", func(w http.ResponseWriter, r *http.Request) {
		send(w, map[string]string{"message": "pong"}, nil)
	})
	mux.HandleFunc("GET /api/resource/Sales%20Order", s.signedIn(s.list))
	mux.HandleFunc("POST /api/resource/Sales%20Order", s.signedIn(s.create))
	mux.HandleFunc("GET /api/resource/Sales%20Order/{name}", s.signedIn(s.get))
	mux.HandleFunc("PUT /api/resource/Sales%20Order/{name}", s.signedIn(s.update))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	if err := observe.Announce(listener); err != nil {
		return err
	}
	return http.Serve(listener, mux)
}

func (s *server) signedIn(serve func(ctx context.Context, r *http.Request, user string) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		user, ok := users[r.Header.Get("Authorization")]
		if !ok {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		data, err := serve(r.Context(), r, user)
		send(w, struct {
			Data any `json:"data"`
		}{data}, err)
	}
}

func send(w http.ResponseWriter, answer any, err error) {
	w.Header().Set("Content-Type", "application/json")
	switch {
	case errors.Is(err, errNotFound):
		w.WriteHeader(http.StatusNotFound)
	case errors.Is(err, errInvalid):
		w.WriteHeader(http.StatusExpectationFailed)
	case errors.Is(err, context.Canceled), errors.Is(err, sql.ErrTxDone): // nobody waits for the answer any more
		return
	case err != nil:
		log.Print(err)
		w.WriteHeader(http.StatusInternalServerError)
	}
	if err != nil {
		answer = map[string]string{"error": err.Error()}
	}
	json.NewEncoder(w).Encode(answer)
}

// list knows two filters, as [["customer", "=", …], ["Sales Order Item", "item_code", "=", …]].
func (s *server) list(ctx context.Context, r *http.Request, _ string) (any, error) {
	query := r.URL.Query()
	limit, err := strconv.Atoi(query.Get("limit"))
	if err != nil {
		return nil, errInvalid
	}
	text := query.Get("filters")
	if text == "" {
		return s.orders.list(ctx, limit)
	}
	var filters [][]string
	if err := json.Unmarshal([]byte(text), &filters); err != nil || len(filters) != 2 ||
		len(filters[0]) != 3 || filters[0][0] != "customer" || len(filters[1]) != 4 || filters[1][1] != "item_code" {
		return nil, errInvalid
	}
	return s.orders.filtered(ctx, filters[0][2], filters[1][3], limit)
}

func (s *server) get(ctx context.Context, r *http.Request, _ string) (any, error) {
	return s.orders.get(ctx, r.PathValue("name"))
}

func (s *server) create(ctx context.Context, r *http.Request, user string) (any, error) {
	var o order
	if err := json.NewDecoder(r.Body).Decode(&o); err != nil || len(o.Items) == 0 || o.Customer == nil {
		return nil, errInvalid
	}
	err := s.orders.insert(ctx, &o, user)
	return &o, err
}

func (s *server) update(ctx context.Context, r *http.Request, user string) (any, error) {
	var changes struct {
		Status     *string  `json:"status"`
		GrandTotal *float64 `json:"grand_total"`
	}
	if err := json.NewDecoder(r.Body).Decode(&changes); err != nil {
		return nil, errInvalid
	}
	if changes.Status != nil && !slices.Contains(statuses, *changes.Status) {
		return nil, errInvalid
	}
	return s.orders.update(ctx, r.PathValue("name"), user, changes.Status, changes.GrandTotal)
}
