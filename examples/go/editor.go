// Command editor makes a picture with Nebula and stores it: qwenmock run -- go run . [prompt] [target]
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"
)

const (
	endpoint = "https://llm.ai-nebula.com/v1/images/generations"
	tries    = 4
)

type answer struct {
	Msg  string
	Data struct {
		Data []struct{ URL string }
	}
}

// Draw makes a picture of a prompt and stores it in the file target.
func Draw(prompt, target string) error {
	body, err := json.Marshal(map[string]any{
		"model":      "qwen-image-plus",
		"prompt":     prompt,
		"parameters": map[string]any{"size": "1328*1328"},
	})
	if err != nil {
		return err
	}
	response, err := post(body)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	// From here on the request may have been charged: what fails now is not sent again.
	var content answer
	if err := json.NewDecoder(response.Body).Decode(&content); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s", content.Msg)
	}
	return store(content.Data.Data[0].URL, target)
}

func post(body []byte) (*http.Response, error) {
	for turn := 1; ; turn++ {
		request, err := http.NewRequest(http.MethodPost, endpoint, bytes.NewReader(body))
		if err != nil {
			return nil, err
		}
		request.Header.Set("Authorization", "Bearer "+os.Getenv("NEBULA_KEY"))
		request.Header.Set("Content-Type", "application/json")
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return nil, err
		}
		isTransient := response.StatusCode == http.StatusTooManyRequests || response.StatusCode == http.StatusInternalServerError
		if !isTransient || turn == tries {
			return response, nil
		}
		response.Body.Close()
		time.Sleep(pause(response, turn))
	}
}

func pause(response *http.Response, turn int) time.Duration {
	if seconds, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil {
		return time.Duration(seconds) * time.Second
	}
	return time.Duration(turn) * 250 * time.Millisecond
}

func store(url, target string) error {
	response, err := http.Get(url)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the picture cannot be opened: %s", response.Status)
	}
	file, err := os.Create(target)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = io.Copy(file, response.Body)
	return err
}

func main() {
	prompt, target := "A harbour at night", "drawn.png"
	if len(os.Args) > 1 {
		prompt = os.Args[1]
	}
	if len(os.Args) > 2 {
		target = os.Args[2]
	}
	if err := Draw(prompt, target); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("stored", target)
}
