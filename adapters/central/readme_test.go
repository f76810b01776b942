package central_test

import (
	"bytes"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/frappems/frappems"
	"github.com/frappems/frappems/adapters/central"
	"github.com/frappems/frappems/frappemstest"
)

var (
	recipe   = regexp.MustCompile("(?s)```sh\n(.*?)```")
	expected = regexp.MustCompile(`(?m) #=> (.*)$`)
)

// TestRecipes runs the README's recipes as they are written there.
func TestRecipes(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, found := strings.Cut(string(readme), "\n## Recipes\n")
	recipes := recipe.FindAllStringSubmatch(text, -1)
	if !found || len(recipes) != 3 {
		t.Fatalf("got %d recipes, want 3", len(recipes))
	}
	for _, r := range recipes {
		c := newCentral(t)
		config, err := central.ConfigFromEnv(func(name string) string {
			return map[string]string{"CENTRAL_SITE_URL": c.URL, "CENTRAL_TENANT_FIELD": "tenant_id"}[name]
		})
		if err != nil {
			t.Fatal(err)
		}
		auth := central.NewAuthenticator(config)
		app, err := frappems.New(frappems.Config{Store: frappems.NewMemoryStore(), Auth: auth, DocTypes: fstest.MapFS{"note.json": {Data: noteDocType(t)}}})
		if err != nil {
			t.Fatal(err)
		}
		app.Resource("Note")
		app.Public("POST /central/revoke", auth.RevokeHandler(secret))
		if err := app.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		service := httptest.NewServer(app)
		t.Cleanup(service.Close)
		command := exec.CommandContext(t.Context(), "bash", "-eu", "-c", r[1])
		command.Dir = t.TempDir()
		command.Env = append(os.Environ(), "CENTRAL="+c.URL, "SERVICE="+service.URL, "PASSWORD="+frappemstest.CentralPassword, "REVOKE_SECRET="+secret,
			"CLIENT="+frappemstest.CentralClient, "REDIRECT=http://127.0.0.1:9955/callback", "KEY=clerk", "SECRET=clerksecret", "NO_PROXY=*")
		var output, problems bytes.Buffer
		command.Stdout, command.Stderr = &output, &problems
		if err := command.Run(); err != nil {
			t.Errorf("%v: %s\n%s", err, problems.String(), r[1])
		}
		wants, lines := expected.FindAllStringSubmatch(r[1], -1), strings.Split(strings.TrimSpace(output.String()), "\n")
		if len(lines) != len(wants) {
			t.Fatalf("got %d lines, want %d:\n%s", len(lines), len(wants), output.String())
		}
		for i, want := range wants {
			if !strings.Contains(lines[i], want[1]) {
				t.Errorf("line %d: got %s, want %s", i+1, lines[i], want[1])
			}
		}
	}
}

// noteDocType is the DocType of the README in the root.
func noteDocType(t *testing.T) []byte {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile("(?s)```json\n(\\{\"doctype\": \"DocType\".*?)```").FindSubmatch(readme)
	if found == nil {
		t.Fatal("the DocType was not found")
	}
	return found[1]
}
