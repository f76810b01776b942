// Ask sends one HTTP request and prints status and body of the answer on one line, for scripts on machines without curl.
//
//	ask METHOD URL [TOKEN [BODY]]
//
// TOKEN is an Authorization header, BODY is JSON; empty ones are left out.
package main

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

func main() {
	if len(os.Args) < 3 || len(os.Args) > 5 {
		fmt.Fprintln(os.Stderr, "usage: ask METHOD URL [TOKEN [BODY]]")
		os.Exit(2)
	}
	args := append(os.Args[1:], "", "")
	answer, err := ask(args[0], args[1], args[2], args[3])
	if err != nil {
		fmt.Fprintln(os.Stderr, "ask:", err)
		os.Exit(1)
	}
	fmt.Println(answer)
}

func ask(method, target, token, body string) (string, error) {
	target, query, _ := strings.Cut(target, "?")
	u, err := url.Parse(strings.ReplaceAll(target, " ", "%20"))
	if err != nil {
		return "", err
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return "", err
	}
	u.RawQuery = values.Encode()
	req, err := http.NewRequest(method, u.String(), strings.NewReader(body))
	if err != nil {
		return "", err
	}
	if token != "" {
		req.Header.Set("Authorization", token)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	client := http.Client{Timeout: 10 * time.Second}
	res, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	return fmt.Sprintf("%d %s", res.StatusCode, data), err
}
