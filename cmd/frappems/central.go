package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/frappems/frappems"
)

// centralConfig reads from the environment where the Central Site is, and as whom the service asks it.
func centralConfig(getenv func(string) string) (frappems.CentralConfig, error) {
	c := frappems.CentralConfig{URL: getenv("CENTRAL_SITE_URL"), Site: getenv("CENTRAL_SITE_NAME"),
		APIKey: getenv("CENTRAL_API_KEY"), APISecret: getenv("CENTRAL_API_SECRET")}
	text := getenv("CENTRAL_SITE_TIMEOUT")
	if text == "" {
		return c, nil
	}
	if strings.Trim(text, "0123456789.") == "" {
		text += "s"
	}
	var err error
	if c.Timeout, err = time.ParseDuration(text); err != nil || c.Timeout <= 0 {
		return c, fmt.Errorf("CENTRAL_SITE_TIMEOUT %s: want seconds, such as 10", getenv("CENTRAL_SITE_TIMEOUT"))
	}
	return c, nil
}
