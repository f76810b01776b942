package main

import (
	"fmt"
	"strings"

	"github.com/frappems/frappems"
	"github.com/frappems/frappems/adapters/central"
)

const (
	centralVariable = "CENTRAL_SITE_URL"
	webhookVariable = "CENTRAL_WEBHOOK_SECRET"
	revokeVariable  = "CENTRAL_REVOKE_SECRET"
	minSecret       = 16
)

// signIn is who may call: the users of a file, of a Central Site, or both.
type signIn struct {
	auth            frappems.Authenticator
	tenant          string                 // of the service; empty: each user's own
	central         *central.Authenticator // nil: no Central Site
	webhook, revoke string                 // secrets of the endpoints; empty: there is none
}

// signIn reads users and asks the environment about Central. The users of the example, whose keys everybody knows, stay out
// where there is a Central.
func (o *options) signIn(e *env) (*signIn, error) {
	s := &signIn{}
	if o.central != "" {
		c, err := central.ConfigFromEnv(o.getenv(e))
		if err != nil {
			return nil, usageError("--central: " + err.Error())
		}
		s.central = central.NewAuthenticator(c)
		s.auth = s.central
		s.webhook, s.revoke = e.getenv(webhookVariable), e.getenv(revokeVariable)
		for name, secret := range map[string]string{webhookVariable: s.webhook, revokeVariable: s.revoke} {
			if secret != "" && len(secret) < minSecret {
				return nil, usageError(fmt.Sprintf("%s has %d bytes, want at least %d", name, len(secret), minSecret))
			}
		}
		if o.users == "" {
			return s, nil
		}
	}
	users, err := o.readUsers()
	if err != nil {
		return nil, err
	}
	tokens, err := frappems.NewTokens(strings.NewReader(string(users)))
	if err != nil {
		return nil, fmt.Errorf("--users %s: %s", o.users, strings.TrimPrefix(err.Error(), "frappems: users: "))
	}
	if s.central != nil {
		s.auth = frappems.Chain(tokens, s.central)
		return s, nil
	}
	s.auth = tokens
	if !namesTenants(users) {
		s.tenant = "default"
	}
	return s, nil
}

// register adds the endpoints by which Central or somebody else says that something has changed.
func (s *signIn) register(app *frappems.App) {
	if s.webhook != "" {
		app.Public("POST /central/webhook", s.central.WebhookHandler(s.webhook))
	}
	if s.revoke != "" {
		app.Public("POST /central/revoke", s.central.RevokeHandler(s.revoke))
	}
}
