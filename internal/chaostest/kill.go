package chaostest

import (
	"bufio"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// KillService starts the test binary as a process of a service, with a variable in its environment that has it call [Serve], and
// kills it at random moments, again and again. After each time another one takes over.
func KillService(t *testing.T, variable string, secrets ...string) {
	t.Helper()
	child, url := startProcess(t, variable)
	c := Start(t, url, true, secrets...)
	for range 4 {
		c.Await(1 + rand.IntN(12))
		if err := child.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		child.Wait() // the error is that it was killed
		child, url = startProcess(t, variable)
		c.Move(url)
	}
	c.Await(5)
	c.AwaitCalm(5)
	good, refused := c.Finish()
	t.Logf("%d requests were answered, %d refused or cut off", good, refused)
	if refused < clientCount {
		t.Errorf("%d requests were refused or cut off, want %d at least", refused, clientCount)
	}
}

// startProcess starts a service and returns its URL.
func startProcess(t *testing.T, variable string) (*exec.Cmd, string) {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), variable)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		child.Process.Kill()
		child.Wait()
	})
	url, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		child.Process.Kill()
		t.Fatalf("the service did not start: %v", err)
	}
	return child, strings.TrimSpace(url)
}
