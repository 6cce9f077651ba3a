// qwenmock run -- go test ./...
package main

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func control(t *testing.T, method, path, body string) string {
	t.Helper()
	request, err := http.NewRequest(method, os.Getenv("QWENMOCK_URL")+"/__mock__/"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var text bytes.Buffer
	if _, err := text.ReadFrom(response.Body); err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != http.StatusOK {
		t.Fatal(text.String())
	}
	return text.String()
}

func TestStoresThePicture(t *testing.T) {
	control(t, "POST", "reset", "")
	target := filepath.Join(t.TempDir(), "drawn.png")
	if err := Draw("a harbour", target); err != nil {
		t.Fatal(err)
	}
	if stored, _ := os.ReadFile(target); !bytes.HasPrefix(stored, []byte("\x89PNG")) {
		t.Fatal("no picture was stored")
	}
	if ledger := control(t, "GET", "ledger", ""); !strings.Contains(ledger, `"amount":"0.18"`) {
		t.Fatal(ledger)
	}
}

func TestWaitsWhenThereWereTooManyRequests(t *testing.T) {
	control(t, "POST", "reset", "")
	control(t, "PUT", "faults", `[{"status": 429, "times": 1}]`)
	if err := Draw("a harbour", filepath.Join(t.TempDir(), "drawn.png")); err != nil {
		t.Fatal(err)
	}
	if verdict := control(t, "GET", "verdict", ""); !strings.Contains(verdict, `"ok":true`) {
		t.Fatal(verdict)
	}
}
