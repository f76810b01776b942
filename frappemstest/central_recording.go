package frappemstest

import (
	_ "embed"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

// centralRecording is how a Frappe v15.44 site answered. The pairs in it are as they were recorded.
//
//go:embed testdata/central/recording.md
var centralRecording string

// centralPair is a recorded request with its answer.
type centralPair struct {
	section string // the number of its section
	title   string
	method  string
	target  string
	header  http.Header
	body    string
	status  int
	answer  http.Header // without Set-Cookie where it was as in the section before
	text    string      // the body of the answer; cut off if it ends with …
}

// id names a pair: titles repeat in different sections.
func (p *centralPair) id() string { return p.section + " " + p.title }

// centralPairs returns the recorded pairs in their order.
var centralPairs = sync.OnceValue(func() []*centralPair {
	pairs, err := parsePairs(centralRecording)
	if err != nil {
		panic(err)
	}
	return pairs
})

// centralPairOf returns the pair of a section with a title.
func centralPairOf(id string) *centralPair {
	for _, p := range centralPairs() {
		if p.id() == id {
			return p
		}
	}
	panic("frappemstest: no recorded pair " + id)
}

var (
	sectionOfRecording = regexp.MustCompile(`(?m)^## (\d+)\. `)
	pairOfRecording    = regexp.MustCompile("(?ms)^\\*\\*([^\n]*)\\*\\*\n\n```http\n(.*?)\n```$")
)

// parsePairs reads the pairs out of the text.
func parsePairs(text string) ([]*centralPair, error) {
	var pairs []*centralPair
	sections := sectionOfRecording.FindAllStringSubmatchIndex(text, -1)
	for i, at := range sections {
		end := len(text)
		if i+1 < len(sections) {
			end = sections[i+1][0]
		}
		for _, found := range pairOfRecording.FindAllStringSubmatch(text[at[0]:end], -1) {
			pair, err := parsePair(found[2])
			if err != nil {
				return nil, fmt.Errorf("section %s, %s: %w", text[at[2]:at[3]], found[1], err)
			}
			pair.section, pair.title = text[at[2]:at[3]], strings.ReplaceAll(found[1], "`", "")
			pairs = append(pairs, pair)
		}
	}
	return pairs, nil
}

// parsePair reads a request and its answer.
func parsePair(text string) (*centralPair, error) {
	request, answer, ok := strings.Cut(text, "\n\n--> ")
	if !ok {
		return nil, fmt.Errorf("no answer in %q", text)
	}
	head, body, _ := strings.Cut(request, "\n\n")
	first, fields, _ := strings.Cut(head, "\n")
	p := &centralPair{body: body, header: parseFields(fields)}
	p.method, p.target, ok = strings.Cut(first, " ")
	if !ok {
		return nil, fmt.Errorf("no request line in %q", text)
	}
	head, p.text, _ = strings.Cut(answer, "\n\n")
	first, fields, _ = strings.Cut(head, "\n")
	var err error
	p.status, err = strconv.Atoi(first)
	p.answer, p.text = parseFields(fields), strings.TrimSuffix(p.text, "\n")
	return p, err
}

func parseFields(text string) http.Header {
	header := http.Header{}
	for line := range strings.Lines(text) {
		if key, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), ": "); ok {
			header.Add(key, value)
		}
	}
	return header
}
