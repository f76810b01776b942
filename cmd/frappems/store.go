package main

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/frappems/frappems"
	"github.com/frappems/frappems/adapters/mariadb"
	"github.com/frappems/frappems/adapters/sqlite"
)

const keyVariable = "FRAPPEMS_ENCRYPTION_KEY"

// openStore opens the store of a URL, and finds the key for the passwords in it.
func openStore(storeURL string, getenv func(string) string) (frappems.Store, []byte, error) {
	key, err := keyFrom(getenv(keyVariable))
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", keyVariable, err)
	}
	scheme, path, _ := strings.Cut(storeURL, ":")
	switch scheme {
	case "memory":
		if path != "" {
			return nil, nil, usageError("--store memory: takes nothing after the colon")
		}
		if key == nil {
			key = newKey() // it lives as long as what it encrypts
		}
		return frappems.NewMemoryStore(), key, nil
	case "sqlite":
		if path == "" || path[0] == ':' {
			return nil, nil, usageError("--store sqlite:PATH needs the path of a file; without a file there is memory:")
		}
		store, err := sqlite.Open(path)
		if err != nil {
			return nil, nil, err
		}
		if key == nil {
			key, err = keyFile(path + ".key")
		}
		if err != nil {
			return nil, nil, errors.Join(err, store.Close())
		}
		return store, key, nil
	case "mysql", "mariadb":
		store, err := mariadb.Open(storeURL)
		if err != nil {
			return nil, nil, usageError(strings.Replace(err.Error(), "mariadb: ", "--store: ", 1))
		}
		return store, key, nil
	}
	return nil, nil, usageError(fmt.Sprintf("--store: want %s", stores)) // without what was given: a password may be in it
}

// stores are the kinds of --store.
const stores = "sqlite:PATH, mysql://USER:PASSWORD@HOST/DATABASE or memory:"

// hasPasswords says whether documents keep passwords, which are encrypted with a key that has to stay.
func hasPasswords(types []*frappems.DocType) bool {
	return slices.ContainsFunc(types, func(m *frappems.DocType) bool {
		return slices.ContainsFunc(m.Fields, func(f frappems.Field) bool { return f.Fieldtype == "Password" })
	})
}

func newKey() []byte {
	key := make([]byte, 32)
	rand.Read(key) // never fails
	return key
}

// keyFrom decodes a key; "" is none.
func keyFrom(text string) ([]byte, error) {
	if text == "" {
		return nil, nil
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil || len(key) != 32 {
		return nil, errors.New("want 32 bytes in base64, as of: openssl rand -base64 32")
	}
	return key, nil
}

// keyFile reads the key beside a database, and makes it the first time. Only its owner may read it.
func keyFile(path string) ([]byte, error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("the encryption key: %w", err)
		}
		key, err := keyFrom(string(text))
		if err == nil && key == nil {
			err = errors.New("the file is empty")
		}
		if err != nil {
			return nil, fmt.Errorf("the encryption key in %s: %w", path, err)
		}
		return key, nil
	}
	if err != nil {
		return nil, fmt.Errorf("the encryption key: %w", err)
	}
	key := newKey()
	_, err = fmt.Fprintln(file, base64.StdEncoding.EncodeToString(key))
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return nil, fmt.Errorf("the encryption key: %w", err)
	}
	return key, nil
}
