// Command careless shows what not to do: it tries everything again at once, whatever failed.
// `qwenmock run --scenarios` shows what that costs.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strings"
)

const (
	endpoint = "https://llm.ai-nebula.com/v1/images/generations"
	body     = `{"model": "qwen-image-plus", "prompt": "a harbour", "parameters": {"size": "1328*1328"}}`
	tries    = 4
)

func draw(target string) error {
	request, err := http.NewRequest(http.MethodPost, endpoint, strings.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer sk-of-mine")
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	var content struct {
		Data struct{ Data []struct{ URL string } }
	}
	// An answer that cannot be read was charged all the same.
	if err := json.NewDecoder(response.Body).Decode(&content); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", response.StatusCode)
	}
	picture, err := http.Get(content.Data.Data[0].URL)
	if err != nil {
		return err
	}
	defer picture.Body.Close()
	// And so was a picture that cannot be opened.
	if picture.StatusCode != http.StatusOK {
		return fmt.Errorf("the picture cannot be opened: %s", picture.Status)
	}
	data, err := io.ReadAll(picture.Body)
	if err != nil {
		return err
	}
	return os.WriteFile(target, data, 0o600)
}

func main() {
	target := "drawn.png"
	if len(os.Args) > 1 {
		target = os.Args[1]
	}
	for turn := 1; ; turn++ {
		err := draw(target)
		if err == nil {
			return
		}
		// Retry-After is not read, and a charged request is sent once more.
		if turn == tries {
			log.Fatal(err)
		}
	}
}
